"""Who writes the blocks: threads of this process within a memory limit, or a cluster."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import xarray as xr

from stforecast import cluster, names
from stforecast.errors import DataError
from stforecast.options.storage import size_text
from stforecast.store.block import BlockDone, write_block, write_blocks
from stforecast.store.reading import PIECE, Block

# Copies of a piece that a thread has at once, at most: as its library gives it, in float64, in
# float32, stacked; one more piece is read ahead.
_COPIES = 8
# What the process takes when nothing can tell, and what it takes beside pieces: buffers of files,
# and what the allocator does not give back.
_BASE = 250 * 2**20
_BESIDE = 60 * 2**20


def do_blocks(
    dataset: xr.Dataset, folder: Path, blocks: Sequence[Block], memory_limit: int
) -> Iterator[BlockDone]:
    """Write the blocks of a dataset in the tensor layout, and give each when it is done.

    On a cluster where there is one (:func:`stforecast.cluster.current_client`), else in threads,
    as many as have room. DataError when the memory limit has no room for one.
    """
    if not blocks:
        return
    client = cluster.current_client()
    if client is not None:
        cluster.require_shared(client, folder)
        tasks = ((values_of(dataset, [block]), str(folder), block) for block in blocks)
        yield from cluster.spread(write_block, tasks, ordered=False)
        return
    threads = min(_threads(dataset, memory_limit), len(blocks))
    runs = [part for run in _runs(blocks) for part in _parts(run, threads)]
    if threads == 1 or len(runs) == 1:
        for run in runs:
            yield from write_blocks(values_of(dataset, run), folder, run)
        return
    yield from _in_threads(dataset, folder, runs, threads)


def values_of(dataset: xr.Dataset, blocks: Sequence[Block]) -> Any:
    """The values of blocks that follow one another, as :func:`write_blocks` takes them."""
    first, last = blocks[0].index, blocks[-1].index
    index = (slice(first[0].start, last[0].stop), *first[1:])
    data = dataset[names.DATA]
    return data.variable[index] if data.chunks is None else data.data[index]


def largest_chunk(dataset: xr.Dataset) -> int:
    """Bytes of float32 that are read at once: all that lies in the longest chunk of the source."""
    data = dataset[names.DATA]
    rows = 1 if data.chunks is None else max(data.chunks[0])
    return 4 * int(rows) * prod(data.shape[1:])


def _threads(dataset: xr.Dataset, memory_limit: int) -> int:
    """How many threads have room; DataError if not even one has."""
    piece = max(PIECE, largest_chunk(dataset))
    room = memory_limit - _memory() - _BESIDE
    if room < _COPIES * piece:
        needed = memory_limit - room + _COPIES * piece
        raise DataError(
            f"the files are stored in chunks of {size_text(piece)} of values, which takes about "
            f"{size_text(needed)} of memory to read, over the limit of {size_text(memory_limit)}; "
            "give more with --memory-limit, or rechunk the files, for example with nccopy -c"
        )
    return min(room // (_COPIES * piece), _processors())


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    """Bytes that this process has in memory."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
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
    dataset: xr.Dataset, folder: Path, runs: list[list[Block]], threads: int
) -> Iterator[BlockDone]:
    results: SimpleQueue[BlockDone | Future[None]] = SimpleQueue()
    stopped = Event()

    def work(run: list[Block]) -> None:
        if stopped.is_set():
            return
        for done in write_blocks(values_of(dataset, run), folder, run):
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
