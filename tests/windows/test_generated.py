"""Training sequences that are drawn: new ones in every epoch, and any of them again."""

import itertools

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError, RunError, StoreError
from stforecast.options import SplitOptions
from stforecast.store import TensorStore, write_store
from stforecast.windows import (
    Batch,
    Frames,
    GeneratedDataset,
    ResumableLoader,
    WindowDataset,
    WindowSpec,
    compute_statistics,
    list_samples,
    resolve_splits,
)
from tests.helpers import make_store
from tests.videos import moving_store

SPEC = WindowSpec(3, 3)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> TensorStore:
    return moving_store(tmp_path_factory.mktemp("digits"))


def splits_of(store: TensorStore, spec: WindowSpec = SPEC, **given: float):
    stored = store.meta.generation.stored
    return resolve_splits(store.axis, SplitOptions(**given), spec, store.n_sequences, stored)


def numbers(batches: list[Batch]) -> list[int]:
    return list(itertools.chain.from_iterable(batch.index[:, 0].tolist() for batch in batches))


def test_a_sample_is_a_window_of_the_sequence_of_its_number(store: TensorStore) -> None:
    batch = GeneratedDataset(store, SPEC)[[4, 12]]
    assert batch.history.shape == batch.target.shape == (2, 3, 1, 16, 16)
    for place, number in enumerate((4, 12)):
        sequence = store.generator.draw([number])[0]
        np.testing.assert_array_equal(batch.history[place], sequence[:3])
        np.testing.assert_array_equal(batch.target[place], sequence[3:])
    assert batch.index.tolist() == [[4, 2], [12, 2]]
    assert batch.covariates is None


def test_shorter_windows_begin_anywhere(store: TensorStore) -> None:
    batch = GeneratedDataset(store, WindowSpec(2, 1))[range(8)]
    assert batch.index[:, 1].tolist() == [1, 2, 3, 4, 1, 2, 3, 4]
    for place, (number, init) in enumerate(batch.index.tolist()):
        sequence = store.generator.draw([number])[0]
        np.testing.assert_array_equal(batch.history[place], sequence[init - 1 : init + 1])
        np.testing.assert_array_equal(batch.target[place], sequence[init + 1 : init + 2])


def test_no_epoch_repeats_another(store: TensorStore) -> None:
    loader = ResumableLoader(GeneratedDataset(store, SPEC), 4, seed=1)
    epochs = [numbers(list(loader)) for _ in range(3)]
    for epoch, drawn in enumerate(epochs):
        assert sorted(drawn) == [*range(10 * epoch, 10 * epoch + 10)]
    assert loader.epoch == 3


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on one core
@pytest.mark.parametrize("workers", [0, 2])
def test_it_goes_on_anywhere_with_any_number_of_workers(store: TensorStore, workers: int) -> None:
    dataset = GeneratedDataset(store, SPEC)
    whole = ResumableLoader(dataset, 3, seed=1)
    expected = [batch for _ in range(2) for batch in whole]
    first = ResumableLoader(dataset, 3, seed=1, workers=workers)
    taken = list(itertools.islice(iter(first), 2))
    later = ResumableLoader(dataset, 3, seed=1, workers=workers)
    later.load_state_dict(first.state_dict())
    taken += [batch for _ in range(2) for batch in later]
    assert len(taken) == len(expected)
    for ours, theirs in zip(taken, expected, strict=True):
        assert torch.equal(ours.history, theirs.history)
        assert torch.equal(ours.target, theirs.target)


def test_processes_share_an_epoch_out(store: TensorStore) -> None:
    dataset = GeneratedDataset(store, SPEC)
    loaders = [ResumableLoader(dataset, 5, rank=rank, world_size=2) for rank in range(2)]
    for epoch in range(2):
        drawn = [numbers(list(loader)) for loader in loaders]
        assert sorted(drawn[0] + drawn[1]) == [*range(10 * epoch, 10 * epoch + 10)]


def test_another_number_of_samples_is_not_resumed(store: TensorStore) -> None:
    loader = ResumableLoader(GeneratedDataset(store, SPEC), 4)
    state = {**loader.state_dict(), "samples": 11}
    with pytest.raises(RunError, match="samples was 11 and is now 10"):
        loader.load_state_dict(state)


def test_what_is_stored_is_for_validation_and_test(store: TensorStore) -> None:
    splits = splits_of(store)
    assert list_samples(store, SPEC, splits, "validation")[:, 0].tolist() == [0, 1, 2]
    assert list_samples(store, SPEC, splits, "test")[:, 0].tolist() == [3, 4, 5, 6]
    assert list(splits.sequences_of("train")) == []
    assert "none of them twice" in splits.notes[0]
    with pytest.raises(ConfigError, match=r"leave data\.split out"):
        splits_of(store, test=0.5)
    with pytest.raises(ConfigError, match="each sequence has 6 steps and a window needs 7"):
        splits_of(store, WindowSpec(4, 3))


def test_statistics_are_of_sequences_that_are_drawn(store: TensorStore) -> None:
    spec = WindowSpec(3, 2, departure="last_frame")
    found = compute_statistics(store, spec, splits_of(store, spec))
    drawn = store.generator.draw(range(512)).astype(np.float64)
    assert found.mean[0] == pytest.approx(drawn.mean())
    assert found.std[0] == pytest.approx(drawn.std())
    assert found.count[0] == drawn.size
    assert not found.missing.any()
    first, second = drawn[:, 3:5] - drawn[:, 2:3], drawn[:, 4:6] - drawn[:, 3:4]
    assert found.departure_scale is not None
    assert found.departure_scale[0] == pytest.approx(
        np.sqrt(np.mean(np.concatenate([first, second]) ** 2)), rel=1e-6
    )


def test_frames_hold_what_is_asked_for(store: TensorStore) -> None:
    part = Frames(store, sequences=range(3, 7))
    whole = Frames(store)
    assert part._cache is not None
    assert len(part._cache) == 4 * 6
    chosen = ([3, 6], [[0, 5], [2, 3]])
    assert torch.equal(part.gather(*chosen), whole.gather(*chosen))
    np.testing.assert_array_equal(part.read(1, 4, 5), whole.read(1, 4, 5))
    validation = list_samples(store, SPEC, splits_of(store), "validation")
    assert len(WindowDataset(store, SPEC, validation, Frames(store, sequences=range(3)))[0]) == 1


def test_the_store_on_disk_draws_the_same(store: TensorStore, tmp_path) -> None:
    write_store(store.dataset, tmp_path / "s.zarr")
    stored = TensorStore.open(tmp_path / "s.zarr")
    ours, theirs = (GeneratedDataset(each, SPEC)[[0, 25]] for each in (store, stored))
    assert torch.equal(ours.history, theirs.history)


def test_a_damaged_store_is_told(store: TensorStore) -> None:
    without = TensorStore(store.dataset.drop_vars("digits"))
    with pytest.raises(StoreError, match="lacks the array digits that sequences are drawn from"):
        _ = without.generator
    with pytest.raises(StoreError, match="tells of no sequences to be drawn"):
        GeneratedDataset(make_store(), SPEC)
