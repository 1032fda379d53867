"""From the times as the source has them to a regular axis: sorted, each once, gaps marked."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.ingest.findings import Run, runs
from stforecast.store.reading import computed, reading
from stforecast.timeaxis import Stamp, TimeAxis, TimeStep, counts_frames, normalise_stamps
from stforecast.timeaxis.stamps import SECOND, Clock

# Rows of duplicated times that are read at once to find the fullest.
_ROWS_AT_ONCE = 256
# Steps that an axis may have whose stamps alone tell of it, and how many of them for each stamp:
# one broken stamp makes an axis of centuries.
_LONGEST = 100_000
_SPARSEST = 1000
# The same where the user says how long a step is.
_LONGEST_SAID = 10_000_000


@dataclass(frozen=True)
class Timeline:
    """A regular axis and where its times come from.

    ``rows`` holds for each position the row of the source, or -1 for a time that is absent. Of a
    `settled` one the values lie on the axis already, and rows that are absent are missing.
    """

    axis: TimeAxis
    rows: NDArray[np.int64]
    duplicated: list[Run] = field(default_factory=list)
    duplicated_differ: int = 0
    disorder: int = 0
    first_disorder: Stamp | None = None
    shifted: int = 0
    settled: bool = False

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which times the source has, ``(time)``."""
        return self.rows >= 0

    @property
    def absent(self) -> list[Run]:
        """The gaps."""
        return runs(self.axis, np.flatnonzero(~self.present))


def find_timeline(
    dataset: xr.Dataset, time_step: str | None = None, period: tuple[str, str] | None = None
) -> Timeline:
    """Put the rows of a dataset with variables on ``(time, …)`` on a regular axis.

    Of duplicated times the fullest copy is taken: the one with the most values, at a tie the one
    with the most that are not zero (a stub of zeros is what a broken export leaves), then the
    first. DataError when there are fewer than two times and no step is given, or they follow no
    step, or none lies within `period`; ConfigError for a period or step that cannot be read.
    """
    stamps = normalise_stamps(dataset[names.TIME].values)
    if time_step is None and counts_frames(dataset[names.TIME].attrs):
        time_step = "1frame"
    step = None if time_step is None else TimeStep.parse(time_step)
    whole = TimeAxis.from_times(stamps, step)
    positions = whole.positions(stamps)
    first, stop = 0, whole.size
    if period is not None:
        first, stop = whole.slice_of(*period)
    chosen = np.flatnonzero((positions >= first) & (positions < stop))
    if chosen.size == 0:
        raise (
            nothing_in(whole, period)
            if period is not None
            else DataError("the record has no times")
        )
    positions, stamps = positions[chosen], stamps[chosen]
    first, stop = int(positions.min()), int(positions.max()) + 1
    axis = whole.part(first, stop)
    positions = positions - first
    if axis.size < 2 and step is None:
        raise DataError(
            f"the period {period[0]} to {period[1]} holds a single time step; a forecast needs "
            "at least two"
            if period is not None
            else "the record has a single time step"
        )
    longest = _LONGEST if step is None else _LONGEST_SAID
    if axis.size > max(longest, _SPARSEST * positions.size):
        raise DataError(
            f"{positions.size} times are spread over {axis.size} steps of {axis.step.label} from "
            f"{axis.span_text(0, axis.size - 1)}, so time stamps of the files are broken; "
            "correct them, or say what data.time_step is right"
        )
    rows = np.full(axis.size, -1, np.int64)
    rows[positions[::-1]] = chosen[::-1]  # of several rows the first
    duplicated, differ = _choose_fullest(dataset, positions, chosen, rows)
    back = np.flatnonzero(np.diff(positions) < 0)
    clock = Clock.of(stamps)
    off = np.abs(clock.to_micros(stamps) - clock.to_micros(axis.times_at(positions)))
    return Timeline(
        axis=axis,
        rows=rows,
        duplicated=runs(axis, duplicated),
        duplicated_differ=differ,
        disorder=int(back.size),
        first_disorder=stamps[back[0]] if back.size else None,
        shifted=int((off > SECOND // 100).sum()),
    )


def nothing_in(axis: TimeAxis, period: tuple[str, str]) -> DataError:
    """What to say of a period in which an axis has no times."""
    return DataError(
        f"no data lies in the period {period[0]} to {period[1]}: the record goes from "
        f"{axis.text_at(0)} to {axis.text_at(axis.size - 1)}"
    )


def on_timeline(variable: xr.Variable, timeline: Timeline) -> xr.Variable:
    """A variable with rows along ``time`` on the regular axis; absent ones are NaN."""
    rows, present = timeline.rows, timeline.present
    if timeline.settled:
        return variable
    if rows.size == variable.sizes[names.TIME] and np.array_equal(rows, np.arange(rows.size)):
        return variable
    # An absent time borrows the row before it, so that rows are read in order, and is then emptied.
    first = int(present.argmax())
    filled = rows[np.maximum.accumulate(np.where(present, np.arange(rows.size), first))]
    taken = _take(variable, filled)
    if present.all():
        return taken
    emptied: xr.Variable = taken.where(xr.Variable(names.TIME, present)).transpose(*taken.dims)
    return emptied


def bounds_on_timeline(bounds: xr.Variable, timeline: Timeline) -> xr.Variable | None:
    """Time bounds ``(time, 2)`` on the regular axis; None if they are not two dates each.

    Of an absent time they are as far from its stamp as those of the time before with a fixed step,
    and the stamp itself with a calendar step.
    """
    if bounds.ndim != 2 or bounds.dims[0] != names.TIME or bounds.dtype.kind not in "MO":
        return None
    if timeline.settled:
        return bounds
    stamps = timeline.axis.times()
    clock = Clock.of(stamps)
    try:
        given = clock.to_micros(bounds.values)
    except DataError:
        return None
    rows, present = timeline.rows, timeline.present
    before = np.maximum.accumulate(np.where(present, np.arange(rows.size), 0))
    centres = clock.to_micros(stamps)[:, np.newaxis]
    taken = given[rows[before]]
    if timeline.axis.step.is_fixed:
        taken = taken - centres[before] + centres
    else:
        taken = np.where(present[:, np.newaxis], taken, centres)
    attrs = dict(bounds.attrs)
    return xr.Variable(bounds.dims, clock.from_micros(taken), attrs)


def dates_on_timeline(dates: xr.Variable, timeline: Timeline) -> xr.Variable:
    """Dates along ``time`` on the regular axis; of an absent time they are the time itself.

    Dates cannot be missing in every calendar.
    """
    if timeline.settled:
        return dates
    rows, present = timeline.rows, timeline.present
    clock = Clock.of(timeline.axis.times(0, 1))
    taken = clock.to_micros(timeline.axis.times())
    there = ~np.asarray(dates.isnull().values)
    known = present.copy()
    known[present] = there[rows[present]]
    given = np.zeros(there.shape, np.int64)
    given[there] = clock.to_micros(dates.values[there])
    taken[known] = given[rows[known]]
    return xr.Variable(dates.dims, clock.from_micros(taken), dict(dates.attrs))


def _take(variable: xr.Variable, rows: NDArray[np.int64]) -> xr.Variable:
    """Rows of a variable, consecutive ones as a slice, which costs dask nothing."""
    first, last = int(rows[0]), int(rows[-1])
    if np.array_equal(rows, np.arange(first, last + 1)):
        return variable.isel({names.TIME: slice(first, last + 1)})
    return variable.isel({names.TIME: rows})


def _choose_fullest(
    dataset: xr.Dataset,
    positions: NDArray[np.int64],
    chosen: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int]:
    """Point `rows` to the fullest copies; the duplicated positions, and how many differ."""
    distinct, counts = np.unique(positions, return_counts=True)
    duplicated = distinct[counts > 1]
    if not duplicated.size:
        return duplicated, 0
    copies = np.flatnonzero(np.isin(positions, duplicated))
    fullness = _fullness(dataset, chosen[copies])
    differ = 0
    order = np.argsort(positions[copies], kind="stable")
    grouped = np.split(order, np.flatnonzero(np.diff(positions[copies][order])) + 1)
    for group in grouped:
        keys = [tuple(fullness[index]) for index in group]
        best = max(range(len(group)), key=lambda k: (keys[k][:2], -k))
        copy = copies[group[best]]
        rows[positions[copy]] = chosen[copy]
        differ += len(set(keys)) > 1
    return duplicated, differ


def _fullness(dataset: xr.Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each row how many values it has, how many are not zero, and their sum: ``(rows, 3)``."""
    result = np.zeros((rows.size, 3))
    order = np.argsort(rows, kind="stable")
    for first in range(0, rows.size, _ROWS_AT_ONCE):
        part = order[first : first + _ROWS_AT_ONCE]
        for variable in _fields(dataset):
            taken = _take(variable, rows[part]).transpose(names.TIME, ...)
            with reading():
                values = computed(taken, scattered=True).astype(np.float64).reshape(part.size, -1)
            values = np.where(np.isfinite(values), values, np.nan)
            result[part, 0] += np.isfinite(values).sum(axis=1)
            result[part, 1] += (np.nan_to_num(values) != 0).sum(axis=1)
            result[part, 2] += np.nansum(values, axis=1)
    return result


def _fields(dataset: xr.Dataset) -> list[Any]:
    return [array.variable for array in dataset.data_vars.values() if names.TIME in array.dims]
