"""Writing the data of a store block by block: whole shards, counted as they go by.

This is what local threads, the workers of a cluster, ingest and append all do. The array must be
there with its final shape; its metadata say how it is cut and encoded.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from stforecast import names
from stforecast.readcache import keep_little
from stforecast.store.counts import Counts
from stforecast.store.manifest import Entry
from stforecast.store.reading import PIECE, Block, Values, pieces
from stforecast.store.shardfile import ShardFile, ShardFormat


@dataclass(frozen=True)
class BlockDone:
    """A block that is written: what was counted in it, and its files."""

    block: Block
    valid: NDArray[np.int32]
    """Cells with a value, ``([sequence,] time, channel)`` of the block."""
    counts: Counts
    files: dict[str, Entry]
    """The shards by their key in the store; one without any value has no file."""


def write_block(values: Values, folder: Path | str, block: Block) -> BlockDone:
    """Write the values of a block as whole shards of ``data`` of the Zarr group in `folder`.

    `values` are the block's alone, ``([sequence,] time, channel, y, x)``, read once and in order.
    The block begins where a shard begins, and ends where one or the record ends. Its shards get
    their names when they are whole, so those of an earlier try are replaced. ReadError if the
    source fails, OSError if the disk does.
    """
    (done,) = write_blocks(values, folder, [block])
    return done


def write_blocks(
    values: Values,
    folder: Path | str,
    blocks: Sequence[Block],
    *,
    size: int = PIECE,
    ahead: bool = True,
) -> Iterator[BlockDone]:
    """Like :func:`write_block` for blocks that follow one another along the first dimension.

    `values` are those of all of them. A chunk of the source that lies across two blocks is read
    once, and with `ahead` the next piece of about `size` bytes is read while the one before is
    encoded.
    """
    keep_little()  # on a worker files are opened here
    folder = Path(folder)
    array = zarr.open_array(folder / names.DATA, mode="r")
    format = ShardFormat.of(array)
    waiting = list(blocks)
    writer = _BlockWriter(folder, array, format, waiting.pop(0))
    try:
        for piece in _ahead(pieces(values, size)) if ahead else pieces(values, size):
            while len(piece):
                piece = writer.add(piece)
                if writer.is_full:
                    yield writer.finish()
                    if waiting:
                        writer = _BlockWriter(folder, array, format, waiting.pop(0))
    finally:
        writer.discard()


class _BlockWriter:
    """One block as it is written, row by row of its first dimension."""

    def __init__(self, folder: Path, array: zarr.Array, format: ShardFormat, block: Block) -> None:
        self._folder, self._array, self._format, self._block = folder, array, format, block
        whole = [slice(0, size) for size in array.shape[len(block.index) :]]
        self._ranges = [*block.index, *whole]
        self._rows: int = self._ranges[0].stop - self._ranges[0].start
        shape = tuple(part.stop - part.start for part in self._ranges)
        self._counts = Counts.of_none(shape[-3:])
        self._valid = np.empty(shape[:-2], np.int32)
        self._seen, self._written = 0, 0
        # rows that do not fill a chunk yet
        self._waiting = np.empty((format.chunks[0], *shape[1:]), np.float32)
        self._open: dict[tuple[int, ...], ShardFile] = {}
        self._files: dict[str, Entry] = {}

    @property
    def is_full(self) -> bool:
        return self._seen == self._rows

    def add(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in the next rows; give those that are the next block's."""
        own, rest = values[: self._rows - self._seen], values[self._rows - self._seen :]
        own, valid = self._counts.add(own)
        self._valid[self._seen : self._seen + len(own)] = valid
        step, kept = self._format.chunks[0], self._seen - self._written
        self._seen += len(own)
        if kept:
            taken = own[: step - kept]
            self._waiting[kept : kept + len(taken)] = taken
            own, kept = own[len(taken) :], kept + len(taken)
            if kept < step and not self.is_full:
                return rest
            self._write(self._waiting[:kept])
        while len(own) >= step or (len(own) and self.is_full):
            self._write(own[:step])
            own = own[step:]
        self._waiting[: len(own)] = own
        return rest

    def finish(self) -> BlockDone:
        return BlockDone(self._block, self._valid, self._counts, self._files)

    def discard(self) -> None:
        """Take away the shards that are not whole."""
        for shard in self._open.values():
            shard.discard()
        self._open.clear()

    def _write(self, values: NDArray[np.float32]) -> None:
        """Write the chunks of rows that fill one, or are the last of the record."""
        first = (self._ranges[0].start + self._written) // self._format.chunks[0]
        grid = [
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(self._ranges[1:], self._format.chunks[1:], strict=True)
        ]
        for others in product(*grid):
            chunk = (first, *others)
            inside = tuple(
                slice(at * size - part.start, min((at + 1) * size, part.stop) - part.start)
                for at, size, part in zip(
                    others, self._format.chunks[1:], self._ranges[1:], strict=True
                )
            )
            shard, number = self._format.place(chunk)
            self._shard(shard).add(number, values[(slice(None), *inside)])
        self._written += len(values)
        if (first + 1) % self._format.counts[0] == 0 or self._written == self._rows:
            self._finish_shards()

    def _shard(self, index: tuple[int, ...]) -> ShardFile:
        if index not in self._open:
            self._open[index] = ShardFile(self._folder / self._key(index), self._format)
        return self._open[index]

    def _finish_shards(self) -> None:
        for index, shard in list(self._open.items()):
            entry = shard.finish()
            del self._open[index]
            if entry is not None:
                self._files[self._key(index)] = entry

    def _key(self, index: tuple[int, ...]) -> str:
        return f"{names.DATA}/{self._array.metadata.encode_chunk_key(index)}"


def _ahead(items: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same items, the next one read in a thread while one is at work."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
