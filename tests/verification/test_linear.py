"""The linear reference against scikit-learn, fit by fit."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stforecast.errors import StForecastWarning
from stforecast.verification import reference
from tests.helpers import make_store

WEEK = 168
TRAIN = (0, WEEK * 11)
LEADS = (1, 2, 30)
HISTORY = 3


def counts(n=WEEK * 13, seed=0):
    """Counts with a rhythm of days and weeks, and days that are fuller than others."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None, None, None]
    rhythm = 20 + 15 * np.sin(2 * np.pi * t / 24) + 5 * np.cos(2 * np.pi * t / WEEK)
    fuller = np.repeat(rng.uniform(0.5, 1.5, n // 12 + 1), 12)[:n, None, None, None]
    return np.round(rhythm * fuller + rng.normal(0, 1, (n, 2, 1, 3))).clip(0).astype(np.float32)


def linear(store, inits, leads=LEADS, train=TRAIN, history=HISTORY):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StForecastWarning)
        product = reference("linear", store, inits, leads, history=history, train=train)
    values = np.stack([product[name].values for name in store.channels], axis=2)
    return values, product.attrs["source"]


def inputs(series, usual, inits, lead, *, full=True, day=True, week=True):
    """Inputs (samples, p) of one cell as the description has them."""
    past = inits[:, None] - np.arange(HISTORY)
    columns = [series[inits], usual[inits], usual[inits + lead], series[inits] - usual[inits]]
    if full:
        columns += list(series[past[:, 1:]].T) + list(usual[past[:, 1:]].T)
        filling = series[past].sum(axis=1) / usual[past].sum(axis=1)
        columns.append(filling * usual[inits + lead])
    if day:
        columns.append(series[inits + lead - 24 * -(-lead // 24)])
    if week:
        columns.append(series[inits + lead - WEEK])
    return np.stack(columns, axis=1).astype(float)


def by_scikit_learn(values, usual, channel, cell, lead, inits, **kinds):
    series = values[:, channel, 0, cell].astype(float)
    means = usual[:, channel, 0, cell].astype(float)
    samples = np.arange(WEEK - lead, TRAIN[1] - lead)
    whole = inputs(series, means, samples, lead)
    target = series[samples + lead]
    samples = samples[np.isfinite(whole).all(axis=1) & np.isfinite(target)]
    fit = make_pipeline(StandardScaler(), Ridge(alpha=1e-3 * len(samples)))
    fit.fit(inputs(series, means, samples, lead, **kinds), series[samples + lead])
    return fit.predict(inputs(series, means, inits, lead, **kinds)).clip(0)


def usual_of(values):
    """The mean of the hour of the week, at every time."""
    hours = np.arange(len(values)) % WEEK
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        table = [np.nanmean(values[hour : TRAIN[1] : WEEK], axis=0) for hour in range(WEEK)]
    return np.stack(table)[hours]


INITS = np.arange(WEEK * 11 + 5, WEEK * 13 - 30, 9)


def test_is_the_ridge_regression_of_scikit_learn():
    values = counts()
    result, source = linear(make_store(len(values), 2, 1, 3, values=values), INITS)
    usual = usual_of(values)
    for channel, cell in ((0, 0), (1, 2)):
        for number, lead in enumerate(LEADS):
            expected = by_scikit_learn(values, usual, channel, cell, lead, INITS)
            np.testing.assert_allclose(result[:, number, channel, 0, cell], expected, rtol=2e-5)
    assert "the same hour a day and week before" in source
    assert "hour of the week over the training period, 2000-01-01" in source


@pytest.mark.parametrize(
    ("missing", "kinds"),
    [
        ([2 - WEEK], {"week": False}),
        ([2 - 24], {"day": False}),
        ([2 - WEEK, 2 - 24], {"week": False, "day": False}),
        ([-1], {"full": False, "week": False, "day": False}),
        ([-1, 2 - WEEK], {"full": False, "week": False, "day": False}),
    ],
)
def test_where_an_input_is_missing_a_fit_without_it_forecasts(missing, kinds):
    values = counts()
    init = WEEK * 12
    for step in missing:
        values[init + step, 1, 0, 2] = np.nan
    result, _ = linear(make_store(len(values), 2, 1, 3, values=values), [init], [2])
    inits = np.array([init])
    expected = by_scikit_learn(values, usual_of(values), 1, 2, 2, inits, **kinds)
    np.testing.assert_allclose(result[:, 0, 1, 0, 2], expected, rtol=2e-5)
    beside = by_scikit_learn(values, usual_of(values), 1, 1, 2, inits)
    np.testing.assert_allclose(result[:, 0, 1, 0, 1], beside, rtol=2e-5)


def test_at_last_it_forecasts_what_is_usual():
    values = counts()
    init = WEEK * 12
    values[init, 0] = np.nan
    values[: TRAIN[1] - 5, :, 0, 1] = np.nan  # five times known: too few for any fit
    result, _ = linear(make_store(len(values), 2, 1, 3, values=values), [init], [2])
    usual = usual_of(values)[init + 2]
    np.testing.assert_allclose(result[0, 0, 0, 0, [0, 2]], usual[0, 0, [0, 2]], rtol=1e-6)
    assert np.isnan(result[0, 0, :, 0, 1]).all()  # nothing is usual there at this hour


def test_gaps_in_the_training_period_leave_samples_out():
    values = counts()
    values[300:340] = np.nan
    values[500, 0, 0, 0] = np.nan
    result, _ = linear(make_store(len(values), 2, 1, 3, values=values), INITS)
    expected = by_scikit_learn(values, usual_of(values), 0, 0, 2, INITS)
    np.testing.assert_allclose(result[:, 1, 0, 0, 0], expected, rtol=2e-5)


def test_learns_from_the_training_period_alone():
    values = counts()
    other = values.copy()
    other[TRAIN[1] : INITS[0] - WEEK] *= 9
    other[INITS[0] + 1 :] *= 9
    stores = [make_store(len(v), 2, 1, 3, values=v) for v in (values, other)]
    one, two = (linear(store, INITS[:1])[0] for store in stores)
    np.testing.assert_array_equal(one, two)


def test_short_records_and_negative_values():
    """Three weeks tell no weeks, only hours of the day; values below zero have no fullness."""
    values = counts(24 * 21) - 20
    store = make_store(len(values), 2, 1, 3, values=values)
    inits = np.arange(24 * 15, 24 * 20, 5)
    result, source = linear(store, inits, [1], train=(0, 24 * 14))
    assert "the same hour a day before" in source
    assert "mean of the hour of the day" in source
    assert (result < 0).any()
    series = values[:, 1, 0, 2].astype(float)
    table = [series[hour : 24 * 14 : 24].mean() for hour in range(24)]
    usual = np.array(table)[np.arange(len(series)) % 24]
    samples = np.arange(23, 24 * 14 - 1)
    fit = make_pipeline(StandardScaler(), Ridge(alpha=1e-3 * len(samples)))
    chosen = [0, 1, 2, 3, 4, 5, 6, 7, 9]
    fit.fit(inputs(series, usual, samples, 1, week=False)[:, chosen], series[samples + 1])
    expected = fit.predict(inputs(series, usual, inits, 1, week=False)[:, chosen])
    np.testing.assert_allclose(result[:, 0, 1, 0, 2], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("step", "options"), [("1D", {}), ("1M", {}), ("1h", {"seconds": 360})])
def test_other_steps_and_calendars(step, options):
    calendar = "360_day" if options else "proleptic_gregorian"
    store = make_store(24 * 80 if step == "1h" else 100, step=step, calendar=calendar)
    size = store.shape[0]
    result, source = linear(store, [size - 10], [1, 2], train=(0, size - 20))
    assert np.isfinite(result).all()
    # the hours of a day are not of a week where there are no days of the week
    assert ("week before" in source) == (step == "1D")


def test_pieces_of_any_size_give_the_same(monkeypatch):
    values = counts()
    values[300:340] = np.nan
    store = make_store(len(values), 2, 1, 3, values=values)
    whole, _ = linear(store, INITS)
    monkeypatch.setattr("stforecast.verification.linear._INPUTS", 8 * 16 * 2 * 100)
    monkeypatch.setattr("stforecast.verification.linear._PRODUCTS", 8 * 3 * 16**2 * 2)
    np.testing.assert_allclose(linear(store, INITS)[0], whole, rtol=1e-5)
