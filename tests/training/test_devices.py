"""Several processes train one model: what one does, stopped and failing together."""

import os
import signal
from typing import Any

import pytest
import torch

from stforecast.card import RunCard
from stforecast.errors import Interrupted, RunError
from stforecast.options import TrainingOptions
from stforecast.training.distributed import Ranks
from stforecast.training.hardware import choose_hardware
from tests.training.conftest import Trainer, equal

two = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
PAIR: dict[str, Any] = {"max_epochs": 2, "devices": 2, "model": {"drop_path": 0.2}}


def losses(trainer: Trainer) -> list[float]:
    """Training and validation losses of all validations."""
    rows = [line.split(",") for line in trainer.metrics()[1:]]
    return [float(value) for row in rows for value in row[3:5]]


def test_one_process_agrees_with_itself() -> None:
    ranks = Ranks()
    assert ranks.first
    assert ranks.totals([1.0, 2.0]) == [1.0, 2.0]
    assert ranks.of_first([3.0]) == [3.0]
    assert ranks.gather("mine") == ["mine"]
    assert ranks.total(torch.tensor(4)).item() == 4


@pytest.mark.parametrize(("cells", "precision"), [(511, "float32"), (512, "bf16")])
def test_bf16_is_taken_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, cells: int, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    options = TrainingOptions(device="cpu")
    assert choose_hardware(options, cells).precision == precision
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert choose_hardware(options, cells).precision == "float32"


@pytest.mark.slow
@two
def test_two_processes_train_what_one_does(trainer: Trainer) -> None:
    trainer(max_epochs=2)
    alone = losses(trainer)
    card = trainer(max_epochs=2, devices=2, replace=True)
    assert card.device == "2 × cpu"
    assert card.training.finished
    assert trainer.lines[-1].startswith("best weights")
    assert losses(trainer) == pytest.approx(alone, rel=1e-3)


@pytest.mark.slow
@two
def test_two_processes_stop_and_go_on_together(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(**PAIR)
    whole = trainer.weights()

    class Impatient(list[str]):
        def append(self, line: str) -> None:
            if line.startswith("step "):
                signal.raise_signal(signal.SIGINT)

    trainer.lines = Impatient()
    with pytest.raises(Interrupted, match="go on with --resume"):
        trainer(**PAIR, replace=True)
    assert not RunCard.read(trainer.folder).training.finished
    trainer.lines = []
    assert trainer(**PAIR, resume=True).training.finished
    assert equal(whole, trainer.weights())


@pytest.mark.slow
@two
def test_two_processes_fail_with_one_sentence(trainer: Trainer) -> None:
    wild = {"learning_rate": 1e30, "gradient_clip": None, "schedule": "constant"}
    with pytest.raises(RunError, match="not finite at step"):
        trainer(**{**PAIR, **wild, "validations": 1})
    assert list(trainer.folder.parent.iterdir()) == []
