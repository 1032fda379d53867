"""Times of a record in other clocks than its own."""

from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stforecast.errors import ConfigError, DataError
from stforecast.sun import days_since_2000
from stforecast.timeaxis import TimeAxis, stamp_text

# Days of the year that the calendars of climate models divide otherwise.
_TROPICAL_YEAR = 365.2422


class RecordClock:
    """The clock of a record's stamps, and what others show at the same instants.

    Where clocks are put back an hour is there twice, and the first of the two is meant; where they
    are put forward an hour is skipped, and a stamp in it means the first instant after.
    """

    def __init__(self, axis: TimeAxis, zone: str) -> None:
        self.axis = axis
        self.zone = check_zone(zone, "data.timezone")

    def utc(self, positions: ArrayLike) -> NDArray[np.datetime64]:
        """The instants of positions of the axis (n,), in UTC."""
        return to_utc(self._civil(self.axis.times_at(positions)), self.zone)

    def local(self, positions: ArrayLike, zone: str | None) -> NDArray[Any]:
        """What a clock of a time zone shows at positions (n,); the record's own without a zone."""
        stamps = self.axis.times_at(positions)
        if zone is None or zone == self.zone:
            return stamps
        utc = pd.DatetimeIndex(to_utc(self._civil(stamps), self.zone), tz="UTC")
        shown = utc.tz_convert(check_zone(zone, "timezone")).tz_localize(None)
        return np.asarray(shown.to_numpy("datetime64[us]"))

    def sun_days(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Days from noon of 1 January 2000 UTC (n,), for :mod:`stforecast.sun`.

        In calendars that the earth does not follow, the day of the same part of the year 2000.
        """
        stamps = self.axis.times_at(positions)
        if stamps.dtype.kind == "M":
            return days_since_2000(to_utc(stamps, self.zone))
        days = []
        for stamp in stamps:
            length = {"360_day": 360}.get(stamp.calendar, 365)
            of_day = (stamp.hour * 3600 + stamp.minute * 60 + stamp.second) / 86_400
            days.append((stamp.dayofyr - 1) * _TROPICAL_YEAR // length + of_day - 0.5)
        return np.array(days, np.float64)

    def _civil(self, stamps: NDArray[Any]) -> NDArray[Any]:
        if stamps.dtype.kind != "M":
            raise DataError(
                f"the record is in the calendar {self.axis.calendar}, in which there are no time "
                f"zones ({stamp_text(stamps.ravel()[0])}); leave timezone out"
            )
        return stamps


def to_utc(stamps: NDArray[Any], zone: str) -> NDArray[np.datetime64]:
    """Stamps of a clock (n,) as instants in UTC, datetime64[us]."""
    if zone == "UTC":
        return stamps.astype("datetime64[us]")
    index = pd.DatetimeIndex(stamps.astype("datetime64[us]"))
    local = index.tz_localize(
        zone, ambiguous=np.ones(len(index), bool), nonexistent="shift_forward"
    )
    return np.asarray(local.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]"))


@lru_cache
def check_zone(name: str, where: str) -> str:
    """The name of a time zone; ConfigError, naming the option `where`, if there is none."""
    try:
        return str(ZoneInfo(name).key)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ConfigError(
            f"{where}: there is no time zone {name!r}; use a name of the IANA database, such as "
            "Europe/Berlin or UTC"
        ) from None
