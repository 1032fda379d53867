"""Which block lies where: everything is there when it is needed, and nothing is read in vain."""

import numpy as np
import pytest

from stforecast.windows.blocks.plan import NEVER, Step, batch_needs, plan


def needs_of(*batches: list[int]) -> list[np.ndarray]:
    return [np.array(batch, np.int64) for batch in batches]


def replay(needs: list[np.ndarray], slots: int) -> tuple[list[Step], int]:
    """Follow a plan, as the reader does; the steps, and how many blocks were read."""
    held = dict.fromkeys(range(slots), -1)
    used = dict.fromkeys(range(slots), -1)
    steps = list(plan(needs, slots))
    assert len(steps) == len(needs)
    loads = 0
    for batch, (step, blocks) in enumerate(zip(steps, needs, strict=True)):
        np.testing.assert_array_equal(step.blocks, blocks)
        for load in step.loads:
            loads += 1
            # the slot may be written as soon as its last user was made, and not earlier
            assert used[load.slot] == load.after < batch
            held[load.slot] = load.block
        if step.slots is not None:
            assert [held[slot] for slot in step.slots.tolist()] == blocks.tolist()
            used.update(dict.fromkeys(step.slots.tolist(), batch))
    return steps, loads


def test_each_block_is_read_once_where_there_is_room() -> None:
    needs = needs_of([0, 1], [1, 2], [2, 3], [0, 3], [4, 5], [5, 6])
    assert replay(needs, 4)[1] == 7


def test_the_block_that_is_needed_again_the_latest_gives_way() -> None:
    needs = needs_of([0], [1], [2], [1], [0])
    steps, loads = replay(needs, 2)
    assert loads == 4
    assert [[load.block for load in step.loads] for step in steps] == [[0], [1], [2], [], [0]]
    # room for the block 2 is made where 0 lay, which was last used by the first batch
    assert steps[2].loads[0].after == 0


def test_blocks_are_read_as_early_as_there_is_room() -> None:
    needs = needs_of([0], [1], [2], [3], [4], [5])
    steps, _ = replay(needs, 3)
    assert [step.loads[0].after for step in steps] == [-1, -1, -1, 0, 1, 2]


def test_a_batch_without_room_is_told_and_harms_no_other() -> None:
    needs = needs_of([0, 1], [0, 1, 2, 3], [1, 2], [5, 6], [6, 7])
    steps, loads = replay(needs, 2)
    assert [step.slots is None for step in steps] == [False, True, False, False, False]
    assert loads == 6
    assert all(step.slots is None for step in plan(needs, 0))


@pytest.mark.parametrize("slots", [4, 6, 9, 30])
def test_any_order_is_served(slots: int) -> None:
    random = np.random.default_rng(slots)
    needs = [np.unique(random.integers(0, 30, random.integers(1, 5))) for _ in range(200)]
    _, loads = replay(needs, slots)
    blocks = len(np.unique(np.concatenate(needs)))
    assert loads == blocks if slots == 30 else loads > blocks
    # as few as those of the best there is, by trying: no choice of what gives way reads less
    assert loads <= least_recently_used(needs, slots)


def least_recently_used(needs: list[np.ndarray], slots: int) -> int:
    held: dict[int, int] = {}
    loads = 0
    for batch, blocks in enumerate(needs):
        for block in blocks.tolist():
            if block not in held:
                loads += 1
            held[block] = batch
        while len(held) > slots:
            del held[min(held, key=lambda block: held[block])]
    return loads


def test_needs_of_batches() -> None:
    needed = np.array([[0, 1], [1, 1], [4, 5], [2, 3]])
    batches = [np.array([0, 1]), np.array([3]), np.array([2, 0])]
    found = batch_needs(needed, batches, 6)
    assert [blocks.tolist() for blocks in found] == [[0, 1], [2, 3], [0, 1, 4, 5]]
    assert batch_needs(needed, [], 6) == []
    assert NEVER > 10**18
