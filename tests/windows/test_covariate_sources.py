"""Holidays, the sun and the grid as covariates, in the clocks of their records."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stforecast.errors import ConfigError, DataError, StForecastWarning
from stforecast.options import WindowOptions
from stforecast.store import TensorStore
from stforecast.sun import elevation
from stforecast.windows import CovariateSet, resolve_windows
from tests.helpers import make_store


def covariates(store: TensorStore, *items: dict[str, Any], **windows: Any) -> CovariateSet:
    options = WindowOptions(history=1, horizon=1, covariates=list(items), **windows)
    return CovariateSet.of(resolve_windows(options, store.axis.step), store)


def series(found: CovariateSet, store: TensorStore, channel: int = 0) -> np.ndarray:
    """One channel at every time of a record but the last."""
    values = found.values("future", np.arange(store.axis.size - 1))
    assert values is not None
    return values[:, 0, channel]


def test_holidays_are_local_days_with_their_neighbours() -> None:
    store = make_store(24 * 6, start="2013-07-02", timezone="America/New_York")
    found = covariates(store, {"holidays": "US"})
    assert found.names("future") == ("holiday", "holiday_tomorrow", "holiday_yesterday")
    days = np.array([series(found, store, channel)[::24] for channel in range(3)])
    # 4 July is a Thursday, the third day of the record
    assert days[0].tolist() == [0, 0, 1, 0, 0, 0]
    assert days[1].tolist() == [0, 1, 0, 0, 0, 0]
    assert days[2].tolist() == [0, 0, 0, 1, 0, 0]
    assert series(found, store)[47:49].tolist() == [0, 1]


def test_holidays_of_a_part_of_a_country_and_in_another_clock() -> None:
    store = make_store(24 * 2, start="2013-02-12")  # Lincoln's Birthday, a holiday of New York
    country = covariates(store, {"holidays": {"country": "US"}})
    state = covariates(store, {"holidays": {"country": "US", "subdivision": "NY"}})
    assert series(country, store).max() == 0
    assert series(state, store)[:24].tolist() == [1] * 24
    local = {"holidays": {"country": "US", "subdivision": "NY"}, "timezone": "America/New_York"}
    # midnight in New York is at 05:00 UTC
    assert np.flatnonzero(series(covariates(store, local), store)).tolist() == list(range(5, 29))


def test_holidays_of_a_file_as_deepst_has_them(tmp_path: Path) -> None:
    file = tmp_path / "BJ_Holiday.txt"
    file.write_text("20130704\n20130706\n")
    store = make_store(24 * 6, start="2013-07-02")
    found = covariates(store, {"holidays": {"file": str(file)}})
    assert series(found, store)[::24].tolist() == [0, 0, 1, 0, 1, 0]
    later = make_store(24, start="2015-01-01")
    far = covariates(later, {"holidays": {"file": str(file)}})
    with pytest.warns(StForecastWarning, match="lists holidays from 2013-07-04 to 2013-07-06"):
        far.require(np.array([3]), 1, "the forecast")


@pytest.mark.parametrize(
    ("item", "error", "words"),
    [
        ({"holidays": "XX"}, ConfigError, "no holidays are known of a country 'XX'"),
        (
            {"holidays": {"country": "US", "subdivision": "QQ"}},
            ConfigError,
            "US has no part 'QQ'",
        ),
        ({"holidays": {"file": "nowhere.txt"}}, DataError, "there is no file nowhere.txt"),
        (
            {"calendar": "hour", "timezone": "Mars/Olympus"},
            ConfigError,
            "there is no time zone 'Mars/Olympus'",
        ),
    ],
)
def test_what_is_not_there_is_named(item: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        covariates(make_store(), item)


def test_holidays_need_a_calendar_that_has_them() -> None:
    with pytest.raises(ConfigError, match=r"calendar of the record \(360_day\) has no holidays"):
        covariates(make_store(48, calendar="360_day"), {"holidays": "US"})


def test_calendar_in_another_clock() -> None:
    store = make_store(48, start="2013-07-01")
    plain = covariates(store, {"calendar": "hour"})
    local = covariates(store, {"calendar": "hour", "timezone": "America/New_York"})
    # four hours behind in summer
    np.testing.assert_allclose(series(local, store)[4:], series(plain, store)[:-4], atol=1e-6)


@pytest.mark.parametrize(
    ("timezone", "noon"), [("UTC", 17), ("America/New_York", 13), ("Asia/Shanghai", 1)]
)
def test_the_sun_stands_highest_at_solar_noon_in_any_clock(timezone: str, noon: int) -> None:
    """Over 74° W, 4 h 56 min behind Greenwich, in June, when New York is 4 h behind UTC."""
    store = make_store(24, start="2013-06-21", timezone=timezone)
    store.dataset["lon"][:] = -74.0
    moved = TensorStore(store.dataset)
    found = covariates(moved, {"sun": "elevation"})
    assert found.names("future") == ("sun_elevation",)
    values = found.values("future", np.arange(23))
    assert values is not None
    assert values.shape == (23, 2, 1, 6, 8)
    assert values[:, 0, 0, 0, 0].argmax() == noon
    assert values.dtype == np.float32


def test_the_suns_elevation_is_that_of_its_place_and_time() -> None:
    store = make_store(48, start="1997-02-01")
    values = covariates(store, {"sun": ["elevation", "irradiance"]}).values(
        "future", np.array([10])
    )
    assert values is not None
    lat, lon = np.meshgrid(store.dataset["lat"], store.dataset["lon"], indexing="ij")
    expected = np.sin(np.deg2rad(elevation(store.axis.times(10, 12), lat, lon)))
    np.testing.assert_allclose(values[0, :, 0], expected, atol=1e-6)
    # the mean over the hour before lies between its ends while the sun climbs
    climbing = values[0, :, 0].min(axis=0) > 0
    mean = values[0, 1, 1][climbing]
    ends = np.sort(values[0, :, 0][:, climbing], axis=0)
    assert climbing.any()
    assert ((mean >= ends[0] - 1e-3) & (mean <= ends[1] + 1e-3)).all()


def test_clocks_that_are_put_back_and_forward() -> None:
    spring = make_store(6, start="2013-03-10", timezone="America/New_York")
    values = covariates(spring, {"sun": "elevation"}).values("future", np.arange(5))
    assert values is not None
    assert np.isfinite(values).all()
    assert values[2, 0, 0, 0, 0] == values[3, 0, 0, 0, 0]  # 02:00 is skipped and means 03:00
    autumn = make_store(6, start="2013-11-03", timezone="America/New_York")
    assert np.isfinite(covariates(autumn, {"sun": "elevation"}).values("future", [1])).all()


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "julian"])
def test_the_sun_in_calendars_of_climate_models(calendar: str) -> None:
    store = make_store(24, start="2001-06-21", calendar=calendar)
    values = covariates(store, {"sun": "elevation"}).values("future", np.arange(23))
    assert values is not None
    highest = values[:, 0, 0, 0, 0]
    assert highest.argmax() == 12
    tolerance = 0.6 if calendar == "360_day" else 0.5
    np.testing.assert_allclose(np.rad2deg(np.arcsin(highest.max())), 90 - 16.5, atol=tolerance)


def test_the_grid_tells_of_its_cells() -> None:
    store = make_store(periodic=True)
    found = covariates(store, {"grid": ["latitude", "longitude", "area", "row", "column"]})
    assert found.names("static") == (
        *("latitude_sin", "longitude_sin", "longitude_cos"),
        *("area", "row", "column"),
    )
    values = found.values("static", np.array([5, 6]))
    assert values is not None
    assert values.shape == (2, 6, 6, 8)
    np.testing.assert_allclose(values[0, 0, :, 3], np.sin(np.deg2rad(np.linspace(40, 60, 6))))
    np.testing.assert_allclose(values[0, 3].mean(), 1, rtol=1e-6)
    assert values[0, 4, :, 0].tolist() == pytest.approx([-1, -0.6, -0.2, 0.2, 0.6, 1])
    assert values[0, 5, 0, [0, -1]].tolist() == [-1, 1]


@pytest.mark.parametrize("item", [{"sun": "elevation"}, {"grid": "latitude"}])
def test_a_bare_grid_has_no_place(item: dict[str, Any]) -> None:
    store = make_store()
    bare = TensorStore(store.dataset.drop_vars(["lat", "lon"]))
    with pytest.raises(ConfigError, match=r"data\.grid"):
        covariates(bare, item)
