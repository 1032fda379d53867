"""Grids: kinds, georeferencing, cell areas, fingerprints."""

import numpy as np
import pyproj
import pytest
import xarray as xr

from stforecast import names
from stforecast.grid import Grid, is_latitude, is_longitude, parse_crs

ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 37.5,
    "grid_north_pole_longitude": 177.5,
    "earth_radius": 6371229.0,
}


def geographic(lat, lon, **kwargs) -> Grid:
    coords = xr.Dataset(
        coords={
            "lat": (names.Y, lat, {"units": "degrees_north"}),
            "lon": (names.X, lon, {"units": "degrees_east"}),
        }
    )
    return Grid.from_dataset(coords, y_name="lat", x_name="lon", **kwargs)


def field(grid: Grid) -> xr.Dataset:
    values = np.arange(2 * grid.height * grid.width, dtype="f4").reshape(2, *grid.shape)
    return xr.Dataset({"t": ((names.TIME, names.Y, names.X), values)})


def test_georeference_gives_back_names_values_dtypes_and_attributes():
    grid = geographic(np.array([60, 50, 40], dtype="f4"), np.array([350.0, 355, 0, 5], dtype="f8"))
    out = grid.georeference(field(grid))
    assert out.t.dims == ("time", "lat", "lon")
    assert out.lat.dtype == np.float32
    assert out.lon.dtype == np.float64
    np.testing.assert_array_equal(out.lat, [60, 50, 40])
    np.testing.assert_array_equal(out.lon, [350, 355, 0, 5])
    assert out.lat.attrs == {"units": "degrees_north"}
    assert list(out.indexes) == ["lat", "lon"]
    xr.testing.assert_identical(grid.georeference(out), out)


def test_georeference_with_dimensions_that_are_called_y_and_x():
    source = xr.Dataset(
        coords={
            "y": ("y", [3.0, 2.0], {"standard_name": "projection_y_coordinate", "units": "m"}),
            "x": ("x", [1.0, 2.0, 3.0], {"standard_name": "projection_x_coordinate"}),
            "crs": ((), 0, {"crs_wkt": pyproj.CRS("EPSG:27700").to_wkt()}),
        }
    )
    grid = Grid.from_dataset(source, y_name="y", x_name="x", grid_mapping="crs")
    assert grid.kind == "projected"
    assert grid.crs == pyproj.CRS("EPSG:27700")
    out = grid.georeference(field(grid))
    xr.testing.assert_identical(out.coords.to_dataset(), source)
    assert out.t.encoding["grid_mapping"] == "crs"
    assert grid.area_weights() is None
    assert not grid.is_periodic


def test_georeference_with_rows_called_x_and_columns_called_y():
    source = xr.Dataset(
        {"t": (("time", "x", "y"), np.zeros((2, 3, 4)))},
        coords={
            "x": ("x", [3.0, 2.0, 1.0], {"units": "degrees_north"}),
            "y": ("y", [1.0, 2.0, 3.0, 4.0], {"units": "degrees_east"}),
        },
    )
    grid = Grid.of_field(source, "t", "x", "y")
    assert grid.kind == "geographic"
    out = grid.georeference(field(grid))
    assert out.t.dims == ("time", "x", "y")
    xr.testing.assert_identical(out.coords.to_dataset(), source.coords.to_dataset())


def test_bounds_come_back_by_encoding():
    edges = np.array([[0.0, 10], [10, 20]])
    source = xr.Dataset(
        coords={
            "latitude": (names.Y, [5.0, 15], {"bounds": "latb", "standard_name": "latitude"}),
            "latb": ((names.Y, "nv"), edges),
            "longitude": (names.X, [0.0, 1], {"standard_name": "longitude"}),
        }
    )
    grid = Grid.from_dataset(source, y_name="latitude", x_name="longitude")
    out = grid.georeference(field(grid))
    assert out.latitude.encoding["bounds"] == "latb"
    assert "bounds" not in out.latitude.attrs
    assert out.latb.dims == ("latitude", "nv")
    np.testing.assert_array_equal(out.latb, edges)


def test_area_weights_are_exact_strips():
    lat = np.arange(-87.5, 90, 5)
    lon = np.arange(0, 360, 10.0)
    weights = geographic(lat, lon).area_weights()
    assert weights is not None
    assert float(weights.mean()) == pytest.approx(1)
    north, south = np.deg2rad(lat + 2.5), np.deg2rad(lat - 2.5)
    share = (np.sin(north) - np.sin(south)) / 2 * lat.size  # of the sphere, mean 1
    np.testing.assert_allclose(weights[:, 0], share, rtol=1e-12)


def test_area_weights_clip_at_the_pole_and_follow_bounds():
    weights = geographic(np.array([90.0, 80, 70]), np.array([0.0, 1])).area_weights()
    assert weights is not None
    expected = np.sin(np.deg2rad([90, 85, 75])) - np.sin(np.deg2rad([85, 75, 65]))
    np.testing.assert_allclose(weights[:, 0], expected / expected.mean(), rtol=1e-12)

    source = xr.Dataset(
        coords={
            "lat": (names.Y, [10.0, 20.0], {"bounds": "b", "units": "degrees_north"}),
            "b": ((names.Y, "bnds"), [[0.0, 12.0], [12.0, 30.0]]),
            "lon": (names.X, [358.0, 0.0, 6.0], {"units": "degrees_east"}),
        }
    )
    weights = Grid.from_dataset(source, y_name="lat", x_name="lon").area_weights()
    assert weights is not None
    s = np.sin(np.deg2rad([0, 12, 30]))
    ratio = (s[2] - s[1]) / (s[1] - s[0])
    np.testing.assert_allclose(weights[1] / weights[0], ratio, rtol=1e-12)
    np.testing.assert_allclose(weights[0] / weights[0, 0], [1, 2, 3], rtol=1e-12)


def test_area_weights_of_curvilinear_and_bare():
    lat2, lon2 = np.meshgrid([0.0, 60.0], [1.0, 2.0, 3.0], indexing="ij")
    source = xr.Dataset(
        coords={
            "nav_lat": ((names.Y, names.X), lat2),
            "nav_lon": ((names.Y, names.X), lon2),
        }
    )
    grid = Grid.from_dataset(source, y_name="j", x_name="i")
    assert grid.kind == "curvilinear"
    weights = grid.area_weights()
    assert weights is not None
    np.testing.assert_allclose(weights[:, 0], [4 / 3, 2 / 3])
    bare = Grid.from_dataset(
        xr.Dataset({"v": ((names.Y, names.X), np.zeros((2, 3)))}), y_name="y", x_name="x"
    )
    assert bare.kind == "bare"
    assert bare.area_weights() is None
    assert bare.shape == (2, 3)
    out = bare.georeference(field(bare))
    assert not out.coords
    assert out.t.dims == ("time", "y", "x")


def test_rotated_pole_has_strips_too():
    rlat = np.array([-60.0, -30, 0, 30])
    source = xr.Dataset(
        coords={
            "rlat": (names.Y, rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
            "rlon": (names.X, [0.0, 1, 2], {"standard_name": "grid_longitude"}),
            "rp": ((), 0, ROTATED),
        }
    )
    grid = Grid.from_dataset(source, y_name="rlat", x_name="rlon", grid_mapping="rp")
    assert grid.kind == "projected"
    assert grid.latitude is None
    weights = grid.area_weights()
    assert weights is not None
    strips = np.sin(np.deg2rad(rlat + 15)) - np.sin(np.deg2rad(rlat - 15))
    np.testing.assert_allclose(weights[:, 1], strips / strips.mean(), rtol=1e-12)


@pytest.mark.parametrize(
    ("lon", "periodic"),
    [
        (np.arange(0, 360, 2.5), True),
        (np.arange(-180, 180, 0.25, dtype="f4"), True),
        (np.arange(432, dtype="f4") * np.float32(360 / 432), True),
        (np.roll(np.arange(0, 360, 5.0), 7), True),
        (np.arange(180, -180, -5.0), True),
        (np.arange(0, 361, 2.5), False),
        (np.arange(0, 350, 2.5), False),
        (np.arange(0, 90, 1.0), False),
    ],
)
def test_is_periodic(lon, periodic):
    assert geographic(np.array([0.0, 1]), lon).is_periodic is periodic


def test_fingerprint_tells_grids_apart():
    lat, lon = np.array([60.0, 50, 40]), np.array([0.0, 10, 20])
    same = geographic(lat, lon).fingerprint()
    assert Grid.difference(same, geographic(lat, lon).fingerprint()) is None
    single = geographic(lat.astype("f4"), lon.astype("f4")).fingerprint()
    assert Grid.difference(same, single) is None
    flipped = Grid.difference(same, geographic(lat[::-1], lon).fingerprint())
    assert flipped is not None
    assert "60 to 40" in flipped
    smaller = Grid.difference(same, geographic(lat[:2], lon).fingerprint())
    assert smaller == "3 x 3 cells against 2 x 3"
    moved = np.array([60.0, 51, 40])
    assert Grid.difference(same, geographic(moved, lon).fingerprint()) is not None
    assert Grid.difference(same, geographic(moved.astype("f4"), lon).fingerprint()) is not None
    wgs84 = geographic(lat, lon, crs=pyproj.CRS(4326)).fingerprint()
    assert Grid.difference(same, wgs84) is None
    etrs89 = geographic(lat, lon, crs=pyproj.CRS(4258)).fingerprint()
    assert Grid.difference(wgs84, etrs89) == "CRS WGS 84 against ETRS89"


def test_recognition_of_true_coordinates():
    assert is_latitude("anything", {"units": "degrees_north"})
    assert is_latitude("XLAT", {})
    assert not is_latitude("rlat", {"units": "degrees_north"})
    assert not is_latitude("lat", {"standard_name": "grid_latitude"})
    assert is_longitude("g0_lon_1", {"units": "degrees_east"})
    assert not is_longitude("lat", {"units": "degrees_north"})


def test_crs_that_cannot_be_read_is_none():
    assert parse_crs({"grid_mapping_name": "no_such_projection"}) is None
    assert parse_crs({"spatial_ref": "nonsense"}) is None
    assert parse_crs({}) is None
