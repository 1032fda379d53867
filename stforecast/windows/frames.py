"""Frames of a store by position: from memory where the record fits, else from the store.

A batch is gathered by index at once, never sample by sample, and copied once: from the record in
memory into the batch. Frames that several windows share are read from the store once.
"""

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final, Protocol

import dask
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from stforecast.store import TensorStore

CACHE_BYTES: Final = 2 * 2**30
BLOCK_BYTES: Final = 64 * 2**20


class FrameReader(Protocol):
    """Whatever gives the frames of a batch."""

    store: TensorStore
    shape: tuple[int, int, int, int]

    @property
    def in_memory(self) -> bool:
        """Whether all that is asked for lies in memory."""

    def gather(self, sequences: ArrayLike, positions: ArrayLike) -> Tensor:
        """Frames (B, L, C, H, W) at ``positions`` (B, L) of ``sequences`` (B,), float32."""

    def windows(self, sequences: ArrayLike, starts: ArrayLike, length: int) -> Tensor:
        """Frames (B, length, C, H, W) from ``starts`` (B,) on."""


class Frames:
    """Reads frames of a store, wherever they are kept.

    Parameters
    ----------
    store:
        The store.
    cache_bytes:
        Largest record to hold in memory; by default 2 GiB, or a quarter of the machine's memory if
        that is less. 0 reads everything from the store.
    progress:
        Called with the steps loaded so far and their number, while the record is loaded.
    sequences:
        Those that will be asked for, and no others; all by default.
    """

    def __init__(
        self,
        store: TensorStore,
        cache_bytes: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        sequences: range | None = None,
    ) -> None:
        self.store = store
        self.shape = store.shape
        self.sequences = range(store.n_sequences) if sequences is None else sequences
        limit = default_cache_bytes() if cache_bytes is None else cache_bytes
        size = 4 * len(self.sequences) * int(np.prod(self.shape))
        self._cache = self._load(progress) if size <= limit else None

    @property
    def in_memory(self) -> bool:
        """Whether the record is held in memory."""
        return self._cache is not None

    def __getstate__(self) -> dict[str, Any]:
        """Without the copy in memory: a process that does not share it reads the store itself."""
        return {**vars(self), "_cache": None}

    def read(self, start: int, stop: int, sequence: int = 0) -> NDArray[np.float32]:
        """Frames ``start`` to ``stop`` (n, C, H, W) of one sequence, NaN where missing."""
        if self._cache is None:
            return self._from_store(start, stop, sequence)
        first = self.sequences.index(sequence) * self.shape[0]
        return self._cache[first + start : first + stop].copy()

    def gather(self, sequences: ArrayLike, positions: ArrayLike) -> Tensor:
        """Frames (B, L, C, H, W) at ``positions`` (B, L) of ``sequences`` (B,), float32."""
        flat = self._rows(sequences, np.asarray(positions, np.int64))
        if self._cache is None:
            return self._gather_from_store(flat)
        return pick(self._cache, flat - self.sequences.start * self.shape[0])

    def windows(self, sequences: ArrayLike, starts: ArrayLike, length: int) -> Tensor:
        """Frames (B, length, C, H, W) from ``starts`` (B,) on."""
        first = np.asarray(starts, np.int64)
        if self._cache is None or not 0 < length <= self.shape[0]:
            return self.gather(sequences, first[:, None] + np.arange(length))
        if first.size and not 0 <= first.min() <= first.max() <= self.shape[0] - length:
            raise IndexError(f"windows of {length} steps beyond a record of {self.shape[0]}")
        rows = (np.asarray(sequences, np.int64) - self.sequences.start) * self.shape[0] + first
        found = _overlapping(self._cache, length)[rows]
        return torch.from_numpy(found.reshape(len(rows), length, *self.shape[1:]))

    def _rows(self, sequences: ArrayLike, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of frames (B, L) in all sequences one after the other."""
        return np.asarray(sequences, np.int64)[:, None] * self.shape[0] + positions

    def _load(self, progress: Callable[[int, int], None] | None) -> NDArray[np.float32]:
        steps = self.shape[0]
        cache = np.empty((len(self.sequences) * steps, *self.shape[1:]), np.float32)
        block = max(1, BLOCK_BYTES // (4 * int(np.prod(self.shape[1:]))))
        done = 0
        for sequence in self.sequences:
            for start in range(0, steps, block):
                stop = min(start + block, steps)
                cache[done : done + stop - start] = self._from_store(start, stop, sequence)
                done += stop - start
                if progress is not None:
                    progress(done, len(cache))
        return cache

    def _gather_from_store(self, rows: NDArray[np.int64]) -> Tensor:
        """Read each run of neighbouring frames once, then pick from them."""
        wanted, inverse = np.unique(rows, return_inverse=True)
        steps = self.shape[0]
        new_run = (np.diff(wanted) > 1) | (wanted[1:] % steps == 0)
        runs = np.split(wanted, np.flatnonzero(new_run) + 1)
        sequences = np.array([run[0] // steps for run in runs])
        spans = np.array([(run[0] % steps, run[-1] % steps + 1) for run in runs])
        # neighbouring sequences of which the same steps are wanted are read together
        alone = (np.diff(sequences) != 1) | (np.diff(spans, axis=0) != 0).any(axis=1)
        frames = []
        for group in np.split(np.arange(len(runs)), np.flatnonzero(alone) + 1):
            (start, stop), first = spans[group[0]].tolist(), int(sequences[group[0]])
            frames.append(self._from_store(start, stop, first, len(group)))
        read = frames[0] if len(frames) == 1 else np.concatenate(frames)
        return pick(read, inverse.reshape(rows.shape))

    def _from_store(
        self, start: int, stop: int, sequence: int, count: int = 1
    ) -> NDArray[np.float32]:
        """Frames (count · n, C, H, W) of neighbouring sequences, one after the other."""
        # A forked loader has dask's threads only in name: it reads by itself.
        alone = get_worker_info() is not None
        with dask.config.set(scheduler="synchronous") if alone else nullcontext():
            if count == 1:
                return self.store.read(start, stop, sequence)
            read = self.store.read_sequences(start, stop, slice(sequence, sequence + count))
            return read.reshape(-1, *self.shape[1:])


def pick(frames: NDArray[np.float32], rows: NDArray[np.int64]) -> Tensor:
    """Copies of some of the frames (n, C, H, W): (*rows.shape, C, H, W)."""
    shape = frames.shape[1:]
    # numpy asks for large pages for a large array, torch does not: filling it takes half the time
    found = np.empty((rows.size, *shape), np.float32)
    if rows.size and not 0 <= rows.min() <= rows.max() < len(frames):
        raise IndexError(f"frames {rows.min()} to {rows.max()} of {len(frames)}")
    # "clip" writes straight into the result, which the check of bounds would not
    np.take(frames, rows.ravel(), axis=0, out=found, mode="clip")
    return torch.from_numpy(found).view(*rows.shape, *shape)


def _overlapping(frames: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """All windows of frames (n, C, H, W) as rows (n - length + 1, length · C · H · W), no copy."""
    width = frames[0].size
    shape = (len(frames) - length + 1, length * width)
    return np.ndarray(shape, np.float32, frames, strides=(4 * width, 4))


def default_cache_bytes() -> int:
    """Bytes of a record that may be held in memory."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on every system
        return CACHE_BYTES
    return min(CACHE_BYTES, memory // 4)
