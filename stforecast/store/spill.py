"""Turning a record that is stored along the wrong dimension, by way of a file on the disk.

A source whose chunks hold all times of a few cells would have to be in memory as a whole before
its first frames are there. It is read once, a few chunks at a time, into a compressed file of
pieces, from which rows are then read: memory stays flat, and no chunk is read twice.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path

import dask.array as da
import numpy as np
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from stforecast.store.reading import PIECE, computed, reading

_ITEM = 4
_CODEC = Blosc("lz4", 1, Blosc.BITSHUFFLE)
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Spilled:
    """An array in a file of pieces, read by rows; small enough to be sent to a worker."""

    path: Path
    full: tuple[int, ...]
    """Shape of all that is in the file."""
    bounds: NDArray[np.int64]
    """First row of each slab, and the end of the last one."""
    tiles: list[Slices]
    """What part of the other dimensions the pieces of a slab hold."""
    places: NDArray[np.int64]
    """Offset and length of each piece in the file, ``(slab, tile, 2)``."""
    part: Slices
    """What is taken of the dimensions."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is taken."""
        return tuple(taken.stop - taken.start for taken in self.part)

    @property
    def chunks(self) -> tuple[tuple[int, ...]]:
        """Rows that are read at once."""
        first, stop = self.part[0].start, self.part[0].stop
        inner = self.bounds[(self.bounds > first) & (self.bounds < stop)]
        return (tuple(int(n) for n in np.diff([first, *inner, stop])),)

    def take(self, index: Slices) -> "Spilled":
        """A part of it, by slices of known ends of the first dimensions."""
        part = tuple(
            slice(taken.start + new.start, taken.start + new.stop)
            for taken, new in zip(self.part, index, strict=False)
        )
        return replace(self, part=(*part, *self.part[len(index) :]))

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Rows of what is taken."""
        first, stop = self.part[0].start + rows.start, self.part[0].start + rows.stop
        read = np.empty((stop - first, *self.full[1:]), np.float32)
        with self.path.open("rb") as file:
            for slab in range(len(self.bounds) - 1):
                start, after = int(self.bounds[slab]), int(self.bounds[slab + 1])
                if after <= first or start >= stop:
                    continue
                inside = slice(max(first, start) - start, min(stop, after) - start)
                target = slice(start + inside.start - first, start + inside.stop - first)
                for tile, (offset, length) in zip(self.tiles, self.places[slab], strict=True):
                    content = os.pread(file.fileno(), int(length), int(offset))
                    shape = (after - start, *(part.stop - part.start for part in tile))
                    values = np.frombuffer(_CODEC.decode(content), np.float32).reshape(shape)
                    read[(target, *tile)] = values[inside]
        return read[(slice(None), *self.part[1:])]


def spill(values: da.Array, path: Path, room: int) -> Spilled:
    """Read an array chunk by chunk, at most `room` bytes of float32 at once, into a file.

    The room must hold at least one chunk. ReadError if the source fails.
    """
    tiles = tiles_of(values.chunks, room)
    slab = max(1, PIECE // (_ITEM * prod(values.shape[1:])))
    bounds = _bounds(values.chunks[0], slab)
    places = np.zeros((len(bounds) - 1, len(tiles), 2), np.int64)
    size = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        begin = 0
        for length in values.chunks[0]:
            end = begin + length
            slabs = [at for at in range(len(bounds) - 1) if begin <= bounds[at] < end]
            for number, tile in enumerate(tiles):
                with reading():
                    part = computed(values[(slice(begin, end), *tile)])
                    part = part.astype(np.float32, copy=False)
                for at in slabs:
                    rows = part[bounds[at] - begin : bounds[at + 1] - begin]
                    content = _CODEC.encode(np.ascontiguousarray(rows))
                    file.write(content)
                    places[at, number] = size, len(content)
                    size += len(content)
            begin = end
    whole = tuple(slice(0, size) for size in values.shape)
    return Spilled(path, values.shape, bounds, tiles, places, whole)


def tiles_of(chunks: tuple[tuple[int, ...], ...], room: int) -> list[Slices]:
    """Parts of all dimensions but the first: whole chunks, at most `room` bytes of float32 each."""
    return list(product(*_runs(chunks, room)))


def _bounds(chunks: tuple[int, ...], slab: int) -> NDArray[np.int64]:
    bounds = [0]
    for length in chunks:
        begin = bounds[-1]
        bounds += [*range(begin + slab, begin + length, slab), begin + length]
    return np.array(bounds)


def _runs(chunks: tuple[tuple[int, ...], ...], room: int) -> Iterator[list[slice]]:
    """Runs of whole chunks along each dimension but the first, together within the room."""
    cells = max(1, room // (_ITEM * max(chunks[0])))
    # the least of each dimension, which there must be room for beside the runs of another
    least = [max(sizes) for sizes in chunks[1:]]
    found: list[list[slice]] = []
    for dim in reversed(range(len(least))):
        most = max(1, cells // prod(least[:dim]))
        runs, begin, end = [], 0, 0
        for size in chunks[1 + dim]:
            if end > begin and end + size - begin > most:
                runs.append(slice(begin, end))
                begin = end
            end += size
        runs.append(slice(begin, end))
        cells = max(1, cells // max(run.stop - run.start for run in runs))
        found.append(runs)
    yield from reversed(found)
