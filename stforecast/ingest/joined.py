"""The values of a store and of files that are added to it, as one lazy array."""

import uuid
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import cluster, names
from stforecast.errors import StoreError
from stforecast.ingest.growth import Growth
from stforecast.remote import RemotePath
from stforecast.store import TensorStore
from stforecast.store.reading import PIECE, Block

_ITEM = 4
# Pieces that are read at once, at most, of the rows that store and files both have.
_MANY = 8
_FEW = 8


class StoreRows:
    """The rows of a store on the axis of the grown record: missing where it has no times.

    It can be sent to another process, which opens the store for itself.
    """

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, store: TensorStore, growth: Growth) -> None:
        if store.path is None:
            raise StoreError("a record in memory cannot grow; write it first")
        self.shape = (growth.axis.size, *store.shape[1:])
        path = store.path
        self.path = path if isinstance(path, RemotePath) else path.absolute()
        self._state = store.meta.created, store.meta.updated
        self._key = f"rows-{uuid.uuid4().hex}"
        self._at = growth.old.at
        self._store: TensorStore | None = store

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None}

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Steps start … stop - 1; StoreError where another store has taken the place of this."""
        values = np.full((stop - start, *self.shape[1:]), np.nan, np.float32)
        store = self._opened()
        first, last = max(start, self._at), min(stop, self._at + store.shape[0])
        if first < last:
            values[first - start : last - start] = store.read(first - self._at, last - self._at)
        return values

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[np.float32]:
        """A part, by slices, as dask asks for it."""
        start, stop, _ = index[0].indices(self.shape[0])
        step = _steps_of(self.shape)
        parts = [
            self.read(at, min(at + step, stop))[(slice(None), *index[1:])]
            for at in range(start, stop, step)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _opened(self) -> TensorStore:
        return self._store or cluster.once(self._key, self._open)

    def _open(self) -> TensorStore:
        store = TensorStore.open(self.path)
        if (store.meta.created, store.meta.updated) != self._state:
            raise StoreError(f"{self.path} was made anew while files were added; try again")
        return store


def rows_of(files: xr.Dataset, order: list[int | None]) -> da.Array:
    """The values of files in the tensor layout, the channels in an `order`, lazily.

    Those for which it says None are missing.
    """
    data = files[names.DATA]
    if data.chunks is None:
        data = data.chunk({names.TIME: _steps_of(data.shape)})
    values: da.Array = data.data
    if order == list(range(len(order))):
        return values
    alone = [values[:, :1] if at is None else values[:, at : at + 1] for at in order]
    parts = [
        da.full(part.shape, np.nan, dtype=np.float32, chunks=part.chunks) if at is None else part
        for at, part in zip(order, alone, strict=True)
    ]
    together: da.Array = da.concatenate(parts, axis=1)
    return together


def joined(
    old: StoreRows,
    new: da.Array,
    growth: Growth,
    filled: NDArray[np.bool_],
    blocks: list[Block],
) -> da.Array:
    """``data`` of the grown record in some blocks, which are whole shards; missing elsewhere.

    Args:
        old: the rows of the store.
        new: the values of the files on their own axis, channels as in the store.
        growth: where both lie.
        filled: fields that the files have and the store lacks, ``(time, channel)``.
        blocks: what is asked for, in order; nothing else is read.
    """
    size = growth.axis.size
    take = filled | growth.added[:, None]
    ours = growth.old.on(size)
    edges = _edges(new, growth, blocks)
    needed = np.zeros(size, bool)
    for block in blocks:
        needed[block.start : block.stop] = True
    step = _steps_of(old.shape)
    parts: list[tuple[str, list[int]]] = []
    for start, stop in pairwise(edges):
        if not needed[start]:
            kind = "none"
        elif not take[start:stop].any():
            kind = "old"
        else:
            kind = "both" if ours[start:stop].any() else "new"
        inner = [*range(start, stop, step)[1:], stop] if kind in ("none", "old") else [stop]
        if not parts or parts[-1][0] != kind:
            parts.append((kind, [start]))
        parts[-1][1].extend(inner)
    sizes = tuple(int(n) for _, cuts in parts for n in np.diff(cuts))
    whole = da.from_array(old, chunks=(sizes, *old.shape[1:]), name=False, asarray=False)
    arrays = []
    for kind, cuts in parts:
        rows = whole
        if kind == "both" and max(np.diff(cuts)) > _MANY * step:
            # beside chunks of very many times no more is read of the store than their cells
            grid = [_coarse(own) for own in new.chunks[2:]]
            rows = da.from_array(old, (sizes, new.chunks[1], *grid), name=False, asarray=False)
        arrays.append(_part(kind, cuts, rows, new, growth.new.at, take))
    together: da.Array = da.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    return together


def _part(
    kind: str, cuts: list[int], whole: da.Array, new: da.Array, at: int, take: NDArray[np.bool_]
) -> da.Array:
    """A run of chunks that are made in the same way."""
    start, stop = cuts[0], cuts[-1]
    if kind == "none":
        rows = tuple(int(n) for n in np.diff(cuts))
        shape = (stop - start, *whole.shape[1:])
        missing: da.Array = da.full(
            shape, np.nan, dtype=np.float32, chunks=(rows, *whole.shape[1:])
        )
        return missing
    if kind == "old":
        kept: da.Array = whole[start:stop]
        return kept
    given: da.Array = new[start - at : stop - at]
    if kind == "new":
        return given
    rows, channels = given.chunks[:2]
    mask = da.from_array(take[start:stop, :, None, None], chunks=(rows, channels, 1, 1))
    both: da.Array = da.where(mask, given, whole[start:stop])
    return both


def _edges(new: da.Array, growth: Growth, blocks: list[Block]) -> list[int]:
    """Where the joined array may be cut: at chunks of the files, and at what is asked for."""
    inside = growth.new.at + np.cumsum((0, *new.chunks[0]))
    runs: list[int] = []
    for block in blocks:
        if runs and runs[-1] == block.start:
            runs[-1] = block.stop
        else:
            runs += [block.start, block.stop]
    return sorted({0, growth.axis.size, *map(int, inside), *runs})


def _steps_of(shape: tuple[int, ...]) -> int:
    """Steps that have about the size of a piece."""
    return max(1, PIECE // max(1, _ITEM * int(np.prod(shape[1:]))))


def _coarse(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of a dimension put together to few, beside each of which the store is read anew."""
    count = -(-len(sizes) // _FEW)
    return tuple(sum(sizes[at : at + count]) for at in range(0, len(sizes), count))
