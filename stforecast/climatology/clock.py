"""Hour, weekday, date in the year: what time stamps of any calendar say."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.timeaxis import calendar_of, normalise_stamps

Integers = NDArray[np.int64]

SECONDS_PER_DAY = 86_400
_REAL = ("standard", "gregorian", "proleptic_gregorian", "julian")
# Days before each month of a year with 29 February, so that a date has one number in every year.
_BEFORE_MONTH = np.array([0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])


def second_of_day(stamps: NDArray[Any]) -> Integers:
    """Seconds since midnight, in the clock of the stamps."""
    times = normalise_stamps(stamps)
    if times.dtype.kind == "M":
        seconds = times.astype("datetime64[s]").astype(np.int64)
        return np.asarray(np.mod(seconds, SECONDS_PER_DAY), np.int64)
    return _each(times, lambda stamp: (stamp.hour * 60 + stamp.minute) * 60 + stamp.second)


def has_weekdays(stamps: NDArray[Any]) -> bool:
    """Whether the calendar's days are days of the week."""
    times = normalise_stamps(stamps)
    return times.size == 0 or calendar_of(times) in _REAL


def weekday(stamps: NDArray[Any]) -> Integers:
    """Day of the week, Monday 0. DataError for a calendar whose days are no days of the week."""
    times = normalise_stamps(stamps)
    if not has_weekdays(times):
        raise DataError(f"the calendar {calendar_of(times)} has no days of the week")
    if times.dtype.kind == "M":
        days = times.astype("datetime64[D]").astype(np.int64)
        return np.asarray(np.mod(days + 3, 7), np.int64)  # 1970-01-01 was a Thursday
    return _each(times, lambda stamp: stamp.dayofwk)


def month(stamps: NDArray[Any]) -> Integers:
    """Month, January 1."""
    times = normalise_stamps(stamps)
    if times.dtype.kind == "M":
        months = times.astype("datetime64[M]").astype(np.int64)
        return np.asarray(np.mod(months, 12) + 1, np.int64)
    return _each(times, lambda stamp: stamp.month)


def day_of_year(stamps: NDArray[Any]) -> Integers:
    """Number of the date in the year from 0, the same in every year of a calendar.

    It counts 29 February (59) whether the year has it or not; in the calendar 360_day every month
    has 30 days.
    """
    times = normalise_stamps(stamps)
    if days_per_year(times) == 360:
        return _each(times, lambda stamp: (stamp.month - 1) * 30 + stamp.day - 1)
    if times.dtype.kind == "M":
        index = pd.DatetimeIndex(times.ravel())
        days = _BEFORE_MONTH[index.month.to_numpy() - 1] + index.day.to_numpy() - 1
        return np.asarray(days.reshape(times.shape), np.int64)
    return _each(times, lambda stamp: int(_BEFORE_MONTH[stamp.month - 1]) + stamp.day - 1)


def days_per_year(stamps: NDArray[Any]) -> int:
    """Dates that a year of the calendar can have: 366, or 360."""
    times = normalise_stamps(stamps)
    return 360 if times.size and calendar_of(times) == "360_day" else 366


def _each(times: NDArray[Any], field: Any) -> Integers:
    values = np.array([field(stamp) for stamp in times.ravel()], dtype=np.int64)
    return values.reshape(times.shape)
