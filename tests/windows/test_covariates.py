"""Calendar covariates in every calendar, and the door for others."""

import cftime
import numpy as np
import pytest

from stforecast.options import WindowOptions
from stforecast.timeaxis import TimeAxis, TimeStep
from stforecast.windows import CovariateSet, WindowSpec, calendar_covariates, resolve_windows
from stforecast.windows.covariates import CalendarCovariates, Kind
from tests.helpers import make_store, make_times


def phase(values: np.ndarray) -> np.ndarray:
    """The part of the cycle, in [0, 1), that sine and cosine stand for."""
    return np.arctan2(values[:, 0], values[:, 1]) / (2 * np.pi) % 1


def at(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def test_hour_runs_on_through_the_day() -> None:
    times = at("2000-01-01T00", "2000-01-01T06", "2000-07-01T12:30", "2000-01-01T18:00:36")
    found = phase(calendar_covariates(times, ["hour"]))
    np.testing.assert_allclose(found, [0, 0.25, 12.5 / 24, 18.01 / 24], atol=1e-6)


def test_weekday_and_month_stand_still_within_theirs() -> None:
    times = at("2024-01-01T00", "2024-01-01T23", "2024-01-07", "2024-12-31")  # Monday, …, Sunday
    found = calendar_covariates(times, ["weekday", "month"])
    np.testing.assert_allclose(phase(found[:, :2]), [0, 0, 6 / 7, 1 / 7], atol=1e-6)
    np.testing.assert_allclose(phase(found[:, 2:]), [0, 0, 0, 11 / 12], atol=1e-6)


def test_day_of_year_knows_the_length_of_its_year() -> None:
    times = at("2023-01-01", "2023-12-31", "2024-12-31", "2024-03-01T12")
    found = phase(calendar_covariates(times, ["day_of_year"]))
    np.testing.assert_allclose(found, [0, 364 / 365, 365 / 366, 60.5 / 366], atol=1e-6)


@pytest.mark.parametrize(
    ("calendar", "last", "length"),
    [
        ("360_day", (2000, 12, 30), 360),
        ("noleap", (2000, 12, 31), 365),
        ("all_leap", (2001, 12, 31), 366),
        ("julian", (1900, 12, 31), 366),
        ("standard", (1900, 12, 31), 365),
        ("standard", (1500, 12, 31), 366),
    ],
)
def test_other_calendars_have_other_years(
    calendar: str, last: tuple[int, int, int], length: int
) -> None:
    times = np.array([cftime.datetime(*last, 12, calendar=calendar)])
    found = calendar_covariates(times, ["hour", "month", "day_of_year"])
    np.testing.assert_allclose(phase(found[:, :2]), [0.5], atol=1e-6)
    np.testing.assert_allclose(phase(found[:, 2:4]), [11 / 12], atol=1e-6)
    np.testing.assert_allclose(phase(found[:, 4:]), [(length - 0.5) / length], atol=1e-6)


def test_both_kinds_of_stamps_agree() -> None:
    civil = make_times(1000, start="1999-11-03 05:00", step="7h")
    objects = np.array(
        [cftime.datetime(*t.timetuple()[:6], calendar="standard") for t in civil.tolist()]
    )
    fields = ["hour", "weekday", "month", "day_of_year"]
    np.testing.assert_array_equal(
        calendar_covariates(civil, fields), calendar_covariates(objects, fields)
    )


def test_values_are_on_the_unit_circle_in_float32() -> None:
    found = calendar_covariates(make_times(5000, step="3h"), ["weekday", "day_of_year"])
    assert found.dtype == np.float32
    assert found.shape == (5000, 4)
    np.testing.assert_allclose(found[:, 0] ** 2 + found[:, 1] ** 2, 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 2] ** 2 + found[:, 3] ** 2, 1, atol=1e-6)


def test_no_times_no_values() -> None:
    assert calendar_covariates(np.array([], "datetime64[us]"), ["hour"]).shape == (0, 2)


def test_positions_may_lie_beyond_the_axis() -> None:
    axis = TimeAxis(np.datetime64("2000-01-01", "us"), TimeStep.parse("1h"), 48, "")
    table = CalendarCovariates(axis, ["hour", "weekday"], margin=4)
    assert table.names == ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
    for positions in ([0, 5, 5, 47], [51, 48], [60, 100, 3], [-7, 2]):
        np.testing.assert_array_equal(
            table.values(np.array(positions)),
            calendar_covariates(axis.times_at(positions), ["hour", "weekday"]),
        )


def test_a_window_is_told_of_all_its_times() -> None:
    store = make_store(48)
    options = WindowOptions(
        history=3, horizon=2, covariates=[{"calendar": ["hour"]}, {"calendar": ["month"]}]
    )
    covariates = CovariateSet.of(resolve_windows(options, store.axis.step), store)
    assert covariates.names("future") == ("hour_sin", "hour_cos", "month_sin", "month_cos")
    found = covariates.values("future", np.array([10, 47]))
    assert found is not None
    assert found.shape == (2, 5, 4)
    hours = phase(found[:, :, :2].reshape(-1, 2)) * 24
    np.testing.assert_allclose(hours, [8, 9, 10, 11, 12, 21, 22, 23, 0, 1], atol=1e-4)
    assert covariates.values("past", np.array([10])) is None


class Numbered:
    """A covariate whose value is its position."""

    def __init__(self, kind: Kind, *grid: int) -> None:
        self.kind = kind
        self.names = (f"{kind}_number",)
        self._grid = grid

    def values(self, positions: np.ndarray) -> np.ndarray:
        values = positions.astype(np.float32).reshape(-1, 1, *[1 for _ in self._grid])
        return np.broadcast_to(values, (len(positions), 1, *self._grid))


def test_what_is_observed_is_never_read_beyond_the_initial_time() -> None:
    covariates = CovariateSet(WindowSpec(3, 2), [Numbered("past"), Numbered("past", 4, 5)])
    found = covariates.values("past", np.array([10, 20]))
    assert found is not None
    assert found.shape == (2, 3, 2, 4, 5)
    for channel in (0, 1):
        assert found[:, :, channel, 0, 0].tolist() == [[8, 9, 10], [18, 19, 20]]


def test_each_kind_has_its_times_and_shape() -> None:
    covariates = CovariateSet(
        WindowSpec(3, 2), [Numbered("static", 4, 5), Numbered("future"), Numbered("past")]
    )
    inits = np.array([10])
    static, future = covariates.values("static", inits), covariates.values("future", inits)
    past = covariates.values("past", inits)
    assert static is not None
    assert static.shape == (1, 1, 4, 5)
    assert future is not None
    assert future[..., 0].tolist() == [[8, 9, 10, 11, 12]]
    assert past is not None
    assert past.shape == (1, 3, 1, 1, 1)


def test_future_fields_and_series_stand_together() -> None:
    covariates = CovariateSet(WindowSpec(3, 2), [Numbered("future"), Numbered("future", 4, 5)])
    found = covariates.values("future", np.array([10, 20]))
    assert found is not None
    assert found.shape == (2, 5, 2, 4, 5)
    assert (found[:, :, 0] == found[:, :, 1]).all()
