"""Records larger than memory: what a batch holds does not depend on where it is read from."""

import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stforecast.errors import StForecastError, StForecastWarning
from stforecast.options import CalendarCovariate
from stforecast.options.storage import StorageOptions
from stforecast.store import TensorStore, write_store
from stforecast.windows import (
    Batch,
    Frames,
    ResumableLoader,
    WindowDataset,
    WindowSpec,
    init_positions,
    list_samples,
)
from stforecast.windows.blocks.grid import IN_READING
from stforecast.windows.blocks.reader import BlockReader
from stforecast.windows.parts import Splits
from tests.helpers import make_store

SPEC = WindowSpec(4, 3, covariates=(CalendarCovariate(calendar=["hour", "weekday"]),))
FRAME = 4 * 40 * 50
STEPS = 800
MEMORY = 4_000_000  # of a record of 6.4 MB


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> Any:
    """Blocks of a few steps, as those of a large grid are."""
    patch = pytest.MonkeyPatch()
    patch.setattr("stforecast.windows.blocks.grid.SMALLEST_BLOCK", 8 * FRAME)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def store() -> TensorStore:
    """Read block by block all the same, as long as nothing else is said."""
    return make_store(STEPS, 1, 40, 50, missing=0.1, absent=[100, 101, 750])


class Reads(TensorStore):
    """A store that keeps what was read from it, and may fail."""

    def __init__(self, store: TensorStore) -> None:
        super().__init__(store.dataset)
        self.reads: list[tuple[int, int, int, int]] = []
        self.fails = False

    def read(self, start: int, stop: int, sequence: int = 0) -> np.ndarray:
        self.reads.append((start, stop, sequence, 1))
        if self.fails:
            raise OSError("the disk is gone")
        return super().read(start, stop, sequence)

    def read_sequences(self, start: int, stop: int, sequences: slice) -> np.ndarray:
        self.reads.append((start, stop, sequences.start, sequences.stop - sequences.start))
        return super().read_sequences(start, stop, sequences)

    @property
    def frames_read(self) -> list[tuple[int, int]]:
        return [
            (sequence, step)
            for start, stop, first, count in self.reads
            for sequence in range(first, first + count)
            for step in range(start, stop)
        ]


def loader(
    store: TensorStore, spec: WindowSpec = SPEC, batch_size: int = 8, **options: Any
) -> ResumableLoader:
    dataset = WindowDataset(
        store, spec, init_positions(store, spec, None), Frames(store, cache_bytes=0)
    )
    return ResumableLoader(dataset, batch_size, **{"memory": MEMORY, "seed": 5, **options})


def inits(batches: Any) -> list[list[int]]:
    return [batch.index[:, 1].tolist() for batch in batches]


def assert_same(batch: Batch, expected: Batch) -> None:
    for name, value in vars(expected).items():
        found = getattr(batch, name)
        if isinstance(value, torch.Tensor):
            np.testing.assert_array_equal(found.numpy(), value.numpy())
        elif value is None:
            assert found is None
        else:
            np.testing.assert_array_equal(found.future.numpy(), value.future.numpy())


@pytest.mark.parametrize(
    "spec", [SPEC, WindowSpec(4, 3, lags=(24, 60)), WindowSpec(3, 1, lags=(300,))]
)
def test_batches_are_those_of_a_record_in_memory(store: TensorStore, spec: WindowSpec) -> None:
    counted = Reads(store)
    batches = loader(counted, spec, memory=2 * MEMORY)
    assert batches.order.mixing is not None
    within = WindowDataset(
        store, spec, batches.dataset.samples, Frames(store, cache_bytes=STEPS * FRAME)
    )
    samples = {init: row for row, init in enumerate(within.samples[:, 1].tolist())}
    seen = []
    for batch in batches:
        seen += batch.index[:, 1].tolist()
        assert_same(batch, within[[samples[init] for init in batch.index[:, 1].tolist()]])
    assert sorted(seen) == within.samples[: len(within), 1].tolist() or len(seen) == len(within) - 1
    assert len(set(seen)) == len(seen)


def test_each_frame_is_read_once_in_an_epoch(store: TensorStore) -> None:
    counted = Reads(store)
    batches = loader(counted)
    for _ in range(3):
        counted.reads.clear()
        for _ in batches:
            pass
        assert sorted(counted.frames_read) == [(0, step) for step in range(STEPS)]


def test_each_frame_is_read_once_where_lagged_ones_are_kept(store: TensorStore) -> None:
    counted = Reads(store)
    for _ in loader(counted, WindowSpec(4, 3, lags=(24, 48)), 4, memory=3 * MEMORY):
        pass
    assert sorted(counted.frames_read) == [(0, step) for step in range(STEPS)]


def test_short_sequences_are_read_together_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stforecast.windows.blocks.grid.SMALLEST_BLOCK", 3 * 12 * 480)
    made = make_store(12, 1, 10, 12, sequences=60)
    counted = Reads(made)
    spec = WindowSpec(4, 3)
    samples = list_samples(made, spec, Splits((0, 12), n_sequences=60), "train")
    frames = Frames(counted, cache_bytes=0)
    batches = ResumableLoader(
        WindowDataset(counted, spec, samples, frames), 4, memory=2 * 60 * 12 * 480
    )
    whole = made.dataset["data"].values
    seen = []
    for batch in batches:
        for (sequence, init), history in zip(batch.index.tolist(), batch.history, strict=True):
            seen.append((sequence, init))
            np.testing.assert_array_equal(history, whole[sequence, init - 3 : init + 1])
    assert sorted(seen) == [tuple(pair) for pair in samples.tolist()]
    assert len(set(counted.frames_read)) == len(counted.frames_read) == 60 * 12
    assert len(counted.reads) < 60


def test_validation_keeps_its_order_and_reads_once(store: TensorStore) -> None:
    counted = Reads(store)
    batches = loader(counted, shuffle=False, memory=5 * MEMORY // 8)
    for _ in range(2):
        counted.reads.clear()
        found = list(itertools.chain.from_iterable(inits(batches)))
        assert found == batches.dataset.samples[:, 1].tolist()
        assert len(set(counted.frames_read)) == len(counted.frames_read)


def test_the_order_is_of_seed_and_epoch_alone(store: TensorStore) -> None:
    first = loader(store)
    epochs = [inits(first), inits(first)]
    again = loader(store, workers=3)
    assert [inits(again), inits(again)] == epochs
    assert epochs[0] != epochs[1]
    assert inits(loader(store, seed=6)) != epochs[0]


@pytest.mark.parametrize("stop_after", [0, 1, 60])
@pytest.mark.parametrize("elsewhere", ["as before", "less memory", "in memory"])
def test_a_new_loader_goes_on_with_the_next_batch(
    store: TensorStore, stop_after: int, elsewhere: str
) -> None:
    straight = loader(store)
    expected = inits(straight) + inits(straight)
    stopped = loader(store)
    state = stopped.state_dict()
    for _ in itertools.islice(stopped, stop_after):
        state = stopped.state_dict()
    if elsewhere == "in memory":
        samples = stopped.dataset.samples
        resumed = ResumableLoader(WindowDataset(store, SPEC, samples, Frames(store)), 8, seed=5)
    else:
        resumed = loader(store, memory=MEMORY if elsewhere == "as before" else MEMORY // 2)
    resumed.load_state_dict(state)
    assert inits(resumed) + inits(resumed) == expected[stop_after:]


def test_going_on_reads_no_more_than_what_is_left(store: TensorStore) -> None:
    first = loader(store)
    for _ in itertools.islice(first, 60):
        state = first.state_dict()
    counted = Reads(store)
    rest = loader(counted)
    rest.load_state_dict(state)
    inits(rest)
    assert 0 < len(counted.frames_read) < 0.65 * STEPS


def test_a_run_begun_in_memory_keeps_its_order_where_there_is_less(store: TensorStore) -> None:
    dataset = loader(store).dataset
    whole = ResumableLoader(WindowDataset(store, SPEC, dataset.samples, Frames(store)), 8, seed=5)
    for _ in itertools.islice(whole, 3):
        state = whole.state_dict()
    resumed = loader(store)
    resumed.load_state_dict(state)
    assert inits(resumed) == inits(whole)


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_windows_and_bytes(store: TensorStore, world_size: int) -> None:
    parts, frames = [], 0
    for rank in range(world_size):
        counted = Reads(store)
        batches = loader(counted, batch_size=4, rank=rank, world_size=world_size)
        parts.append(inits(batches))
        frames += len(counted.frames_read)
    assert len({len(part) for part in parts}) == 1
    seen = [init for part in parts for batch in part for init in batch]
    assert len(set(seen)) == len(seen)
    samples = len(batches.dataset)
    assert len(seen) >= samples - 2 * world_size
    # beyond the record only what lies around the ends of the parts
    assert frames <= STEPS + world_size * 3 * 8


def test_memory_stays_under_the_limit(store: TensorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    class Measured(BlockReader):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            held.append(self._held.nbytes)

    monkeypatch.setattr("stforecast.windows.loader.BlockReader", Measured)
    for memory in (MEMORY, 2 * MEMORY):
        next(iter(loader(store, memory=memory, batch_size=4)))
        batches = 2 * 4 * 7 * FRAME
        reading = 2 * IN_READING * 8 * FRAME  # two threads
        assert memory // 2 < held[-1] + batches + reading <= memory


def test_a_store_on_disk_is_read_by_whole_chunks(tmp_path: Path, store: TensorStore) -> None:
    write_store(store.dataset, tmp_path / "store.zarr", storage=StorageOptions(chunk_steps=8))
    kept = TensorStore.open(tmp_path / "store.zarr")
    counted = Reads(kept)
    expected = loader(store)
    for batch, other in zip(loader(counted), expected, strict=True):
        assert_same(batch, other)
    assert all(start % 8 == 0 for start, *_ in counted.reads)
    assert len(set(counted.frames_read)) == len(counted.frames_read) == STEPS


def test_too_little_memory_reads_batch_by_batch(store: TensorStore) -> None:
    batches = loader(store, memory=20 * FRAME)
    whole = store.read(0, STEPS)
    seen = []
    with pytest.warns(StForecastWarning, match="160 kB, lets windows be drawn from only 1 part"):
        found = list(batches)
    for batch in found:
        seen += batch.index[:, 1].tolist()
        for init, history in zip(batch.index[:, 1].tolist(), batch.history, strict=True):
            np.testing.assert_array_equal(history, whole[init - 3 : init + 1])
    assert len(set(seen)) == len(seen) >= len(batches.dataset) - 1


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "blocks" in thread.name}


@pytest.mark.parametrize("leave", ["broken off", "finished", "failed"])
def test_no_thread_is_left(store: TensorStore, leave: str) -> None:
    counted = Reads(store)
    batches = loader(counted)
    if leave == "broken off":
        iteration = iter(batches)
        next(iteration)
        assert threads()
        iteration.close()
    elif leave == "finished":
        inits(batches)
    else:
        counted.fails = True
        with pytest.raises(StForecastError, match="the disk is gone"):
            inits(batches)
    assert not threads()


def test_two_passes_at_once(store: TensorStore) -> None:
    """As a validation in the middle of an epoch."""
    batches, other = loader(store), loader(store, shuffle=False)
    expected = inits(loader(store))
    seen = []
    for number, batch in enumerate(batches):
        seen.append(batch.index[:, 1].tolist())
        if number == 3:
            assert len(inits(other)) == len(other)
    assert seen == expected


def test_whatever_was_not_planned_is_read_from_the_store(store: TensorStore) -> None:
    batches = loader(store)
    iteration = iter(batches)
    first = next(iteration)
    whole, row = store.read(0, STEPS), 3
    while row + 1 in first.index[:, 1]:
        row += 1
    init = batches.dataset.samples[row, 1]
    np.testing.assert_array_equal(batches.dataset[[row]].history[0], whole[init - 3 : init + 1])
    iteration.close()
