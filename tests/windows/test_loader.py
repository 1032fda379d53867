"""Every sample once, in an order that seed and epoch decide, from wherever an epoch was left."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from stforecast.errors import RunError
from stforecast.store import TensorStore, write_store
from stforecast.windows import Frames, ResumableLoader, WindowDataset, WindowSpec, init_positions
from tests.helpers import make_store

SPEC = WindowSpec(2, 1)


@pytest.fixture(scope="module")
def dataset() -> WindowDataset:
    """21 samples, the initial times 1 to 21."""
    store = make_store(23, 1, 2, 3)
    return WindowDataset(store, SPEC, init_positions(store, SPEC, None), Frames(store))


def inits(batches: Iterator[object]) -> list[list[int]]:
    return [batch.index[:, 1].tolist() for batch in batches]


def flat(batches: list[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(batches))


def test_an_epoch_is_every_sample_once_in_a_new_order(dataset: WindowDataset) -> None:
    loader = ResumableLoader(dataset, 6, seed=7)
    epochs = [inits(loader) for _ in range(3)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [6, 6, 6, 3]
        assert sorted(flat(epoch)) == [*range(1, 22)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert loader.state_dict()["epoch"] == 3


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 6, 20, 21, 100])
def test_only_a_last_batch_of_one_is_left_out(dataset: WindowDataset, batch_size: int) -> None:
    loader = ResumableLoader(dataset, batch_size)
    sizes = [len(batch) for batch in inits(loader)]
    assert len(sizes) == len(loader)
    assert sum(sizes) == (20 if batch_size > 1 and 21 % batch_size == 1 else 21)
    assert batch_size == 1 or min(sizes) > 1


def test_a_single_sample_is_not_left_out(dataset: WindowDataset) -> None:
    alone = WindowDataset(dataset.frames.store, SPEC, [5])
    assert inits(ResumableLoader(alone, 16)) == [[5]]


def test_the_order_is_of_seed_and_epoch_alone(dataset: WindowDataset) -> None:
    torch.manual_seed(0)
    first = [inits(ResumableLoader(dataset, 6, seed=3)) for _ in range(2)]
    torch.manual_seed(1)
    assert first[0] == first[1] == inits(ResumableLoader(dataset, 6, seed=3))
    assert first[0] != inits(ResumableLoader(dataset, 6, seed=4))
    later = ResumableLoader(dataset, 6, seed=3)
    later.order.epoch = 5
    straight = ResumableLoader(dataset, 6, seed=3)
    assert [inits(straight) for _ in range(6)][5] == inits(later)


def test_iterating_draws_nothing_from_the_global_generator(dataset: WindowDataset) -> None:
    before = torch.get_rng_state()
    inits(ResumableLoader(dataset, 6))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("stop_after", range(9))
def test_a_new_loader_goes_on_with_the_next_batch(dataset: WindowDataset, stop_after: int) -> None:
    straight = ResumableLoader(dataset, 6, seed=1)
    expected = inits(straight) + inits(straight)

    stopped = ResumableLoader(dataset, 6, seed=1)
    seen = []
    while len(seen) < stop_after:
        for batch in stopped:
            seen += inits(iter([batch]))
            if len(seen) == stop_after:
                state = stopped.state_dict()
                break
    if stop_after == 0:
        state = stopped.state_dict()
    resumed = ResumableLoader(dataset, 6, seed=1)
    resumed.load_state_dict(state)
    while len(seen) < len(expected):
        seen += inits(resumed)
    assert seen[: len(expected)] == expected


def test_breaking_off_in_this_process_loses_nothing_either(dataset: WindowDataset) -> None:
    expected = inits(ResumableLoader(dataset, 6, seed=1))
    loader = ResumableLoader(dataset, 6, seed=1)
    seen = inits(itertools.islice(loader, 2))
    assert seen + inits(loader) == expected
    assert loader.state_dict()["epoch"] == 1


def test_after_the_last_batch_the_next_is_of_the_next_epoch(dataset: WindowDataset) -> None:
    loader = ResumableLoader(dataset, 6)
    positions = [(s["epoch"], s["batch"]) for s in (loader.state_dict() for _ in loader)]
    assert positions == [(0, 1), (0, 2), (0, 3), (1, 0)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("seed", {"batch_size": 6, "seed": 2}),
        ("batch_size", {"batch_size": 5, "seed": 1}),
        ("world_size", {"batch_size": 6, "seed": 1, "world_size": 2}),
    ],
)
def test_going_on_with_something_else_is_refused(
    dataset: WindowDataset, name: str, options: dict[str, int]
) -> None:
    state = ResumableLoader(dataset, 6, seed=1).state_dict()
    with pytest.raises(RunError, match=f"{name} was"):
        ResumableLoader(dataset, **options).load_state_dict(state)


def test_going_on_with_other_samples_is_refused(dataset: WindowDataset) -> None:
    state = ResumableLoader(dataset, 6).state_dict()
    fewer = WindowDataset(dataset.frames.store, SPEC, [5, 6, 7])
    with pytest.raises(RunError, match="samples was 21 and is now 3"):
        ResumableLoader(fewer, 6).load_state_dict(state)


def test_without_shuffling_every_pass_is_whole_and_in_order(dataset: WindowDataset) -> None:
    loader = ResumableLoader(dataset, 4, shuffle=False)
    inits(itertools.islice(loader, 2))
    for _ in range(2):
        batches = inits(loader)
        assert flat(batches) == [*range(1, 22)]
        assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 1]
    assert len(loader) == 6


@pytest.mark.parametrize("world_size", [2, 3, 4])
@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_processes_share_an_epoch_out(
    dataset: WindowDataset, world_size: int, batch_size: int
) -> None:
    parts = [
        inits(ResumableLoader(dataset, batch_size, seed=2, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert len({len(part) for part in parts}) == 1
    seen = flat([flat(part) for part in parts])
    assert len(set(seen)) == len(seen)
    left_out = 21 % world_size
    if (21 // world_size) % batch_size == 1 and batch_size > 1:
        left_out += world_size
    assert len(seen) == 21 - left_out


def test_processes_share_a_validation_out_without_leaving_any(dataset: WindowDataset) -> None:
    parts = [
        inits(ResumableLoader(dataset, 4, shuffle=False, rank=rank, world_size=4))
        for rank in range(4)
    ]
    assert sorted(flat([flat(part) for part in parts])) == [*range(1, 22)]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on one core
@pytest.mark.parametrize("on_disk", [False, True])
def test_workers_give_the_same_batches(
    tmp_path_factory: pytest.TempPathFactory, on_disk: bool
) -> None:
    store = make_store(23, 1, 2, 3)
    frames = Frames(store)
    if on_disk:
        path = tmp_path_factory.mktemp("loader") / "store.zarr"
        write_store(store.dataset, path)
        store = TensorStore.open(path)
        frames = Frames(store, cache_bytes=0)
        frames.read(0, 3)  # zarr's threads are running when the workers are forked
    dataset = WindowDataset(store, SPEC, init_positions(store, SPEC, None), frames)
    alone = ResumableLoader(dataset, 4, seed=1)
    helped = ResumableLoader(dataset, 4, seed=1, workers=2)
    for _ in range(2):
        for expected, batch in zip(alone, helped, strict=True):
            assert torch.equal(batch.index, expected.index)
            assert torch.equal(batch.history, expected.history)
            np.testing.assert_array_equal(batch.target, expected.target)
    # what was read ahead when an epoch is left is not lost
    seen = inits(itertools.islice(helped, 2)) + inits(helped)
    assert seen == inits(alone)
