"""Lagged frames: which they are, and that nothing beyond the initial time comes in through them."""

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError, DataError
from stforecast.options import CalendarCovariate, SplitOptions
from stforecast.windows import (
    Frames,
    GeneratedDataset,
    Statistics,
    Transform,
    WindowDataset,
    WindowSpec,
    compute_statistics,
    init_positions,
    list_samples,
    resolve_splits,
    sample_shape,
)
from stforecast.windows.covariates import CovariateSet
from stforecast.windows.dataset import Surroundings
from stforecast.windows.lags import lag_positions
from stforecast.windows.parts import Splits
from tests.helpers import make_store
from tests.videos import moving_store

SPEC = WindowSpec(2, 3, lags=(2, 24))


def test_the_fewest_lags_that_lead_back_to_the_initial_time() -> None:
    # the window of 100 is 99 … 103; two steps before 103 is 101, and so it is four
    assert lag_positions(SPEC, np.array([100])).tolist() == [
        [[97, 98, 99, 100, 99], [75, 76, 77, 78, 79]]
    ]


def test_rolled_out_windows_lag_further_back() -> None:
    assert lag_positions(SPEC, np.array([100]), 3).tolist() == [
        [[100, 99, 100, 99, 100], [78, 79, 80, 81, 82]]
    ]
    assert lag_positions(SPEC, np.array([100]), 24)[0, 1].tolist() == [99, 100, 77, 78, 79]


@pytest.mark.parametrize("ahead", [0, 1, 3, 17, 200])
@pytest.mark.parametrize("lags", [(1,), (5,), (24, 168), (3, 7, 2)])
def test_no_lag_lies_beyond_the_initial_time_or_before_what_is_needed(
    lags: tuple[int, ...], ahead: int
) -> None:
    spec = WindowSpec(4, 6, lags=lags)
    inits = np.array([spec.history_needed - 1, 400])
    found = lag_positions(spec, inits, ahead)
    assert found.shape == (2, len(lags), 10)
    assert (found <= inits[:, None, None]).all()
    assert found.min() >= 0
    valid = inits[:, None, None] + ahead + np.arange(-3, 7)
    steps = valid - found
    assert (steps % np.array(lags)[:, None] == 0).all()
    assert (steps > 0).all()
    # one lag fewer would lie after the initial time, or be the time itself
    nearer = steps - np.array(lags)[:, None]
    assert ((nearer == 0) | (valid - nearer > inits[:, None, None])).all()


def test_batches_hold_them_and_absent_ones_are_missing() -> None:
    store = make_store(80, 2, 3, 4, missing=0.1, absent=[20])
    inits = init_positions(store, SPEC, (30, 80))
    assert inits[0] == 31  # its lags lie before the part, and one of them is absent
    batch = WindowDataset(store, SPEC, inits)[np.array([13, 0, 30])]
    whole = store.read(0, 80)
    assert batch.lags is not None
    for row, init in enumerate(inits[[13, 0, 30]]):
        np.testing.assert_array_equal(
            batch.lags[row].numpy(), whole[lag_positions(SPEC, np.array([init]))[0]]
        )
    assert batch.index[0, 1] == 44  # the day before its first history frame
    assert batch.lags[0, 1, 1].isnan().all()
    moved = batch.to("meta")
    assert moved.lags is not None
    assert moved.lags.device.type == "meta"


def test_without_lags_there_are_none() -> None:
    assert WindowDataset(make_store(30), WindowSpec(4, 3), [5])[[0]].lags is None


def test_samples_begin_where_the_lags_are_in_the_record() -> None:
    store = make_store(60)
    assert init_positions(store, SPEC, None)[[0, -1]].tolist() == [25, 56]
    assert init_positions(store, SPEC, (40, 60))[0] == 41
    assert init_positions(store, SPEC, (10, 60))[0] == 25
    with pytest.raises(DataError, match="later than the 24 steps of the longest lag"):
        list_samples(make_store(60, absent=[*range(27, 60)]), SPEC, Splits((0, 60)), "train")


def test_periods_need_room_for_lags_only_at_the_beginning_of_the_record() -> None:
    store = make_store(100)
    dates = {
        "train": ("2000-01-01", "2000-01-02T12"),
        "validation": ("2000-01-03", "2000-01-03"),
        "test": ("2000-01-04", "2000-01-04"),
    }
    splits = resolve_splits(store.axis, SplitOptions(**dates), SPEC)
    assert splits.train == (0, 37)
    assert splits.validation == (48, 67)  # a window before the test period, without its lags
    with pytest.raises(ConfigError, match=r"training period has 0 steps after the longest lag"):
        resolve_splits(store.axis, SplitOptions(train=("2000-01-01", "2000-01-01T20")), SPEC)
    with pytest.raises(ConfigError, match=r"a window needs 29; shorten windows\.lags"):
        resolve_splits(make_store(28, sequences=4).axis, SplitOptions(), SPEC, 4)


def test_periods_counted_back_from_the_end_are_as_without_lags() -> None:
    store = make_store(200)
    for length in ("last 1D", "last 10 windows"):
        options = SplitOptions(test=length)
        with_lags = resolve_splits(store.axis, options, SPEC)
        assert with_lags == resolve_splits(store.axis, options, WindowSpec(2, 3))


@pytest.mark.parametrize("departure", ["none", "last_frame", "history_mean"])
def test_models_are_given_them_encoded_like_the_history(departure: str) -> None:
    store = make_store(80, 2, 3, 4, missing=0.2, absent=[20])
    spec = WindowSpec(2, 3, departure, lags=(2, 24))
    statistics = compute_statistics(store, spec, Splits((0, 80)))
    transform = Transform.create(statistics, spec, store.meta.channels)
    batch = WindowDataset(store, spec, [44, 60])[[0, 1]]
    _, covariates, state = transform.inputs(batch)
    assert covariates is not None
    assert covariates.future is not None
    assert covariates.future.shape == (2, 5, 2 * 3, 3, 4)
    assert sample_shape(store, spec, statistics.missing).future_channels == 6
    assert not covariates.future.isnan().any()
    assert batch.lags is not None
    for lag in (0, 1):
        physical = batch.lags[:, lag]
        values, mask = (
            covariates.future[:, :, 3 * lag : 3 * lag + 2],
            covariates.future[:, :, 3 * lag + 2],
        )
        known = ~physical.isnan()
        assert torch.equal(mask == 1, known.all(dim=2))
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        decoded = values * transform.scale + state.reference
        torch.testing.assert_close(decoded[known], physical[known], rtol=1e-5, atol=1e-4)
        assert (values[~known] == 0).all()


def test_calendar_values_are_spread_over_the_cells_before_them() -> None:
    store = make_store(60, 1, 3, 4)
    statistics = Statistics(*(np.ones(1),) * 4, np.array([9]), np.zeros(1, np.bool_))
    calendar_options = CalendarCovariate(calendar=["hour"])
    spec = WindowSpec(2, 3, covariates=(calendar_options,), lags=(24,))
    batch = WindowDataset(store, spec, [40])[[0]]
    assert batch.covariates is not None
    calendar = batch.covariates.future
    assert calendar is not None
    assert calendar.shape == (1, 5, 2)
    _, told, _ = Transform(statistics).inputs(batch)
    assert told is not None
    assert told.future is not None
    assert told.future.shape == (1, 5, 4, 3, 4)
    assert torch.equal(told.future[:, :, :2, 1, 2], calendar)
    assert (told.future[:, :, 3] == 1).all()


@pytest.mark.parametrize("ahead", [0, 3, 30])
def test_what_follows_the_initial_time_is_never_read(ahead: int) -> None:
    store = make_store(120)
    values = store.read(0, 120).copy()
    values[61:] = 1e6
    changed = make_store(120, values=values)
    history = torch.zeros(1, 2, 1, 6, 8)
    found = [
        Surroundings(SPEC, Frames(each), CovariateSet.of(SPEC, each)).around(
            np.array([[0, 60]]), history, ahead=ahead
        )
        for each in (store, changed)
    ]
    assert found[0].lags is not None
    assert found[1].lags is not None
    assert torch.equal(found[0].lags, found[1].lags)


def test_drawn_sequences_have_lags_too(tmp_path) -> None:
    store = moving_store(tmp_path)
    spec = WindowSpec(2, 1, lags=(2,))
    batch = GeneratedDataset(store, spec)[range(5)]
    assert batch.index[:, 1].tolist() == [3, 4, 3, 4, 3]
    assert batch.lags is not None
    for place, (number, init) in enumerate(batch.index.tolist()):
        sequence = store.generator.draw([number])[0]
        expected = sequence[[init - 3, init - 2, init - 1]]
        np.testing.assert_array_equal(batch.lags[place, 0].numpy(), expected)
