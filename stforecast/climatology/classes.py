"""Classes of times that are alike: the same hour of the day, of the week, of the date."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stforecast.climatology import clock
from stforecast.climatology.frames import Positions
from stforecast.timeaxis import TimeStep

Kind = Literal["hour_of_week", "hour", "season"]


@dataclass(frozen=True, eq=False)
class TimeClasses:
    """Numbers times by what they have in common.

    - ``hour``: the time of day
    - ``hour_of_week``: weekday and time of day
    - ``season``: date in the year and time of day; with steps of months the month

    The times of day are those of a training period, in the clock of the stamps; with calendar steps
    there is but one. Classes are numbered so that those of a time of day are that many apart:
    ``day * times_of_day + time_of_day``.
    """

    kind: Kind
    times_of_day: NDArray[np.int64]
    days: int

    @classmethod
    def of(cls, kind: Kind, stamps: NDArray[Any], step: TimeStep) -> "TimeClasses":
        """The classes of a training period; DataError for a calendar without weeks."""
        if not step.is_fixed:
            return cls(kind, np.zeros(0, np.int64), 12 if kind == "season" else 1)
        if kind == "hour_of_week":
            clock.weekday(stamps[:1])
        days = {"hour": 1, "hour_of_week": 7, "season": clock.days_per_year(stamps)}[kind]
        return cls(kind, np.unique(clock.second_of_day(stamps)), days)

    @property
    def slots(self) -> int:
        """How many times of day there are."""
        return max(1, len(self.times_of_day))

    @property
    def size(self) -> int:
        """How many classes there are."""
        return self.days * self.slots

    def __call__(self, stamps: NDArray[Any]) -> Positions:
        """Class of each time, in their shape; -1 for a time of day that has none."""
        if not len(self.times_of_day):
            return clock.month(stamps) - 1 if self.days > 1 else np.zeros(stamps.shape, np.int64)
        seconds = clock.second_of_day(stamps)
        slots = np.searchsorted(self.times_of_day, seconds)
        slots = np.minimum(slots, len(self.times_of_day) - 1)
        days = np.zeros_like(slots)
        if self.kind == "hour_of_week":
            days = clock.weekday(stamps)
        elif self.kind == "season":
            days = clock.day_of_year(stamps)
        there = self.times_of_day[slots] == seconds
        return np.asarray(np.where(there, days * self.slots + slots, -1), np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain values to be kept."""
        return {"kind": self.kind, "times_of_day": self.times_of_day.tolist(), "days": self.days}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TimeClasses":
        """Inverse of :meth:`to_json`; KeyError, TypeError or ValueError where it is wrong."""
        kind, days = values["kind"], int(values["days"])
        if kind not in ("hour_of_week", "hour", "season") or days < 1:
            raise ValueError(f"no such classes, {kind} of {days} days")
        return cls(kind, np.asarray(values["times_of_day"], np.int64).reshape(-1), days)
