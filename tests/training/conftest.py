"""Tiny trainings: a run takes about a second."""

import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stforecast.card import RunCard
from stforecast.errors import Interrupted
from stforecast.options import ModelOptions, SplitOptions, TrainingOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training import train
from stforecast.training.session import Session
from tests.helpers import make_store

Action = Callable[[Session], object]
AfterStep = Callable[[int, Action], None]

MODEL = {"name": "simvp", "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and the machine is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store() -> TensorStore:
    return make_store(120, 2, 5, 6, missing=0.02)


class Trainer:
    """Trains into one folder with options that tests change one by one."""

    def __init__(self, store: TensorStore, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.lines: list[str] = []

    def __call__(
        self,
        *,
        folder: Path | None = None,
        store: TensorStore | None = None,
        windows: dict[str, Any] | None = None,
        split: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        resume: bool = False,
        replace: bool = False,
        **training: Any,
    ) -> RunCard:
        if not {"max_epochs", "max_steps", "max_time"} & training.keys():
            training["max_steps"] = 12
        training.setdefault("validations", 3)
        return train(
            store or self.store,
            folder or self.folder,
            name="tiny",
            windows=WindowOptions(**{"history": 3, "horizon": 2, **(windows or {})}),
            split=SplitOptions(**(split or {})),
            model=ModelOptions(**(model if model and "name" in model else MODEL | (model or {}))),
            training=TrainingOptions(**training),
            resume=resume,
            replace=replace,
            progress=False,
            notify=self.lines.append,
        )

    def weights(self, name: str = "last.safetensors") -> dict[str, torch.Tensor]:
        return load_file(self.folder / name)

    def metrics(self) -> list[str]:
        """Lines of metrics.csv without the column of seconds."""
        lines = (self.folder / "metrics.csv").read_text().splitlines()
        return [line.rpartition(",")[0] for line in lines]


@pytest.fixture
def trainer(store: TensorStore, tmp_path: Path) -> Trainer:
    return Trainer(store, tmp_path / "run")


@pytest.fixture
def after_step(monkeypatch: pytest.MonkeyPatch) -> AfterStep:
    """Have something done right after a step, before what is due then."""

    original = Session._agree
    arranged: list[tuple[int, Action]] = []

    def agree(self: Session) -> bool:
        for step, action in arranged:
            if self.counters.step == step:
                action(self)
        return original(self)

    monkeypatch.setattr(Session, "_agree", agree)

    def arrange(step: int, action: Action) -> None:
        arranged[:] = [(step, action)]

    return arrange


@pytest.fixture
def interrupt_after(
    after_step: AfterStep,
) -> Callable[[int], None]:
    """Ctrl-C in the middle of a training."""
    return lambda step: after_step(step, lambda session: signal.raise_signal(signal.SIGINT))


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are the same to the last bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def check_resuming(
    trainer: Trainer, whole: Trainer, after_step: AfterStep, windows: Mapping[str, Any]
) -> None:
    """A run that is interrupted and resumed comes to the weights of one that goes through."""
    whole(windows=windows)
    after_step(5, lambda session: session._stop.ask())
    with pytest.raises(Interrupted):
        trainer(windows=windows)
    after_step(-1, lambda session: None)
    trainer(windows=windows, resume=True)
    assert equal(trainer.weights(), whole.weights())
    assert trainer.metrics() == whole.metrics()
