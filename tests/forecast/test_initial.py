"""From which times a forecast can start."""

from datetime import datetime
from pathlib import Path

import cftime
import numpy as np
import pytest

from stforecast.errors import ConfigError, DataError
from stforecast.forecast import init_position, last_init_position, period_samples
from stforecast.options import SplitOptions
from stforecast.windows.spec import WindowSpec
from tests.forecast.runs import make_trained
from tests.helpers import make_store

SPEC = WindowSpec(history=4, horizon=3)


def test_the_end_of_the_record() -> None:
    assert last_init_position(make_store(48), SPEC) == (47, None)


def test_absent_last_steps_are_passed_over() -> None:
    position, warning = last_init_position(make_store(48, absent=[46, 47]), SPEC)
    assert position == 45
    assert warning == (
        "the last 2 time steps (2000-01-02 22:00 to 2000-01-02 23:00) are absent or incomplete, "
        "or lack their history; the forecast starts from 2000-01-02 21:00"
    )


def test_an_absent_step_within_the_history_is_passed_over() -> None:
    position, warning = last_init_position(make_store(48, absent=[45]), SPEC)
    assert position == 44
    assert warning is not None


def test_a_last_step_that_is_partly_filled_is_passed_over() -> None:
    missing = np.zeros((48, 2, 6, 8), bool)
    missing[:, :, 0, 0] = True  # land
    missing[47, 1, 3:] = True  # not yet there
    position, warning = last_init_position(make_store(48, 2, missing=missing), SPEC)
    assert position == 46
    assert warning is not None
    assert warning.startswith("the last time step (2000-01-02 23:00) is absent or incomplete")


def test_cells_that_come_and_go_do_not_count_as_incomplete() -> None:
    assert last_init_position(make_store(48, missing=0.3), SPEC) == (47, None)


def test_too_little_history() -> None:
    with pytest.raises(DataError, match=r"history of 4 time steps of one hour .* there are 3"):
        last_init_position(make_store(9, absent=[3, 6]), SPEC)
    with pytest.raises(DataError, match=r"history of 4 time steps of one hour .* there are 3"):
        init_position(make_store(3), SPEC, "2000-01-01")
    with pytest.raises(DataError, match="all of it missing"):
        last_init_position(make_store(9, missing=np.ones((6, 8), bool)), SPEC)


@pytest.mark.parametrize(
    "time",
    ["2000-01-01T10", "2000-01-01 10:00", np.datetime64("2000-01-01T10"), datetime(2000, 1, 1, 10)],
)
def test_an_initial_time(time: object) -> None:
    assert init_position(make_store(48), SPEC, time) == 10


def test_many_initial_times() -> None:
    store = make_store(48)
    with pytest.raises(ConfigError, match=r"one initial time, and 48 were given; Run\.hindcast"):
        init_position(store, SPEC, store.axis.times())


def test_an_initial_time_of_another_calendar() -> None:
    store = make_store(48, step="1Y", calendar="360_day", start="1860-06-01")
    assert init_position(store, SPEC, "1870") == 10
    assert init_position(store, SPEC, cftime.datetime(1870, 6, 1, calendar="360_day")) == 10


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("2000-01-01T10:30", "there is no initial time 2000-01-01 10:30.*not on the time axis"),
        (
            "2000-01-01T02",
            "needs 4 time steps of one hour .* from 1999-12-31 23:00 on; .* 03:00",
        ),
        ("1999", "the data runs from 2000-01-01 to .*nearest initial time is 2000-01-01 03:00"),
        ("2001", "the data runs from 2000-01-01 to .*nearest initial time is 2000-01-02 23:00"),
        ("2000-01-01T21", "history has absent times, or no values; .* is 2000-01-01 19:00"),
    ],
)
def test_initial_times_from_which_no_forecast_starts(time: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        init_position(make_store(48, absent=[20]), SPEC, time)


@pytest.mark.parametrize("time", ["soon", 3.5, None])
def test_what_is_no_date(time: object) -> None:
    with pytest.raises(ConfigError, match="is no"):
        init_position(make_store(48), SPEC, time)


def test_the_test_period(tmp_path: Path) -> None:
    store = make_store(200, absent=[180])
    split = SplitOptions(test=("2000-01-07", "2000-01-08"))
    model = make_trained(tmp_path, store, split=split)
    inits, sequences = period_samples(store, model.spec, model.card, "test", horizon=5)
    assert sequences is None
    # 144 … 191: history and forecast within, the gap at 180 in neither
    assert inits.tolist() == [*range(147, 175), *range(184, 187)]
    every, _ = period_samples(store, model.spec, model.card, "test", horizon=5, every=12)
    assert every.tolist() == [147, 159, 171]
    dates, _ = period_samples(
        store, model.spec, model.card, ("2000-01-02", "2000-01-02"), horizon=5
    )
    assert dates.tolist() == list(range(27, 43))


def test_periods_that_cannot_be(tmp_path: Path) -> None:
    store = make_store(200)
    model = make_trained(tmp_path, store)
    with pytest.raises(ConfigError, match="there is no period 'tset'"):
        period_samples(store, model.spec, model.card, "tset", horizon=3)
    with pytest.raises(DataError, match="has no 104 time steps"):
        period_samples(store, model.spec, model.card, "test", horizon=100)
    with pytest.raises(DataError, match="has no time of the record"):
        period_samples(store, model.spec, model.card, ("2010", "2011"), horizon=3)


def test_sequences_of_a_period(tmp_path: Path) -> None:
    store = make_store(20, sequences=10)
    model = make_trained(tmp_path, store)
    inits, sequences = period_samples(store, model.spec, model.card, "test", horizon=3)
    assert inits.tolist() == list(range(3, 17))
    assert sequences == list(range(*model.card.sequences["test"]))  # type: ignore[index]
