"""Stopping anywhere and going on as if nothing had been."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stforecast.card import RunCard
from stforecast.errors import Interrupted, RunError, StForecastError
from stforecast.store import TensorStore
from stforecast.training.budget import TimeBudget
from stforecast.training.files import read_state, write_state
from stforecast.training.session import Session
from stforecast.training.validation import Validator
from tests.helpers import make_store
from tests.training.conftest import AfterStep, Trainer, equal

Arrange = Callable[[int], None]

# Drops paths, so that every step draws random numbers; 5 batches of an epoch, of which 12 steps
# make two and a bit.
OPTIONS: dict[str, Any] = {"model": {"drop_path": 0.3}, "max_steps": 12, "seed": 5}


@pytest.fixture
def whole(store: TensorStore, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """The run that nothing interrupted."""
    trainer = Trainer(store, tmp_path_factory.mktemp("whole") / "run")
    trainer(**OPTIONS)
    return trainer


def same_run(a: Trainer, b: Trainer) -> bool:
    return (
        equal(a.weights(), b.weights())
        and equal(a.weights("model.safetensors"), b.weights("model.safetensors"))
        and a.metrics() == b.metrics()
    )


@pytest.mark.parametrize("step", [1, 4, 5, 8])
def test_interrupted_and_resumed_is_the_same_to_the_last_bit(
    trainer: Trainer, whole: Trainer, interrupt_after: Arrange, step: int
) -> None:
    interrupt_after(step)
    with pytest.raises(
        Interrupted, match=rf"^interrupted after {step} steps; go on with --resume$"
    ):
        trainer(**OPTIONS)
    card = RunCard.read(trainer.folder)
    assert (card.training.steps, card.training.finished) == (step, False)
    assert card.training.interrupted == "stopped by the user"
    interrupt_after(-1)
    resumed = trainer(**OPTIONS, resume=True)
    assert same_run(trainer, whole)
    assert resumed.training.finished
    assert resumed.training.interrupted is None
    assert f"going on after step {step}" in trainer.lines
    assert resumed.scores == RunCard.read(whole.folder).scores
    assert trainer.lines[-1] == whole.lines[-1]


@pytest.mark.parametrize("later", [100_000, 70_000, None])
def test_a_record_larger_than_memory_is_gone_on_with_in_its_order(
    tmp_path: Path, interrupt_after: Arrange, monkeypatch: pytest.MonkeyPatch, later: int | None
) -> None:
    """Wherever the rest is read, in blocks of more or less memory or in memory."""
    monkeypatch.setattr("stforecast.windows.blocks.grid.SMALLEST_BLOCK", 240)
    store = make_store(600, 2, 5, 6, missing=0.02)  # 144 kB
    undisturbed = Trainer(store, tmp_path / "whole")
    undisturbed(**OPTIONS, memory_limit=100_000)
    trainer = Trainer(store, tmp_path / "cut")
    interrupt_after(5)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS, memory_limit=100_000)
    interrupt_after(-1)
    trainer(**OPTIONS, memory_limit=later, resume=True)
    assert same_run(trainer, undisturbed)


def test_interrupted_twice(trainer: Trainer, whole: Trainer, interrupt_after: Arrange) -> None:
    for step, resume in ((3, False), (9, True)):
        interrupt_after(step)
        with pytest.raises(Interrupted):
            trainer(**OPTIONS, resume=resume)
    interrupt_after(-1)
    trainer(**OPTIONS, resume=True)
    assert same_run(trainer, whole)


def test_interrupted_within_a_validation(
    trainer: Trainer, whole: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Validator._batch_sums
    passes = []

    def interrupted(self: Validator, *arguments: Any) -> torch.Tensor:
        passes.append(1)
        if len(passes) == 1:
            signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(Validator, "_batch_sums", interrupted)
    small = {**OPTIONS, "batch_size": 4}  # so that the validation has several batches
    with pytest.raises(Interrupted, match="after 4 steps"):
        trainer(**small)
    assert not (trainer.folder / "metrics.csv").exists()
    trainer(**small, resume=True)
    whole(**small, replace=True)
    assert same_run(trainer, whole)


def test_killed_and_resumed_from_the_last_state(
    trainer: Trainer, whole: Trainer, after_step: AfterStep
) -> None:
    def die(session: Session) -> None:
        raise MemoryError

    after_step(7, die)
    with pytest.raises(MemoryError):
        trainer(**OPTIONS)
    assert RunCard.read(trainer.folder).training.steps == 4
    # Killed between the metrics and the state, a line is there that the state knows nothing of.
    with (trainer.folder / "metrics.csv").open("a") as file:
        file.write("6,,,,,,,,,,\n")
    after_step(-1, die)
    trainer(**OPTIONS, resume=True)
    assert same_run(trainer, whole)


def test_states_are_saved_by_the_clock_too(
    trainer: Trainer, whole: Trainer, after_step: AfterStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "SAVE_SECONDS", 0.0)

    def die(session: Session) -> None:
        raise MemoryError

    after_step(7, die)
    with pytest.raises(MemoryError):
        trainer(**OPTIONS)
    assert RunCard.read(trainer.folder).training.steps == 6
    after_step(-1, die)
    trainer(**OPTIONS, resume=True)
    assert same_run(trainer, whole)


def test_signals_are_given_back(trainer: Trainer, interrupt_after: Arrange) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupt_after(1)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_interrupt_does_not_wait(trainer: Trainer, after_step: AfterStep) -> None:
    def insist(session: Session) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    after_step(6, insist)
    with pytest.raises(KeyboardInterrupt):
        trainer(**OPTIONS)
    assert RunCard.read(trainer.folder).training.steps == 4  # the last state is there
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_unfinished_run_is_not_trained_over(trainer: Trainer, interrupt_after: Arrange) -> None:
    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    with pytest.raises(RunError, match=r"there is an unfinished run .* --resume, or .*--replace"):
        trainer(**OPTIONS)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"batch_size": 8}, "training.batch_size was 16 and is now 8"),
        ({"learning_rate": 0.01}, "training.learning_rate was 0.001 and is now 0.01"),
        ({"seed": 6}, "training.seed was 5 and is now 6"),
        ({"model": {"drop_path": 0.1}}, "model.drop_path was 0.3 and is now 0.1"),
        ({"windows": {"history": 4}}, "windows.history was 3 and is now 4"),
        ({"windows": {"covariates": [{"calendar": ["hour"]}]}}, "windows.covariates was"),
        ({"split": {"train": 0.6}}, "data.split.train was"),
        ({"max_steps": 20}, "the budget was max_steps 12 and is now max_steps 20, but"),
        ({"max_steps": None, "max_time": "1h"}, "is now max_time 1h, but"),
        ({"store": make_store(120, 2, 5, 7)}, "was trained on a 5×6 grid, the data has 5×7"),
    ],
)
def test_another_experiment_is_refused(
    trainer: Trainer, interrupt_after: Arrange, changed: dict[str, Any], words: str
) -> None:
    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    interrupt_after(-1)
    with pytest.raises(StForecastError, match=re.escape(words)):
        trainer(**{**OPTIONS, **changed}, resume=True)
    assert RunCard.read(trainer.folder).training.steps == 2


def test_another_device_is_not_another_experiment(
    trainer: Trainer, whole: Trainer, interrupt_after: Arrange
) -> None:
    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    interrupt_after(-1)
    trainer(**OPTIONS, device="cpu", workers=1, resume=True)
    assert same_run(trainer, whole)


def test_a_grown_store_is_refused_only_where_its_splits_moved(
    trainer: Trainer, interrupt_after: Arrange
) -> None:
    grown = make_store(140, 2, 5, 6, missing=0.02)
    interrupt_after(2)
    dates = {
        "train": ("2000-01-01T00", "2000-01-03T12"),
        "validation": ("2000-01-03T20", "2000-01-04T03"),
        "test": ("2000-01-04T12", "2000-01-05T00"),
    }
    for split in ({}, dates):
        with pytest.raises(Interrupted):
            trainer(**OPTIONS, split=split, replace=True)
    interrupt_after(-1)
    assert trainer(**OPTIONS, split=dates, store=grown, resume=True).training.finished


# --- finished runs -------------------------------------------------------------------------------


def test_a_finished_run_has_nothing_to_resume(trainer: Trainer) -> None:
    trainer(**OPTIONS)
    with pytest.raises(RunError, match=r"the run is finished, so .*train a new run"):
        trainer(**OPTIONS, resume=True)
    with pytest.raises(RunError, match="schedule onecycle anneals over the budget"):
        trainer(**{**OPTIONS, "max_steps": 20}, resume=True)


def test_a_constant_rate_goes_on_for_longer(trainer: Trainer, whole: Trainer) -> None:
    constant = {**OPTIONS, "schedule": "constant"}
    trainer(**constant)
    with pytest.raises(RunError, match="give a larger budget to go on"):
        trainer(**constant, resume=True)
    with pytest.raises(RunError, match="used up: 12 steps are done"):
        trainer(**{**constant, "max_steps": 10}, resume=True)
    assert RunCard.read(trainer.folder).training.finished
    card = trainer(**{**constant, "max_steps": 20}, resume=True)
    assert card.training.steps == 20
    whole(**{**constant, "max_steps": 20}, replace=True)
    assert equal(trainer.weights(), whole.weights())


def test_a_time_not_yet_turned_into_steps(
    trainer: Trainer, interrupt_after: Arrange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimeBudget, "EARLY_PART", 0.45)
    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(max_time="1s")
    assert RunCard.read(trainer.folder).training.total_steps is None
    interrupt_after(-1)
    card = trainer(max_time="1s", resume=True)
    assert card.training.finished
    assert card.training.steps == card.training.total_steps


def test_a_time_goes_on_for_longer(trainer: Trainer) -> None:
    first = trainer(max_time="1s", schedule="constant")
    longer = f"{int(first.training.seconds) + 2}s"  # a busy machine may take more than it was given
    second = trainer(max_time=longer, schedule="constant", resume=True)
    assert second.training.steps > first.training.steps
    assert second.training.seconds > first.training.seconds


# --- damage --------------------------------------------------------------------------------------


def test_nothing_to_resume(trainer: Trainer) -> None:
    with pytest.raises(RunError, match="there is no run to resume in"):
        trainer(resume=True)


def test_a_damaged_state_is_said(trainer: Trainer, interrupt_after: Arrange) -> None:
    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    state = trainer.folder / "state.pt"
    content = state.read_bytes()
    state.write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match="cannot be read"):
        trainer(**OPTIONS, resume=True)
    state.unlink()
    with pytest.raises(RunError, match=r"state\.pt is missing"):
        trainer(**OPTIONS, resume=True)
    torch.save({"version": 99}, state)
    with pytest.raises(RunError, match="has version 99 and this stforecast reads 1"):
        trainer(**OPTIONS, resume=True)


def test_a_state_runs_no_code(trainer: Trainer, interrupt_after: Arrange) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("code of a state was run",))

    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    write_state(trainer.folder / "state.pt", {"trap": Trap()})
    with pytest.raises(RunError, match="cannot be read"):
        trainer(**OPTIONS, resume=True)


def test_states_hold_tensors_and_plain_values_only(
    trainer: Trainer, interrupt_after: Arrange
) -> None:
    interrupt_after(2)
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)

    def check(value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                assert isinstance(key, (str, int))
                check(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                check(item)
        else:
            assert isinstance(value, (torch.Tensor, int, float, str, bool, type(None)))

    check(read_state(trainer.folder / "state.pt"))
