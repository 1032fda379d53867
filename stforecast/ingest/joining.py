"""A store and new files as one record: its coordinates, and its values as they are asked for."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.ingest.assemble import coordinates_on_axis
from stforecast.ingest.growth import Growth, joined_stamps
from stforecast.ingest.layout import Layout
from stforecast.ingest.timeline import Timeline
from stforecast.store import TensorStore
from stforecast.store.counts import Counts
from stforecast.store.layout import holds_dates
from stforecast.store.reading import reading
from stforecast.timeaxis.stamps import Clock

# Arrays of the store that are made anew from the values.
_OF_VALUES = (names.DATA, names.ABSENT, names.VALID_CELLS)


def join_coordinates(
    store: TensorStore, files: xr.Dataset, growth: Growth, late: NDArray[np.int64]
) -> xr.Dataset:
    """All of the grown record but ``data`` and ``valid_cells``: just as of one ingest of it all.

    `files` are in the tensor layout; `late` are the positions of times that the store has too, for
    which they have a variable that it lacks. Whatever does not change with time is the store's.
    DataError if the files lack the bounds of their times.
    """
    dataset = store.dataset
    kept = np.flatnonzero(growth.old.present)
    added = np.flatnonzero(growth.added)
    rows = np.full(growth.axis.size, -1, np.int64)
    rows[growth.old.at + kept] = np.arange(kept.size)
    rows[added] = kept.size + np.arange(added.size)
    time = dataset[names.TIME].variable
    bounds = time.attrs.get("bounds", time.encoding.get("bounds"))
    joined: dict[str, xr.Variable] = {}
    for name, coord in dataset.coords.items():
        if names.TIME not in coord.dims:
            continue
        ours = coord.variable.isel({names.TIME: kept})
        stamps = growth.axis.times_at(added)
        if name == names.TIME:
            values = joined_stamps(ours.values, stamps)
        elif name in files.coords and files[name].dims == coord.dims:
            there = files[name].variable
            theirs = there.isel({names.TIME: added - growth.new.at}).values
            if late.size:
                ours = _with_late(
                    ours,
                    rows[late],
                    there.isel({names.TIME: late - growth.new.at}).values,
                    growth.axis.times_at(late),
                )
            values = _joined(ours, theirs)
        elif name == bounds:
            raise DataError(f"they lack {bounds}, the bounds of their times, which the store has")
        else:
            values = _joined(ours, _stand_in(ours, stamps))
        joined[str(name)] = xr.Variable(coord.dims, values, coord.attrs)
    if bounds is not None:
        joined[names.TIME].attrs["bounds"] = bounds
    layout = Layout(
        dataset=xr.Dataset(coords=joined),
        grid=store.grid,
        time_name=store.meta.time_name,
        sequence_name=None,
        channels=store.meta.channels,
        scalars=store.meta.scalars,
        notes=[],
    )
    along_time = coordinates_on_axis(layout, Timeline(growth.axis, rows))
    coords = {
        name: along_time[str(name)] if names.TIME in coord.dims else coord.variable
        for name, coord in dataset.coords.items()
        if names.TIME not in coord.dims or name in along_time
    }
    absent = (~growth.present).astype(np.int8)
    others: dict[Any, Any] = {
        name: item.variable
        for name, item in dataset.data_vars.items()
        if name not in _OF_VALUES and names.TIME not in item.dims
    }
    others[names.ABSENT] = xr.Variable(names.TIME, absent, dataset[names.ABSENT].attrs)
    return xr.Dataset(others, coords)


def _joined(ours: xr.Variable, theirs: NDArray[Any]) -> NDArray[Any]:
    """Rows of the store and of the files."""
    if holds_dates(ours):
        return joined_stamps(ours.values, theirs)
    return np.concatenate([ours.values, theirs])


def _with_late(
    ours: xr.Variable, rows: NDArray[np.int64], theirs: NDArray[Any], stamps: NDArray[Any]
) -> xr.Variable:
    """A coordinate of the store with rows of the files where it has but stand-ins for them."""
    values = ours.values.copy()
    if holds_dates(ours):
        both = joined_stamps(values, theirs)  # of one kind of dates
        values, theirs = both[: len(values)], both[len(values) :]
        clock = Clock.of(both)
        own = clock.to_micros(stamps).reshape(-1, *(1,) * (values.ndim - 1))
        unknown = (clock.to_micros(values[rows]) == own).reshape(rows.size, -1).all(axis=1)
        values[rows[unknown]] = theirs[unknown]
    elif ours.dtype.kind == "f":
        values[rows] = np.where(np.isnan(values[rows]), theirs, values[rows])
    return xr.Variable(ours.dims, values, ours.attrs)


def _stand_in(ours: xr.Variable, stamps: NDArray[Any]) -> NDArray[Any]:
    """Rows for a coordinate that the files lack: missing numbers, or as dates their own times."""
    shape = (stamps.size, *ours.shape[1:])
    if holds_dates(ours):
        return np.broadcast_to(stamps.reshape(-1, *(1,) * (len(shape) - 1)), shape).copy()
    return np.full(shape, np.nan)


class _Steps:
    """Steps of a lazy array, read once: chunks of dask are kept until the steps after them come."""

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array
        sizes = array.chunksizes.get(names.TIME, (1,) * array.sizes[names.TIME])
        self._edges = np.concatenate([[0], np.cumsum(sizes)])
        self._start = 0
        self._kept = np.empty((0, *array.shape[1:]), np.float32)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """The steps start … stop - 1."""
        first = int(self._edges[np.searchsorted(self._edges, start, side="right") - 1])
        last = int(self._edges[np.searchsorted(self._edges, stop)])
        end = self._start + len(self._kept)
        parts = []
        if self._start <= first < end:
            parts.append(self._kept[first - self._start :])
            first = end
        if first < last:
            with reading():
                part = self._array.isel({names.TIME: slice(first, last)})
                values = part.compute(scheduler="synchronous").values
                parts.append(np.asarray(values, np.float32))
        self._kept = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._start = max(first, last) - len(self._kept)
        return self._kept[start - self._start : stop - self._start]


class JoinedValues:
    """``data`` of the grown record: steps are read from the store and the files as asked for.

    What the files add is counted as it goes by, so each step must be read once. ``counts`` are
    those of the added times, and what `filled` ones change in those of the store; ``valid_cells``
    are those of the record. ``filled``, ``(time, channel)``, are the fields that the store has no
    value of though it has the time, and the files have: known once all steps are compared.
    """

    def __init__(
        self, store: TensorStore, files: xr.Dataset, growth: Growth, order: list[int]
    ) -> None:
        """`order` tells where in the files each channel of the store is."""
        self.shape = (growth.axis.size, *store.shape[1:])
        self.counts = Counts.of_none(self.shape[1:])
        self.valid_cells = np.zeros(self.shape[:2], np.int32)
        self.valid_cells[growth.old.at : growth.old.stop] = store.valid_cells
        self.filled = np.zeros(self.shape[:2], bool)
        self._store = store
        self._files = _Steps(files[names.DATA])
        self._growth = growth
        self._order = order

    def differing(self, start: int, stop: int) -> NDArray[np.int64]:
        """At which of the steps start … stop - 1 that both have their values are not the same.

        A field of which one of them has no value at all is no other one: a variable that comes
        later than the others. Infinite values count as missing, as they do in a store.
        """
        both = np.flatnonzero(self._growth.shared[start:stop]) + start
        if not both.size:
            return both
        first, last = int(both[0]), int(both[-1]) + 1
        at = self._growth.old.at
        ours = self._store.read(first - at, last - at)[both - first]
        theirs = self._new(first, last)[both - first]
        finite = np.isfinite(theirs)
        same = ((ours == theirs) | (np.isnan(ours) & ~finite)).all(axis=(2, 3))
        known, given = ~np.isnan(ours).all(axis=(2, 3)), finite.any(axis=(2, 3))
        self.filled[both] = given & ~known
        differing: NDArray[np.int64] = both[(known & given & ~same).any(axis=1)]
        return differing

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """The steps start … stop - 1, ``(n, channel, y, x)``."""
        values = np.full((stop - start, *self.shape[1:]), np.nan, np.float32)
        old, new = self._growth.old, self._growth.new
        first, last = max(start, old.at), min(stop, old.stop)
        if first < last:
            values[first - start : last - start] = self._store.read(first - old.at, last - old.at)
        first, last = max(start, new.at), min(stop, new.stop)
        added, filled = self._growth.added[first:last], self.filled[first:last]
        if first < last and (added.any() or filled.any()):
            given = self._new(first, last)
            if added.any():
                clean, valid = self.counts.add(given[added])
                at = np.flatnonzero(added) + first
                values[at - start] = clean
                self.valid_cells[at] = valid
            for channel in np.flatnonzero(filled.any(axis=0)):
                late = filled[:, channel]
                fields = self.counts.fill(int(channel), given[late, channel])
                at = np.flatnonzero(late) + first
                values[at - start, channel] = fields
                self.valid_cells[at, channel] = np.count_nonzero(~np.isnan(fields), axis=(1, 2))
        return values

    def _new(self, start: int, stop: int) -> NDArray[np.float32]:
        """The steps of the files that lie at start … stop - 1, channels in the store's order."""
        at = self._growth.new.at
        values = self._files.read(start - at, stop - at)
        in_order = self._order == sorted(self._order)
        return values if in_order else values[:, self._order]


class JoinedRows:
    """A part of joined values, as :class:`stforecast.store.reading.Rows`."""

    def __init__(self, values: JoinedValues, start: int, stop: int) -> None:
        """Of the steps start … stop - 1."""
        self.shape = (stop - start, *values.shape[1:])
        self._values = values
        self._start = start

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        """Some steps of the part, ``(n, channel, y, x)``."""
        start, stop, _ = rows.indices(self.shape[0])
        return self._values.read(self._start + start, self._start + stop)
