"""Days that lack a time, and what is left out with them."""

import dataclasses

import numpy as np
import pytest

from stforecast.errors import ConfigError, DataError
from stforecast.forecast.initial import init_position, last_init_position
from stforecast.options import SplitOptions, WindowOptions
from stforecast.training.plan import make_plan
from stforecast.windows import WindowSpec, compute_statistics, init_positions
from stforecast.windows.days import left_out, usable_times
from stforecast.windows.parts import Splits
from tests.helpers import make_store

SPEC = WindowSpec(3, 2, complete_days=True)
PLAIN = WindowSpec(3, 2)


@pytest.mark.parametrize("calendar", ["proleptic_gregorian", "noleap", "360_day"])
def test_a_day_is_whole_or_left_out(calendar: str) -> None:
    # begins at 18:00 with six hours of a day, and ends with five of another
    store = make_store(6 + 96 + 5, 1, start="2000-02-27T18:00", absent=[40], calendar=calendar)
    usable = usable_times(store, SPEC)
    hours = np.arange(107)
    day = (hours + 18) // 24
    expected = np.isin(day, [1, 3, 4])
    np.testing.assert_array_equal(usable, expected)
    assert usable_times(store, PLAIN) is store.present
    told = left_out(store, SPEC)
    assert told == (
        "3 of 6 days lack some of their times and are left out, with the 34 times that they have"
    )
    assert left_out(store, PLAIN) is None


def test_nothing_is_told_where_all_days_are_whole() -> None:
    store = make_store(48, 1)
    assert usable_times(store, SPEC).all()
    assert left_out(store, SPEC) is None
    # a day that is not there at all is no day that lacks a time
    assert left_out(make_store(72, 1, absent=range(24, 48)), SPEC) is None


def test_no_window_touches_a_day_that_lacks_a_time() -> None:
    store = make_store(5 * 24, 1, absent=[2 * 24 + 12])
    inits = init_positions(store, SPEC, None)
    windows = inits[:, None] + np.arange(-2, 3)
    assert set(np.unique(windows // 24)) == {0, 1, 3, 4}
    assert len(inits) == 2 * (48 - 4)
    assert len(init_positions(store, PLAIN, None)) > len(inits)


def test_statistics_are_of_whole_days() -> None:
    values = np.ones((72, 1, 2, 2), np.float32)
    values[30] = 50.0
    store = make_store(72, values=values, absent=[40])
    assert compute_statistics(store, SPEC, Splits((0, 72))).maximum == [1.0]
    assert compute_statistics(store, PLAIN, Splits((0, 72))).maximum == [50.0]


def test_a_forecast_may_start_on_a_day_that_is_not_over() -> None:
    store = make_store(2 * 24 + 7, 1)
    assert last_init_position(store, SPEC) == (54, None)
    assert init_position(store, SPEC, "2000-01-03T04") == 52


def test_records_without_such_days_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"windows\.complete_days .* of 5 hours; set it to false"):
        usable_times(make_store(40, 1, step="5h"), SPEC)
    with pytest.raises(ConfigError, match="of month"):
        usable_times(make_store(40, 1, step="1M"), SPEC)
    with pytest.raises(DataError, match="none of the 2 days of the record has all of its 24 times"):
        usable_times(make_store(30, 1, start="2000-01-01T06:00"), SPEC)


def test_a_plan_counts_what_is_left_out() -> None:
    store = make_store(30 * 24, 1, absent=[100, 500])
    options = WindowOptions(history=3, horizon=2, complete_days=True)
    plan = make_plan(store, options, SplitOptions(test="last 5D"))
    assert plan.splits.notes[-1] == (
        "2 of 30 days lack some of their times and are left out, with the 46 times that they have"
    )
    days = {int(day) for _, init in plan.train for day in (init + np.arange(-2, 3)) // 24}
    assert 100 // 24 not in days
    assert WindowSpec.from_json(plan.spec.to_json()) == plan.spec
    assert plan.spec == dataclasses.replace(SPEC)
