"""The sun against published positions, the seasons, and times of sunrise."""

import numpy as np
import pytest

from stforecast.sun import (
    HORIZON,
    days_since_2000,
    elevation,
    irradiance,
    is_night,
    towards_sun,
    upwards,
)


def at(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def over(times: np.ndarray, latitude: float, longitude: float) -> np.ndarray:
    return elevation(times, [[latitude]], [[longitude]])[:, 0, 0]


def test_the_example_of_nrels_solar_position_algorithm() -> None:
    # Reda and Andreas (NREL/TP-560-34302), table A5.1: zenith 50.11162° with 0.0164° of refraction
    found = over(at("2003-10-17T19:30:30"), 39.742476, -105.1786)
    np.testing.assert_allclose(90 - found, 50.11162 + 0.0164, atol=0.01)


@pytest.mark.parametrize(
    ("time", "declination"),
    [
        ("2019-03-20T21:58", 0.0),  # equinoxes and solstices of the US Naval Observatory
        ("2019-06-21T15:54", 23.435),
        ("2019-09-23T07:50", 0.0),
        ("2019-12-22T04:19", -23.435),
        ("1997-06-21T08:20", 23.44),
        ("2050-03-20T10:19", 0.0),
    ],
)
def test_the_seasons(time: str, declination: float) -> None:
    found = np.rad2deg(np.arcsin(towards_sun(days_since_2000(at(time)))[:, 2]))
    np.testing.assert_allclose(found, declination, atol=0.01)


@pytest.mark.parametrize("latitude", [-66.0, -33.9, 0.0, 40.71, 51.5, 78.2])
@pytest.mark.parametrize(
    ("day", "declination"),
    [("2013-03-20", 0.0), ("2013-06-21", 23.43), ("2013-09-22", 0.0), ("2013-12-21", -23.43)],
)
def test_noon_elevation_is_set_by_latitude_and_declination(
    day: str, declination: float, latitude: float
) -> None:
    times = np.datetime64(day, "us") + np.arange(0, 1440) * np.timedelta64(1, "m")
    highest = over(times, latitude, 0.0).max()
    # the declination moves by up to 0.4° in a day at the equinoxes
    np.testing.assert_allclose(highest, 90 - abs(latitude - declination), atol=0.4)


@pytest.mark.parametrize(
    ("noon", "clock"),
    [("2013-11-03", "11:43:35"), ("2013-02-11", "12:14:13"), ("2013-04-15", "12:00:06")],
)
def test_noon_follows_the_equation_of_time(noon: str, clock: str) -> None:
    """16 min early in November, 14 min late in February, on time in the middle of April."""
    times = np.datetime64(noon, "us") + np.arange(39600, 46800, 5) * np.timedelta64(1, "s")
    highest = times[over(times, 20.0, 0.0).argmax()]
    off = np.abs(highest - np.datetime64(f"{noon}T{clock}", "us")) / np.timedelta64(1, "s")
    assert off < 20


@pytest.mark.parametrize(
    ("place", "begin", "rise", "set_"),
    [
        # New York and London in UTC, as almanacs give them to the minute
        ((40.7128, -74.006), "2013-06-21T06", "2013-06-21T09:25", "2013-06-22T00:31"),
        ((40.7128, -74.006), "2013-12-21T06", "2013-12-21T12:17", "2013-12-21T21:32"),
        ((51.5074, -0.1278), "2019-06-21T00", "2019-06-21T03:43", "2019-06-21T20:21"),
        ((51.5074, -0.1278), "2019-12-22T00", "2019-12-22T08:04", "2019-12-22T15:53"),
    ],
)
def test_sunrise_and_sunset(place: tuple[float, float], begin: str, rise: str, set_: str) -> None:
    times = np.datetime64(begin, "us") + np.arange(0, 86400, 10) * np.timedelta64(1, "s")
    up = over(times, *place) > HORIZON
    changes = times[1:][np.diff(up.astype(int)) != 0]
    expected = at(rise, set_)
    assert (np.abs(changes - expected) <= np.timedelta64(90, "s")).all(), changes


def test_irradiance_is_the_mean_over_the_step() -> None:
    # over a whole day at the equator and an equinox: the mean of max(cos, 0) is 1/pi
    up = upwards([[0.0]], [[0.0]])
    day = irradiance(days_since_2000(at("2013-03-21T00")), 1.0, up, parts=1440)
    np.testing.assert_allclose(day, 1 / np.pi, atol=1e-3)
    hours = days_since_2000(
        np.datetime64("2013-03-20T01", "us") + np.arange(24) * np.timedelta64(1, "h")
    )
    each = irradiance(hours, 1 / 24, up, parts=12)
    np.testing.assert_allclose(each.mean(), 1 / np.pi, atol=1e-3)
    assert (each[:5] == 0).all()
    assert each[11:13].min() > 0.98


def test_night_is_when_no_part_of_a_step_has_sun() -> None:
    up = upwards([[51.5]], [[0.0]])
    ends = np.datetime64("2019-03-20T00", "us") + np.arange(24) * np.timedelta64(1, "h")
    found = is_night(days_since_2000(ends), 1 / 24, up)[:, 0, 0]
    # the sun rises at 06:03 and sets at 18:12 UTC
    assert found.tolist() == [True] * 7 + [False] * 13 + [True] * 4


def test_shapes() -> None:
    lat, lon = np.meshgrid([10.0, 20.0, 30.0], [0.0, 90.0], indexing="ij")
    assert elevation(at("2000-01-01", "2000-01-02"), lat, lon).shape == (2, 3, 2)
    assert elevation(at(), lat, lon).shape == (0, 3, 2)
