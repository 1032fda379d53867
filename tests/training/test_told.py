"""Trainings that are told covariates, and go on with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stforecast.card import RunCard
from stforecast.errors import DataError, Interrupted, RunError
from stforecast.forecast import load_trained, predict
from stforecast.windows import WindowSpec
from tests.training.conftest import Trainer

HOURS = pd.date_range("2000-01-01", periods=140, freq="h")


def weather(path: Path, factor: float = 1.0, gap: bool = True) -> Path:
    rain = factor * np.random.default_rng(0).random(140)
    if gap:
        rain[7] = np.nan
    pd.DataFrame({"time": HOURS, "rain": rain, "plan": rain[::-1]}).to_csv(path, index=False)
    return path


def test_a_run_is_told_files_and_says_so(trainer: Trainer, tmp_path: Path) -> None:
    file = weather(tmp_path / "w.csv")
    windows = {
        "covariates": [
            {"sun": "elevation"},
            {"file": str(file), "columns": "rain"},
            {"file": str(file), "columns": "plan", "known": "future"},
            {"grid": "row"},
        ]
    }
    card = trainer(windows=windows)
    assert any("has 'rain' for 98." in line for line in trainer.lines)
    assert [told.kind for told in WindowSpec.from_json(card.windows).told] == [
        *("future", "past", "future", "static")
    ]
    # rain, its mask, and the masks of two variables
    assert (card.shape["past_channels"], card.shape["future_channels"]) == (4, 2)
    product = predict(load_trained(trainer.folder, "cpu"), trainer.store, [119], 6)
    assert np.isfinite(product["v0"]).any()
    file.unlink()
    with pytest.raises(DataError, match="is to be told 'rain'"):
        predict(load_trained(trainer.folder, "cpu"), trainer.store, [119])


def test_it_goes_on_with_the_file_elsewhere_and_the_statistics_it_had(
    trainer: Trainer, interrupt_after: Callable[[int], None], tmp_path: Path
) -> None:
    file = weather(tmp_path / "w.csv")
    interrupt_after(6)
    with pytest.raises(Interrupted):
        trainer(windows={"covariates": [{"file": str(file)}]})
    interrupt_after(-1)
    before = WindowSpec.from_json(RunCard.read(trainer.folder).windows).told
    (tmp_path / "moved").mkdir()
    moved = weather(tmp_path / "moved" / "w.csv", factor=2.0)
    card = trainer(windows={"covariates": [{"file": str(moved)}]}, resume=True)
    assert card.training.steps == 12
    assert WindowSpec.from_json(card.windows).told == before
    other = weather(tmp_path / "other.csv")
    with pytest.raises(RunError, match=r"windows.covariates was .*'w.csv'"):
        trainer(windows={"covariates": [{"file": str(other)}]}, resume=True, max_steps=20)
