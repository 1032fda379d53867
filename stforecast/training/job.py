"""What one training is given and how it ends, as all of its processes see it."""

from dataclasses import dataclass
from typing import Any

from stforecast.card import RunCard
from stforecast.options import SplitOptions, TrainingOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.counters import Outcome
from stforecast.training.hardware import Hardware
from stforecast.training.runfolder import RunFolder


@dataclass
class Job:
    """A training, checked and ready to begin; it can be sent to another process."""

    store: TensorStore
    run: RunFolder
    card: RunCard
    windows: WindowOptions
    split: SplitOptions
    options: TrainingOptions
    hardware: Hardware
    matters: dict[str, Any]
    resume: bool


@dataclass(frozen=True)
class Result:
    """How a training ended, and after how many steps."""

    outcome: Outcome
    step: int
