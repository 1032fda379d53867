"""Runs that are given lagged frames: trained, resumed, and forecasting from what they need."""

from pathlib import Path

import numpy as np
import pytest

import stforecast as sf
from stforecast.card import RunCard
from stforecast.errors import DataError, Interrupted
from stforecast.forecast import load_trained, period_samples, predict
from stforecast.store import TensorStore
from stforecast.training.files import read_state, write_state
from tests.helpers import make_store
from tests.training.conftest import AfterStep, Trainer, check_resuming

WINDOWS = {"lags": [1, "24h"], "covariates": [{"calendar": ["hour"]}]}


def test_a_run_with_lags_trains_and_forecasts(trainer: Trainer) -> None:
    card = trainer(windows=WINDOWS)
    assert card.windows["lags"] == [1, 24]
    assert card.history_needed == 27
    assert card.shape["future_channels"] == 2 + 2 * 3
    assert card.scores["validation"]["model"]["v0"] is not None
    model = load_trained(trainer.folder)
    inits, _ = period_samples(trainer.store, model.spec, card, "test", horizon=2)
    first = trainer.store.axis.slice_of(*card.splits["test"])[0]
    assert inits[0] == first + 2  # its lags lie before the period
    assert np.isfinite(predict(model, trainer.store, inits, horizon=5)["v0"]).any()


def test_it_resumes_with_the_very_next_batch(
    trainer: Trainer, store: TensorStore, after_step: AfterStep, tmp_path: Path
) -> None:
    check_resuming(trainer, Trainer(store, tmp_path / "whole"), after_step, WINDOWS)


def test_a_run_of_before_there_were_lags_goes_on(trainer: Trainer, after_step: AfterStep) -> None:
    after_step(5, lambda session: session._stop.ask())
    with pytest.raises(Interrupted):
        trainer()
    after_step(-1, lambda session: None)
    path = trainer.folder / "state.pt"
    state = read_state(path)
    for name in ("lags", "function", "climatology", "tells_climatology"):
        del state["matters"]["windows"][name]
    write_state(path, state)
    assert trainer(resume=True).training.finished


def test_hindcasts_and_forecasts_of_a_dataset_read_what_the_lags_need() -> None:
    store = make_store(200, 1, 5, 6)
    observed = store.variables()
    run = sf.train(
        observed, history=3, horizon=2, max_steps=1, progress=False, preset="small", lags=["24h"]
    )
    hindcast = run.hindcast(observed, "test")
    start = store.axis.slice_of(*run.card.splits["test"])[0]
    assert hindcast.init_time.values[0] == store.axis.times_at(start + 2)
    alone = run.predict(observed, init_time=hindcast.init_time.values[0])
    np.testing.assert_allclose(alone["v0"][0], hindcast["v0"][0], rtol=1e-5)
    last = run.predict(observed.isel(time=slice(-27, None)))
    np.testing.assert_allclose(last["v0"], run.predict(observed)["v0"], rtol=1e-5)
    with pytest.raises(DataError, match=r"a record of 27 time steps.*this data has 26, and would"):
        run.predict(observed.isel(time=slice(-26, None)))


def test_cards_of_runs_without_lags_still_load(trainer: Trainer) -> None:
    card = trainer(max_steps=1)
    del card.windows["lags"]
    card.write(trainer.folder)
    assert RunCard.read(trainer.folder).history_needed == 3
    assert load_trained(trainer.folder).spec.lags == ()
