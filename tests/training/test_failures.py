"""What goes wrong on the way: one sentence, and nothing that was saved is lost."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from stforecast.card import RunCard
from stforecast.errors import RunError, StForecastError
from stforecast.training.files import read_state
from stforecast.training.health import Health, NotFiniteError
from stforecast.training.runfolder import RunFolder
from stforecast.training.session import Session
from tests.training.conftest import AfterStep, Trainer, equal

WILD = {"learning_rate": 1e30, "gradient_clip": None, "schedule": "constant"}


def siblings(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


# --- losses that are not finite ------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run(trainer: Trainer) -> None:
    with pytest.raises(RunError) as caught:
        trainer(max_steps=40, validations=1, **WILD)
    sentence = str(caught.value)
    assert " is not finite at step " in sentence
    assert "no weights were worth keeping yet" in sentence
    assert "try a smaller training.learning_rate (it is 1e+30)" in sentence
    assert siblings(trainer.folder) == []


def test_the_last_good_state_and_the_best_weights_stay(
    trainer: Trainer, after_step: AfterStep
) -> None:
    def spoil(session: Session) -> None:
        for parameter in session.module.model.parameters():
            parameter.data.fill_(torch.nan)

    after_step(6, spoil)
    with pytest.raises(RunError) as caught:
        trainer()
    sentence = str(caught.value)
    assert sentence.startswith("the loss is not finite at step 7, so the training stopped; ")
    assert "the state after step 4 and the best weights, of step 4, are kept in" in sentence
    assert not RunCard.read(trainer.folder).training.finished
    for name in ("model.safetensors", "last.safetensors"):
        weights = trainer.weights(name)
        assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert read_state(trainer.folder / "state.pt")["session"]["counters"]["step"] == 4


def test_a_run_that_fails_at_its_start_does_not_replace(trainer: Trainer) -> None:
    trainer(max_steps=3)
    before = trainer.weights()
    with pytest.raises(RunError, match="not finite"):
        trainer(max_steps=40, validations=1, replace=True, **WILD)
    assert equal(before, trainer.weights())
    assert RunCard.read(trainer.folder).training.finished
    assert siblings(trainer.folder) == ["run"]


def test_health_names_the_first_ill_step() -> None:
    health = Health()
    for step, loss, norm in ((1, 1.0, 2.0), (2, 0.5, float("inf")), (3, float("nan"), 1.0)):
        health.record(step, torch.tensor(loss), torch.tensor(norm))
    with pytest.raises(NotFiniteError, match="the gradient is not finite at step 2"):
        health.check()
    health.record(4, torch.tensor(0.25), torch.tensor(1.0))
    health.check()
    assert health.loss == 0.25


def test_a_loss_scaler_may_skip_steps_but_not_for_ever() -> None:
    health = Health(scaled=True)
    for step in range(Health.MOST_SKIPPED):
        health.record(step, torch.tensor(1.0), torch.tensor(float("inf")))
        health.check()
    health.record(40, torch.tensor(1.0), torch.tensor(float("inf")))
    with pytest.raises(NotFiniteError, match="the gradient is not finite at step 40"):
        health.check()


# --- disks ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on files is for those of the test alone, not for a repository around it."""
    monkeypatch.chdir(tmp_path)


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """Writing more than `size` bytes into a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_shows_at_once(trainer: Trainer) -> None:
    trainer(max_steps=3)
    before = trainer.weights()
    with no_file_over(10_000), pytest.raises(StForecastError, match="cannot write the"):
        trainer(max_steps=3, replace=True)
    assert equal(before, trainer.weights())
    assert siblings(trainer.folder) == ["run"]


def test_a_disk_that_fills_up_leaves_the_last_state(
    trainer: Trainer, after_step: AfterStep
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(session: Session) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))

    after_step(6, fill)
    try:
        with pytest.raises(StForecastError, match=r"cannot write the .*: File too large"):
            trainer()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    after_step(-1, fill)
    assert RunCard.read(trainer.folder).training.steps == 4
    assert read_state(trainer.folder / "state.pt")["session"]["counters"]["step"] == 4
    assert not [path for path in trainer.folder.iterdir() if "partial" in path.name]
    assert trainer(resume=True).training.finished


def test_curves_that_cannot_be_written_are_said_once(
    trainer: Trainer, after_step: AfterStep, capfd: pytest.CaptureFixture[str]
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(session: Session) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
        for _ in range(100_000):
            session._recorder.curves({"train/loss": 1.0}, 1)

    after_step(2, fill)
    try:
        with pytest.raises(RunError, match=r"cannot write .*tensorboard: File too large"):
            trainer()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capfd.readouterr().err == ""


# --- replacing -----------------------------------------------------------------------------------


def test_the_old_run_is_there_until_the_new_one_has_weights(
    trainer: Trainer, after_step: AfterStep
) -> None:
    trainer(max_steps=3)
    before = trainer.weights()
    seen: list[Any] = []
    after_step(3, lambda session: seen.append(equal(before, trainer.weights())))
    trainer(replace=True)  # first weights after step 4
    assert seen == [True]
    assert not equal(before, trainer.weights())
    assert siblings(trainer.folder) == ["run"]


def test_a_new_run_may_be_watched_before_its_first_weights(
    trainer: Trainer, after_step: AfterStep
) -> None:
    seen: list[str] = []
    after_step(2, lambda session: seen.extend(siblings(trainer.folder)))
    trainer()
    assert len(seen) == 1
    assert seen[0].startswith(".run.partial-")


def test_what_a_killed_process_left_is_cleared_away(trainer: Trainer) -> None:
    trainer(max_steps=3)
    dead = 2**22 + 1  # above any process number
    host = socket.gethostname()
    (trainer.folder.parent / f".run.partial-{dead}@{host}").mkdir()
    trainer(max_steps=3, replace=True)
    assert siblings(trainer.folder) == ["run"]


def test_an_exchange_that_was_cut_short_is_mended(trainer: Trainer) -> None:
    trainer(max_steps=3)
    previous = f".run.previous-{2**22 + 1}@{socket.gethostname()}"
    trainer.folder.rename(trainer.folder.with_name(previous))
    with pytest.raises(RunError, match="there is a finished run"):
        trainer(max_steps=3)
    assert siblings(trainer.folder) == ["run"]


def test_a_damaged_run_is_only_replaced(trainer: Trainer) -> None:
    trainer(max_steps=3)
    (trainer.folder / "card.json").write_text("{")
    with pytest.raises(RunError, match=r"is damaged; train it again with --replace"):
        trainer(max_steps=3)
    assert trainer(max_steps=3, replace=True).training.finished


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(RunError, match="is a file; a run needs a folder"):
        RunFolder.create(tmp_path / "run", replace=True)
