"""The order of samples that are read block by block.

A plain permutation would need another block for every sample. Here some heads move through the
record at once, each through a stretch of its own and block after block, and every sample is drawn
at random from the blocks that the heads have come to. So each block is read once, a batch mixes
times from all over the record, and neighbours in time come apart. The stretches begin elsewhere in
each epoch and have different lengths, so that no two heads stay a fixed time (a day, a year) apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.windows.blocks.grid import BlockGrid, Span

MOST_HEADS = 64
# With fewer heads than this, the samples of a batch are much alike.
FEWEST_HEADS = 4
# With fewer heads than this, blocks between two stretches are read twice rather than kept.
FEW_HEADS = 16
# Blocks grow, so that there are fewer reads, only where there is room for as many heads as this.
MANY_HEADS = 32
LARGEST_BLOCK = 4 * 2**20
# Blocks of each head that samples are drawn from at a time, on average.
DEPTH = 2


@dataclass(frozen=True)
class Mixing:
    """What the order depends on besides seed and epoch: the size of blocks, and how many heads.

    A run keeps what it was started with, wherever it goes on.
    """

    steps: int
    group: int
    heads: int

    def grid(self, times: int, sequences: int) -> BlockGrid:
        """The blocks of a record."""
        return BlockGrid(times, sequences, self.steps, self.group)

    def to_json(self) -> dict[str, int]:
        """Plain values for the state of a run."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Mixing":
        """Inverse of :meth:`to_json`."""
        return cls(int(values["steps"]), int(values["group"]), int(values["heads"]))


def choose_mixing(
    smallest: BlockGrid, spans: Sequence[Span], frame: int, memory: int, threads: int
) -> Mixing:
    """As many heads as memory allows, with blocks that are not too small.

    smallest: the smallest blocks worth a read.
    frame, memory: bytes of a frame, and of all that may be held.
    threads: how many read.
    """

    def choice(factor: int) -> Mixing:
        steps = smallest.steps * factor
        grid = BlockGrid(smallest.times, smallest.sequences, steps, smallest.group)
        slots = grid.slots(frame, memory, threads)
        reach = max(high for _, high in spans) - min(low for low, _ in spans)
        # blocks behind its first that a head goes on needing: all that a sample reaches back to ...
        behind = 0 if steps >= smallest.times else ceil(reach / steps)
        # ... or, where a lag reaches back too far to keep what lies between, its own parts only
        apart = sum(ceil((high - low) / steps) + 1 for low, high in spans) - 1
        ahead = DEPTH + 2  # one more is begun than is drawn from, and one is being read
        once = slots // (ahead + 2 * behind)
        heads = once if once >= FEW_HEADS else max(once, slots // (ahead + min(behind, apart)))
        return Mixing(steps, smallest.group, max(1, min(heads, MOST_HEADS, len(grid) // 4)))

    factor = 1
    while 2 * factor * smallest.steps <= smallest.times // 4:
        if 2 * factor * smallest.frames * frame > LARGEST_BLOCK:
            break
        if choice(2 * factor).heads < MANY_HEADS:
            break
        factor *= 2
    return choice(factor)


def mixed(homes: NDArray[np.int64], heads: int, random: np.random.Generator) -> NDArray[np.int64]:
    """An order of samples (n,) of which each is at home in a block; neighbours by their place.

    Samples are drawn as the heads come to their home.
    """
    # visits: samples in a row that are at home in one block
    visit = np.concatenate([[0], np.cumsum(np.diff(homes) != 0)])
    visits = int(visit[-1]) + 1
    heads = min(heads, visits)
    width = visits / heads
    cuts = (np.arange(1, heads) + random.uniform(-0.4, 0.4, heads - 1)) * width
    starts = np.unique(np.concatenate([[0], cuts.astype(np.int64)]))
    lengths = np.diff(np.append(starts, visits))
    stretch = np.repeat(np.arange(len(starts)), lengths)
    # all heads come to the end of their stretches together, however long those are
    progress = np.arange(visits) - starts[stretch] + random.uniform(0, 1, len(starts))[stretch]
    arrival = np.empty(visits, np.int64)
    arrival[np.argsort(progress / lengths[stretch], kind="stable")] = np.arange(visits)
    drawn = arrival[visit] + random.uniform(0, DEPTH * len(starts), len(homes))
    return np.argsort(drawn, kind="stable")
