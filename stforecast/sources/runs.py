"""Runs of files that differ in their times only, put together as they are opened.

A dataset takes some thirty kilobytes however little is in it, and as much again while many are put
together. Of a file that is like another one only its times are kept, and where its values are; so a
record of very many files fits in memory.
"""

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.sources.axis import with_time_axis
from stforecast.sources.base import Part
from stforecast.sources.decode import block_cells
from stforecast.sources.light import (
    FEW,
    Reopened,
    SourceFile,
    one_after_another,
    without_its_file,
)
from stforecast.sources.times import holds_stamps, time_coordinate
from stforecast.sources.versions import EXPVER
from stforecast.timeaxis import calendar_of, normalise_stamps

# A dataset, what to call it in a message, and the file that it can be read from again.
Opened = tuple[str, xr.Dataset, SourceFile | None]
Attributes = dict[Any, Any]


def in_runs(parts: Iterable[Opened], reopened: Reopened) -> list[Part]:
    """The parts, those of a run as one, which has the name of its first.

    Files of the same variables are put in the order of their first times, at a tie in the one
    given; a run is as many of them as are alike but for their times. Attributes that differ are
    left out, as :func:`stforecast.sources.combine.combine` does with all files at once.
    """
    groups: dict[frozenset[Hashable], _Group] = {}
    for label, part, file in parts:
        if EXPVER not in part.dims:
            part = with_time_axis(part)
        group = groups.setdefault(frozenset(part.data_vars), _Group(reopened))
        group.add(label, part, file)
    return [run for group in groups.values() for run in group.runs()]


@dataclass(slots=True)
class _Entry:
    """What is kept of a part."""

    kind: "_Kind"
    first: Any
    label: str
    rows: dict[Hashable, NDArray[Any]]
    """Values along time that are in memory."""
    sizes: dict[Hashable, tuple[int, ...]]
    """The blocks of the other variables along time."""
    file: SourceFile | None
    arrays: dict[Hashable, da.Array] = field(default_factory=dict)
    """Those variables, where they cannot be read from the file again."""


@dataclass(slots=True, eq=False)
class _Kind:
    """Parts that are alike but for their times: the earliest one stands for all."""

    example: xr.Dataset
    first: Any
    time: str | None


class _Group:
    """Parts that have the same variables."""

    def __init__(self, reopened: Reopened) -> None:
        self._reopened = reopened
        self._kinds: dict[Hashable, _Kind] = {}
        self._entries: list[_Entry] = []
        self._calendars: set[str | None] = set()
        self._attributes: dict[Hashable | None, _Agreed] = {}
        # single times, such as when a forecast began, and those that do not hold for all parts
        self._single: dict[Hashable, xr.Variable] = {}
        self._differing: set[Hashable] = set()
        # the same sizes and names come again with every file
        self._known: dict[Any, Any] = {}

    def add(self, label: str, part: xr.Dataset, file: SourceFile | None) -> None:
        time = time_coordinate(part)
        key = None if time is None else _likeness(part, time)
        if key is None:
            key, time = len(self._entries), None
        first, calendar = (None, None) if time is None else _begin(part[time])
        self._calendars.add(calendar)
        self._agree(part, time)
        kind = self._kinds.get((key, calendar, file is None))
        if kind is None or first < kind.first:
            example = part if file is None else without_its_file(part, file, self._reopened)
            if kind is None:
                kind = self._kinds[(key, calendar, file is None)] = _Kind(example, first, time)
            else:
                kind.example, kind.first = example, first
        entry = _Entry(kind, first, label, {}, {}, file)
        for name, variable in part.variables.items():
            if time in variable.dims and variable.chunks is None:
                entry.rows[name] = np.asarray(variable.values)
            elif time in variable.dims and variable.chunks is not None:
                sizes = variable.chunks[variable.dims.index(time)]
                entry.sizes[name] = self._known.setdefault(sizes, sizes)
                if file is None:
                    entry.arrays[name] = variable.data
        if file is not None:
            known = tuple(entry.sizes.items())
            entry.sizes = self._known.setdefault(known, entry.sizes)
        self._entries.append(entry)

    def runs(self) -> list[Part]:
        """Each run as one dataset."""
        entries = self._entries
        if len(self._calendars) == 1 and None not in self._calendars:
            entries = sorted(entries, key=lambda entry: entry.first)
        found = []
        for _, run in groupby(entries, key=lambda entry: id(entry.kind)):
            members = list(run)
            joined = self._joined(members).drop_vars(self._differing, errors="ignore")
            found.append((members[0].label, joined))
        return found

    def _joined(self, entries: list[_Entry]) -> xr.Dataset:
        kind = entries[0].kind
        example, time = kind.example, kind.time
        if time is None:
            return example
        most = block_cells(sum(item.ndim > 1 for item in example.data_vars.values()))
        variables: dict[Hashable, xr.Variable] = {}
        for name, variable in example.variables.items():
            if time not in variable.dims:
                variables[name] = variable
                continue
            values: Any
            if variable.chunks is None:
                axis = variable.dims.index(time)
                values = np.concatenate([entry.rows[name] for entry in entries], axis=axis)
            elif entries[0].file is None:
                axis = variable.dims.index(time)
                values = da.concatenate([entry.arrays[name] for entry in entries], axis=axis)
            else:
                files = [entry.file for entry in entries if entry.file is not None]
                sizes = [entry.sizes[name] for entry in entries]
                values = one_after_another(name, variable, time, files, sizes, self._reopened, most)
            attributes = self._attributes[name].of(variable.attrs)
            variables[name] = xr.Variable(variable.dims, values, attributes, variable.encoding)
        joined = xr.Dataset(
            {name: variables[name] for name in example.data_vars},
            {name: variables[name] for name in example.coords},
            self._attributes[None].of(example.attrs),
        )
        joined.encoding = dict(example.encoding)
        return joined

    def _agree(self, part: xr.Dataset, time: str | None) -> None:
        self._attributes.setdefault(None, _Agreed()).add(part.attrs)
        for name, variable in part.variables.items():
            if time in variable.dims:
                self._attributes.setdefault(name, _Agreed()).add(variable.attrs)
        for name, coord in part.coords.items():
            if coord.ndim == 0 and holds_stamps(coord):
                value = coord.variable.copy().load()
                if not self._single.setdefault(name, value).equals(value):
                    self._differing.add(name)


class _Agreed:
    """Attributes in which no two of those differ that have them."""

    def __init__(self) -> None:
        self._kept: Attributes = {}
        self._left_out: set[Any] = set()

    def add(self, attributes: Mapping[Any, Any]) -> None:
        for name, value in attributes.items():
            if name in self._left_out:
                continue
            if name not in self._kept:
                self._kept[name] = value
            elif not _same(self._kept[name], value):
                del self._kept[name]
                self._left_out.add(name)

    def of(self, first: Mapping[Any, Any]) -> Attributes:
        """All of them, those that the first has in its order."""
        names = [*(name for name in first if name in self._kept), *self._kept]
        return {name: self._kept[name] for name in names}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return bool(xr.Variable((), 0, {"": one}).identical(xr.Variable((), 0, {"": other})))


def _begin(times: xr.DataArray) -> tuple[Any, str]:
    """The first of some times, and what others must have in common to be compared."""
    values = times.values
    if values.dtype.kind not in "MO":
        return values.min(), str(times.attrs.get("units", ""))
    stamps = normalise_stamps(values)
    return stamps.min(), calendar_of(stamps)


def _likeness(part: xr.Dataset, time: str) -> Hashable:
    """What parts have in common that differ in their times only; None if it stands alone."""
    if part[time].dims != (time,) or not part.sizes[time] or EXPVER in part.dims:
        return None
    found: list[Any] = []
    for name, variable in part.variables.items():
        own: list[Any] = [name, name in part.coords, variable.dims, str(variable.dtype)]
        if time in variable.dims:
            if variable.chunks is None and not variable._in_memory and variable.size > FEW:
                return None
            others = [at for at, dim in enumerate(variable.dims) if dim != time]
            own += [variable.shape[at] for at in others]
            own += [variable.chunks and tuple(variable.chunks[at] for at in others)]
            own += [str(variable.attrs.get(key)) for key in ("units", "calendar")]
        elif name not in part.coords:
            # of a field that has no time the one of the earliest file holds for all
            own += [variable.shape, str(variable.attrs.get("units"))]
        elif variable.ndim or not holds_stamps(part[name]):
            own += [variable.shape, _digest(variable), repr(variable.attrs)]
        found.append(tuple(own))
    return tuple(found)


def _digest(variable: xr.Variable) -> str:
    values = np.asarray(variable.values)
    if values.dtype.kind == "O":
        return repr(values.tolist())
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).hexdigest()
