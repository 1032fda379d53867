"""Batches hold what the store holds, wherever they are read from."""

import pickle

import numpy as np
import pytest
import torch

from stforecast.models import SampleShape
from stforecast.options import CalendarCovariate
from stforecast.store import TensorStore
from stforecast.windows import (
    Frames,
    WindowDataset,
    WindowSpec,
    calendar_covariates,
    compute_statistics,
    init_positions,
    list_samples,
    sample_shape,
)
from stforecast.windows.frames import default_cache_bytes
from stforecast.windows.parts import Splits
from tests.helpers import make_store

CALENDAR = (CalendarCovariate(calendar=["hour", "weekday"]),)
SPEC = WindowSpec(4, 3, covariates=CALENDAR)


@pytest.fixture(params=["memory", "store"])
def cache_bytes(request: pytest.FixtureRequest) -> int | None:
    return None if request.param == "memory" else 0


class Counting(TensorStore):
    """A store that tells what was read from it."""

    reads: list[tuple[int, int, int]]

    def read(self, start: int, stop: int, sequence: int = 0) -> np.ndarray:
        self.reads.append((start, stop, sequence))
        return super().read(start, stop, sequence)


def counting(store: TensorStore) -> Counting:
    counted = Counting(store.dataset)
    counted.reads = []
    return counted


def test_frames_are_those_of_the_store(cache_bytes: int | None) -> None:
    store = make_store(30, 2, 3, 4, missing=0.1, absent=[7])
    frames = Frames(store, cache_bytes)
    whole = store.read(0, 30)
    np.testing.assert_array_equal(frames.read(5, 9), whole[5:9])
    positions = np.array([[3, 1, 2, 2], [29, 0, 15, 16]])
    found = frames.gather([0, 0], positions)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), whole[positions])


def test_frames_of_sequences(cache_bytes: int | None) -> None:
    store = make_store(5, 1, 3, 4, sequences=6)
    frames = Frames(store, cache_bytes)
    positions = np.array([[3, 4], [0, 1], [0, 1], [2, 2]])
    found = frames.gather([2, 3, 5, 2], positions).numpy()
    for row, sequence in enumerate([2, 3, 5, 2]):
        np.testing.assert_array_equal(found[row], store.read(0, 5, sequence)[positions[row]])
    np.testing.assert_array_equal(frames.read(1, 3, 4), store.read(1, 3, 4))


def test_frames_shared_by_windows_are_read_once() -> None:
    store = counting(make_store(60, sequences=2))
    frames = Frames(store, cache_bytes=0)
    starts = np.array([10, 11, 12, 40])
    frames.gather(np.zeros(4, int), starts[:, None] + np.arange(5))
    assert store.reads == [(10, 17, 0), (40, 45, 0)]
    # the end of one sequence is no neighbour of the beginning of the next
    store.reads.clear()
    frames.gather([0, 1], np.array([[58, 59], [0, 1]]))
    assert store.reads == [(58, 60, 0), (0, 2, 1)]


def test_neighbouring_sequences_are_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(20, 2, sequences=8)
    frames = Frames(store, cache_bytes=0)
    reads: list[tuple[int, int, int, int]] = []
    one, many = TensorStore.read, TensorStore.read_sequences

    def read(self: TensorStore, start: int, stop: int, sequence: int = 0) -> np.ndarray:
        reads.append((start, stop, sequence, 1))
        return one(self, start, stop, sequence)

    def read_sequences(self: TensorStore, start: int, stop: int, chosen: slice) -> np.ndarray:
        reads.append((start, stop, chosen.start, chosen.stop - chosen.start))
        return many(self, start, stop, chosen)

    monkeypatch.setattr(TensorStore, "read", read)
    monkeypatch.setattr(TensorStore, "read_sequences", read_sequences)
    sequences = np.array([5, 1, 2, 3, 7, 4])
    starts = np.array([3, 3, 3, 3, 3, 9])
    found = frames.gather(sequences, starts[:, None] + np.arange(4)).numpy()
    assert reads == [(3, 7, 1, 3), (9, 13, 4, 1), (3, 7, 5, 1), (3, 7, 7, 1)]
    for part, sequence, start in zip(found, sequences, starts, strict=True):
        np.testing.assert_array_equal(part, one(store, start, start + 4, sequence))


def test_a_copy_in_memory_cannot_be_spoilt_through_a_batch() -> None:
    frames = Frames(make_store(20))
    frames.read(0, 5)[:] = 0
    frames.gather([0], np.array([[0, 1]])).zero_()
    assert frames.read(0, 5).min() > 0


def test_records_over_the_limit_stay_in_the_store() -> None:
    store = counting(make_store(20, 1, 3, 4))
    size = 20 * 3 * 4 * 4
    for limit, later_reads in ((size, []), (size - 1, [(3, 5, 0)])):
        frames = Frames(store, limit)
        store.reads.clear()
        frames.read(3, 5)
        assert store.reads == later_reads
    assert 0 < default_cache_bytes() <= 2 * 2**30


def test_loading_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    Frames(make_store(20, sequences=3), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (60, 60)


def test_batches_are_windows_of_the_record(cache_bytes: int | None) -> None:
    store = make_store(60, 2, 3, 4, missing=0.1, absent=[20])
    inits = init_positions(store, SPEC, (0, 60))
    dataset = WindowDataset(store, SPEC, inits, Frames(store, cache_bytes))
    assert len(dataset) == len(inits)
    batch = dataset[np.array([5, 0, 30])]
    assert len(batch) == 3
    whole = store.read(0, 60)
    for row, init in enumerate(inits[[5, 0, 30]]):
        assert batch.index[row].tolist() == [0, init]
        np.testing.assert_array_equal(batch.history[row].numpy(), whole[init - 3 : init + 1])
        assert batch.target is not None
        np.testing.assert_array_equal(batch.target[row].numpy(), whole[init + 1 : init + 4])
        assert batch.covariates is not None
        assert batch.covariates.future is not None
        np.testing.assert_array_equal(
            batch.covariates.future[row].numpy(),
            calendar_covariates(store.axis.times(init - 3, init + 4), CALENDAR[0].calendar),
        )
    assert torch.equal(batch.history_mask, ~batch.history.isnan())
    assert batch.target_mask is not None
    assert torch.equal(batch.target_mask, ~batch.target.isnan())


def test_one_number_gives_a_batch_of_one() -> None:
    store = make_store(30)
    dataset = WindowDataset(store, SPEC, init_positions(store, SPEC, None))
    batch = dataset[2]
    assert batch.history.shape == (1, 4, 1, 6, 8)
    assert batch.index.tolist() == [[0, 5]]


def test_history_alone_needs_nothing_after_the_initial_time() -> None:
    store = make_store(30)
    inits = init_positions(store, SPEC, None, horizon=0)
    batch = WindowDataset(store, SPEC, inits, target=False)[[-1]]
    assert batch.index.tolist() == [[0, 29]]
    assert batch.target is None
    assert batch.target_mask is None
    assert batch.covariates is not None
    assert batch.covariates.future is not None
    assert batch.covariates.future.shape == (1, 7, 4)


def test_no_covariates_no_tensors() -> None:
    store = make_store(30)
    assert WindowDataset(store, WindowSpec(4, 3), [5])[[0]].covariates is None


def test_batches_of_sequences_say_whose_they_are() -> None:
    store = make_store(10, sequences=4)
    spec = WindowSpec(4, 3)
    splits = Splits((0, 10), n_sequences=4)
    dataset = WindowDataset(store, spec, list_samples(store, spec, splits, "train"))
    batch = dataset[np.arange(len(dataset))]
    for (sequence, init), history in zip(batch.index.tolist(), batch.history, strict=True):
        np.testing.assert_array_equal(history, store.read(init - 3, init + 1, sequence))


def test_batches_move_as_a_whole() -> None:
    store = make_store(30)
    moved = WindowDataset(store, SPEC, [5, 6])[[0, 1]].to("meta")
    assert moved.target is not None
    assert moved.covariates is not None
    assert moved.covariates.future is not None
    for tensor in (moved.history, moved.target, moved.covariates.future, moved.index):
        assert tensor.device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pinned_batches_move_without_waiting() -> None:
    store = make_store(30)
    batch = WindowDataset(store, SPEC, [5, 6])[[0, 1]].pin_memory()
    assert batch.history.is_pinned()
    moved = batch.to("cuda")
    torch.cuda.synchronize()
    assert torch.equal(moved.history.cpu(), batch.history)


def test_datasets_can_be_sent_to_other_processes(cache_bytes: int | None) -> None:
    store = make_store(30)
    dataset = WindowDataset(store, SPEC, [5, 6], Frames(store, cache_bytes))
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[[0, 1]].history, dataset[[0, 1]].history)


def test_sample_shape() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3, 5, 6)).astype(np.float32)
    values[3, 1, 0, 0] = np.nan
    store = make_store(values=values, n=40, channels=3, periodic=True)
    statistics = compute_statistics(store, SPEC, Splits((0, 40)))
    assert sample_shape(store, SPEC, statistics.missing) == SampleShape(
        in_steps=4,
        out_steps=3,
        channels=3,
        height=5,
        width=6,
        past_channels=1,
        future_channels=4,
        periodic_x=True,
    )


@pytest.mark.parametrize(
    ("spec", "maximum", "expected"),
    [
        (WindowSpec(4, 3), 1.0, False),
        (WindowSpec(4, 3, scaling="minmax"), None, True),
        (WindowSpec(4, 3, scaling="minmax", departure="last_frame"), None, False),
        (WindowSpec(4, 3, scaling="minmax_symmetric"), None, False),
        (WindowSpec(4, 3, scaling="none"), 1.0, True),
        (WindowSpec(4, 3, scaling="none"), 255.0, False),
        (WindowSpec(4, 3, scaling="none"), None, False),
    ],
)
def test_a_model_is_told_of_values_from_0_to_1(
    spec: WindowSpec, maximum: float | None, expected: bool
) -> None:
    store = make_store(10, minimum=0.0, maximum=maximum)
    assert sample_shape(store, spec, np.zeros(1, np.bool_)).unit_range == expected
