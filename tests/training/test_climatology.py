"""Runs that learn departures from what is usual: trained, resumed, loaded, and moved."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stforecast.card import CLIMATOLOGY, RunCard
from stforecast.errors import ConfigError, RunError
from stforecast.forecast import load_trained, predict
from stforecast.store import TensorStore
from tests.training.conftest import AfterStep, Trainer, check_resuming
from tests.videos import moving_store

WINDOWS: dict[str, Any] = {
    "departure": {"v0": "climatology"},
    "function": {"v1": "sqrt"},
    "covariates": [{"climatology": True}],
    "lags": [24],
}


def test_a_run_keeps_what_is_usual_in_a_file_of_its_own(trainer: Trainer, tmp_path: Path) -> None:
    card = trainer(windows=WINDOWS)
    assert card.climatology is not None
    assert card.climatology.kind == "hour"
    assert (trainer.folder / CLIMATOLOGY).is_file()
    assert card.shape["future_channels"] == 2 + 3
    assert RunCard.read(trainer.folder).climatology == card.climatology
    product = predict(load_trained(trainer.folder), trainer.store, [100], horizon=5)
    moved = tmp_path / "elsewhere"
    shutil.copytree(trainer.folder, moved)
    again = predict(load_trained(moved), trainer.store, [100], horizon=5)
    np.testing.assert_array_equal(again["v0"], product["v0"])
    (moved / CLIMATOLOGY).unlink()
    with pytest.raises(RunError, match="has lost its climatology"):
        load_trained(moved)


def test_it_resumes_with_the_very_next_batch(
    trainer: Trainer, store: TensorStore, after_step: AfterStep, tmp_path: Path
) -> None:
    check_resuming(trainer, Trainer(store, tmp_path / "whole"), after_step, WINDOWS)
    with pytest.raises(RunError, match=r"windows\.function was .* and is now none"):
        trainer(windows={**WINDOWS, "function": "none"}, resume=True, max_steps=30)


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
def test_two_processes_train_what_one_does(trainer: Trainer) -> None:
    trainer(windows=WINDOWS, max_epochs=2)
    alone = [float(line.split(",")[3]) for line in trainer.metrics()[1:]]
    trainer(windows=WINDOWS, max_epochs=2, devices=2, replace=True)
    both = [float(line.split(",")[3]) for line in trainer.metrics()[1:]]
    assert both == pytest.approx(alone, rel=1e-3)


def test_sequences_that_are_drawn_have_none(trainer: Trainer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are drawn as they are needed, and have no climatology"):
        trainer(store=moving_store(tmp_path), windows={"departure": "climatology"})


def test_names_of_no_variables_are_told_before_anything_is_read(trainer: Trainer) -> None:
    with pytest.raises(ConfigError, match=r"windows\.departure names the variable 'rain'"):
        trainer(windows={"departure": {"rain": "climatology"}})
