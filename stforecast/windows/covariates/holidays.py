"""Holidays: of a country, or those listed in a file."""

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError, DataError, StForecastWarning
from stforecast.options.covariates import HolidayCovariate, HolidayOptions
from stforecast.sources import find_files
from stforecast.sources.files import on_this_machine
from stforecast.timeaxis.slots import read_dates
from stforecast.windows.covariates.base import Floats, Positions, Setting
from stforecast.windows.covariates.clock import RecordClock

Days = NDArray[np.datetime64]
_OFFSETS: Final = {"holiday": 0, "holiday_tomorrow": 1, "holiday_yesterday": -1}


class HolidayCovariates:
    """1 on holidays, on the days before and on the days after, each in a channel of its own."""

    kind: Final = "future"
    names = tuple(_OFFSETS)

    def __init__(self, options: HolidayCovariate, clock: RecordClock, trained: bool = False):
        """ConfigError for a country that the package ``holidays`` does not know."""
        if clock.axis.times(0, 1).dtype.kind != "M":
            raise ConfigError(
                f"windows.covariates: the calendar of the record ({clock.axis.calendar}) has no "
                "holidays; leave them out"
            )
        self._options = options.holidays
        self._zone = options.timezone
        self._clock = clock
        self._years: dict[int, set[np.datetime64]] = {}
        self._listed: Days | None = None
        if self._options.file is not None:
            self._listed = _listed(self._options.file, trained)
        else:
            _country(self._options, 2000)

    @classmethod
    def of(cls, options: HolidayCovariate, setting: Setting) -> "HolidayCovariates":
        """Those asked for, on the days of a record."""
        clock = RecordClock(setting.store.axis, setting.store.meta.timezone)
        return cls(options, clock, setting.trained)

    def values(self, positions: Positions) -> Floats:
        """Values (n, 3), see :class:`base.Covariate`."""
        days = self._clock.local(positions, self._zone).astype("datetime64[D]")
        unique, inverse = np.unique(days, return_inverse=True)
        table = np.zeros((len(unique), len(_OFFSETS)), np.float32)
        for row, day in enumerate(unique):
            for column, offset in enumerate(_OFFSETS.values()):
                table[row, column] = self._is_holiday(day + np.timedelta64(offset, "D"))
        found: Floats = table[inverse]
        return found

    def require(self, positions: Positions, purpose: str, masked: object = None) -> None:
        """A list that ends long before is told of: see :class:`base.Limited`."""
        if self._listed is None or not positions.size:
            return
        ends = np.array([positions.min(), positions.max()])
        first, last = self._clock.local(ends, self._zone).astype("datetime64[D]")
        year = np.timedelta64(366, "D")
        if first < self._listed[0] - year or last > self._listed[-1] + year:
            warnings.warn(
                f"{self._options.file} lists holidays from {self._listed[0]} to "
                f"{self._listed[-1]}, and {purpose} goes from {first} to {last}: the days beyond "
                "count as no holidays",
                StForecastWarning,
                stacklevel=2,
            )

    def _is_holiday(self, day: np.datetime64) -> bool:
        if self._listed is not None:
            return bool(np.isin(day, self._listed))
        year = int(str(day)[:4])
        if year not in self._years:
            self._years[year] = _country(self._options, year)
        return day in self._years[year]


def _country(options: HolidayOptions, year: int) -> set[np.datetime64]:
    import holidays

    try:
        found = holidays.country_holidays(
            str(options.country), subdiv=options.subdivision, years=year
        )
    except NotImplementedError:
        known = holidays.list_supported_countries(include_aliases=False)
        if options.country in known:
            parts = ", ".join(known[str(options.country)][:8]) or "none"
            raise ConfigError(
                f"windows.covariates: {options.country} has no part {options.subdivision!r} with "
                f"holidays of its own; it has {parts}"
            ) from None
        raise ConfigError(
            f"windows.covariates: no holidays are known of a country {options.country!r}; give its "
            "ISO code, such as US or CN"
        ) from None
    return {np.datetime64(day, "D") for day in found}


def _listed(file: str, trained: bool) -> Days:
    """The days (n,) in a text file of dates, ascending."""
    try:
        paths = [on_this_machine(path) for path in find_files([file])]
        text = " ".join(path.read_text(encoding="utf-8-sig") for path in paths)
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text; holidays are listed as dates, one a line") from None
    except (DataError, OSError) as error:
        hint = "; the run was told of its holidays, so put it back" if trained else ""
        raise DataError(f"{error}{hint}") from error
    words = [word.replace("-", "") for word in text.split()]
    if not words:
        raise DataError(f"{file} lists no holidays; write dates such as 20130704, one a line")
    return np.unique(read_dates(words, "hour", file).astype("datetime64[D]"))
