"""Which times of a record may stand in a window: those that are there, on whole days if asked for.

Traffic records lack hours or whole days, and published comparisons on them leave out every day that
is not whole (Zhang, Zheng, Qi 2017).
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError, DataError
from stforecast.timeaxis import TimeAxis
from stforecast.windows.spec import WindowSpec

_DAY = 86_400


class DatedStore(Protocol):
    """What of a tensor store is asked here."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(time,): False where the source has no such time."""

    @property
    def axis(self) -> TimeAxis:
        """The times."""


def usable_times(store: DatedStore, spec: WindowSpec) -> NDArray[np.bool_]:
    """(time,): True where a time is there and, with ``spec.complete_days``, all of its day is.

    Days are those of the clock of the stamps.

    Raises
    ------
    ConfigError
        Whole days are asked for, and the step of the record does not fit into a day.
    DataError
        No day is whole.
    """
    if not spec.complete_days:
        return store.present
    numbers = _days(store.axis)
    days, members = np.unique(numbers, return_inverse=True)
    there = np.bincount(members, weights=store.present, minlength=days.size)
    whole = there == _steps_of_a_day(store.axis)
    if not whole.any():
        raise DataError(
            f"none of the {days.size} days of the record has all of its "
            f"{_steps_of_a_day(store.axis)} times; set windows.complete_days to false"
        )
    return np.asarray(whole[members])


def left_out(store: DatedStore, spec: WindowSpec) -> str | None:
    """How much :func:`usable_times` leaves out, as a sentence for the user; None for nothing."""
    usable = usable_times(store, spec)
    times = int((store.present & ~usable).sum())
    if not times:
        return None
    numbers = _days(store.axis)
    days = np.unique(numbers[store.present & ~usable]).size
    return (
        f"{days} of {np.unique(numbers[store.present]).size} days lack some of their times and are "
        f"left out, with the {times} times that they have"
    )


def _steps_of_a_day(axis: TimeAxis) -> int:
    step = axis.step
    if not step.is_fixed or _DAY % step.seconds:
        raise ConfigError(
            f"windows.complete_days needs steps that fit into a day, and those of the record are "
            f"of {step.label}; set it to false"
        )
    return _DAY // step.seconds


def _days(axis: TimeAxis) -> NDArray[np.int64]:
    """(time,): numbers of the days."""
    times = axis.times()
    if times.dtype.kind == "M":
        return np.asarray(times.astype("datetime64[D]").astype(np.int64))
    return np.array([time.toordinal() for time in times], np.int64)
