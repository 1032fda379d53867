"""Forecasts in files conform to CF 1.11, as the IOOS compliance checker judges them, offline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import iris_sample_data
import numpy as np
import pytest
import xarray as xr

from stforecast.ingest.pipeline import prepare
from stforecast.options import DataOptions, GridOptions
from stforecast.product import open_product, write_product
from stforecast.product.write import Layout
from stforecast.sources import open_source
from stforecast.store import TensorStore
from tests.ingest import zoo
from tests.product.cf_checker import cf_errors
from tests.product.test_build import product_of

BRITAIN = GridOptions(west=0, east=3000, south=0, north=4000, crs="EPSG:27700")
MANHATTAN = GridOptions(west=-74.02, east=-73.90, south=40.67, north=40.84)


def store_of(dataset: xr.Dataset, **options: Any) -> TensorStore:
    return prepare(dataset, DataOptions(**options)).store()


def check_both_layouts(store: TensorStore, folder: Path, leads: tuple[int, ...] = (1, 2)) -> None:
    product = product_of(store, inits=(1,), leads=leads)
    for layout in ("forecast", "time"):
        path = write_product(product, folder / f"{layout}.nc", layout=layout)  # type: ignore[arg-type]
        assert cf_errors(path) == [], layout
        xr.testing.assert_identical(open_product(path).load(), product)


@pytest.mark.parametrize(
    "dataset",
    [
        zoo.ascending,
        zoo.descending,
        zoo.short_names,
        zoo.no_attributes,
        zoo.rotated,
        zoo.projected,
        zoo.curvilinear,
        zoo.wrf,
        zoo.bare,
        zoo.bare_with_indices,
        zoo.noleap,
    ],
)
def test_grids(dataset: Callable[[], xr.Dataset], tmp_path: Path) -> None:
    check_both_layouts(store_of(dataset()), tmp_path)


@pytest.mark.parametrize("grid", [MANHATTAN, BRITAIN], ids=["degrees", "metres"])
def test_a_bare_grid_that_was_given_its_place(grid: GridOptions, tmp_path: Path) -> None:
    check_both_layouts(store_of(zoo.bare(), grid=grid), tmp_path)


def test_bounds_and_grid_mapping(tmp_path: Path) -> None:
    dataset = zoo.bounds_and_mapping().assign_coords(lon=np.array([0.0, 10, 20]))
    dataset["lon"].attrs = zoo.bounds_and_mapping()["lon"].attrs
    store = store_of(dataset)
    check_both_layouts(store, tmp_path)
    with xr.open_dataset(tmp_path / "forecast.nc", decode_cf=False) as file:
        assert file["lat"].attrs["bounds"] == "lat_bnds"
        assert file["t"].attrs["grid_mapping"] == "crs"
        assert file["crs"].attrs["long_name"]
        assert "_FillValue" not in file["lat"].attrs


def test_two_dimensional_coordinates_are_listed(tmp_path: Path) -> None:
    """Also where the name of one is a part of the name of its bounds."""
    product = product_of(store_of(zoo.curvilinear()), inits=(1,), leads=(1,))
    path = write_product(product, tmp_path / "f.nc")
    with xr.open_dataset(path, decode_cf=False) as file:
        assert file["sst"].attrs["coordinates"].split() == ["nav_lat", "nav_lon", "valid_time"]


def test_the_demo(tmp_path: Path) -> None:
    path = Path(iris_sample_data.path) / "A1B_north_america.nc"
    source = open_source([str(path)], DataOptions(), Path())
    store = store_of(source)
    check_both_layouts(store, tmp_path, leads=(1, 2, 3, 4))
    product = open_product(tmp_path / "forecast.nc")
    assert float(product["height"]) == 1.5
    assert product["air_temperature"].attrs["standard_name"] == "air_temperature"
    assert product["lead_time"].values.tolist() == [1, 2, 3, 4]
    assert "forecast_reference_time" not in product.coords
    assert "forecast_reference_time" in "".join(product.attrs)


def test_era5(shared: Path, tmp_path: Path) -> None:
    path = shared / "data/era5_uk_t2m/era5_t2m_uk_201903.nc"
    source = open_source([str(path)], DataOptions(), Path()).isel(time=slice(0, 6))
    check_both_layouts(store_of(source), tmp_path)
    product = open_product(tmp_path / "forecast.nc")
    assert product["t2m"].attrs["long_name"] == "2 metre temperature"
    assert product.attrs["institution"] == "ECMWF"


@pytest.mark.parametrize("grid", [None, MANHATTAN], ids=["bare", "placed"])
def test_traffic(shared: Path, tmp_path: Path, grid: GridOptions | None) -> None:
    path = shared / "data/taxinyc/NYC10_Taxi_M16x8_T60_InOut.h5"
    options = DataOptions(
        variables={
            "departures": {"index": 0, "minimum": 0},
            "arrivals": {"index": 1, "minimum": 0, "units": "vehicles"},
        },
        timezone="America/New_York",
        grid=grid,
        period=("2010-01-01", "2010-01-02"),
    )
    store = prepare(open_source([str(path)], options, Path()), options).store()
    check_both_layouts(store, tmp_path)


@pytest.mark.parametrize("layout", ["forecast", "time"])
def test_the_checker_does_find_errors(tmp_path: Path, layout: Layout) -> None:
    product = product_of(store_of(zoo.ascending()), inits=(1,), leads=(1,))
    product["t"].attrs["units"] = "hotness"
    assert cf_errors(write_product(product, tmp_path / "f.nc", layout=layout))
