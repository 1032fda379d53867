"""Small datasets as files of all kinds have them."""

from collections.abc import Callable

import cftime
import numpy as np
import pyproj
import xarray as xr

ROTATED_POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
    "earth_radius": 6371229.0,
}


def hours(size: int = 5) -> xr.Variable:
    start = np.datetime64("2020-01-01T00", "ns")
    stamps = start + np.arange(size) * np.timedelta64(1, "h")
    return xr.Variable("time", stamps, {"standard_name": "time", "axis": "T"})


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype("f4")


def geographic(
    lat: np.ndarray, lon: np.ndarray, y: str = "latitude", x: str = "longitude"
) -> xr.Dataset:
    return xr.Dataset(
        {"t": (("time", y, x), values(5, lat.size, lon.size), {"units": "K"})},
        coords={
            "time": hours(),
            y: (y, lat, {"units": "degrees_north", "standard_name": "latitude"}),
            x: (x, lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )


def ascending() -> xr.Dataset:
    return geographic(np.arange(40, 50, 2.5), np.arange(0, 360, 45.0))


def descending() -> xr.Dataset:
    return geographic(np.arange(50, 40, -2.5, dtype="f4"), np.arange(-180, 180, 45, dtype="f4"))


def short_names() -> xr.Dataset:
    return geographic(np.arange(3.0), np.arange(4.0), "lat", "lon")


def no_attributes() -> xr.Dataset:
    ds = geographic(np.arange(3.0), np.arange(4.0), "lat", "lon")
    for name in ds.coords:
        ds[name].attrs = {}
    return ds


def last_dimension_is_time() -> xr.Dataset:
    return ascending().transpose("longitude", "latitude", "time")


def bounds_and_mapping() -> xr.Dataset:
    ds = geographic(np.array([10.0, 20, 40]), np.array([350.0, 0, 10]), "lat", "lon")
    edges = np.array([[5.0, 15], [15, 30], [30, 50]])
    ds["lat_bnds"] = (("lat", "bnds"), edges)
    ds["crs"] = ((), np.int32(0), pyproj.CRS("EPSG:4326").to_cf())
    ds.lat.attrs["bounds"] = "lat_bnds"
    ds.t.attrs["grid_mapping"] = "crs"
    return ds


def rotated(with_mapping: bool = True, with_cells: bool = True) -> xr.Dataset:
    rlat, rlon = np.linspace(-2, 2, 4), np.linspace(-3, 3, 6)
    ds = xr.Dataset(
        {"tas": (("time", "rlat", "rlon"), values(5, 4, 6))},
        coords={
            "time": hours(),
            "rlat": ("rlat", rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
            "rlon": ("rlon", rlon, {"standard_name": "grid_longitude", "units": "degrees"}),
        },
    )
    if with_cells:
        lat, lon = np.meshgrid(50 + rlat, 10 + rlon, indexing="ij")
        ds.coords["lat"] = (("rlat", "rlon"), lat, {"units": "degrees_north"})
        ds.coords["lon"] = (("rlat", "rlon"), lon, {"units": "degrees_east"})
    if with_mapping:
        ds["rotated_pole"] = ((), np.int32(0), ROTATED_POLE)
        ds.tas.attrs["grid_mapping"] = "rotated_pole"
    return ds


def projected() -> xr.Dataset:
    x = np.arange(400_000, 404_000, 1000.0)
    y = np.arange(305_000, 300_000, -1000.0)
    ds = xr.Dataset(
        {"rain": (("time", "y", "x"), values(5, 5, 4), {"grid_mapping": "spatial_ref"})},
        coords={
            "time": hours(),
            "y": ("y", y, {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", x, {"units": "m", "standard_name": "projection_x_coordinate"}),
        },
    )
    # as rioxarray leaves it: a text and nothing of CF
    ds.coords["spatial_ref"] = ((), 0, {"spatial_ref": pyproj.CRS("EPSG:27700").to_wkt()})
    return ds


def curvilinear() -> xr.Dataset:
    lat, lon = np.meshgrid(np.linspace(60, 70, 4), np.linspace(350, 372, 5) % 360, indexing="ij")
    corners = np.stack([lat - 1, lat - 1, lat + 1, lat + 1], axis=-1)
    return xr.Dataset(
        {"sst": (("time", "j", "i"), values(5, 4, 5))},
        coords={
            "time": hours(),
            "nav_lat": (("j", "i"), lat + 0.1 * lon / 360, {"bounds": "nav_lat_bnds"}),
            "nav_lon": (("j", "i"), lon),
            "nav_lat_bnds": (("j", "i", "nvertex"), corners),
        },
    )


def wrf() -> xr.Dataset:
    lat, lon = np.meshgrid(np.linspace(30, 33, 4), np.linspace(-100, -96, 5), indexing="ij")
    dims = ("Time", "south_north", "west_east")
    return xr.Dataset(
        {
            "T2": (dims, values(5, 4, 5), {"units": "K", "coordinates": "XLONG XLAT XTIME"}),
            "XLAT": (dims, np.repeat(lat[None], 5, 0).astype("f4"), {"units": "degree_north"}),
            "XLONG": (dims, np.repeat(lon[None], 5, 0).astype("f4"), {"units": "degree_east"}),
        },
        coords={"XTIME": ("Time", hours().values)},
    )


def bare() -> xr.Dataset:
    return xr.Dataset(
        {"channel_0": (("time", "y", "x"), values(5, 4, 3))}, coords={"time": hours()}
    )


def bare_with_indices() -> xr.Dataset:
    return bare().assign_coords(y=np.arange(4), x=np.arange(3))


def noleap() -> xr.Dataset:
    stamps = [cftime.DatetimeNoLeap(2000 + n // 12, n % 12 + 1, 15) for n in range(5)]
    return ascending().assign_coords(time=("time", stamps, {"standard_name": "time"}))


ALL: dict[str, Callable[[], xr.Dataset]] = {
    item.__name__: item
    for item in (
        ascending,
        descending,
        short_names,
        no_attributes,
        last_dimension_is_time,
        bounds_and_mapping,
        rotated,
        projected,
        curvilinear,
        wrf,
        bare,
        bare_with_indices,
        noleap,
    )
}
KINDS = {
    "rotated": "projected",
    "projected": "projected",
    "curvilinear": "curvilinear",
    "wrf": "curvilinear",
    "bare": "bare",
    "bare_with_indices": "bare",
}
