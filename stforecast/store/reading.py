"""Reading a record block by block."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.store.layout import Cut


class ReadError(DataError):
    """The source failed while its values were read."""


class Block:
    """A part of the record that is read at once: steps `start … stop - 1` of some sequences."""

    def __init__(self, start: int, stop: int, sequences: slice | None) -> None:
        self.start = start
        self.stop = stop
        self.sequences = sequences

    @property
    def index(self) -> tuple[slice, ...]:
        """Where the block lies in ``data``."""
        steps = slice(self.start, self.stop)
        return (steps,) if self.sequences is None else (self.sequences, steps)


@contextmanager
def reading() -> Iterator[None]:
    """Tell any failure of the libraries that read files as one ReadError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, IndexError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError(f"the data cannot be read to their end ({reason})") from error


def blocks(dataset: xr.Dataset, cut: Cut | None = None) -> Iterator[Block]:
    """The parts in which a dataset is read: whole shards, and whole chunks of its source."""
    cut = cut or Cut.of(dataset.sizes)
    data = dataset[names.DATA]
    n = dataset.sizes[names.TIME]
    steps = cut.shards[names.TIME]
    if data.chunks is not None:
        # a source chunk is read whole, so a block that is smaller would read it again
        longest = max(data.chunksizes[names.TIME])
        steps = -(-longest // steps) * steps
    groups: list[slice | None] = [None]
    if names.SEQUENCE in dataset.dims:
        size, width = dataset.sizes[names.SEQUENCE], cut.shards[names.SEQUENCE]
        groups = [slice(first, min(first + width, size)) for first in range(0, size, width)]
    for sequences in groups:
        for start in range(0, n, steps):
            yield Block(start, min(start + steps, n), sequences)


def read_block(dataset: xr.Dataset, block: Block) -> NDArray[np.float32]:
    """The values of a block, not to be changed: they may be the source's own.

    ReadError if the source fails.
    """
    data = dataset[names.DATA]
    selected = data.isel({names.TIME: slice(block.start, block.stop)})
    if block.sequences is not None:
        selected = selected.isel({names.SEQUENCE: block.sequences})
    with reading():
        if selected.chunks is None:
            return np.asarray(selected.values, dtype=np.float32)
        return np.asarray(selected.data.compute(), dtype=np.float32)
