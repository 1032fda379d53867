"""Learning rates as functions of the progress through the budget.

A schedule knows no steps: it is asked at a progress in [0, 1], before each step of the optimiser.
What maps steps to progress is the budget (:mod:`stforecast.training.budget`), so that a budget in
time can be estimated anew without a jump in the rate, and a resumed run needs no state of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from stforecast.errors import ConfigError


@dataclass(frozen=True)
class Rate:
    """What one step of the optimiser uses."""

    learning_rate: float
    momentum: float | None = None  # beta1 of Adam; None leaves the optimiser's own


Schedule = Callable[[float], Rate]

# Of PyTorch's OneCycleLR, which SimVP and OpenSTL train with.
START_DIVISOR = 25.0
FINAL_DIVISOR = 1e4
MOMENTUM_HIGH, MOMENTUM_LOW = 0.95, 0.85


def _anneal(start: float, end: float, part: float) -> float:
    """From `start` to `end` along half a cosine, `part` in [0, 1]."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def _onecycle(progress: float, peak: float, warmup: float) -> Rate:
    """One cycle (Smith and Topin 2018): the rate rises and falls, the momentum goes against it."""
    start = peak / START_DIVISOR
    if progress < warmup:
        part = progress / warmup
        return Rate(_anneal(start, peak, part), _anneal(MOMENTUM_HIGH, MOMENTUM_LOW, part))
    part = (progress - warmup) / (1 - warmup)
    return Rate(
        _anneal(peak, start / FINAL_DIVISOR, part), _anneal(MOMENTUM_LOW, MOMENTUM_HIGH, part)
    )


def _cosine(progress: float, peak: float, warmup: float) -> Rate:
    """A linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017, no restarts)."""
    if progress < warmup:
        start = peak / START_DIVISOR
        return Rate(start + (peak - start) * progress / warmup)
    return Rate(_anneal(peak, 0.0, (progress - warmup) / (1 - warmup)))


def _constant(progress: float, peak: float, warmup: float) -> Rate:
    return Rate(peak)


SCHEDULES: dict[str, Callable[[float, float, float], Rate]] = {
    "onecycle": _onecycle,
    "cosine": _cosine,
    "constant": _constant,
}

# Schedules that go on as they were when the budget grows.
OPEN_ENDED = frozenset({"constant"})


def make_schedule(name: str, learning_rate: float, warmup: float) -> Schedule:
    """The schedule called `name`, with its peak `learning_rate`.

    Args:
        name: ``onecycle``, ``cosine`` or ``constant``.
        learning_rate: the highest rate.
        warmup: part of the budget in which the rate rises; a constant rate has none.
    """
    try:
        shape = SCHEDULES[name]
    except KeyError:
        raise ConfigError(
            f"training.schedule is {name!r}; it can be {', '.join(sorted(SCHEDULES))}"
        ) from None

    def rate(progress: float) -> Rate:
        return shape(min(max(progress, 0.0), 1.0), learning_rate, warmup)

    return rate
