"""Samples mixed from all over a record, and yet block by block."""

import numpy as np
import pytest

from stforecast.windows.blocks.grid import BlockGrid
from stforecast.windows.blocks.order import Mixing, choose_mixing, mixed
from stforecast.windows.order import BatchOrder

MIXING = Mixing(steps=16, group=1, heads=8)
HOMES = np.arange(15, 4000) // 16


def order(**options: int) -> BatchOrder:
    made = BatchOrder(len(HOMES), 32, **options)
    made.mix(MIXING, HOMES)
    return made


def test_every_sample_once_and_other_in_each_epoch() -> None:
    epochs = [order().permutation(epoch) for epoch in range(3)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(len(HOMES)))
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epochs[1], order().permutation(1))
    assert not np.array_equal(epochs[0], order(seed=1).permutation(0))


def test_few_blocks_are_begun_at_a_time() -> None:
    for seed in range(5):
        homes = HOMES[order(seed=seed).permutation(0)]
        first, last = {}, {}
        for at, home in enumerate(homes.tolist()):
            first.setdefault(home, at)
            last[home] = at
        begun = np.zeros(len(homes), int)
        for home, at in first.items():
            begun[at : last[home] + 1] += 1
        # two of each head, and those that are just begun or nearly done
        assert begun.max() <= 3 * MIXING.heads


def test_batches_are_of_the_whole_record() -> None:
    spread = []
    for epoch in range(5):
        batches = order().permutation(epoch)[:3968].reshape(-1, 32)
        spread += (batches.std(axis=1) / len(HOMES)).tolist()
    # a uniform draw has 0.289, a sequential one 0.002
    assert np.mean(spread) > 0.27
    assert min(spread) > 0.12


def test_heads_stay_no_fixed_time_apart() -> None:
    """On hourly data with eight heads through 160 days, no hour of the day may fill a batch."""
    shares = []
    for epoch in range(10):
        hours = order().permutation(epoch)[:3968].reshape(-1, 32) % 24
        shares += [np.bincount(batch, minlength=24).max() / 32 for batch in hours]
    assert np.mean(shares) < 0.2


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_read_parts_of_their_own(world_size: int) -> None:
    shares = [order(rank=rank, world_size=world_size).permutation(4) for rank in range(world_size)]
    assert {len(share) for share in shares} == {len(HOMES) // world_size}
    assert len(np.unique(np.concatenate(shares))) == world_size * (len(HOMES) // world_size)
    blocks = [set(HOMES[share].tolist()) for share in shares]
    # the ends of a part may lie in the middle of a block
    assert sum(map(len, blocks)) <= HOMES[-1] + 1 + world_size


def test_unshuffled_samples_keep_their_order() -> None:
    shares = [order(shuffle=False, rank=rank, world_size=3).permutation(0) for rank in range(3)]
    np.testing.assert_array_equal(np.concatenate(shares), np.arange(len(HOMES)))
    assert [len(share) for share in shares] == [-(-(len(HOMES) - rank) // 3) for rank in range(3)]


def test_a_single_block_is_a_plain_shuffle() -> None:
    found = mixed(np.zeros(500, np.int64), 64, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(found), np.arange(500))
    assert abs(np.corrcoef(found, np.arange(500))[0, 1]) < 0.15


FRAME = 2**16
HOURLY = BlockGrid(8760, 1, 16)


def test_memory_decides_how_many_heads() -> None:
    chosen = [
        choose_mixing(HOURLY, [(-7, 8)], FRAME, megabytes * 2**20, 2)
        for megabytes in (8, 32, 128, 1024)
    ]
    assert [mixing.heads for mixing in chosen] == [1, 4, 19, 34]
    # larger blocks only where there is memory for many
    assert [mixing.steps for mixing in chosen] == [16, 16, 16, 64]


def test_a_long_lag_takes_the_memory_of_what_lies_between_or_is_read_again() -> None:
    window = (-7, 8)
    day = choose_mixing(HOURLY, [window, (-31, -16)], FRAME, 2**27, 2)
    year = choose_mixing(HOURLY, [window, (-8767, -8752)], FRAME, 2**27, 2)
    assert day.heads >= 12
    assert year.heads >= 12


def test_short_sequences_need_nothing_of_their_neighbours() -> None:
    videos = BlockGrid(20, 10_000, 20, 13)
    assert choose_mixing(videos, [(-9, 10)], 2**12, 2**26, 2).heads >= 10
    assert Mixing.from_json(MIXING.to_json()) == MIXING
    assert MIXING.grid(100, 3) == BlockGrid(100, 3, 16)
