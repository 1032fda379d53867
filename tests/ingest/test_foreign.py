"""Files as archives write them: one ingest of all of them, and an append of one after another."""

from collections.abc import Callable
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import DataOptions
from stforecast.store import TensorStore, check_manifest, open_store

LAT, LON = np.linspace(60, 40, 5).astype("f4"), np.linspace(0, 30, 6).astype("f4")
SHAPE = (LAT.size, LON.size)


def values(number: int, times: int) -> np.ndarray:
    return np.random.default_rng(number).normal(280, 10, (times, *SHAPE)).astype("f4")


def places(file: netCDF4.Dataset) -> None:
    for name, coord, units in (("lat", LAT, "degrees_north"), ("lon", LON, "degrees_east")):
        file.createDimension(name, coord.size)
        file.createVariable(name, "f4", (name,))[:] = coord
        file[name].setncatts({"units": units, "actual_range": coord[[0, -1]]})


def months_of_a_laboratory(path: Path, number: int) -> np.ndarray:
    """Two years of months, hours since 1800, and how far the times of this file reach."""
    units = "hours since 1800-01-01 00:00:0.0"
    dates = [cftime.datetime(1990 + 2 * number + n // 12, n % 12 + 1, 1) for n in range(24)]
    own = values(number, 24)
    with netCDF4.Dataset(path, "w") as file:
        places(file)
        file.createDimension("time", None)
        time = file.createVariable("time", "f8", ("time",))
        time[:] = cftime.date2num(dates, units)
        time.setncatts({"units": units, "long_name": "Time", "actual_range": time[[0, -1]]})
        air = file.createVariable("air", "f4", ("time", "lat", "lon"))
        air[:] = np.where(own < 265, np.float32(-9.96921e36), own)
        air.setncatts({"units": "degC", "missing_value": np.float32(-9.96921e36)})
    return np.where(own < 265, np.nan, own)


def days_of_a_reanalysis(path: Path, number: int) -> np.ndarray:
    """Hours at half past, counted from the beginning of their own file."""
    own = values(number, 24)
    with netCDF4.Dataset(path, "w") as file:
        places(file)
        file.createDimension("time", None)
        time = file.createVariable("time", "i4", ("time",))
        time[:] = np.arange(24) * 60
        day = {"begin_date": np.int32(20200101 + number), "time_increment": np.int32(10000)}
        time.setncatts({"units": f"minutes since 2020-01-0{number + 1} 00:30:00", **day})
        shape = ("time", "lat", "lon")
        wind = file.createVariable("u", "f4", shape, fill_value=1e15, chunksizes=(1, *SHAPE))
        wind.setncattr("units", "m s-1")
        wind[:] = own
    return own


def images_of_a_satellite(path: Path, number: int) -> np.ndarray:
    """One image: the time is a scalar with bounds of its own, values are packed and unsigned."""
    counts = np.random.default_rng(number).integers(0, 4000, SHAPE).astype("u2")
    counts[0, 0] = 65535
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("y", SHAPE[0]), ("x", SHAPE[1]), ("number_of_time_bounds", 2)):
            file.createDimension(name, size)
        image = file.createVariable("CMI", "i2", ("y", "x"), fill_value=-1)
        image.set_auto_maskandscale(False)
        image[:] = counts.view("i2")
        attrs = {"_Unsigned": "true", "units": "K", "coordinates": "t y x"}
        image.setncatts({**attrs, "scale_factor": np.float32(0.0625), "add_offset": np.float32(90)})
        time = file.createVariable("t", "f8", ())
        time[...] = 631108800 + 300 * number
        time.setncatts({"units": "seconds since 2000-01-01 12:00:00", "standard_name": "time"})
        time.bounds = "time_bounds"
        bounds = file.createVariable("time_bounds", "f8", ("number_of_time_bounds",))
        bounds[:] = time[...] + np.array([-100, 100])
        for name, step in (("y", -5.6e-5), ("x", 5.6e-5)):
            coord = file.createVariable(name, "f4", (name,))
            coord[:] = np.arange(file.dimensions[name].size) * step
            coord.setncatts({"units": "rad", "standard_name": f"projection_{name}_coordinate"})
    return np.where(counts == 65535, np.nan, counts * 0.0625 + 90)[None]


def hours_of_a_weather_model(path: Path, number: int) -> np.ndarray:
    """Six hours whose dates are text and nothing else, latitudes written for each of them."""
    own = values(number, 6)
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        sizes = {"Time": None, "DateStrLen": 19, "south_north": SHAPE[0], "west_east": SHAPE[1]}
        for name, size in sizes.items():
            file.createDimension(name, size)
        times = file.createVariable("Times", "S1", ("Time", "DateStrLen"))
        dates = [f"2020-01-0{number + 1}_{hour:02d}:00:00" for hour in range(0, 24, 4)]
        times[:] = np.array([list(date) for date in dates], "S1")
        dims = ("Time", "south_north", "west_east")
        for name, cells, unit in (
            ("XLAT", lat + lon / 100, "degree_north"),
            ("XLONG", lon, "degree_east"),
        ):
            file.createVariable(name, "f4", dims)[:] = np.repeat(cells[None], 6, 0)
            file[name].setncatts({"units": unit, "coordinates": "XLONG XLAT"})
        field = file.createVariable("T2", "f4", dims)
        field[:] = own
        field.setncatts({"units": "K", "coordinates": "XLONG XLAT"})
    return own


def months_before_the_reform(path: Path, number: int) -> np.ndarray:
    """Months of the calendar `standard`, in the middle, as of a simulation of past centuries."""
    units, own = "days since 0850-01-01", values(number, 12)
    edges = [cftime.datetime(1500 + number, n % 12 + 1, 1, calendar="standard") for n in range(12)]
    edges.append(cftime.datetime(1501 + number, 1, 1, calendar="standard"))
    days = cftime.date2num(edges, units)
    with netCDF4.Dataset(path, "w") as file:
        places(file)
        for name, size in (("time", None), ("bnds", 2)):
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time[:] = (days[1:] + days[:-1]) / 2
        time.setncatts({"units": units, "calendar": "standard", "bounds": "time_bnds"})
        file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.stack(
            [days[:-1], days[1:]], -1
        )
        field = file.createVariable("tas", "f4", ("time", "lat", "lon"), fill_value=1e20)
        field.setncattr("units", "K")
        field[:] = own
    return own


KINDS: dict[Callable[[Path, int], np.ndarray], dict] = {
    months_of_a_laboratory: {},
    days_of_a_reanalysis: {},
    images_of_a_satellite: {"time_step": "5min", "variables": ["CMI"]},
    hours_of_a_weather_model: {"variables": ["T2"]},
    months_before_the_reform: {},
}


def arrays(store: Path) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.parent != store
    }


@pytest.mark.parametrize("write", KINDS, ids=lambda write: write.__name__)
def test_one_by_one_as_all_at_once(tmp_path, write):
    options = DataOptions.model_validate(KINDS[write])
    paths = [str(tmp_path / f"{number}.nc") for number in range(3)]
    expected = np.concatenate([write(Path(path), n) for n, path in enumerate(paths)])
    ingest(paths, tmp_path / "one.zarr", options)
    opened = open_store(tmp_path / "one.zarr")
    (name,) = opened.data_vars
    np.testing.assert_allclose(opened[name].values, expected, rtol=2e-7)
    grown = tmp_path / "grown.zarr"
    for number in (1, 2, 0, 2):
        append([paths[number]], grown, options)
    assert arrays(grown) == arrays(tmp_path / "one.zarr")
    check_manifest(grown, checksums=True)


@pytest.mark.filterwarnings("ignore:Unable to decode time axis")
def test_times_before_the_reform_read_back_as_they_were(tmp_path):
    months_before_the_reform(tmp_path / "a.nc", 0)
    ingest([str(tmp_path / "a.nc")], tmp_path / "a.zarr")
    with xr.open_dataset(tmp_path / "a.nc") as source, xr.open_zarr(tmp_path / "a.zarr") as store:
        np.testing.assert_array_equal(store.time.values, source.time.values)
        np.testing.assert_array_equal(store.time_bnds.values, source.time_bnds.values)
    assert TensorStore.open(tmp_path / "a.zarr").axis.calendar == "standard"


def test_a_mesh_is_no_grid(tmp_path):
    """Neither by the axes of its nodes, nor where what lies on them has a name like time."""
    nodes = xr.Dataset(
        {"depth": (("time", "node"), values(0, 4)[:, 0])},
        coords={
            "time": np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "h"),
            "node_y": ("node", np.arange(6.0), {"axis": "Y"}),
            "node_x": ("node", np.arange(6.0), {"axis": "X"}),
        },
    )
    nodes.to_netcdf(tmp_path / "mesh.nc")
    with pytest.raises(DataError, match="unstructured grid"):
        ingest([str(tmp_path / "mesh.nc")], tmp_path / "a.zarr")
    points = xr.Dataset(
        {"t": ("values", np.arange(6.0))},
        coords={"lat": ("values", np.arange(6.0)), "lon": ("values", np.arange(6.0))},
    )
    points.to_netcdf(tmp_path / "points.nc")
    with pytest.raises(DataError, match="t has no time axis among its dimensions"):
        ingest([str(tmp_path / "points.nc")], tmp_path / "a.zarr")


def test_marks_of_missing_values_that_are_not_declared_are_told(tmp_path):
    days_of_a_reanalysis(tmp_path / "a.nc", 0)
    with xr.open_dataset(tmp_path / "a.nc") as source:
        marked = source.load()
    marked["u"][3, 2, 1] = netCDF4.default_fillvals["f4"]
    marked["u"].encoding = {"_FillValue": None}
    marked.to_netcdf(tmp_path / "b.nc")
    lines = ingest([str(tmp_path / "b.nc")], tmp_path / "b.zarr").lines()
    assert any(line.startswith("u: values as large as 9.96921e+36 are marks") for line in lines)


def test_a_calendar_with_days_in_its_name(tmp_path):
    days_of_a_reanalysis(tmp_path / "a.nc", 0)
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["time"].calendar = "365_days"
    found = ingest([str(tmp_path / "a.nc")], tmp_path / "a.zarr")
    assert found.mapping["calendar"].startswith("noleap")
