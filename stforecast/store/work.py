"""Who writes the blocks: threads of this process within a memory limit, or a cluster."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import dask
import dask.array as da
import xarray as xr

from stforecast import cluster, names
from stforecast.errors import DataError
from stforecast.options.storage import size_text
from stforecast.store.block import BlockDone, write_block, write_blocks
from stforecast.store.reading import PIECE, Block, Values
from stforecast.store.spill import Spilled, spill

# Where values wait that are turned; gone when all blocks are written.
SPILLED = f"{names.DATA}/.spilled"
# Copies of a piece that a thread has at once, at most: as its library gives it, in float64, in
# float32, stacked; one more piece is read ahead.
_COPIES = 8
# What is read at once to be turned, as far as there is room: several chunks, for longer pieces.
_TURNED = 32 * 2**20
_ITEM = 4
# What the process takes when nothing can tell, and the most that counts: what else a notebook or a
# longer program holds is not ours to limit. And what is taken beside pieces: buffers of files, and
# what the allocator does not give back.
_BASE = 250 * 2**20
_BESIDE = 60 * 2**20


def do_blocks(
    dataset: xr.Dataset, folder: Path, blocks: Sequence[Block], memory_limit: int
) -> Iterator[BlockDone]:
    """Write the blocks of a dataset in the tensor layout, and give each when it is done.

    On a cluster where there is one (:func:`stforecast.cluster.current_client`), else in threads,
    as many as have room. Where not even one has, as the chunks of the source hold too many times,
    the values go by way of a file. DataError if a single chunk is too large for the limit.
    """
    if not blocks:
        return
    folder = folder.absolute()  # workers may have another working directory
    values = dataset[names.DATA].variable if dataset.chunks is None else dataset[names.DATA].data
    piece = max(PIECE, largest_piece(dataset[names.DATA]))
    room = room_of(memory_limit)
    if room < _COPIES * piece:
        values = _turned(dataset[names.DATA], folder, memory_limit, room)
        piece = PIECE
    client = cluster.current_client()
    if client is not None:
        cluster.require_shared(client, folder)
        # a worker takes of the graph what is its block's
        tasks = ((alone(part_of(values, [block])), str(folder), block) for block in blocks)
        yield from cluster.spread(write_block, tasks, ordered=False)
        return
    threads = max(1, min(room // (_COPIES * piece), _processors(), len(blocks)))
    runs = [part for run in _runs(blocks) for part in _parts(run, threads)]
    if threads == 1 or len(runs) == 1:
        for run in runs:
            yield from write_blocks(part_of(values, run), folder, run, size=PIECE)
        return
    yield from _in_threads(values, folder, runs, threads)


def part_of(values: Values, blocks: Sequence[Block]) -> Values:
    """The values of blocks that follow one another, of those of the record."""
    first, last = blocks[0].index, blocks[-1].index
    index = (slice(first[0].start, last[0].stop), *first[1:])
    if isinstance(values, Spilled):
        return values.take(index)
    part: Values = values[index]  # type: ignore[index]
    return part


def alone(values: Values) -> Values:
    """The same values with as much of their dask graph as they are made of."""
    if not isinstance(values, da.Array):
        return values
    (alone,) = dask.optimize(values)
    kept: Values = alone
    return kept


def largest_piece(data: xr.DataArray) -> int:
    """Bytes of float32 that are read at once: all that lies in the longest chunk of the source."""
    rows = 1 if data.chunks is None else max(data.chunks[0])
    return _ITEM * int(rows) * prod(data.shape[1:])


def _turned(data: xr.DataArray, folder: Path, memory_limit: int, room: int) -> Spilled:
    """The values by rows where their chunks hold too many; DataError if a chunk is too large."""
    largest = _ITEM * prod(max(sizes) for sizes in data.chunks or ((1,),))
    if data.chunks is None or room < _COPIES * largest:
        needed = memory_limit - room + _COPIES * max(largest, PIECE)
        raise DataError(
            f"the files hold their values in chunks of {size_text(largest)}, which takes about "
            f"{size_text(needed)} of memory to read, over the limit of {size_text(memory_limit)}; "
            "give more with --memory-limit, or cut the files into smaller chunks, for example with "
            "nccopy -c"
        )
    return spill(data.data, folder / SPILLED, max(largest, at_once(room)))


def room_of(memory_limit: int) -> int:
    """Bytes that are left for values within what the process may take."""
    return memory_limit - _memory() - _BESIDE


def at_once(room: int) -> int:
    """Bytes of float32 that are read at once where chunks hold very many times."""
    return min(room // _COPIES, _TURNED)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    """Bytes that this process has in memory, as far as they count."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return min(pages * os.sysconf("SC_PAGE_SIZE"), _BASE)
    return _BASE


def _runs(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """The blocks in groups that follow one another along the first dimension."""
    run: list[Block] = []
    for block in blocks:
        if run and not _follows(run[-1], block):
            yield run
            run = []
        run.append(block)
    yield run


def _follows(one: Block, other: Block) -> bool:
    return one.index[0].stop == other.index[0].start and one.index[1:] == other.index[1:]


def _parts(run: list[Block], threads: int) -> Iterator[list[Block]]:
    """A run in parts for several threads, each long enough that chunks are seldom cut."""
    size = max(1, min(8, len(run) // (4 * threads))) if threads > 1 else len(run)
    for first in range(0, len(run), size):
        yield run[first : first + size]


def _in_threads(
    values: Values, folder: Path, runs: list[list[Block]], threads: int
) -> Iterator[BlockDone]:
    results: SimpleQueue[BlockDone | Future[None]] = SimpleQueue()
    stopped = Event()

    def work(run: list[Block]) -> None:
        if stopped.is_set():
            return
        # one thread reads while another encodes
        part = part_of(values, run)
        for done in write_blocks(part, folder, run, size=PIECE, ahead=False):
            results.put(done)
            if stopped.is_set():
                return

    with ThreadPoolExecutor(threads, thread_name_prefix="write") as pool:
        try:
            for run in runs:
                pool.submit(work, run).add_done_callback(results.put)
            remaining = len(runs)
            while remaining:
                result = results.get()
                if isinstance(result, BlockDone):
                    yield result
                else:
                    result.result()
                    remaining -= 1
        finally:
            stopped.set()
