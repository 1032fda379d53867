"""What is usual is learned from the training period alone, kept with the run, and never missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError, RunError
from stforecast.windows import Transform, WindowDataset, WindowSpec, compute_statistics
from stforecast.windows.climatology import ClassIndex, learn_climatology, read_climatology
from stforecast.windows.parts import Splits
from tests.helpers import make_store

HOURS = 24 * 7
USUAL = WindowSpec(4, 3, "climatology", climatology="hour_of_week")


def weekly(weeks: int, noise: float = 0.1) -> np.ndarray:
    """A round of a week in each of six cells, with noise."""
    t = np.arange(HOURS * weeks)
    rng = np.random.default_rng(0)
    round_ = np.where(t // 24 % 7 < 5, 10.0, 2.0) * (2 + np.sin(2 * np.pi * t / 24))
    cells = np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    values = round_[:, None, None, None] * cells
    return (values + rng.normal(scale=noise, size=values.shape)).astype(np.float32)


def test_it_is_the_mean_of_each_class() -> None:
    store = make_store(values=weekly(4), n=4 * HOURS)
    found = learn_climatology(store, USUAL, Splits((0, 3 * HOURS)))
    assert found.fields.shape == (HOURS + 1, 1, 2, 3)
    values = store.read(0, 3 * HOURS)
    at = found.index(store.axis.times(0, 3 * HOURS))
    for hour in (0, 50, 167):
        np.testing.assert_allclose(found.fields[at[hour]], values[hour::HOURS].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.fields[-1], values.mean(0), rtol=1e-5)


def test_nothing_outside_the_training_period_enters() -> None:
    values = weekly(4)
    store = make_store(values=values, n=4 * HOURS)
    other = values.copy()
    other[:HOURS] = -1e6
    other[3 * HOURS :] = 1e6
    changed = make_store(values=other, n=4 * HOURS)
    for kind in ("auto", "hour", "hour_of_week", "season"):
        spec = WindowSpec(4, 3, "climatology", climatology=kind)
        ours, theirs = (
            learn_climatology(each, spec, Splits((HOURS, 3 * HOURS))) for each in (store, changed)
        )
        np.testing.assert_array_equal(ours.fields, theirs.fields)


def test_classes_and_cells_that_were_never_seen_fall_back() -> None:
    values = weekly(4)
    values[:, 0, 0, 0] = np.nan  # never
    values[24:48, 0, 1, 1] = np.nan  # one hour of the week after the other
    values[:, 0, 1, 2][np.arange(4 * HOURS) % 24 == 5] = np.nan  # an hour of the day
    store = make_store(values=values, n=4 * HOURS)
    train = (0, 3 * 24)  # Saturday to Monday
    found = learn_climatology(store, USUAL, Splits(train))
    assert np.isfinite(found.fields).all()
    days = values[: 3 * 24].astype(np.float64)
    wednesday = found.fields[found.index(store.axis.times(4 * 24 + 7, 4 * 24 + 8))][0, 0]
    np.testing.assert_allclose(wednesday[1, 0], days[7::24, 0, 1, 0].mean(), rtol=1e-5)
    sunday = found.fields[found.index(store.axis.times(24 + 7, 24 + 8))][0, 0]
    np.testing.assert_allclose(sunday[1, 1], days[7::24, 0, 1, 1][[0, 2]].mean(), rtol=1e-5)
    five = found.fields[found.index(store.axis.times(5, 6))][0, 0]
    np.testing.assert_allclose(five[1, 2], np.nanmean(days[:, 0, 1, 2]), rtol=1e-5)
    np.testing.assert_allclose(five[0, 0], np.nanmean(days), rtol=1e-5)
    # another time of day than any of the training period: the mean of all
    assert found.index(np.array(["2000-01-03T07:30"], "datetime64[us]")) == HOURS


def test_auto_takes_what_fits_the_weeks_it_did_not_learn_from() -> None:
    spec = WindowSpec(4, 3, "climatology")
    store = make_store(values=weekly(6, noise=0.5), n=6 * HOURS)
    assert learn_climatology(store, spec, Splits((0, 6 * HOURS))).classes.kind == "hour_of_week"
    # three weeks are too few to tell
    assert learn_climatology(store, spec, Splits((0, 3 * HOURS))).classes.kind == "hour"
    daily = make_store(6 * HOURS, 2, 2, 3)
    assert learn_climatology(daily, spec, Splits((0, 6 * HOURS))).classes.kind == "hour"
    t = np.arange(3 * 365 * 4)
    wave = np.sin(2 * np.pi * t / 1461)[:, None, None, None] * np.ones((1, 1, 2, 3))
    seasons = make_store(values=wave, n=len(t), step="6h")
    found = learn_climatology(seasons, spec, Splits((0, len(t))))
    assert found.classes.kind == "season"
    assert found.classes.times_of_day.tolist() == [0, 21600, 43200, 64800]


@pytest.mark.parametrize(
    ("step", "calendar", "kind", "classes"),
    [
        ("1D", "proleptic_gregorian", "season", 366),
        ("1D", "proleptic_gregorian", "hour_of_week", 7),
        ("6h", "360_day", "season", 4 * 360),
        ("1M", "360_day", "season", 12),
        ("1M", "proleptic_gregorian", "auto", 12),
        ("1Y", "360_day", "hour", 1),
        ("3h", "360_day", "auto", 8),
    ],
)
def test_every_step_and_calendar_has_one(step: str, calendar: str, kind: str, classes: int) -> None:
    store = make_store(60, 1, 2, 3, step=step, calendar=calendar)
    spec = WindowSpec(4, 3, "climatology", climatology=kind)
    found = learn_climatology(store, spec, Splits((0, 40)))
    assert found.classes.size == classes
    assert len(found.fields) == classes + 1
    assert np.isfinite(found.fields).all()
    index = ClassIndex(found, store.axis, 3)
    positions = np.array([[0, 30, 62], [63, 500, -2]])
    assert (index(positions) == found.index(store.axis.times_at(positions))).all()


@pytest.mark.parametrize(
    ("step", "calendar"), [("1M", "proleptic_gregorian"), ("2D", "noleap"), ("6h", "360_day")]
)
def test_weeks_that_are_not_there_are_refused(step: str, calendar: str) -> None:
    store = make_store(60, 1, 2, 3, step=step, calendar=calendar)
    with pytest.raises(ConfigError, match=r"windows\.climatology hour_of_week.*set it to season"):
        learn_climatology(store, USUAL, Splits((0, 40)))


def test_it_is_read_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    store = make_store(values=weekly(2), n=2 * HOURS)
    found = learn_climatology(store, USUAL, Splits((0, 2 * HOURS)))
    found.write(tmp_path)
    again = read_climatology(tmp_path, found.card)
    np.testing.assert_array_equal(again.fields, found.fields)
    assert json.dumps(again.classes.to_json()) == json.dumps(found.classes.to_json())
    assert again.card == found.card
    path = tmp_path / found.card.file
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(RunError, match=r"climatology .* is damaged or another run's"):
        read_climatology(tmp_path, found.card)
    path.unlink()
    with pytest.raises(RunError, match="has lost its climatology"):
        read_climatology(tmp_path, found.card)


def test_departures_of_a_round_are_its_noise() -> None:
    store = make_store(values=weekly(6), n=6 * HOURS)
    splits = Splits((0, 5 * HOURS))
    spec = WindowSpec(4, 3, "climatology", climatology="hour_of_week", lags=(24, 2))
    found = learn_climatology(store, spec, splits)
    statistics = compute_statistics(store, spec, splits, usual=found.fields_at(store.axis))
    assert statistics.departure_scale is not None
    assert statistics.departure_scale[0] == pytest.approx(0.1, rel=0.2)
    transform = Transform.create(statistics, spec, store.meta.channels, found)
    batch = WindowDataset(store, spec, range(5 * HOURS, 5 * HOURS + 60), climatology=found)[
        np.arange(60)
    ]
    history, covariates, state = transform.inputs(batch)
    # of five weeks that the mean was taken of, the noise is smaller by (4 / 6) ** 0.5
    out_of_sample = 1.5**0.5
    assert history.std() == pytest.approx(out_of_sample, rel=0.1)
    assert batch.target is not None
    target, valid = transform.encode_target(batch.target, state)
    assert target.std() == pytest.approx(out_of_sample, rel=0.1)
    assert valid.all()
    torch.testing.assert_close(transform.decode(target, state), batch.target)
    # lagged frames depart from what was usual at their own time
    assert covariates is not None
    assert covariates.future is not None
    lagged = covariates.future[:, :, [0, 2]]
    assert lagged.std() == pytest.approx(1, rel=0.3)
    assert (covariates.future[:, :, [1, 3]] == 1).all()


def test_it_is_told_as_a_covariate_too() -> None:
    store = make_store(values=weekly(6), n=6 * HOURS)
    splits = Splits((0, 5 * HOURS))
    spec = WindowSpec(4, 3, climatology="hour_of_week", tells_climatology=True)
    found = learn_climatology(store, spec, splits)
    statistics = compute_statistics(store, spec, splits)
    transform = Transform.create(statistics, spec, store.meta.channels, found)
    batch = WindowDataset(store, spec, [5 * HOURS], climatology=found)[[0]]
    history, covariates, state = transform.inputs(batch)
    assert covariates is not None
    assert covariates.future is not None
    assert covariates.future.shape == (1, 7, 1, 2, 3)
    # in the units of the history, so that both can be compared
    torch.testing.assert_close(covariates.future[:, :4], history, atol=0.05, rtol=0)
    assert state.reference.shape == (1, 1, 1)


def test_it_is_asked_for_where_it_is_needed() -> None:
    store = make_store(30)
    statistics = compute_statistics(store, WindowSpec(4, 3), Splits((0, 30)))
    with pytest.raises(RunError, match="the run has no climatology; train it again"):
        Transform(statistics, "climatology")
