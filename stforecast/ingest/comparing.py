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
from stforecast.store.work import alone

# Bytes of float32 that are held against each other as one piece of work.
_TASK = 4 * PIECE


@dataclass(frozen=True)
class Compared:
    """What was found at some steps of the grown record."""

    start: int
    differing: NDArray[np.bool_]
    """Where a field that both have is not the same, ``(time)``."""
    filled: NDArray[np.bool_]
    """Fields that the store has no value of and the files have, ``(time, channel)``."""


def compare(old: StoreRows, new: da.Array, growth: Growth, told: Callable[[int], None]) -> Compared:
    """What all times are that both have, each chunk of the files read once.

    A field of which one of them has no value at all is no other one: a variable that comes later
    than the others. Infinite values count as missing, as they do in a store. `told` is called with
    numbers of such times as they are done.
    """
    size, channels = old.shape[:2]
    differing, filled = np.zeros(size, bool), np.zeros((size, channels), bool)
    shared = growth.shared
    client = cluster.current_client()
    if client is not None and shared.any():
        cluster.require_shared(client, str(old.path))

    def part(start: int, stop: int) -> Values:
        values = new[start - growth.new.at : stop - growth.new.at]
        return values if client is None else alone(values)

    tasks = (
        (part(start, stop), old, start, shared[start:stop])
        for start, stop in _runs(new, growth, old)
    )
    for found in cluster.spread(_compared, tasks, ordered=False):
        rows = slice(found.start, found.start + found.differing.size)
        differing[rows], filled[rows] = found.differing, found.filled
        told(int(shared[rows].sum()))
    return Compared(0, differing, filled)


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


def _compared(new: Values, old: StoreRows, start: int, shared: NDArray[np.bool_]) -> Compared:
    differing = np.zeros(shared.size, bool)
    filled = np.zeros((shared.size, old.shape[1]), bool)
    at = 0
    for theirs in pieces(new):
        rows = slice(at, at + len(theirs))
        at = rows.stop
        both = np.flatnonzero(shared[rows])
        if not both.size:
            continue
        first, last = int(both[0]), int(both[-1]) + 1
        ours = old.read(start + rows.start + first, start + rows.start + last)
        theirs = theirs[first:last]
        finite = np.isfinite(theirs)
        same = ((ours == theirs) | (np.isnan(ours) & ~finite)).all(axis=(2, 3))
        known, given = ~np.isnan(ours).all(axis=(2, 3)), finite.any(axis=(2, 3))
        taken = shared[rows][first:last, None]
        inside = slice(rows.start + first, rows.start + last)
        filled[inside] = taken & given & ~known
        differing[inside] = (taken & known & given & ~same).any(axis=1)
    return Compared(start, differing, filled)


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
