"""References against the plainest loops that say what they are, and against looking ahead."""

import warnings

import cftime
import numpy as np
import pytest

from stforecast import names
from stforecast.errors import ConfigError, DataError, StForecastWarning
from stforecast.verification import REFERENCES, references_for, verify
from stforecast.verification import reference as make_reference
from tests.helpers import make_store, make_values

INITS = np.arange(24 * 16, 24 * 20, 7)
TRAIN = (0, 24 * 14)


def hourly(**options):
    return make_store(24 * 28, 2, 3, 4, **options)


def reference(name, store, inits=INITS, leads=6, history=4, train=TRAIN):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StForecastWarning)
        return make_reference(name, store, inits, leads, history=history, train=train)


def fields(product):
    """(init, lead, channel, y, x)"""
    names_ = [name for name in product.data_vars if product[name].ndim == 4]
    return np.stack([product[name].values for name in names_], axis=2)


def test_every_option_has_its_reference():
    from typing import get_args

    from stforecast.options.evaluation import ReferenceName

    assert set(get_args(ReferenceName)) == set(REFERENCES)


@pytest.mark.parametrize("name", REFERENCES)
def test_is_a_product_like_any_other(name):
    store = hourly()
    product = reference(name, store)
    assert product["v0"].dims == (names.INIT_TIME, names.LEAD_TIME, "lat", "lon")
    assert product["v0"].dtype == np.float32
    assert product.attrs["stforecast_reference"] == name
    assert product.attrs["stforecast_training_period"] == "2000-01-01/2000-01-14 23:00"
    difference = store.observations()["v0"].sel(time=product[names.VALID_TIME]) - product["v0"]
    assert difference.shape == product["v0"].shape
    assert np.isfinite(difference).all()


@pytest.mark.parametrize("name", REFERENCES)
def test_never_reads_beyond_the_initial_time(name):
    values = make_values(24 * 28, 2, 3, 4)
    init = 24 * 20 + 5
    ahead = values.copy()
    ahead[init + 1 :] = 1e9
    known, changed = (
        fields(reference(name, hourly(values=v), [init], leads=200)) for v in (values, ahead)
    )
    np.testing.assert_array_equal(known, changed)


@pytest.mark.parametrize("name", ["climatology", "hour_of_week"])
def test_statistics_come_from_the_training_period_alone(name):
    values = make_values(24 * 28, 2, 3, 4)
    other = values.copy()
    other[TRAIN[1] :] = 1e9
    one, two = (fields(reference(name, hourly(values=v))) for v in (values, other))
    np.testing.assert_array_equal(one, two)


def test_persistence_keeps_the_last_field():
    store = hourly()
    expected = np.stack([store.read(i, i + 1).repeat(6, axis=0) for i in INITS])
    np.testing.assert_array_equal(fields(reference("persistence", store)), expected)


def test_history_mean_leaves_missing_fields_out():
    values = make_values(24 * 28, 2, 3, 4)
    values[INITS[0] - 1] = np.nan
    values[INITS[0] - 3 : INITS[0] + 1, 0, 0, 0] = np.nan
    result = fields(reference("history_mean", hourly(values=values)))
    past = values[INITS[0] - 3 : INITS[0] + 1]
    np.testing.assert_allclose(result[0, 5, 1], past[[0, 1, 3], 1].mean(axis=0), rtol=1e-6)
    assert np.isnan(result[0, :, 0, 0, 0]).all()
    assert np.isfinite(result[0, :, 0, 1:]).all()


@pytest.mark.parametrize(("name", "period"), [("day_before", 24), ("week_before", 168)])
def test_same_hour_of_the_latest_period_known(name, period):
    store = hourly()
    result = fields(reference(name, store, leads=[1, 23, 24, 25, 48, 50, 168, 170]))
    for row, init in enumerate(INITS):
        for column, lead in enumerate([1, 23, 24, 25, 48, 50, 168, 170]):
            source = init + lead
            while source > init:
                source -= period
            np.testing.assert_array_equal(result[row, column], store.read(source, source + 1)[0])


def test_before_the_record_is_missing():
    result = fields(reference("week_before", hourly(), [100]))
    assert np.isnan(result).all()


def test_hour_of_week_by_hand():
    store = hourly(absent=[5, 6], missing=0.2)
    result = fields(reference("hour_of_week", store))
    training = store.read(*TRAIN).astype(float)
    for row, init in enumerate(INITS):
        for lead in range(1, 7):
            same = np.arange((init + lead) % 168, TRAIN[1], 168)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                expected = np.nanmean(training[same], axis=0)
            np.testing.assert_allclose(result[row, lead - 1], expected, rtol=1e-6)


def test_hour_of_week_of_half_hours():
    store = make_store(48 * 21, step="30min")
    result = reference("hour_of_week", store, [48 * 15], leads=1, train=(0, 48 * 14))
    source = [48 * 15 + 1 - 48 * 14, 48 * 15 + 1 - 48 * 7]
    expected = np.mean([store.read(i, i + 1)[0, 0] for i in source], axis=0)
    np.testing.assert_allclose(result["v0"].values[0, 0], expected, rtol=1e-6)


def test_climatology_under_two_years_is_hour_of_day_and_says_so():
    store = hourly()
    with pytest.warns(StForecastWarning, match="shorter than 2 years"):
        product = make_reference("climatology", store, INITS, 3, history=4, train=TRAIN)
    assert "hour of the day" in product.attrs["source"]
    assert "shorter than 2 years" in product.attrs["source"]
    training = store.read(*TRAIN)
    hour = (INITS[3] + 2) % 24
    expected = training[hour::24].mean(axis=0)
    np.testing.assert_allclose(fields(product)[3, 1], expected, rtol=1e-6)


def test_climatology_by_date_and_hour_in_a_61_day_window():
    values = make_values(4 * 365 * 3, 1, 2, 3)
    store = make_store(len(values), start="2001-01-01", step="6h", values=values)
    product = reference("climatology", store, [4 * 365 * 2 + 10], 1, train=(0, 4 * 365 * 2))
    # 3 January 2003 at 18 h; the window goes from 4 December to 2 February
    assert str(product[names.VALID_TIME].values.ravel()[0])[:13] == "2003-01-03T18"
    times = store.axis.times(0, 4 * 365 * 2)
    hours = times.astype("datetime64[h]").astype(int) % 24
    date = times.astype("datetime64[D]")
    year = date.astype("datetime64[Y]").astype("datetime64[D]")
    day = (date - year).astype(int)
    near = (day <= 2 + 30) | (day >= 365 + 2 - 30)
    assert (near & (hours == 18)).sum() == 2 * 61
    got = product["v0"].values[0, 0]
    brute = values[: 4 * 365 * 2][near & (hours == 18)].mean(axis=0)[0]
    np.testing.assert_allclose(got, brute, rtol=1e-5)


def test_climatology_of_days_knows_29_february():
    store = make_store(365 * 5 + 1, start="2001-01-01", step="1D")
    days = store.axis.times()
    init = int(np.flatnonzero(days == np.datetime64("2005-02-27"))[0])
    product = reference("climatology", store, [init], 2, train=(0, init - 100))
    month_day = np.array([str(day)[5:10] for day in days[: init - 100]])
    order = np.array([f"2000-{md}" for md in month_day], "datetime64[D]")
    near = np.abs((order - np.datetime64("2000-03-01")).astype(int)) <= 30
    expected = store.read(0, init - 100)[near, 0].mean(axis=0)
    assert str(product[names.VALID_TIME].values[0, 1])[:10] == "2005-03-01"
    np.testing.assert_allclose(product["v0"].values[0, 1], expected, rtol=1e-6)


def test_climatology_of_a_360_day_calendar():
    store = make_store(360 * 3, step="1D", calendar="360_day")
    product = reference("climatology", store, [360 * 2 + 5], 1, train=(0, 720))
    day = (360 * 2 + 6) % 360
    near = [i for i in range(720) if min((i - day) % 360, (day - i) % 360) <= 30]
    expected = store.read(0, 720)[near, 0].mean(axis=0)
    np.testing.assert_allclose(product["v0"].values[0, 0], expected, rtol=1e-6)


def test_climatology_of_months():
    store = make_store(60, step="1M", start="2000-01-15")
    product = reference("climatology", store, [49], 3, train=(0, 48))
    expected = store.read(0, 48)[4::12, 0].mean(axis=0)
    np.testing.assert_allclose(product["v0"].values[0, 2], expected, rtol=1e-6)
    assert "mean of the month" in product.attrs["source"]


def test_climatology_of_years_is_mean_and_trend():
    years = np.arange(40)
    values = (5 + 0.25 * years)[:, None, None, None] * np.ones((1, 1, 2, 3))
    values[:, 0, 0, 0] = 7.0
    values[3:, 0, 1, 1] = np.nan
    values[:, 0, 1, 2] = np.nan
    store = make_store(40, step="1Y", calendar="360_day", start="1860-06-01", values=values)
    product = reference("climatology", store, [30], 4, train=(0, 30))
    got = product["v0"].values[0]
    np.testing.assert_allclose(got[:, 0, 1], 5 + 0.25 * (31 + np.arange(4)), rtol=1e-6)
    np.testing.assert_allclose(got[:, 0, 0], 7.0)
    np.testing.assert_allclose(got[:, 1, 1], 5 + 0.25 * (31 + np.arange(4)), rtol=1e-6)
    assert np.isnan(got[:, 1, 2]).all()
    assert "mean and linear trend" in product.attrs["source"]


def test_a_trend_needs_three_years():
    values = np.array([1.0, 3.0, 0.0, 0.0])[:, None, None, None] * np.ones((1, 1, 1, 2))
    store = make_store(4, step="1Y", values=values)
    product = reference("climatology", store, [1], 2, train=(0, 2))
    np.testing.assert_allclose(product["v0"].values, 2.0)


@pytest.mark.parametrize(("step", "what"), [("1D", "year"), ("1M", "year"), ("1h", "2 years")])
def test_short_records_fall_back_to_one_mean(step, what):
    store = make_store(10, step=step)
    with pytest.warns(StForecastWarning, match=f"shorter than (1 )?{what}"):
        product = make_reference("climatology", store, [8], 1, history=1, train=(0, 8))
    if step != "1h":
        expected = store.read(0, 8)[:, 0].mean(axis=0)
        np.testing.assert_allclose(product["v0"].values[0, 0], expected, rtol=1e-6)


def test_an_hour_the_training_period_lacks_is_missing():
    store = make_store(48, start="2000-01-01")
    product = reference("climatology", store, [30], 20, train=(0, 12))
    valid_hours = (30 + np.arange(1, 21)) % 24
    there = np.isfinite(product["v0"].values[0, :, 0, 0])
    np.testing.assert_array_equal(there, valid_hours < 12)


def test_anomaly_persistence_keeps_the_departure_from_the_usual():
    store = hourly()
    product = reference("anomaly_persistence", store)
    training = store.read(*TRAIN)
    usual = np.stack([training[hour::24].mean(axis=0) for hour in range(24)])
    for row, init in enumerate(INITS):
        departure = store.read(init, init + 1)[0] - usual[init % 24]
        expected = [usual[(init + lead) % 24] + departure for lead in range(1, 7)]
        np.testing.assert_allclose(fields(product)[row], expected, rtol=1e-5)
    assert "mean of the hour of the day" in product.attrs["source"]
    weeks = make_store(24 * 80, 1, 1, 1)
    told = reference("anomaly_persistence", weeks, [24 * 78], train=(0, 24 * 71))
    assert "same hour of the week" in told.attrs["source"]


def test_cells_always_missing_stay_missing():
    land = np.zeros((3, 4), bool)
    land[1, 2] = True
    store = hourly(missing=land)
    for name in REFERENCES:
        result = fields(reference(name, store))
        assert np.isnan(result[..., 1, 2]).all(), name
        assert np.isfinite(result[..., ~land]).all(), name


def test_sequences_each_by_their_own():
    store = make_store(48, sequences=3)
    product = reference("persistence", store, [20, 30], 2, train=(0, 20))
    assert product["v0"].dims == (names.INIT_TIME, names.LEAD_TIME, "video", "lat", "lon")
    np.testing.assert_array_equal(product["v0"].values[1, 0, 2], store.read(30, 31, 2)[0, 0])
    means = reference("climatology", store, [20], 1, train=(0, 20))
    expected = [store.read(21 % 24 - 1, 21 % 24, s)[0, 0] for s in range(3)]
    assert means["v0"].shape[2] == len(expected)


def test_where_sequences_are_split_statistics_are_of_those_trained_on():
    store = make_store(48, sequences=3)
    forecast = reference("persistence", store, [20], 2, train=(0, 48))
    forecast.attrs["stforecast_training_sequences"] = "0/1"
    arguments = {"history": 1, "train": (0, 48)}
    with pytest.warns(StForecastWarning, match="shorter than 2 years"):
        found = references_for(forecast, store, ["climatology", "hour_of_week"], **arguments)
    for lead in (0, 1):
        hours = [(21 + lead) % 24 + day for day in (0, 24)]
        trained_on = [
            store.read(hour, hour + 1, number)[0, 0] for hour in hours for number in (0, 1)
        ]
        for sequence in range(3):
            made = found["climatology"]["v0"].values[0, lead, sequence]
            np.testing.assert_allclose(made, np.mean(trained_on, axis=0), rtol=1e-6)
    forecast.attrs["stforecast_training_sequences"] = "0/8"
    with pytest.raises(DataError, match="hour_of_week needs the sequences 0 to 8"):
        references_for(forecast, store, ["hour_of_week"], **arguments)
    assert references_for(forecast, store, ["persistence"], **arguments)


def test_large_references_are_lazy_and_equal(monkeypatch):
    store = hourly()
    plain = {name: fields(reference(name, store)) for name in REFERENCES}
    monkeypatch.setattr("stforecast.verification.references._BLOCK", 4 * 6 * 2 * 12 * 3)
    monkeypatch.setattr("stforecast.climatology.frames._CELLS_AT_ONCE", 24 * 5)
    monkeypatch.setattr("stforecast.climatology.means.IN_MEMORY", 100)
    for name in REFERENCES:
        product = reference(name, store)
        assert product["v0"].chunks is not None
        np.testing.assert_allclose(fields(product), plain[name], rtol=1e-6)


@pytest.mark.parametrize("block", [1, 4 * 2 * 8 * 2, 4 * 2 * 8 * 7])
def test_references_of_many_sequences_are_made_some_at_a_time(monkeypatch, block):
    store = make_store(30, 2, 2, 2, sequences=7)
    arguments = {"history": 3, "train": (0, 20)}
    plain = reference("history_mean", store, [20, 22], 2, **arguments)
    assert plain["v0"].chunks is None
    monkeypatch.setattr("stforecast.verification.references._BLOCK", block)
    lazy = reference("history_mean", store, [20, 22], 2, **arguments)
    largest = [max(sizes) for sizes in lazy["v1"].chunks]
    assert largest[0] == 1
    assert largest[2] == {1: 1, 4 * 2 * 8 * 2: 2, 4 * 2 * 8 * 7: 7}[block]
    np.testing.assert_array_equal(lazy["v1"].values, plain["v1"].values)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("day_before", {"step": "1M"}, "one month"),
        ("week_before", {"step": "5h"}, "5 hours"),
        ("hour_of_week", {"step": "5D"}, "5 days"),
        ("hour_of_week", {"calendar": "360_day"}, "no days of the week"),
    ],
)
def test_records_that_do_not_suit_are_refused(name, options, words):
    with pytest.raises(DataError, match=words):
        reference(name, make_store(60, **options), [40], 2, train=(0, 30))


def test_unknown_references_and_empty_periods_are_refused():
    with pytest.raises(ConfigError, match="persistence"):
        reference("oracle", hourly())
    with pytest.raises(DataError, match="training period is empty"):
        reference("climatology", hourly(), train=(5, 5))
    with pytest.raises(DataError, match="at least one step"):
        reference("persistence", hourly(), leads=[0, 1])


def test_references_for_the_times_of_a_forecast():
    store = hourly()
    forecast = reference("persistence", store, INITS[::3], [2, 4, 6])
    made = references_for(forecast, store, ["persistence", "day_before"], history=4, train=TRAIN)
    assert list(made) == ["persistence", "day_before"]
    np.testing.assert_array_equal(made["persistence"]["v0"], forecast["v0"])
    np.testing.assert_array_equal(made["day_before"][names.VALID_TIME], forecast[names.VALID_TIME])


def test_references_for_a_forecast_off_the_axis_are_refused():
    store = hourly()
    forecast = reference("persistence", store)
    off = forecast.assign_coords(
        {names.INIT_TIME: forecast[names.INIT_TIME].values + np.timedelta64(20, "m")}
    )
    with pytest.raises(DataError, match="not on the time axis"):
        references_for(off, store, ["persistence"], history=4, train=TRAIN)


def test_weekdays_and_dates_of_cftime():
    from stforecast.climatology import clock

    stamps = np.array(
        [cftime.datetime(2000, 2, 28, 13, 30, calendar="standard"), cftime.datetime(1999, 3, 1)]
    )
    plain = np.array(["2000-02-28T13:30", "1999-03-01"], "datetime64[s]")
    for read in (clock.second_of_day, clock.weekday, clock.month, clock.day_of_year):
        np.testing.assert_array_equal(read(stamps), read(plain))
    np.testing.assert_array_equal(clock.day_of_year(plain), [58, 60])
    julian = np.array([cftime.datetime(2000, 1, 1, calendar="julian")])
    assert clock.weekday(julian)[0] == julian[0].dayofwk


@pytest.mark.parametrize(("chosen", "forecast"), [([3, 4, 5], [3, 4, 5]), ([1, 4], range(7))])
def test_references_are_of_the_sequences_that_are_forecast(chosen, forecast):
    store = make_store(30, 1, 2, 2, sequences=7)
    made = make_reference("persistence", store, [20], 2, history=3, train=(0, 20))
    product = made.isel(video=chosen)
    found = references_for(product, store, ["persistence"], history=3, train=(0, 20))
    assert found["persistence"]["video"].values.tolist() == list(forecast)
    scores = verify(product, store.observations(), references=found)
    np.testing.assert_array_equal(scores["rmse"][0], scores["rmse"][1])
    assert int(scores["count"].sum()) == 2 * len(chosen) * 4
