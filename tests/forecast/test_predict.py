"""Forecasts from a record."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import ConfigError, DataError, RunError
from stforecast.forecast import ForecastOptions, predict
from stforecast.product import open_product, write_product
from stforecast.store import TensorStore
from tests.forecast.runs import make_trained
from tests.helpers import make_store

CALENDAR = [{"calendar": ["hour", "weekday"]}]


def changed(store: TensorStore, after: int, value: float) -> TensorStore:
    """The record with another future."""
    dataset = store.dataset.copy(deep=True)
    dataset["data"][after + 1 :] = value
    return TensorStore(dataset)


@pytest.mark.parametrize("departure", ["none", "last_frame", "history_mean", "climatology"])
def test_a_forecast_never_reads_beyond_the_initial_time(tmp_path: Path, departure: str) -> None:
    store = make_store(80, 2, missing=0.1)
    model = make_trained(tmp_path, store, departure=departure, covariates=CALENDAR)
    first = predict(model, store, [40, 50], horizon=8)
    for value in (np.nan, 1e6):
        other = changed(store, 50, value)
        xr.testing.assert_equal(predict(model, other, [40, 50], horizon=8), first)
    assert not predict(model, changed(store, 39, 3.0), [40], horizon=8).equals(
        first.isel(init_time=[0])
    )


def test_a_forecast_is_that_of_the_record_cut_off(tmp_path: Path) -> None:
    store = make_store(80)
    model = make_trained(tmp_path, store, covariates=CALENDAR)
    whole = predict(model, store, [50], horizon=7)
    cut = TensorStore(store.dataset.isel(time=slice(0, 51)))
    xr.testing.assert_equal(predict(model, cut, [50], horizon=7), whole)


@pytest.mark.parametrize(("lags", "departure"), [([2], "last_frame"), (["24h", 5], "climatology")])
def test_lags_reach_back_and_never_forward(
    tmp_path: Path, lags: list[int | str], departure: str
) -> None:
    store = make_store(80, 2, missing=0.1, absent=[17])
    told = [{"climatology": True}]
    model = make_trained(tmp_path, store, departure=departure, lags=lags, covariates=told)
    needed = model.spec.history_needed
    first = predict(model, store, [50], horizon=8)
    for value in (np.nan, 1e6):
        other = changed(store, 50, value)
        xr.testing.assert_equal(predict(model, other, [50], horizon=8), first)
    # no more of the record than is said to be needed makes any difference, and all of it does
    cut = TensorStore(store.dataset.isel(time=slice(51 - needed, 51)))
    alone = predict(model, cut, [needed - 1], horizon=8)
    xr.testing.assert_equal(alone, first)
    with pytest.raises(DataError, match=f"needs {needed} time steps of one hour of .*, from"):
        predict(model, cut, [needed - 2], horizon=8)
    dataset = store.dataset.copy(deep=True)
    dataset["data"][51 - needed] += 1.0
    assert not predict(model, TensorStore(dataset), [50], horizon=8).equals(first)


def test_the_same_again_in_any_batches(tmp_path: Path) -> None:
    store = make_store(80, 2)
    model = make_trained(tmp_path, store)
    inits = np.arange(10, 40)
    first = predict(model, store, inits, horizon=5)
    xr.testing.assert_equal(predict(model, store, inits, horizon=5), first)
    seen: list[tuple[int, int]] = []
    small = predict(
        model,
        store,
        inits,
        horizon=5,
        progress=lambda *at: seen.append(at),
        options=ForecastOptions(batch_size=7),
    )
    xr.testing.assert_allclose(small, first, rtol=1e-4)
    assert seen == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


def test_a_rollout_starts_with_the_one_shot(tmp_path: Path) -> None:
    store = make_store(80)
    model = make_trained(tmp_path, store)
    shot = predict(model, store, [30])
    assert shot.sizes["lead_time"] == 3
    long = predict(model, store, [30], horizon="8h")
    assert long.sizes["lead_time"] == 8
    xr.testing.assert_equal(long.isel(lead_time=slice(0, 3)), shot)
    short = predict(model, store, [30], horizon=2)
    xr.testing.assert_equal(short, shot.isel(lead_time=slice(0, 2)))


def test_a_rollout_is_a_forecast_from_a_forecast(tmp_path: Path) -> None:
    """The second shot equals a forecast from a record that ends with the first."""
    store = make_store(80, 2)
    model = make_trained(tmp_path, store, horizon=4, covariates=CALENDAR, departure="last_frame")
    long = predict(model, store, [40], horizon=8)
    dataset = store.dataset.copy(deep=True)
    for index, name in enumerate(store.channels):
        dataset["data"][41:45, index] = long[name].values[0, :4]
    again = predict(model, TensorStore(dataset), [44])
    for name in store.channels:
        np.testing.assert_allclose(again[name][0], long[name][0, 4:], rtol=1e-5)


def test_what_is_always_missing_stays_missing(tmp_path: Path) -> None:
    land = np.zeros((6, 8), bool)
    land[2:4, 3:] = True
    store = make_store(80, 2, missing=land)
    model = make_trained(tmp_path, store)
    product = predict(model, store, [30, 40], horizon=10)
    for name in store.channels:
        assert (product[name].isnull().values == land).all()


def test_bounds_of_the_channels_hold(tmp_path: Path) -> None:
    store = make_store(80, minimum=9.5, maximum=10.5)
    product = predict(make_trained(tmp_path, store), store, [30], horizon=6)
    assert float(product["v0"].min()) >= 9.5
    assert float(product["v0"].max()) <= 10.5


def test_calendar_steps(tmp_path: Path) -> None:
    store = make_store(80, step="1Y", calendar="360_day", start="1860-06-01")
    model = make_trained(tmp_path, store)
    product = predict(model, store, [79], horizon="4Y")
    assert product["lead_time"].values.tolist() == [1, 2, 3, 4]
    assert str(product["valid_time"].values[0, -1]).startswith("1943-06-01")
    with pytest.raises(ConfigError, match="horizon 24h is not a whole number of time steps"):
        predict(model, store, [79], horizon="24h")


@pytest.mark.parametrize(
    ("horizon", "message"),
    [
        (0, "horizon must be at least 1 step, not 0"),
        (-2, "horizon must be at least 1 step, not -2"),
        ("90min", "horizon 90min is not a whole number of time steps of one hour"),
        ("soon", "horizon: 'soon' is not a duration"),
    ],
)
def test_horizons_that_cannot_be(tmp_path: Path, horizon: int | str, message: str) -> None:
    store = make_store(80)
    with pytest.raises(ConfigError, match=message):
        predict(make_trained(tmp_path, store), store, [30], horizon=horizon)


def test_initial_times_that_cannot_be(tmp_path: Path) -> None:
    store = make_store(80, absent=[20])
    model = make_trained(tmp_path, store)
    with pytest.raises(DataError, match=r"2000-01-01 22:00.*nearest initial time is 2000-01-02"):
        predict(model, store, [10, 22])
    with pytest.raises(DataError, match="2000-01-04 08:00: the data runs from 2000-01-01 to"):
        predict(model, store, [80])
    with pytest.raises(DataError, match="needs 4 time steps of one hour of history"):
        predict(model, store, [2])


def test_a_run_for_other_data_is_refused(tmp_path: Path) -> None:
    model = make_trained(tmp_path, make_store(80))
    with pytest.raises(RunError, match="does not fit this data"):
        predict(model, make_store(80, height=7), [30])
    with pytest.raises(RunError, match="does not fit this data"):
        predict(model, make_store(80, ["other"]), [30])


def test_sequences(tmp_path: Path) -> None:
    store = make_store(20, sequences=12)
    model = make_trained(tmp_path, store)
    product = predict(model, store, [10, 11], sequences=[3, 7])
    assert dict(product["v0"].sizes) == {
        "init_time": 2,
        "lead_time": 3,
        "video": 2,
        "lat": 6,
        "lon": 8,
    }
    alone = predict(model, store, [11], sequences=[7])
    np.testing.assert_allclose(alone["v0"][0, :, 0], product["v0"][1, :, 1], rtol=1e-5)
    assert predict(model, store, [10]).sizes["video"] == 12
    with pytest.raises(RunError, match="there is no sequence 12"):
        predict(model, store, [10], sequences=[12])


def test_the_forecast_says_where_it_comes_from(tmp_path: Path) -> None:
    store = make_store(80)
    attrs = predict(make_trained(tmp_path, store, name="uk"), store, [30]).attrs
    assert attrs["stforecast_run"] == "uk"
    assert attrs["stforecast_model"] == "simvp"
    assert attrs["stforecast_history"] == 4
    assert attrs["stforecast_precision"] == "float32"
    assert "forecast by run uk" in attrs["history"]
    assert "simvp: Gao et al." in attrs["references"]
    first, last = attrs["stforecast_training_period"].split("/")
    assert store.axis.slice_of(first, last)[0] == 0


def test_precision_is_what_was_asked_for(tmp_path: Path) -> None:
    store = make_store(80)
    model = make_trained(tmp_path, store, precision="bf16")
    full = predict(model, store, [30])
    half = predict(model, store, [30], options=ForecastOptions(precision="bf16"))
    assert full.attrs["stforecast_precision"] == "float32"  # on a CPU
    assert half.attrs["stforecast_precision"] == "bf16"
    difference = float(abs(full["v0"] - half["v0"]).max())
    assert 0 < difference < 0.2
    with pytest.raises(RunError, match="float16 forecasts need a GPU"):
        predict(model, store, [30], options=ForecastOptions(precision="float16"))


@pytest.mark.parametrize("block", [1, 4 * 3 * 2 * 6 * 8 * 4, 2**30])
@pytest.mark.parametrize("sequences", [None, 5])
def test_lazy_forecasts_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, sequences: int | None
) -> None:
    store = make_store(40, 2, sequences=sequences)
    model = make_trained(tmp_path, store, covariates=CALENDAR)
    chosen = [4, 0, 2] if sequences else None
    inits = np.arange(8, 20)
    held = predict(model, store, inits, sequences=chosen, lazy_above=10**9)
    assert held["v0"].chunks is None
    monkeypatch.setattr("stforecast.forecast.blocks._BLOCK", block)
    seen: list[tuple[int, int]] = []
    lazy = predict(
        model,
        store,
        inits,
        sequences=chosen,
        lazy_above=0,
        progress=lambda *at: seen.append(at),
    )
    assert not seen
    assert lazy["v0"].chunks is not None
    assert (int(np.prod(lazy["v0"].data.numblocks)) > 1) == (block < 2**30)
    path = write_product(lazy, tmp_path / "forecast.nc")
    samples = 12 * (3 if sequences else 1)
    assert seen[-1] == (samples, samples)
    with open_product(path) as written:
        for name in ("v0", "v1"):
            np.testing.assert_allclose(written[name].values, held[name].values, rtol=1e-5)
            assert written[name].encoding["chunksizes"][-2:] == (6, 8)
    assert lazy.attrs.keys() == held.attrs.keys()
