"""Finding rows, columns and grid mappings of fields as files have them."""

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.grid import Grid, promote_references, spatial_dims
from stforecast.grid.references import grid_mapping_of


def field(*dims: str, coords: dict | None = None) -> xr.DataArray:
    sizes = range(2, 2 + len(dims))
    return xr.DataArray(np.zeros(tuple(sizes)), dims=dims, coords=coords, name="v")


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        (("time", "lat", "lon"), ("lat", "lon")),
        (("longitude", "latitude", "time"), ("latitude", "longitude")),
        (("time", "rlat", "rlon"), ("rlat", "rlon")),
        (("Time", "south_north", "west_east"), ("south_north", "west_east")),
        (("y", "time", "x"), ("y", "x")),
        (("time", "i", "j"), ("j", "i")),
        (("g0_lat_1", "g0_lon_2", "initial_time0"), ("g0_lat_1", "g0_lon_2")),
        (("time", "height", "width"), ("height", "width")),
        (("time", "dim_0", "dim_1"), ("dim_0", "dim_1")),
        (("time", "level", "a", "b"), ("a", "b")),
        (("time", "y", "b"), ("y", "b")),
        (("time", "a", "x"), ("a", "x")),
        (("time", "level"), None),
        (("time", "a"), None),
        (("time", "a", "b", "c"), None),
    ],
)
def test_spatial_dims_by_name_and_elimination(dims, expected):
    others = {dim for dim in dims if "time" in dim.lower()}
    assert spatial_dims(field(*dims), others) == expected


def test_attributes_go_before_names():
    coords = {
        "u": ("u", np.arange(3.0), {"axis": "X"}),
        "v_": ("v_", np.arange(4.0), {"standard_name": "projection_y_coordinate"}),
    }
    assert spatial_dims(field("time", "u", "v_", coords=coords), {"time"}) == ("v_", "u")
    swapped = {
        "x": ("x", np.arange(3.0), {"units": "degrees_north"}),
        "y": ("y", np.arange(4.0), {"units": "degrees_east"}),
    }
    assert spatial_dims(field("time", "x", "y", coords=swapped), {"time"}) == ("x", "y")


def test_latitude_per_cell_tells_rows():
    coords = {"nav_lat": (("a", "b"), np.zeros((3, 4)))}
    assert spatial_dims(field("time", "a", "b", "c", coords=coords)) == ("a", "b")


def test_an_unstructured_grid_is_refused():
    coords = {"lat": ("cell", np.zeros(3)), "lon": ("cell", np.zeros(3))}
    with pytest.raises(DataError, match="unstructured grid"):
        spatial_dims(field("time", "cell", coords=coords), {"time"})


def test_promotion_of_what_is_no_field():
    dataset = xr.Dataset(
        {
            "t": (("time", "y", "x"), np.zeros((2, 3, 4)), {"grid_mapping": "crs"}),
            "lat_b": (("y", "nv"), np.zeros((3, 2))),
            "crs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
            "XLAT": (("y", "x"), np.zeros((3, 4))),
            "time_bnds": (("time", "nv"), np.zeros((2, 2))),
            "orography": (("y", "x"), np.zeros((3, 4))),
        },
        coords={"time": [0, 1], "yy": ("y", np.zeros(3), {"bounds": "lat_b"})},
    )
    assert list(promote_references(dataset).data_vars) == ["t", "orography"]


def test_extended_grid_mapping():
    dataset = xr.Dataset(
        {
            "t": (("y", "x"), np.zeros((3, 4)), {"grid_mapping": "wgs: lat lon osgb: x y"}),
            "wgs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
            "osgb": ((), 0, {"grid_mapping_name": "transverse_mercator"}),
        },
        coords={"x": np.arange(4), "lat": (("y", "x"), np.zeros((3, 4)))},
    )
    assert grid_mapping_of(dataset, "t") == "osgb"
    dataset.t.attrs["grid_mapping"] = "wgs"
    assert grid_mapping_of(dataset, "t") == "wgs"
    del dataset.t.attrs["grid_mapping"]
    assert grid_mapping_of(dataset, "t") is None
    assert grid_mapping_of(dataset.drop_vars("osgb"), "t") == "wgs"


def test_grid_of_a_field_as_it_came_from_its_file():
    dataset = xr.Dataset(
        {
            "t": (("time", "lon", "lat"), np.zeros((2, 3, 4))),
            "lat_bnds": (("lat", "bnds"), np.zeros((4, 2))),
        },
        coords={
            "time": [0, 1],
            "lat": ("lat", [1.0, 2, 3, 4], {"bounds": "lat_bnds"}),
            "lon": [5.0, 6, 7],
            "height": 2.0,
        },
    )
    grid = Grid.of_field(dataset, "t", "lat", "lon")
    assert grid.kind == "geographic"
    assert grid.shape == (4, 3)
    assert set(grid.coords.variables) == {"lat", "lon", "lat_bnds"}
    xr.testing.assert_identical(grid.georeference(xr.Dataset()).lon.variable, dataset.lon.variable)
