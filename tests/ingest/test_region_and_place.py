"""Cutting regions, and giving bare grids their place."""

import numpy as np
import pyproj
import pytest
import xarray as xr

from stforecast.errors import ConfigError, DataError
from stforecast.ingest.layout import Layout, lay_out
from stforecast.options import DataOptions
from tests.ingest import zoo


def cut(source: xr.Dataset, west: float, east: float, south: float, north: float) -> Layout:
    region = {"west": west, "east": east, "south": south, "north": north}
    return lay_out(source, DataOptions(region=region))


def globe(first: float, step: float = 45.0, descending: bool = False) -> xr.Dataset:
    lat = np.arange(-60, 61, 30.0)
    return zoo.geographic(
        lat[::-1] if descending else lat, first + np.arange(0, 360, step), "lat", "lon"
    )


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("first", "west", "east", "expected"),
    [
        (0, 45, 135, [45, 90, 135]),
        (0, -45, 45, [315, 0, 45]),
        (0, 315, 45, [315, 0, 45]),
        (0, -100, -80, [270]),
        (-180, -45, 45, [-45, 0, 45]),
        (-180, 135, -135, [135, -180, -135]),
        (-180, 135, 225, [135, -180, -135]),
        (-180, 315, 45, [-45, 0, 45]),
        (0, -180, 180, [0, 45, 90, 135, 180, 225, 270, 315]),
        (-180, 0, 360, [-180, -135, -90, -45, 0, 45, 90, 135]),
    ],
)
def test_longitudes_keep_the_convention_of_the_file(first, west, east, expected, descending):
    source = globe(first, descending=descending)
    layout = cut(source, west, east, -30, 60)
    out = layout.grid.georeference(layout.dataset)
    assert list(out.lon.values) == expected
    assert list(out.lat.values) == ([60, 30, 0, -30] if descending else [-30, 0, 30, 60])
    xr.testing.assert_equal(out.t.drop_vars("time"), source.t.sel(out.t.coords).drop_vars("time"))
    wrapped = sorted(expected) != expected
    assert any("keep their numbers" in note for note in layout.notes) is wrapped


def test_descending_longitudes_and_edges_in_single_precision():
    source = zoo.geographic(np.arange(3.0), np.arange(10, 0, -0.1, dtype="f4"), "lat", "lon")
    layout = cut(source, 1.1, 1.4, 0, 1)
    np.testing.assert_allclose(layout.grid.longitude, [1.4, 1.3, 1.2, 1.1], rtol=1e-4)
    assert layout.grid.shape == (2, 4)


def test_a_region_across_a_seam_that_does_not_close():
    source = zoo.geographic(np.arange(3.0), np.arange(0, 300, 10.0), "lat", "lon")
    with pytest.raises(DataError, match=r"crosses the seam of the longitudes.*0 to 290"):
        cut(source, 250, 20, 0, 2)


def test_bounds_are_cut_too():
    layout = cut(zoo.bounds_and_mapping(), -10, 0, 15, 40)
    np.testing.assert_array_equal(layout.grid.coords["lat_bnds"], [[15, 30], [30, 50]])
    assert layout.grid.coords["lat"].encoding["bounds"] == "lat_bnds"
    assert layout.grid.shape == (2, 2)
    assert layout.grid.grid_mapping == "crs"


def test_projected_by_its_own_numbers():
    layout = cut(zoo.projected(), 401_000, 402_500, 302_000, 306_000)
    np.testing.assert_array_equal(layout.grid.x_coord, [401_000, 402_000])
    np.testing.assert_array_equal(layout.grid.y_coord, [305_000, 304_000, 303_000, 302_000])
    assert layout.grid.kind == "projected"
    with pytest.raises(ConfigError, match="no longitude that goes round"):
        cut(zoo.projected(), 402_500, 401_000, 302_000, 306_000)


def test_curvilinear_by_a_block_around_the_region():
    source = zoo.curvilinear()
    layout = cut(source, -1, 5, 62, 67)
    assert layout.dataset.sst.shape == (5, 2, 1)
    np.testing.assert_array_equal(layout.grid.latitude, source.nav_lat.values[1:3, 2:3])
    assert layout.grid.coords["nav_lat_bnds"].shape == (2, 1, 4)
    assert any("cut along rows and columns" in note for note in layout.notes)
    with pytest.raises(DataError, match=r"no cell of the grid"):
        cut(source, 100, 110, 62, 67)


def test_impossible_regions():
    with pytest.raises(DataError, match=r"no cell of the grid lies in the region.*latitude 40"):
        cut(zoo.ascending(), 0, 90, 70, 80)
    with pytest.raises(ConfigError, match="south 50 above north 40"):
        cut(zoo.ascending(), 0, 90, 50, 40)
    with pytest.raises(DataError, match=r"data\.grid"):
        cut(zoo.bare(), 0, 90, 40, 50)


PLACE = {"west": -74.0, "east": -73.7, "south": 40.0, "north": 40.8}


@pytest.mark.parametrize(
    ("first_row", "centres"),
    [("north", [40.7, 40.5, 40.3, 40.1]), ("south", [40.1, 40.3, 40.5, 40.7])],
)
def test_a_bare_grid_gets_its_place(first_row, centres):
    layout = lay_out(zoo.bare(), DataOptions(grid={**PLACE, "first_row": first_row}))
    grid = layout.grid
    assert grid.kind == "geographic"
    assert (grid.y_name, grid.x_name) == ("latitude", "longitude")
    np.testing.assert_allclose(grid.latitude, centres)
    np.testing.assert_allclose(grid.longitude, [-73.95, -73.85, -73.75])
    out = grid.georeference(layout.dataset)
    assert out.channel_0.dims == ("time", "latitude", "longitude")
    np.testing.assert_allclose(out.latitude_bnds.mean("bnds"), out.latitude)
    np.testing.assert_allclose(out.latitude_bnds[1:, 0], out.latitude_bnds[:-1, 1])
    assert out.latitude.attrs["units"] == "degrees_north"
    assert out[grid.grid_mapping].attrs["long_name"] == "CRS WGS 84"
    assert grid.crs == pyproj.CRS(4326)
    weights = grid.area_weights()
    assert weights is not None
    assert float(weights.mean()) == pytest.approx(1)


def test_a_bare_grid_in_a_projection():
    edges = {"west": 0, "east": 3000, "south": 0, "north": 4000, "crs": "EPSG:27700"}
    layout = lay_out(zoo.bare(), DataOptions(grid=edges))
    assert layout.grid.kind == "projected"
    out = layout.grid.georeference(layout.dataset)
    np.testing.assert_array_equal(out.y, [3500, 2500, 1500, 500])
    assert out.x.attrs["standard_name"] == "projection_x_coordinate"
    assert out.x.attrs["units"] == "m"
    assert out.crs.attrs["grid_mapping_name"] == "transverse_mercator"


def test_numbers_of_the_file_that_agree_stay():
    source = zoo.projected().drop_vars("spatial_ref")
    del source.rain.attrs["grid_mapping"]
    assert lay_out(source).grid.kind == "bare"
    edges = {"west": 399_500, "east": 403_500, "south": 300_500, "north": 305_500}
    layout = lay_out(source, DataOptions(grid={**edges, "crs": "EPSG:27700"}))
    assert layout.grid.kind == "projected"
    xr.testing.assert_identical(
        layout.grid.georeference(layout.dataset).x.variable, source.x.variable
    )


def test_row_numbers_make_way():
    layout = lay_out(zoo.bare_with_indices(), DataOptions(grid=PLACE))
    assert layout.grid.kind == "geographic"
    assert any("takes the place of" in note for note in layout.notes)
    assert "y" not in layout.dataset.coords


def test_places_that_cannot_be():
    with pytest.raises(DataError, match=r"coordinates of their own.*latitude 40 to 47\.5"):
        lay_out(zoo.ascending(), DataOptions(grid=PLACE))
    with pytest.raises(ConfigError, match="west < east"):
        lay_out(zoo.bare(), DataOptions(grid={**PLACE, "west": 0}))
    with pytest.raises(ConfigError, match="EPSG:nowhere"):
        lay_out(zoo.bare(), DataOptions(grid={**PLACE, "crs": "EPSG:nowhere"}))


def test_a_place_and_a_region():
    layout = lay_out(
        zoo.bare(),
        DataOptions(grid=PLACE, region={"west": -73.9, "east": -73.7, "south": 40, "north": 40.4}),
    )
    assert layout.dataset.channel_0.shape == (5, 2, 2)
    np.testing.assert_allclose(layout.grid.latitude, [40.3, 40.1])
