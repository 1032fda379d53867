"""How far a run has come: plain values that are counted, saved and shown."""

import math
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from typing import Any


class Outcome(Enum):
    """How a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    INTERRUPTED = "interrupted"


@dataclass
class Counters:
    """How far a run has come: plain values that are saved and restored.

    `validated` is the progress at the last validation. `elapsed` and `stepping` are seconds in all
    and on steps alone. `best_mse` and `best_step` belong to the weights kept as best, `stale`
    counts validations since.
    """

    step: int = 0
    validated: float = 0.0
    best_mse: float = math.inf
    best_step: int = 0
    stale: int = 0
    elapsed: float = 0.0
    stepping: float = 0.0


class Clock:
    """Seconds of a run, in all and without what is not a step of the optimiser."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._last = monotonic()

    def steps(self) -> None:
        """What has passed since the last call went into steps."""
        passed = self._passed()
        self._counters.elapsed += passed
        self._counters.stepping += passed

    def other(self) -> float:
        """What has passed since the last call went into something else; its seconds."""
        passed = self._passed()
        self._counters.elapsed += passed
        return passed

    def _passed(self) -> float:
        now = monotonic()
        passed, self._last = now - self._last, now
        return passed


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment, as it is written down; `state` is what a session needs to go on."""

    counters: Counters
    outcome: Outcome
    epoch: float
    total_steps: int | None
    state: dict[str, Any]
