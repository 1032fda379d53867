"""Blocks read ahead by threads into memory of a fixed size, and frames picked from it."""

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from stforecast.store import TensorStore
from stforecast.store.reading import reading
from stforecast.windows.blocks.grid import BlockGrid
from stforecast.windows.blocks.plan import Step, plan
from stforecast.windows.frames import FrameReader, pick

# Steps that are planned ahead of the batch that is made; what is read ahead is bounded by memory.
PLANNED: Final = 256


@dataclass(frozen=True)
class _Ready:
    """A step whose blocks are on their way."""

    step: Step
    loads: list[Future[None]]


class BlockReader:
    """Frames of a store as :class:`Frames` gives them, in a known order of batches.

    Iterating brings the blocks of one batch after the other; in between, :meth:`gather` and
    :meth:`windows` give frames of that batch. Closing the iterator ends the threads.

    Parameters
    ----------
    direct:
        Reads the batches whose blocks have no room.
    slots:
        How many blocks are held.
    threads:
        How many read at a time.
    """

    def __init__(self, direct: FrameReader, grid: BlockGrid, slots: int, threads: int) -> None:
        self.store: TensorStore = direct.store
        self.shape = direct.shape
        self._direct = direct
        self._grid = grid
        self._threads = threads
        self._slots = slots
        self._step: Step | None = None
        # memory is taken up as it is filled
        self._held = np.empty((slots, grid.group, grid.steps, *self.shape[1:]), np.float32)

    @property
    def in_memory(self) -> bool:
        """All that was planned is in memory when its batch is made."""
        return True

    def steps(self, needs: Sequence[NDArray[np.int64]]) -> Generator[None]:
        """Bring what each batch needs (sorted blocks), one after the other."""
        progress = _Progress()
        ready: Queue[_Ready | BaseException] = Queue(PLANNED)
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="stforecast-blocks")
        planner = threading.Thread(
            target=self._plan, args=(needs, pool, progress, ready), daemon=True
        )
        planner.start()
        try:
            for _ in needs:
                following = ready.get()
                if isinstance(following, BaseException):
                    raise following
                for load in following.loads:
                    load.result()
                self._step = following.step
                yield
                progress.advance()
        finally:
            self._step = None
            progress.stop()
            _drain(ready)
            planner.join()
            pool.shutdown(cancel_futures=True)

    def gather(self, sequences: ArrayLike, positions: ArrayLike) -> Tensor:
        """Frames (B, L, C, H, W) at ``positions`` (B, L) of ``sequences`` (B,), float32."""
        step = self._step
        if step is None or step.slots is None:
            return self._direct.gather(sequences, positions)
        index = np.asarray(positions, np.int64)
        whose = np.asarray(sequences, np.int64)[:, None]
        blocks = self._grid.block(whose, index)
        at = np.searchsorted(step.blocks, blocks)
        at = np.minimum(at, len(step.blocks) - 1)
        if not np.array_equal(step.blocks[at], blocks):  # not what was planned for this batch
            return self._direct.gather(sequences, positions)
        rows = step.slots[at] * self._grid.frames + self._grid.within(whose, index)
        return pick(self._held.reshape(-1, *self.shape[1:]), rows)

    def windows(self, sequences: ArrayLike, starts: ArrayLike, length: int) -> Tensor:
        """Frames (B, length, C, H, W) from ``starts`` (B,) on."""
        first = np.asarray(starts, np.int64)[:, None]
        return self.gather(sequences, first + np.arange(length))

    def _plan(
        self,
        needs: Sequence[NDArray[np.int64]],
        pool: ThreadPoolExecutor,
        progress: "_Progress",
        ready: "Queue[_Ready | BaseException]",
    ) -> None:
        """Send the blocks off to be read, as soon as there is room for each."""
        try:
            for step in plan(needs, self._slots):
                loads = []
                for load in step.loads:
                    if not progress.wait(load.after):
                        return
                    loads.append(pool.submit(self._load, load.block, load.slot))
                _put(ready, _Ready(step, loads), progress)
        except BaseException as error:  # to be raised where the batches are asked for
            _put(ready, error, progress)

    def _load(self, block: int, slot: int) -> None:
        sequences, times = self._grid.bounds(block)
        room = self._held[slot, : len(sequences), : len(times)]
        with reading():
            if len(sequences) == 1:
                room[0] = self.store.read(times.start, times.stop, sequences.start)
            else:
                chosen = slice(sequences.start, sequences.stop)
                room[:] = self.store.read_sequences(times.start, times.stop, chosen)


class _Progress:
    """How many batches have been made, for those who wait for room."""

    def __init__(self) -> None:
        self._made = 0
        self.stopped = False
        self._changed = threading.Condition()

    def advance(self) -> None:
        with self._changed:
            self._made += 1
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def wait(self, batch: int) -> bool:
        """Until this batch (from 0) has been made; False where none will be any more."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or self._made > batch)
            return not self.stopped


def _put(
    ready: "Queue[_Ready | BaseException]", item: _Ready | BaseException, progress: _Progress
) -> None:
    while not progress.stopped:
        try:
            return ready.put(item, timeout=0.5)
        except Full:
            continue


def _drain(ready: "Queue[_Ready | BaseException]") -> None:
    """Room for whoever is about to put something, who then sees that it was the last."""
    try:
        while True:
            ready.get_nowait()
    except Empty:
        return
