"""A save is whole or not at all, whenever the process dies."""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors import safe_open

from stforecast import folders
from stforecast.card import RunCard
from stforecast.errors import RunError
from stforecast.forecast.trained import load_trained
from stforecast.training.counters import Counters, Outcome, Snapshot
from stforecast.training.distributed import Ranks
from stforecast.training.files import read_state
from stforecast.training.logs import Row
from stforecast.training.recorder import Recorder
from stforecast.training.runfolder import RunFolder
from tests.training.conftest import AfterStep, Trainer

SAVES = 400
"""More than any child gets to make."""


def save_again_and_again(folder: Path, told: Any, atomic: bool) -> None:
    """What a training process does, without the training: weights are all their own step."""
    if not atomic:
        folders._exchange = lambda one, other: False
    run = RunFolder.reopen(folder)
    weights = torch.nn.Linear(40, 40)
    module = SimpleNamespace(
        model=weights,
        trainer=SimpleNamespace(
            optimizers=[torch.optim.SGD(weights.parameters(), 0.1)],
            precision_plugin=SimpleNamespace(state_dict=dict),
        ),
    )
    loader = cast(Any, Loader())
    recorder = Recorder(run, RunCard.read(folder), {}, cast(Any, module), loader, Ranks(), 1)
    first = RunCard.read(folder).training.steps + 1
    for step in range(first, first + SAVES):
        torch.nn.init.constant_(weights.weight, float(step))
        best = step % 2 == 0
        counters = Counters(step=step, best_step=step - step % 2)
        snapshot = Snapshot(
            outcome=Outcome.RUNNING,
            counters=counters,
            epoch=1.0,
            total_steps=SAVES,
            state={"step": step},
        )
        row = Row(step, 1.0, 1e-3, 1.0, train_loss=float(step))
        recorder.save(snapshot, row, best)
        if step == first + 1:
            told.send(step)  # the first two came through; from now on it may die


class Loader:
    """As much of a loader as a state asks for."""

    def __len__(self) -> int:
        return 10

    def state_dict(self) -> dict[str, int]:
        return {}


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """Children that begin with torch loaded, and are alone in their process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch.utils.tensorboard"])
    return context


def steps_of(folder: Path) -> dict[str, int]:
    """The step that each file is of."""
    steps = {"card": RunCard.read(folder).training.steps}
    with safe_open(folder / "last.safetensors", framework="pt") as file:
        steps["last"] = int(file.metadata()["step"])
        assert torch.all(file.get_tensor("weight") == steps["last"])
    state = read_state(folder / "state.pt")
    steps["state"] = state["session"]["step"]
    assert torch.all(state["model"]["weight"] == steps["state"])
    steps["metrics"] = int((folder / "metrics.csv").read_text().splitlines()[-1].split(",")[0])
    return steps


def best_of(folder: Path) -> tuple[int | None, int]:
    """The step of the best weights by the card and by themselves."""
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return RunCard.read(folder).training.best_step, int(file.metadata()["step"])


@pytest.mark.parametrize("atomic", [True, False], ids=["exchange", "two renames"])
def test_killed_at_any_moment_of_saving(
    trainer: Trainer, context: ForkServerContext, atomic: bool
) -> None:
    trainer(max_steps=1)
    chance = random.Random(0)
    reached = set()
    for _ in range(16):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(
            target=save_again_and_again, args=(trainer.folder, theirs, atomic), daemon=True
        )
        child.start()
        assert ours.poll(60)
        ours.recv()
        time.sleep(chance.uniform(0.0, 0.03))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        steps = steps_of(trainer.folder)
        assert len(set(steps.values())) == 1, steps
        card, weights = best_of(trainer.folder)
        assert card == weights == steps["card"] - steps["card"] % 2
        reached.add(steps["card"])
    assert len(reached) == 16
    RunFolder.reopen(trainer.folder)
    assert os.listdir(trainer.folder.parent) == [trainer.folder.name]


@pytest.mark.parametrize("killed_at", range(1, 13, 2))
def test_a_run_killed_within_a_save_goes_on(
    trainer: Trainer,
    after_step: AfterStep,
    killed_at: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At each of the calls of a save that change what is on the disk."""
    whole = trainer(folder=tmp_path / "whole")
    calls = 0

    class Killed(BaseException):
        """Nothing is caught or mended after it."""

    def counted(call: Any) -> Any:
        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= killed_at:
                raise Killed
            return call(*args, **kwargs)

        return counting

    def arm(session: Any) -> None:
        for name in ("link", "replace", "rename", "rmdir", "unlink"):
            monkeypatch.setattr(os, name, counted(getattr(os, name)))
        monkeypatch.setattr(folders, "_exchange", counted(folders._exchange))

    after_step(6, arm)
    with pytest.raises(Killed):
        trainer()
    monkeypatch.undo()
    card = RunCard.read(trainer.folder)
    state = read_state(trainer.folder / "state.pt")
    assert state["session"]["counters"]["step"] == card.training.steps
    after_step(-1, arm)
    assert trainer(resume=True).training.steps == whole.training.steps
    ended = {name: tensor.tolist() for name, tensor in trainer.weights().items()}
    trainer.folder = tmp_path / "whole"
    assert ended == {name: tensor.tolist() for name, tensor in trainer.weights().items()}


def test_a_forecast_from_a_run_that_is_saved_meanwhile(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(max_steps=2)
    read, looks = RunCard.read, []

    def between(folder: Path) -> RunCard:
        card = read(folder)
        looks.append(card)
        if len(looks) == 1:  # the next save comes between the card and the weights
            trainer(max_steps=4, replace=True)
        return card

    monkeypatch.setattr(RunCard, "read", between)
    trained = load_trained(trainer.folder, "cpu")
    assert trained.card.training.best_step == best_of(trainer.folder)[1]


def test_a_run_that_was_copied_in_parts_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    trainer(max_steps=2)
    trainer(max_steps=12, folder=tmp_path / "other", validations=1)
    weights = (tmp_path / "other" / "model.safetensors").read_bytes()
    (trainer.folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(RunError, match=r"are of step 12 and its card .* copy it again"):
        load_trained(trainer.folder, "cpu")


def test_what_else_lies_in_the_folder_stays(trainer: Trainer, after_step: AfterStep) -> None:
    def note(session: Any) -> None:
        (trainer.folder / "notes").mkdir()
        (trainer.folder / "notes" / "mine.txt").write_text("keep")

    after_step(5, note)
    trainer()
    assert (trainer.folder / "notes" / "mine.txt").read_text() == "keep"


def test_without_hard_links_files_are_copied(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert trainer().training.finished
    assert best_of(trainer.folder)[0] == best_of(trainer.folder)[1]


def test_a_run_behind_a_link_stays_there(trainer: Trainer, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    trainer.folder.symlink_to(tmp_path / "scratch", target_is_directory=True)
    trainer()
    assert trainer.folder.is_symlink()
    assert (tmp_path / "scratch" / "card.json").is_file()
