"""Blocks: what is read from a store at once, and which of them a sample needs."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stforecast import names
from stforecast.store import TensorStore
from stforecast.windows.lags import lag_positions
from stforecast.windows.spec import WindowSpec

# What a block holds at least, where a chunk holds less: each read costs about a millisecond.
SMALLEST_BLOCK = 2**20

# Blocks' worth of memory that a thread takes while it reads one: its bytes as they are in the file,
# decoded and put together, and what of them is kept for the next, by each thread that decodes.
IN_READING = 6

Span = tuple[int, int]
Blocks = NDArray[np.int64]


@dataclass(frozen=True)
class BlockGrid:
    """A record cut into blocks of ``steps`` times and ``group`` sequences, numbered in time first.

    Blocks at the end of the record and the last sequences may be smaller.
    """

    times: int
    sequences: int
    steps: int
    group: int = 1

    @property
    def frames(self) -> int:
        """Frames of one block."""
        return self.steps * self.group

    @property
    def along_time(self) -> int:
        """Blocks of one group of sequences."""
        return -(-self.times // self.steps)

    def __len__(self) -> int:
        return self.along_time * -(-self.sequences // self.group)

    def slots(self, frame: int, memory: int, threads: int) -> int:
        """How many blocks so many bytes hold, beside those that threads are reading."""
        return max(0, memory // (frame * self.frames) - IN_READING * threads)

    def block(self, sequences: ArrayLike, positions: ArrayLike) -> Blocks:
        """The blocks that hold these frames; the arguments are broadcast."""
        groups = np.asarray(sequences, np.int64) // self.group
        return groups * self.along_time + np.asarray(positions, np.int64) // self.steps

    def within(self, sequences: ArrayLike, positions: ArrayLike) -> Blocks:
        """Where in their block these frames lie."""
        row = np.asarray(sequences, np.int64) % self.group
        return row * self.steps + np.asarray(positions, np.int64) % self.steps

    def bounds(self, block: int) -> tuple[range, range]:
        """Sequences and times of a block."""
        group, part = divmod(block, self.along_time)
        first, start = group * self.group, part * self.steps
        return (
            range(first, min(first + self.group, self.sequences)),
            range(start, min(start + self.steps, self.times)),
        )

    def needed(self, samples: Blocks, spans: Iterable[Span]) -> Blocks:
        """Blocks (n, k) that samples (n, 2) need, some of them more than once.

        spans: first and last step of what is read, from the initial time.
        """
        groups = samples[:, :1] // self.group * self.along_time
        found = []
        for low, high in spans:
            first, last = (
                np.clip(samples[:, 1:] + step, 0, self.times - 1) // self.steps
                for step in (low, high)
            )
            most = -(-(high - low) // self.steps) + 1
            found.append(groups + np.minimum(first + np.arange(most), last))
        return np.concatenate(found, axis=1)


def spans_of(spec: WindowSpec, target: bool = True) -> list[Span]:
    """First and last steps, from the initial time, of the frames that a sample is made of.

    Those of the window first; then those of lagged frames, where they lie apart.
    """
    window = (1 - spec.history, spec.horizon if target else 0)
    lagged = lag_positions(spec, np.zeros(1, np.int64))[0] if spec.lags else []
    parts = sorted([window, *((int(lag.min()), int(lag.max())) for lag in lagged)])
    merged = [parts[0]]
    for low, high in parts[1:]:
        if low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged[::-1]


def whole_chunks(store: TensorStore) -> BlockGrid:
    """The smallest blocks worth a read: whole chunks of the store, so that none is read twice."""
    times, sequences = store.shape[0], store.n_sequences
    frame = 4 * int(np.prod(store.shape[1:]))
    data = store.dataset[names.DATA]
    given = data.encoding.get("chunks")
    if data.chunks is not None:
        given = [parts[0] for parts in data.chunks]
    chunk = {} if given is None else dict(zip(data.dims, given, strict=True))
    steps, group = chunk.get(names.TIME, 1), chunk.get(names.SEQUENCE, 1)
    steps *= max(1, SMALLEST_BLOCK // (frame * steps * group))
    if steps >= times:
        steps = times
        group *= max(1, SMALLEST_BLOCK // (frame * steps * group))
    return BlockGrid(times, sequences, steps, min(group, sequences))
