"""Longer steps as periods of the calendar, and which times of a record lie in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError
from stforecast.timeaxis import TimeAxis, TimeStep
from stforecast.timeaxis.stamps import DAY, SECOND, Clock

Integers = NDArray[np.int64]
_WEEK = 7 * DAY
# 1970-01-01 was a Thursday: weeks begin on Monday.
_MONDAY = -3 * DAY
_YEAR_DAYS = 366


@dataclass(frozen=True)
class Periods:
    """Periods of one step, numbered through all times of a clock.

    Steps of hours count from midnight, weeks from Monday, days from 1970-01-01, months and years
    from January.
    """

    step: TimeStep
    clock: Clock

    @property
    def _origin(self) -> int:
        return _MONDAY if self.step.seconds * SECOND % _WEEK == 0 else 0

    def numbers(self, micros: Integers) -> Integers:
        """The number of the period in which each instant lies."""
        if self.step.is_fixed:
            length = self.step.seconds * SECOND
            found: Integers = np.floor_divide(micros - self._origin, length)
            return found
        return np.asarray(np.floor_divide(self.clock.months(micros), self.step.months), np.int64)

    def starts(self, numbers: Integers) -> Integers:
        """The first instant of each."""
        if self.step.is_fixed:
            return np.asarray(self._origin + numbers * self.step.seconds * SECOND, np.int64)
        return self.clock.month_starts(numbers * self.step.months)


def check_step(step: TimeStep, source: TimeStep) -> None:
    """ConfigError unless periods of a step are made of whole steps of the source."""
    if step.is_fixed and source.is_fixed:
        fits = step.seconds % source.seconds == 0
    elif source.is_fixed:
        fits = DAY % (source.seconds * SECOND) == 0
    else:
        fits = not step.is_fixed and step.months % source.months == 0
    if not fits:
        raise ConfigError(
            f"data.resample: a step of {_one(step)} is not made of whole steps of {_one(source)}, "
            "which the record has; choose a multiple of it"
        )


def _one(step: TimeStep) -> str:
    return step.label if step.label[0].isdigit() else f"one {step.label}"


@dataclass(frozen=True)
class Members:
    """Which times of a record lie in which period: ``numbers`` of each of its positions.

    ``first`` is the number of the first period, and ``expected`` how many times each period has
    from there on, be they in the record or not.
    """

    numbers: Integers
    first: int
    expected: Integers

    @classmethod
    def of(cls, axis: TimeAxis, periods: Periods, ends: bool) -> "Members":
        """Of the times of an axis; with `ends` a time stands for what lies before it."""
        clock = periods.clock
        beyond = _steps_within(periods.step, axis.step)
        positions = np.arange(-beyond, axis.size + beyond, dtype=np.int64)
        micros = clock.to_micros(axis.times_at(positions))
        numbers = periods.numbers(micros - 1 if ends else micros)
        own = numbers[beyond : beyond + axis.size]
        first, last = int(own[0]), int(own[-1])
        inside = numbers[(numbers >= first) & (numbers <= last)] - first
        return cls(own, first, np.bincount(inside, minlength=last - first + 1))

    def counts(self, present: NDArray[np.bool_]) -> Integers:
        """How many of the times of each period are there."""
        return np.bincount(self.numbers[present] - self.first, minlength=self.expected.size)


def _steps_within(step: TimeStep, source: TimeStep) -> int:
    """At most so many steps of the source lie in one longer step."""
    if not source.is_fixed:
        return step.months // source.months + 1
    seconds = step.seconds if step.is_fixed else (step.months * _YEAR_DAYS // 12 + 31) * 86_400
    return seconds // source.seconds + 1
