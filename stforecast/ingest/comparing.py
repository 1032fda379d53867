"""Holding files against a store, for the times that both have; on a cluster where there is one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from stforecast import cluster
from stforecast.ingest.growth import Growth
from stforecast.ingest.joined import StoreRows
from stforecast.store.reading import PIECE, Block, Values, pieces
from stforecast.store.spill import Slices, tiles_of
from stforecast.store.work import alone, at_once, room_of

# Bytes of float32 that are held against each other as one piece of work.
_TASK = 4 * PIECE


@dataclass(frozen=True)
class Compared:
    """What was found at the steps of the grown record."""

    differing: NDArray[np.bool_]
    """Where a field that both have is not the same, ``(time)``."""
    filled: NDArray[np.bool_]
    """Fields that the store has no value of and the files have, ``(time, channel)``."""


@dataclass(frozen=True)
class _Part:
    """What was found in a part of the grid at some steps, each ``(time, channel)``."""

    start: int
    tile: Slices
    same: NDArray[np.bool_]
    known: NDArray[np.bool_]
    """Where the store has a value."""
    given: NDArray[np.bool_]
    """Where the files have one."""


def compare(
    old: StoreRows,
    new: da.Array,
    growth: Growth,
    told: Callable[[int], None],
    memory_limit: int,
) -> Compared:
    """What all times are that both have, each chunk of the files read once.

    A field of which one of them has no value at all is no other one: a variable that comes later
    than the others. Infinite values count as missing, as they do in a store. `told` is called with
    numbers of such times as they are done. Where chunks hold too many times for the memory limit,
    the files are read in parts of the grid, beside each of which the store is read anew.
    """
    size, channels = old.shape[:2]
    same = np.ones((size, channels), bool)
    known, given = np.zeros((2, size, channels), bool)
    shared = growth.shared
    room = at_once(room_of(memory_limit))
    client = cluster.current_client()
    if client is not None and shared.any():
        cluster.require_shared(client, str(old.path))

    def part(start: int, stop: int, tile: Slices) -> Values:
        values = new[(slice(start - growth.new.at, stop - growth.new.at), *tile)]
        return values if client is None else alone(values)

    tasks = (
        (part(start, stop, tile), old, start, shared[start:stop], tile)
        for start, stop in _runs(new, growth, old)
        for tile in _tiles(new, stop - start, room)
    )
    for found in cluster.spread(_compared, tasks, ordered=False):
        at = slice(found.start, found.start + len(found.same)), found.tile[0]
        same[at] &= found.same
        known[at] |= found.known
        given[at] |= found.given
        if all(part.start == 0 for part in found.tile):  # once for all parts of the grid
            told(int(shared[at[0]].sum()))
    both = shared[:, None] & given
    differing: NDArray[np.bool_] = np.asarray((both & known & ~same).any(axis=1))
    return Compared(differing, both & ~known)


def missing_before(
    old: StoreRows, present: NDArray[np.bool_], blocks: Sequence[Block]
) -> NDArray[np.int32]:
    """How many of the times of a store in some blocks lack a value, ``(channel, y, x)``.

    `present` are its times, ``(time)`` of the grown record.
    """
    total = np.zeros(old.shape[1:], np.int32)
    tasks = (
        (old, block.start, present[block.start : block.stop])
        for block in blocks
        if present[block.start : block.stop].any()
    )
    for part in cluster.spread(_missing, tasks, ordered=False):
        total += part
    return total


def _compared(
    new: Values, old: StoreRows, start: int, shared: NDArray[np.bool_], tile: Slices
) -> _Part:
    shape = shared.size, new.shape[1]
    same = np.ones(shape, bool)
    known, given = np.zeros((2, *shape), bool)
    step = max(1, PIECE // max(1, 4 * int(np.prod(old.shape[1:]))))
    at = 0
    for piece in pieces(new):
        for first in range(0, len(piece), step):
            rows = slice(at + first, at + min(first + step, len(piece)))
            if not shared[rows].any():
                continue
            theirs = piece[first : first + step]
            ours = old.read(start + rows.start, start + rows.stop)[(slice(None), *tile)]
            finite = np.isfinite(theirs)
            same[rows] = ((ours == theirs) | (np.isnan(ours) & ~finite)).all(axis=(2, 3))
            known[rows], given[rows] = ~np.isnan(ours).all(axis=(2, 3)), finite.any(axis=(2, 3))
        at += len(piece)
    return _Part(start, tile, same, known, given)


def _missing(old: StoreRows, start: int, present: NDArray[np.bool_]) -> NDArray[np.int32]:
    total = np.zeros(old.shape[1:], np.int32)
    step = max(1, PIECE // max(1, total.nbytes))
    for at in range(0, present.size, step):
        taken = present[at : at + step]
        if taken.any():
            values = old.read(start + at, start + at + taken.size)[taken]
            total += np.isnan(values).sum(axis=0, dtype=np.int32)
    return total


def _runs(new: da.Array, growth: Growth, old: StoreRows) -> Iterator[tuple[int, int]]:
    """Steps with times that both have, in runs of whole chunks of the files."""
    most = max(1, _TASK // max(1, 4 * int(np.prod(old.shape[1:]))))
    shared = growth.shared
    edges = growth.new.at + np.cumsum((0, *new.chunks[0]))
    start = stop = -1
    for begin, end in pairwise(edges):
        inside = np.flatnonzero(shared[begin:end])
        if not inside.size:
            continue
        first, last = int(begin + inside[0]), int(begin + inside[-1]) + 1
        if start >= 0 and stop == first and last - start <= most:
            stop = last
            continue
        if start >= 0:
            yield start, stop
        start, stop = first, last
    if start >= 0:
        yield start, stop


def _tiles(new: da.Array, steps: int, room: int) -> list[Slices]:
    """Parts of the grid that are read at once, where so many steps of all of it are too much."""
    if 4 * steps * int(np.prod(new.shape[1:])) <= max(room, _TASK):
        return [tuple(slice(0, size) for size in new.shape[1:])]
    return tiles_of(new.chunks, room)
