"""Where the sun stands, from the time and the place alone.

The position is that of the Astronomical Almanac's low-precision formulae (section C, "Low precision
formulas for the Sun's coordinates"; J. J. Michalsky, Solar Energy 40, 227-235, 1988), good to 0.01
degree between 1950 and 2050 and to a few hundredths for centuries around.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Elevation of the sun's centre when its upper edge touches the horizon: radius and refraction.
HORIZON: Final = -0.833
_J2000 = np.datetime64("2000-01-01T12", "us")
_MICROSECONDS_A_DAY = 86_400_000_000


def days_since_2000(times: ArrayLike) -> Floats:
    """Days (n,) from noon of 1 January 2000 to instants in UTC, given as datetime64."""
    stamps = np.asarray(times).astype("datetime64[us]")
    return np.asarray((stamps - _J2000).astype(np.int64) / _MICROSECONDS_A_DAY, np.float64)


def towards_sun(days: ArrayLike) -> Floats:
    """Unit vectors (n, 3) from the earth's centre towards the sun, turning with the earth.

    The first axis leaves the earth at 0° N 0° E, the second at 0° N 90° E, the third at the pole:
    its last component is the sine of the declination.

    Args:
        days: (n,) from noon of 1 January 2000 UTC, see :func:`days_since_2000`.
    """
    n = np.asarray(days, np.float64)
    anomaly = np.deg2rad(357.528 + 0.9856003 * n)
    longitude = np.deg2rad(
        280.460 + 0.9856474 * n + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    )
    obliquity = np.deg2rad(23.439 - 4e-7 * n)
    sidereal = np.deg2rad(np.mod(280.46061837 + 360.98564736629 * n, 360))
    east, north = np.cos(longitude), np.sin(longitude) * np.cos(obliquity)
    right_ascension = np.arctan2(north, east)
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    hour_angle = right_ascension - sidereal  # of Greenwich, counted eastwards
    return np.stack(
        [
            np.cos(declination) * np.cos(hour_angle),
            np.cos(declination) * np.sin(hour_angle),
            np.sin(declination),
        ],
        axis=-1,
    )


def upwards(latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Unit vectors (3, H, W) that point straight up at places given in degrees (H, W)."""
    phi, lam = np.deg2rad(np.asarray(latitude)), np.deg2rad(np.asarray(longitude))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def sine_of_elevation(days: ArrayLike, up: NDArray[Any]) -> Floats:
    """Sine of the sun's elevation (n, H, W), without refraction.

    Args:
        days: (n,) as for :func:`towards_sun`.
        up: (3, H, W) of :func:`upwards`.
    """
    return np.asarray(np.einsum("nk,khw->nhw", towards_sun(days), up), np.float64)


def elevation(times: ArrayLike, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Elevation of the sun's centre in degrees (n, H, W), without refraction.

    Args:
        times: (n,) datetime64 in UTC.
        latitude, longitude: (H, W) degrees north and east.
    """
    sine = sine_of_elevation(days_since_2000(times), upwards(latitude, longitude))
    return np.rad2deg(np.arcsin(np.clip(sine, -1, 1)))


def irradiance(ends: ArrayLike, length: float, up: NDArray[Any], parts: int = 12) -> Floats:
    """Mean over intervals of the sine of the elevation, zero below the horizon (n, H, W).

    Args:
        ends: (n,) days at which the intervals end, as for :func:`towards_sun`.
        length: of the intervals, in days.
        up: (3, H, W) of :func:`upwards`.
        parts: how many instants, in the middle of equal parts, each interval is known by.
    """
    last = np.asarray(ends, np.float64)
    total = np.zeros((len(last), *up.shape[1:]))
    for part in range(parts):
        instants = last - length * (part + 0.5) / parts
        total += sine_of_elevation(instants, up).clip(min=0)
    return total / parts


def is_night(ends: ArrayLike, length: float, up: NDArray[Any], parts: int = 4) -> NDArray[np.bool_]:
    """Whether no part of the sun shows during whole intervals (n, H, W).

    Args: as of :func:`irradiance`; the instants include both ends.
    """
    last = np.asarray(ends, np.float64)
    highest = np.full((len(last), *up.shape[1:]), -1.0)
    for part in range(parts + 1):
        np.maximum(highest, sine_of_elevation(last - length * part / parts, up), out=highest)
    return np.asarray(highest < np.sin(np.deg2rad(HORIZON)))
