"""Statistics against numpy on the whole array."""

import json

import numpy as np
import pytest

from stforecast.errors import DataError, RunError
from stforecast.store import TensorStore
from stforecast.windows import (
    Frames,
    Statistics,
    WindowSpec,
    compute_statistics,
    frame_blocks,
    init_positions,
    training_statistics,
)
from stforecast.windows.parts import Splits
from stforecast.windows.training_statistics import reference_frame
from tests.helpers import make_store

SPEC = WindowSpec(3, 2)
TRAIN = (10, 60)
SPLITS = Splits(TRAIN, test=(70, 90))


def holed_store(**options: object) -> TensorStore:
    return make_store(90, 2, 4, 5, missing=0.2, absent=[20, 21], **options)


@pytest.fixture(params=["one block", "many blocks"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many blocks":
        monkeypatch.setattr(frame_blocks, "BLOCK_BYTES", 4 * 2 * 4 * 5 * 7)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("cached", [True, False])
def test_moments_are_those_of_the_training_period(cached: bool) -> None:
    store = holed_store()
    frames = Frames(store, cache_bytes=None if cached else 0)
    found = compute_statistics(store, SPEC, SPLITS, frames)
    values = store.read(*TRAIN).astype(np.float64)
    cells = (0, 2, 3)
    np.testing.assert_allclose(found.mean, np.nanmean(values, cells), rtol=1e-13)
    np.testing.assert_allclose(found.std, np.nanstd(values, cells), rtol=1e-12)
    np.testing.assert_array_equal(found.minimum, np.nanmin(values, cells))
    np.testing.assert_array_equal(found.maximum, np.nanmax(values, cells))
    np.testing.assert_array_equal(found.count, np.isfinite(values).sum(cells))
    assert found.missing.tolist() == [True, True]
    assert found.departure_scale is None
    assert found.mean.dtype == found.std.dtype == np.float64


@pytest.mark.usefixtures("_blocks")
def test_a_mean_large_beside_the_spread_costs_no_digits() -> None:
    values = 101_325 + np.random.default_rng(0).normal(size=(60, 1, 4, 5)) / 8
    store = make_store(60, values=values)
    found = compute_statistics(store, SPEC, Splits((0, 60)))
    np.testing.assert_allclose(found.std, store.read(0, 60).astype(np.float64).std(), rtol=1e-9)


def test_absent_times_are_not_missing_cells() -> None:
    store = make_store(60, 2, absent=[20, 21])
    found = compute_statistics(store, SPEC, Splits((0, 60)))
    assert found.missing.tolist() == [False, False]


def test_cells_missing_after_the_training_period_do_not_count() -> None:
    values = np.ones((60, 2, 2, 2), np.float32) + np.arange(60)[:, None, None, None]
    values[50:, 1] = np.nan
    store = make_store(60, values=values, channels=2)
    assert compute_statistics(store, SPEC, Splits((0, 50))).missing.tolist() == [False, False]
    assert compute_statistics(store, SPEC, Splits((0, 51))).missing.tolist() == [False, True]


def test_sequences_of_the_training_part_only() -> None:
    store = make_store(12, sequences=5, height=3, width=3)
    splits = Splits((0, 12), test=(0, 12), sequences={"train": (0, 3), "test": (3, 5)})
    found = compute_statistics(store, SPEC, splits)
    values = np.concatenate([store.read(0, 12, sequence) for sequence in range(3)])
    np.testing.assert_allclose(found.mean, values.astype(np.float64).mean(), rtol=1e-12)
    np.testing.assert_allclose(found.std, values.astype(np.float64).std(), rtol=1e-12)


@pytest.mark.parametrize("departure", ["last_frame", "history_mean"])
def test_departure_scale_is_the_rms_of_target_minus_reference(departure: str) -> None:
    store = holed_store()
    spec = WindowSpec(3, 2, departure)
    found = compute_statistics(store, spec, SPLITS)
    squares: list[list[float]] = [[], []]
    for init in init_positions(store, spec, TRAIN):
        for channel in (0, 1):
            for y, x in np.ndindex(4, 5):
                history = store.read(init - 2, init + 1)[:, channel, y, x].astype(float)
                target = store.read(init + 1, init + 3)[:, channel, y, x].astype(float)
                history, target = history[~np.isnan(history)], target[~np.isnan(target)]
                if history.size:
                    reference = history[-1] if departure == "last_frame" else history.mean()
                    squares[channel] += [(value - reference) ** 2 for value in target]
    expected = [np.sqrt(np.mean(values)) for values in squares]
    np.testing.assert_allclose(found.departure_scale, expected, rtol=1e-12)


def test_departure_scale_of_many_windows_is_taken_from_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = make_store(400, 1, 6, 8)
    spec = WindowSpec(3, 2, "last_frame")
    whole = compute_statistics(store, spec, Splits((0, 400))).departure_scale
    monkeypatch.setattr(training_statistics, "DEPARTURE_SAMPLES", 50)
    some = compute_statistics(store, spec, Splits((0, 400))).departure_scale
    assert some != whole
    np.testing.assert_allclose(some, whole, rtol=0.05)


def test_a_steady_trend_has_a_departure_scale() -> None:
    values = np.arange(40, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 2, 2))
    store = make_store(40, values=values)
    found = compute_statistics(store, WindowSpec(2, 1, "last_frame"), Splits((0, 40)))
    assert found.departure_scale == pytest.approx([1.0])


def test_a_constant_channel_is_shifted_and_not_scaled() -> None:
    values = np.full((30, 2, 3, 3), 0.1, np.float32)
    values[:, 1] += np.arange(30)[:, None, None]
    store = make_store(30, values=values, channels=2)
    found = compute_statistics(store, WindowSpec(2, 1, "last_frame"), Splits((0, 30)))
    assert found.constant.tolist() == [True, False]
    assert found.scale.tolist() == [1.0, found.std[1]]
    assert found.departure_scale is not None
    assert found.departure_scale[0] == 1.0


def test_a_channel_without_values_is_named() -> None:
    values = np.ones((30, 2, 3, 3), np.float32)
    values[:20, 1] = np.nan
    store = make_store(30, values=values, channels=["rain", "snow"])
    with pytest.raises(DataError, match="'snow' has no value in the training period"):
        compute_statistics(store, SPEC, Splits((0, 20)))


def test_infinite_values_are_named() -> None:
    values = np.ones((30, 1, 3, 3), np.float32)
    values[4, 0, 1, 1] = np.inf
    store = make_store(30, values=values, channels=["rain"])
    with pytest.raises(DataError, match="'rain' holds infinite values"):
        compute_statistics(store, SPEC, Splits((0, 20)))


def test_reference_frames() -> None:
    nan = np.nan
    history = np.array([[1.0, 2.0, nan, nan], [3.0, nan, 5.0, nan]])
    np.testing.assert_array_equal(reference_frame(history, "last_frame"), [3, 2, 5, nan])
    np.testing.assert_array_equal(reference_frame(history, "history_mean"), [2, 2, 5, nan])


@pytest.mark.parametrize("departure", ["none", "last_frame"])
def test_json_keeps_every_bit(departure: str) -> None:
    found = compute_statistics(holed_store(), WindowSpec(3, 2, departure), SPLITS)
    again = Statistics.from_json(json.loads(json.dumps(found.to_json())))
    for name, values in vars(found).items():
        np.testing.assert_array_equal(getattr(again, name), values)


@pytest.mark.parametrize("change", [{"mean": None}, {"std": ["much"]}, {"count": "x"}])
def test_damaged_json_is_refused(change: dict[str, object]) -> None:
    values = compute_statistics(holed_store(), SPEC, SPLITS).to_json() | change
    with pytest.raises(RunError, match="damaged in its statistics"):
        Statistics.from_json(values)
    del values["maximum"]
    with pytest.raises(RunError, match="damaged in its statistics"):
        Statistics.from_json(values)


def test_no_more_than_a_block_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, lengths = make_store(200, 1, 4, 5), []
    read = store.read

    def reading(start: int, stop: int, sequence: int = 0) -> np.ndarray:
        lengths.append(stop - start)
        return read(start, stop, sequence)

    monkeypatch.setattr(store, "read", reading)
    monkeypatch.setattr(frame_blocks, "BLOCK_BYTES", 4 * 4 * 5 * 10)
    compute_statistics(store, WindowSpec(3, 2, "last_frame"), Splits((0, 200)))
    assert max(lengths) == 10
