"""Members and the bounds of intervals in a forecast and its file."""

from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.product import build_product, conform, open_product, write_product
from stforecast.product.conform import forecast_variables
from stforecast.product.uncertainty import Interval, ensemble_mean, interval_of
from stforecast.store import TensorStore
from tests.helpers import make_store
from tests.ingest import zoo
from tests.product.cf_checker import cf_errors
from tests.product.test_cf import store_of

LEADS = (1, 2)


def ensemble(store: TensorStore, lazy: bool = False, inits: tuple[int, ...] = (1,)) -> xr.Dataset:
    """Three members around zero, and an interval twice as wide."""
    size = (*store.shape[1:],)
    random = np.random.default_rng(0)
    shape = (len(inits), len(LEADS), 3, *size)
    values = random.normal(size=shape).astype(np.float32)
    lower = 2 * values.min(axis=2)
    upper = 2 * values.max(axis=2)
    if lazy:
        values, lower, upper = (dask.array.from_array(item) for item in (values, lower, upper))
    return build_product(
        values,
        store=store,
        init_positions=inits,
        lead_steps=LEADS,
        attrs={},
        members=3,
        interval=Interval(lower, upper, 0.9, "conformal"),
    )


def test_dimensions_and_names() -> None:
    product = ensemble(make_store(48, ["t2m", "msl"]), inits=(10, 20))
    assert product["t2m"].dims == ("init_time", "lead_time", "member", "lat", "lon")
    assert product["t2m_lower"].dims == ("init_time", "lead_time", "lat", "lon")
    assert product["member"].values.tolist() == [0, 1, 2]
    assert product["member"].attrs["standard_name"] == "realization"
    assert product["t2m"].attrs["ancillary_variables"] == "t2m_lower t2m_upper"
    lower = product["t2m_lower"].attrs
    assert lower["stforecast_coverage"] == 0.9
    assert lower["long_name"].startswith("lower bound of the 90 % interval of ")
    assert "standard_name" not in lower
    assert forecast_variables(product) == ["t2m", "msl"]
    bounds = interval_of(product, "msl")
    assert bounds is not None
    assert bounds[1].name == "msl_upper"
    assert interval_of(product.drop_vars("msl_upper"), "msl") is None


@pytest.mark.parametrize("dataset", [zoo.ascending, zoo.projected, zoo.curvilinear, zoo.noleap])
@pytest.mark.parametrize("layout", ["forecast", "time"])
def test_files_conform_and_come_back(dataset: object, layout: object, tmp_path: Path) -> None:
    product = ensemble(store_of(dataset()))  # type: ignore[operator]
    path = write_product(product, tmp_path / "f.nc", layout=layout)  # type: ignore[arg-type]
    assert cf_errors(path) == []
    xr.testing.assert_identical(open_product(path).load(), product)


def test_bounds_refer_to_the_grid_mapping_of_their_variable(tmp_path: Path) -> None:
    dataset = zoo.bounds_and_mapping().assign_coords(lon=np.array([0.0, 10, 20]))
    dataset["lon"].attrs = zoo.bounds_and_mapping()["lon"].attrs
    path = write_product(ensemble(store_of(dataset)), tmp_path / "f.nc")
    assert cf_errors(path) == []
    with xr.open_dataset(path, decode_cf=False) as file:
        assert file["t_lower"].attrs["grid_mapping"] == file["t"].attrs["grid_mapping"]


def test_lazy_members_are_written_the_same(tmp_path: Path) -> None:
    store = make_store(48)
    for ending in ("nc", "zarr"):
        lazy = open_product(write_product(ensemble(store, lazy=True), tmp_path / f"a.{ending}"))
        xr.testing.assert_equal(lazy.load(), ensemble(store))


def test_a_variable_in_the_way_of_a_bound() -> None:
    with pytest.raises(DataError, match="v0_lower is a variable of the data"):
        ensemble(make_store(48, ["v0", "v0_lower"]))


@pytest.mark.parametrize("called", ["number", "realization", "runs"])
def test_members_of_others(called: str) -> None:
    own = ensemble(make_store(48))
    foreign = own.drop_vars("valid_time").rename(member=called, init_time="reftime")
    foreign = foreign.transpose("lat", "lon", "lead_time", called, "reftime")
    foreign = conform(foreign)
    assert foreign["v0"].dims[:3] == ("init_time", "lead_time", "member")
    np.testing.assert_array_equal(foreign["v0"].values, own["v0"].values)


def test_the_mean_of_the_members() -> None:
    product = ensemble(make_store(48))
    product["v0"][0, 0, 1, 2, 2] = np.nan
    mean = ensemble_mean(product)
    assert mean["v0"].dims == ("init_time", "lead_time", "lat", "lon")
    assert mean["v0"].attrs == product["v0"].attrs
    expected = product["v0"].values.astype(float).mean(axis=2)
    np.testing.assert_allclose(mean["v0"].values, expected, rtol=1e-5, atol=1e-6)
    assert int(np.isnan(mean["v0"].values).sum()) == 1
    assert ensemble_mean(mean) is mean
