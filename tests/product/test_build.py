"""The product wears the clothes of its source."""

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stforecast.product import build_product, open_product, write_product
from stforecast.store import ChannelMeta, TensorStore, write_store
from tests.helpers import make_store


def product_of(
    store: TensorStore,
    inits: tuple[int, ...] = (10, 20),
    leads: tuple[int, ...] = (1, 2, 3),
    **attrs: object,
) -> xr.Dataset:
    """A forecast that is right: the frames of the store at its valid times."""
    values = np.stack([[store.read(i + k, i + k + 1)[0] for k in leads] for i in inits])
    return build_product(values, store=store, init_positions=inits, lead_steps=leads, attrs=attrs)


def with_meta(store: TensorStore, **changes: object) -> TensorStore:
    """The store with other things said of it."""
    dataset = store.dataset.copy()
    dataset.attrs["stforecast"] = store.meta.model_copy(update=changes).to_json()
    return TensorStore(dataset)


def test_dimensions_and_times() -> None:
    product = product_of(make_store(48, ["t2m", "msl"]))
    assert dict(product["t2m"].sizes) == {"init_time": 2, "lead_time": 3, "lat": 6, "lon": 8}
    assert product["t2m"].dims == ("init_time", "lead_time", "lat", "lon")
    assert product["init_time"].values[0] == np.datetime64("2000-01-01T10")
    assert product["valid_time"].values[1, 2] == np.datetime64("2000-01-01T23")
    assert product["lead_time"].values[0] == np.timedelta64(1, "h")
    assert product["init_time"].attrs["standard_name"] == "forecast_reference_time"
    assert product["lead_time"].attrs["standard_name"] == "forecast_period"
    assert product["valid_time"].attrs["standard_name"] == "time"


def test_leads_are_chosen_by_duration() -> None:
    product = product_of(make_store(48))
    chosen = product.sel(lead_time="2h")
    assert chosen["valid_time"].values[0] == np.datetime64("2000-01-01T12")
    several = product.sel(lead_time=[pd.Timedelta("1h"), pd.Timedelta("3h")])
    assert several.sizes["lead_time"] == 2


@pytest.mark.parametrize("descending", [False, True])
def test_a_difference_with_observations_aligns(descending: bool) -> None:
    store = make_store(48, ["t2m"], descending=descending)
    product, observed = product_of(store), store.observations()
    at_valid = observed["t2m"].sel(time=product["valid_time"])
    error = product["t2m"] - at_valid
    assert error.shape == (2, 3, 6, 8)
    assert float(abs(error).max()) == 0
    for name in ("lat", "lon"):
        xr.testing.assert_identical(
            product[name].variable.to_base_variable(), observed[name].variable.to_base_variable()
        )


def test_calendar_steps_count() -> None:
    store = make_store(48, step="1Y", calendar="360_day", start="1860-06-01")
    product = product_of(store)
    assert product["lead_time"].values.tolist() == [1, 2, 3]
    assert product["lead_time"].attrs["units"] == "1"
    assert product["forecast_period"].dims == ("init_time", "lead_time")
    assert product["forecast_period"].values[0].tolist() == [360, 720, 1080]
    assert product["forecast_period"].attrs["units"] == "days"
    assert str(product["valid_time"].values[0, 0]) == "1871-06-01 00:00:00"
    at_valid = store.observations()["v0"].sel(time=product["valid_time"])
    assert float(abs(product["v0"] - at_valid).max()) == 0


def test_months_differ_in_days() -> None:
    store = make_store(48, step="1M", start="2001-01-01")
    product = product_of(store, inits=(0, 1), leads=(1, 2))
    assert product["forecast_period"].values.tolist() == [[31, 59], [28, 59]]


def test_valid_times_go_on_beyond_the_record() -> None:
    store = make_store(24)
    values = np.zeros((1, 3, 1, 6, 8), np.float32)
    product = build_product(
        values, store=store, init_positions=[23], lead_steps=[1, 2, 3], attrs={}
    )
    assert product["valid_time"].values[0, -1] == np.datetime64("2000-01-02T02")


def test_attributes_tell_where_it_comes_from() -> None:
    attrs = {"title": "old", "institution": "ECMWF", "licence": "CC-BY", "source": "ERA5"}
    store = with_meta(make_store(48), attrs=attrs, sources=[{"path": "a.nc"}, {"path": "b.nc"}])
    attrs = product_of(store, stforecast_run="r", title=None).attrs
    assert attrs["Conventions"] == "CF-1.11"
    assert attrs["source"].startswith("stforecast ")
    assert attrs["institution"] == "ECMWF"
    assert attrs["licence"] == "CC-BY"
    assert attrs["data_source"] == "ERA5"
    assert attrs["data_files"] == "a.nc, b.nc"
    assert attrs["stforecast_run"] == "r"
    assert "stforecast" in attrs["history"]
    assert "institution" not in product_of(make_store(48)).attrs


def test_scalars_of_the_source() -> None:
    store = with_meta(
        make_store(48),
        scalars={
            "height": {"value": 1.5, "attrs": {"units": "m", "standard_name": "height"}},
            "forecast_reference_time": {
                "value": "1859-09-01",
                "attrs": {"standard_name": "forecast_reference_time"},
            },
            "forecast_period": {"value": 4320, "attrs": {"units": "hours"}},
        },
    )
    product = product_of(store)
    assert float(product["height"]) == 1.5
    assert product["height"].attrs == {"units": "m", "standard_name": "height"}
    assert "forecast_reference_time" not in product.coords
    assert "forecast_period" not in product.coords
    assert product.attrs["data_forecast_reference_time"] == "1859-09-01"
    assert product.attrs["data_forecast_period"] == "4320 hours"


def test_attributes_of_the_variables_are_the_sources() -> None:
    channel = ChannelMeta(
        name="departures", minimum=0, attrs={"coverage": "taxis", "_FillValue": -1, "units": "1"}
    )
    product = product_of(with_meta(make_store(48), channels=[channel]))
    assert product["departures"].attrs == {
        "coverage": "taxis",
        "units": "1",
        "long_name": "departures",
    }


def test_sequences_have_a_dimension() -> None:
    store = make_store(24, sequences=3)
    values = np.zeros((1, 2, 2, 1, 6, 8), np.float32)
    product = build_product(
        values, store=store, init_positions=[5], lead_steps=[1, 2], attrs={}, sequences=[0, 2]
    )
    assert product["v0"].dims == ("init_time", "lead_time", "video", "lat", "lon")
    assert product["video"].values.tolist() == [0, 2]


def test_names_of_sequences_are_text_and_stay_so(tmp_path) -> None:
    labels = np.array(["film 1", "film 2", "film 10"], dtype=object)
    plain = make_store(24, sequences=3)
    store = TensorStore(plain.dataset.assign_coords(sequence=("sequence", labels)))
    write_store(store.dataset, tmp_path / "s.zarr")
    for each in (store, TensorStore.open(tmp_path / "s.zarr")):
        values = np.zeros((1, 2, 2, 1, 6, 8), np.float32)
        product = build_product(
            values, store=each, init_positions=[5], lead_steps=[1, 2], attrs={}, sequences=[0, 2]
        )
        path = write_product(product, tmp_path / "f.nc", overwrite=True)
        assert open_product(path)["video"].values.tolist() == ["film 1", "film 10"]


def test_values_may_be_lazy() -> None:
    store = make_store(48)
    values = dask.array.zeros((2, 3, 1, 6, 8), dtype=np.float32, chunks=(1, 3, 1, 6, 8))
    product = build_product(
        values, store=store, init_positions=[1, 2], lead_steps=[1, 2, 3], attrs={}
    )
    assert product["v0"].chunks is not None


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        build_product(
            np.zeros((1, 1, 2, 6, 8)),
            store=make_store(24),
            init_positions=[5],
            lead_steps=[1],
            attrs={},
        )
