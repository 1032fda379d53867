"""A comparison of two small models with two seeds, trained once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from stforecast.comparison import Campaign, Contender, make_campaign
from stforecast.options import (
    ModelOptions,
    SplitOptions,
    TrainingOptions,
    VerificationOptions,
    WindowOptions,
)
from stforecast.store import TensorStore
from tests.helpers import make_store

MODELS: dict[str, dict[str, Any]] = {
    "simvp": {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2},
    "convlstm": {"hidden": [4], "patch_size": 1, "filter_size": 3},
}
TRAINING: dict[str, Any] = {"max_steps": 4, "validations": 2, "batch_size": 8, "device": "cpu"}

Compare = Callable[..., Campaign]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and the machine is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def contenders(models: dict[str, dict[str, Any]] = MODELS, **training: Any) -> list[Contender]:
    return [
        Contender(
            name,
            ModelOptions(name=name, **settings),
            TrainingOptions(**{**TRAINING, **training}),
            experiment={"name": "small"},
        )
        for name, settings in models.items()
    ]


def campaign(
    record: TensorStore,
    folder: Path,
    chosen: list[Contender] | None = None,
    seeds: tuple[int, ...] = (0, 1),
    *,
    replace: bool = False,
    split: dict[str, Any] | None = None,
    verification: dict[str, Any] | None = None,
) -> Campaign:
    return make_campaign(
        record,
        folder,
        contenders() if chosen is None else chosen,
        seeds,
        name="small",
        windows=WindowOptions(history=3, horizon=2),
        split=SplitOptions(**(split or {})),
        verification=VerificationOptions(**(verification or {"references": ["history_mean"]})),
        replace=replace,
    )


MONTHS = 100


def monthly(**options: Any) -> TensorStore:
    """Two variables, month by month: a few years are enough for a climatology."""
    shape = {"n": MONTHS, "channels": 2, "height": 5, "width": 6, "step": "1M"}
    return make_store(**{**shape, **options})


@pytest.fixture(scope="session")
def record() -> TensorStore:
    return monthly()


@pytest.fixture(scope="session")
def compared_once(record, tmp_path_factory) -> Path:
    """The folder of a comparison that is done."""
    folder = tmp_path_factory.mktemp("compared")
    done = campaign(record, folder).run(progress=False)
    assert [item.failure for item in done] == [""] * 4
    return folder


@pytest.fixture
def compared(compared_once, tmp_path) -> Path:
    """A copy of it that a test may spoil."""
    folder = tmp_path / "compared"
    shutil.copytree(compared_once, folder)
    return folder
