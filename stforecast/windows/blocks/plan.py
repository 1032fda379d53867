"""Which block lies in memory when, known before anything is read.

As the order of an epoch is known, so is when a block is needed again. Room is taken from blocks
that are done with, and only if there are none from the block whose next use lies farthest ahead
(Belady 1966), so no other choice would read less.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Load:
    """A block to be read into a slot, once the batch ``after`` has been made (-1: at once)."""

    block: int
    slot: int
    after: int


@dataclass(frozen=True)
class Step:
    """What one batch needs: its blocks, in their order, and the slots where they lie.

    loads are those that were not there yet. ``slots`` is None where there is not room enough for
    the blocks of this one batch.
    """

    blocks: NDArray[np.int64]
    slots: NDArray[np.int64] | None
    loads: list[Load]


def plan(needs: Sequence[NDArray[np.int64]], slots: int) -> Iterator[Step]:
    """The steps of batches, of which each needs some blocks (sorted, none twice)."""
    uses = _next_uses(needs)
    free = deque((slot, -1) for slot in range(slots))
    where: dict[int, int] = {}  # block: slot
    used: dict[int, tuple[int, int]] = {}  # block: its last use and its next
    farthest: list[tuple[int, int]] = []  # of blocks that are needed again: (-next use, block)
    for batch, (blocks, following) in enumerate(zip(needs, uses, strict=True)):
        wanted = list(zip(blocks.tolist(), following.tolist(), strict=True))
        fits = len(blocks) <= slots
        # before any room is made, so that no block of this batch has to give way
        for block, after in wanted:
            if block in where:
                used[block] = (batch if fits else used[block][0], after)
        if fits:
            loads = []
            for block, after in wanted:
                if block not in where:
                    slot, since = free.popleft() if free else _evict(farthest, where, used)
                    loads.append(Load(block, slot, since))
                    where[block], used[block] = slot, (batch, after)
            yield Step(blocks, np.array([where[block] for block, _ in wanted], np.int64), loads)
        else:
            yield Step(blocks, None, [])
        for block, after in wanted:
            if block in where and after == NEVER:
                free.append((where.pop(block), used.pop(block)[0]))
            elif block in where:
                heappush(farthest, (-after, block))


def batch_needs(
    needed: NDArray[np.int64], batches: Sequence[NDArray[np.int64]], blocks: int
) -> list[NDArray[np.int64]]:
    """The blocks (sorted, none twice) of each batch.

    needed: (n, k) blocks of each sample; blocks: how many there are.
    """
    lengths = [len(batch) for batch in batches]
    if not lengths:
        return []
    rows = needed[np.concatenate(batches)]
    numbers = np.repeat(np.arange(len(batches)), lengths)
    keys = np.unique(numbers[:, None] * blocks + rows)
    ends = np.searchsorted(keys, np.arange(1, len(batches)) * blocks)
    return np.split(keys % blocks, ends)


def _evict(
    farthest: list[tuple[int, int]],
    where: dict[int, int],
    used: dict[int, tuple[int, int]],
) -> tuple[int, int]:
    """The slot of the block that is needed again the latest, and when it was last used."""
    while True:
        following, block = heappop(farthest)
        # else the entry is of an earlier time: the block has been used since, or is gone
        if block in where and used[block][1] == -following:
            return where.pop(block), used.pop(block)[0]


def _next_uses(needs: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """For each block of each batch, which batch needs it next."""
    if not needs:
        return []
    lengths = [len(blocks) for blocks in needs]
    blocks = np.concatenate(needs)
    batches = np.repeat(np.arange(len(needs)), lengths)
    order = np.lexsort((batches, blocks))
    following = np.full(len(blocks), NEVER, np.int64)
    again = blocks[order[1:]] == blocks[order[:-1]]
    following[order[:-1][again]] = batches[order[1:][again]]
    return np.split(following, np.cumsum(lengths)[:-1])
