"""Runs of files that differ in their times only, put together as soon as they are opened.

A dataset takes some thirty kilobytes however little is in it, and as much again while many are put
together; a run of them takes little more than one. So a record of very many files fits in memory.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import xarray as xr

from stforecast.sources.combine import Part, combine, with_time_axis
from stforecast.sources.times import time_coordinate
from stforecast.sources.versions import EXPVER

# Files of a run: while it is put together their datasets are in memory.
_LENGTH = 64


def in_runs(parts: Iterable[Part]) -> list[Part]:
    """The parts, those of a run as one, which has the name of its first.

    A run goes on as long as times increase from file to file and all else is the same, but for
    attributes of the file: one that differs within any run is left out of all, as of the record.
    """
    runs: list[Part] = []
    differing: set[Hashable] = set()
    for run in _runs(parts):
        label, dataset = run[0][0], combine(run)
        differing |= {name for _, part in run for name in part.attrs} - dataset.attrs.keys()
        runs.append((label, dataset))
    for _, dataset in runs:
        for name in differing & dataset.attrs.keys():
            del dataset.attrs[name]
    return runs


def _runs(parts: Iterable[Part]) -> Iterator[list[Part]]:
    run: list[Part] = []
    for label, part in parts:
        if EXPVER not in part.dims:
            part = with_time_axis(part)
        if run and (len(run) == _LENGTH or not _goes_on(run[0][1], run[-1][1], part)):
            yield run
            run = []
        run.append((label, part))
    if run:
        yield run


def _goes_on(first: xr.Dataset, last: xr.Dataset, part: xr.Dataset) -> bool:
    """Whether a part has what the first has, at times after those of the last."""
    time = time_coordinate(first)
    if time is None or first[time].dims != (time,) or EXPVER in first.dims:
        return False
    if list(first.variables) != list(part.variables) or first.coords.keys() != part.coords.keys():
        return False
    return all(
        _alike(variable, part.variables[name], time) for name, variable in first.variables.items()
    ) and _follows(last.variables[time].values, part.variables[time].values)


def _alike(one: xr.Variable, other: xr.Variable, time: Hashable) -> bool:
    if time not in one.dims:
        return one.chunks is None and other.chunks is None and one.identical(other)
    return (
        one.dims == other.dims
        and one.dtype == other.dtype
        and _has_same_attributes(one, other)
        and all(one.sizes[dim] == size for dim, size in other.sizes.items() if dim != time)
    )


def _has_same_attributes(one: xr.Variable, other: xr.Variable) -> bool:
    return bool(xr.Variable((), 0, one.attrs).identical(xr.Variable((), 0, other.attrs)))


def _follows(times: Any, later: Any) -> bool:
    """Whether all of some times come after all of others, of the same calendar."""
    if not times.size or not later.size:
        return False
    try:
        return bool(times.max() < later.min())
    except TypeError:  # two calendars
        return False
