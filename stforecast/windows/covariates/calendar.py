"""The calendar: where in its day, week and year each time is."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import cftime
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stforecast.options import CalendarCovariate
from stforecast.options.covariates import CalendarField
from stforecast.timeaxis import TimeAxis
from stforecast.windows.covariates.base import Floats, Setting
from stforecast.windows.covariates.clock import RecordClock

SECONDS_PER_DAY: Final = 86_400

Clock = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Stamps (n,) of positions of the time axis."""


class CalendarCovariates:
    """Calendar fields of every valid time, looked up in a table made once."""

    kind: Final = "future"

    def __init__(
        self,
        axis: TimeAxis,
        fields: Sequence[CalendarField],
        margin: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self._clock = axis.times_at if clock is None else clock
        self._fields = tuple(fields)
        self._table = self._compute(0, axis.size + margin)

    @classmethod
    def of(cls, options: CalendarCovariate, setting: Setting) -> "CalendarCovariates":
        """Those asked for, of the times of a record."""
        axis, clock = setting.store.axis, None
        if options.timezone is not None:
            record = RecordClock(axis, setting.store.meta.timezone)
            clock = partial(record.local, zone=options.timezone)
        return cls(axis, options.calendar, setting.spec.horizon, clock)

    @property
    def names(self) -> tuple[str, ...]:
        """Two channels for each field."""
        return tuple(f"{field}_{wave}" for field in self._fields for wave in ("sin", "cos"))

    def values(self, positions: NDArray[np.int64]) -> Floats:
        """Values (n, K) at ``positions``, on the axis or beyond."""
        if positions.size and (positions.min() < 0 or positions.max() >= len(self._table)):
            first = int(positions.min())
            beyond: Floats = self._compute(first, int(positions.max()) + 1)[positions - first]
            return beyond
        found: Floats = self._table[positions]
        return found

    def _compute(self, first: int, last: int) -> Floats:
        positions = np.arange(first, last, dtype=np.int64)
        return calendar_covariates(self._clock(positions), self._fields)


def calendar_covariates(times: NDArray[Any], fields: Sequence[CalendarField]) -> Floats:
    """Sine and cosine (n, 2 × fields) of where in its cycle each calendar field of a time is.

    ``hour`` and ``day_of_year`` run on through the day; ``weekday`` and ``month`` stand still
    within theirs. A year has the days of its calendar (360, 365 or 366).

    Parameters
    ----------
    times:
        numpy datetime64 or cftime objects; fields are in the clock of the stamps.
    """
    waves = [
        wave(2 * np.pi * fraction)
        for fraction in _fractions(np.asarray(times), fields)
        for wave in (np.sin, np.cos)
    ]
    return np.stack(waves, axis=1).astype(np.float32)


def _fractions(times: NDArray[Any], fields: Sequence[CalendarField]) -> Iterator[NDArray[Any]]:
    """The part of its cycle, in [0, 1), that each field has behind it (n,)."""
    parts = _cftime_parts(times) if times.dtype == object else _datetime_parts(times)
    for field in fields:
        if field == "hour":
            yield parts.day
        elif field == "weekday":
            yield parts.weekday / 7
        elif field == "month":
            yield (parts.month - 1) / 12
        else:
            yield (parts.day_of_year - 1 + parts.day) / parts.year_length


class _Parts(NamedTuple):
    """Fields of times (n,): ``day`` is the part of the day gone by, Monday is weekday 0."""

    day: NDArray[Any]
    weekday: NDArray[Any]
    month: NDArray[Any]
    day_of_year: NDArray[Any]
    year_length: NDArray[Any]


def _datetime_parts(times: NDArray[Any]) -> _Parts:
    index = pd.DatetimeIndex(times)
    seconds = index.hour * 3600 + index.minute * 60 + index.second
    return _Parts(
        np.asarray(seconds) / SECONDS_PER_DAY,
        np.asarray(index.day_of_week),
        np.asarray(index.month),
        np.asarray(index.day_of_year),
        np.where(index.is_leap_year, 366, 365),
    )


def _cftime_parts(times: NDArray[Any]) -> _Parts:
    seconds = [time.hour * 3600 + time.minute * 60 + time.second for time in times]
    return _Parts(
        np.asarray(seconds) / SECONDS_PER_DAY,
        np.asarray([time.dayofwk for time in times]),
        np.asarray([time.month for time in times]),
        np.asarray([time.dayofyr for time in times]),
        np.asarray([_year_length(time) for time in times]),
    )


def _year_length(time: cftime.datetime) -> int:
    if time.calendar == "360_day":
        return 360
    leap = cftime.is_leap_year(time.year, time.calendar, has_year_zero=time.has_year_zero)
    return 366 if leap else 365
