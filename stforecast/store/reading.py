"""Reading a record block by block, each block piece by piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import dask.array as da
import numpy as np
import xarray as xr
from dask.core import flatten
from dask.local import get_sync
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError, StForecastError, first_line
from stforecast.store.layout import Cut

# What is read at once, in bytes of float32, where the chunks of the source are no larger.
PIECE = 4 * 2**20
_ITEM = 4


class ReadError(DataError):
    """The source failed while its values were read."""


@dataclass(frozen=True)
class Block:
    """A part of the record that is written at once: steps `start … stop - 1` of some sequences."""

    start: int
    stop: int
    sequences: slice | None = None

    @property
    def index(self) -> tuple[slice, ...]:
        """Where the block lies in ``data``."""
        steps = slice(self.start, self.stop)
        return (steps,) if self.sequences is None else (self.sequences, steps)

    @property
    def name(self) -> str:
        """What tells it from the other blocks of a record."""
        return "-".join(str(part.start) for part in self.index)

    @property
    def frames(self) -> int:
        """How many frames the block has: steps, in each sequence."""
        return prod(part.stop - part.start for part in self.index)


@contextmanager
def reading() -> Iterator[None]:
    """Tell any failure of the libraries that read files as one ReadError."""
    try:
        yield
    except StForecastError:
        raise
    except Exception as error:  # each codec has errors of its own, and files can be hostile
        reason = first_line(error)
        raise ReadError(f"the data cannot be read to their end ({reason})") from error


def blocks(dataset: xr.Dataset, cut: Cut | None = None) -> Iterator[Block]:
    """The parts in which a dataset is written: whole shards, in the order of the record."""
    cut = cut or Cut.of(dataset.sizes)
    n, steps = dataset.sizes[names.TIME], cut.shards[names.TIME]
    groups: list[slice | None] = [None]
    if names.SEQUENCE in dataset.dims:
        size, width = dataset.sizes[names.SEQUENCE], cut.shards[names.SEQUENCE]
        groups = [slice(first, min(first + width, size)) for first in range(0, size, width)]
    for sequences in groups:
        for start in range(0, n, steps):
            yield Block(start, min(start + steps, n), sequences)


class Rows(Protocol):
    """An array that reads its rows when they are asked for by a slice.

    Where it has ``chunks``, as dask's arrays do, those of one are read at once.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


Values = NDArray[Any] | da.Array | xr.Variable | Rows
"""The values of a record, or of a part of it, wherever they are."""


def pieces(values: Values, size: int = PIECE) -> Iterator[NDArray[np.float32]]:
    """The rows of an array one after the other, as many at once as have about `size` bytes.

    The chunks of dask along the first dimension are read whole, so that none is read twice; one
    that is larger than `size` is given in one piece. Pieces must not be changed: they may be the
    source's own. ReadError if it fails.
    """
    most = max(1, size // max(1, _ITEM * prod(values.shape[1:])))
    rows = getattr(values, "chunks", None) or ((1,) * values.shape[0],)
    begin = 0
    for end in _ends(rows[0], most):
        with reading():
            piece = np.asarray(_read(values, begin, end), dtype=np.float32)
        yield piece
        begin = end


def computed(
    values: da.Array | xr.Variable | NDArray[Any], *, scattered: bool = False
) -> NDArray[Any]:
    """Values in memory, read in this thread.

    Of the graph of dask no more is looked at than is needed: to make a graph faster dask goes
    through all blocks of a record, for each piece of it, and that pays for `scattered` rows only,
    of which it then reads no whole blocks. And it is told who computes, as to find out it would
    load all that it has for clusters.
    """
    if isinstance(values, xr.Variable):
        values = values.values if values.chunks is None else values.data
    if not isinstance(values, da.Array):
        return np.asarray(values)
    if not scattered:
        graph = values.dask.cull(flatten(values.__dask_keys__()))
        values = da.Array(graph, values.name, values.chunks, meta=values._meta)
    return np.asarray(values.compute(scheduler=get_sync, optimize_graph=scattered))


def _read(values: Values, begin: int, end: int) -> NDArray[Any]:
    return computed(values[begin:end])


def _ends(sizes: tuple[int, ...], most: int) -> Iterator[int]:
    """Where to cut runs of whole chunks that have at most so many rows, or are a single one."""
    begin = end = 0
    for size in sizes:
        if end > begin and end + size - begin > most:
            yield end
            begin = end
        end += size
    if end > begin:
        yield end
