"""What forecasts are told: nothing observed beyond the initial time changes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.forecast import TrainedModel, predict
from stforecast.store import TensorStore
from tests.forecast.runs import make_trained
from tests.helpers import make_store

HOURS = pd.date_range("2000-01-01", periods=240, freq="h")
INIT = 150
HORIZON = 7  # more than two windows


def table(path: Path, seed: int = 0) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(size=(240, 2))
    frame = pd.DataFrame({"time": HOURS, "rain": noise[:, 0], "plan": noise[:, 1]})
    frame.to_csv(path, index=False)
    return frame


@pytest.fixture
def setup(tmp_path: Path) -> tuple[TrainedModel, TensorStore, Path]:
    """A run told series, fields, the calendar, the sun, lagged frames and what is usual."""
    file = tmp_path / "w.csv"
    table(file)
    fields = np.random.default_rng(1).normal(size=(240, 6, 8)).astype(np.float32)
    cloud = xr.Dataset({"cloud": (("time", "y", "x"), fields)}, {"time": HOURS})
    cloud.to_netcdf(tmp_path / "cloud.nc")
    store = make_store(240, channels=2)
    model = make_trained(
        tmp_path / "run",
        store,
        lags=["24h"],
        departure="climatology",
        covariates=[
            {"climatology": True},
            {"calendar": ["hour"]},
            {"holidays": "US"},
            {"sun": "elevation"},
            {"grid": ["latitude"]},
            {"file": str(file), "columns": "rain"},
            {"file": str(tmp_path / "cloud.nc")},
            {"file": str(file), "columns": "plan", "known": "future"},
        ],
    )
    return model, store, tmp_path


def forecast(model: TrainedModel, store: TensorStore, **settings: Any) -> xr.Dataset:
    return predict(model, store, [INIT], HORIZON, **settings)[["v0", "v1"]].load()


def changed_record(store: TensorStore, change: slice) -> TensorStore:
    dataset = store.dataset.copy(deep=True)
    dataset[names.DATA][change] += 5.0
    return TensorStore(dataset)


def edited(folder: Path, name: str, change: slice) -> None:
    frame = table(folder / "w.csv")
    frame.loc[frame.index[change], name] += 5.0
    frame.to_csv(folder / "w.csv", index=False)


def edited_fields(folder: Path, change: slice) -> None:
    with xr.open_dataset(folder / "cloud.nc") as opened:
        cloud = opened.load()
    cloud["cloud"][change] += 5.0
    (folder / "cloud.nc").unlink()  # who has it open goes on reading the old one
    cloud.to_netcdf(folder / "cloud.nc")


LATER = slice(INIT + 1, None)
NOW = slice(INIT, INIT + 1)


def test_the_record_beyond_the_initial_time_is_not_read(
    setup: tuple[TrainedModel, TensorStore, Path],
) -> None:
    model, store, _ = setup
    before = forecast(model, store)
    xr.testing.assert_equal(forecast(model, changed_record(store, LATER)), before)
    assert not forecast(model, changed_record(store, NOW)).equals(before)
    lagged = slice(INIT - 23, INIT - 22)
    assert not forecast(model, changed_record(store, lagged)).equals(before)


CHANGES: dict[str, Callable[[Path, slice], None]] = {
    "past": lambda folder, change: edited(folder, "rain", change),
    "fields": edited_fields,
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_observed_beyond_the_initial_time_is_not_read(
    setup: tuple[TrainedModel, TensorStore, Path], kind: str
) -> None:
    model, store, folder = setup
    before = forecast(model, store)
    CHANGES[kind](folder, LATER)
    xr.testing.assert_equal(forecast(model, store), before)
    CHANGES[kind](folder, NOW)
    assert not forecast(model, store).equals(before)


def test_what_is_known_in_advance_is_read(setup: tuple[TrainedModel, TensorStore, Path]) -> None:
    model, store, folder = setup
    before = forecast(model, store)
    edited(folder, "plan", slice(INIT + 1, INIT + 2))
    assert not forecast(model, store).equals(before)
    # the third window ends nine steps ahead
    edited(folder, "plan", slice(INIT + 10, None))
    xr.testing.assert_equal(forecast(model, store), before)


def test_many_initial_times_are_told_what_each_would_be_alone(
    setup: tuple[TrainedModel, TensorStore, Path],
) -> None:
    model, store, _ = setup
    together = predict(model, store, [INIT - 30, INIT], HORIZON)
    xr.testing.assert_allclose(
        together[["v0", "v1"]].isel(init_time=[1]), forecast(model, store), atol=1e-5
    )
    lazy = predict(model, store, [INIT - 30, INIT], HORIZON, lazy_above=0)
    xr.testing.assert_allclose(lazy[["v0"]].load(), together[["v0"]], atol=1e-5)


def test_a_record_that_ends_at_the_initial_time_suffices(
    setup: tuple[TrainedModel, TensorStore, Path],
) -> None:
    model, store, _ = setup
    short = TensorStore(store.dataset.isel({names.TIME: slice(INIT - 40, INIT + 1)}))
    found = predict(model, short, [40], HORIZON)[["v0", "v1"]]
    xr.testing.assert_allclose(found, forecast(model, store), atol=1e-5)


def test_new_values_are_brought(setup: tuple[TrainedModel, TensorStore, Path]) -> None:
    model, store, folder = setup
    frame = table(folder / "w.csv")
    before = forecast(model, store)
    frame[: INIT + 1].to_csv(folder / "w.csv", index=False)
    words = (
        r"has 'plan' \(future\) from 2000-01-01 to 2000-01-07 06:00, and the forecast needs it "
        r"from 2000-01-07 03:00 to 2000-01-07 15:00; bring what is missing with --future FILE"
    )
    with pytest.raises(DataError, match=words):
        forecast(model, store)
    plan = frame[["time", "plan"]][INIT - 5 : INIT + 10]
    xr.testing.assert_equal(forecast(model.told([plan]), store), before)
    with pytest.raises(DataError, match=r"needs it from .* to 2000-01-07 15:00"):
        forecast(model.told([plan[:-1]]), store)


def test_files_may_lie_elsewhere_by_now(setup: tuple[TrainedModel, TensorStore, Path]) -> None:
    model, store, folder = setup
    before = forecast(model, store)
    (folder / "moved").mkdir()
    (folder / "w.csv").rename(folder / "moved" / "w.csv")
    with pytest.raises(DataError, match=r"is to be told 'rain' \(past\) for the forecast from"):
        forecast(model, store)
    now = [
        item.model_copy(update={"file": str(folder / "moved" / "w.csv")})
        for item in model.spec.covariates
        if getattr(item, "columns", None) == ["rain"]
    ]
    xr.testing.assert_equal(forecast(model.told(covariates=now), store), before)
