"""Time stamps of either kind as whole microseconds since 1970-01-01 in their own calendar."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cftime
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stforecast.errors import DataError

# One stamp of a record: numpy.datetime64 or cftime.datetime (which mypy cannot see into).
Stamp = Any
Integers = NDArray[np.int64]

GREGORIAN = "proleptic_gregorian"
SECOND = 1_000_000
DAY = 86_400 * SECOND

# Calendars that count as numpy's own from the Gregorian reform on.
_CIVIL = ("standard", "gregorian", "proleptic_gregorian")
_REFORM = (1582, 10, 15)
# What datetime64[ns] holds, in microseconds, with a year to spare at either end.
_NANOSECOND_LIMIT = np.int64(2**63 // 1000) - 366 * DAY
_MICROSECOND = timedelta(microseconds=1)


def normalise_stamps(times: ArrayLike) -> NDArray[Any]:
    """Give the stamps as datetime64 where that can hold them, else as cftime objects, shape kept.

    Civil dates (standard, proleptic_gregorian) decoded as cftime, because they lie outside the
    range of nanoseconds, become ``datetime64[us]``. DataError for values that are not dates.
    """
    stamps = np.asarray(times)
    if stamps.dtype.kind == "M":
        if np.isnat(stamps).any():
            raise DataError(
                f"{int(np.isnat(stamps).sum())} of the time stamps are missing (NaT); "
                "remove those rows or give them a date"
            )
        if np.datetime_data(stamps.dtype)[0] in ("ns", "us", "ms", "s"):
            return stamps
        return stamps.astype("datetime64[s]")
    if stamps.dtype.kind != "O":
        raise DataError(
            f"the time axis holds numbers ({stamps.dtype}), not dates; it needs units such as "
            "'hours since 1900-01-01'"
        )
    flat = stamps.ravel()
    if not all(isinstance(stamp, cftime.datetime) for stamp in flat):
        try:
            return stamps.astype("datetime64[us]")
        except (TypeError, ValueError):
            raise DataError("the time axis holds values that are not dates") from None
    if flat.size and all(
        stamp.calendar == GREGORIAN
        or (stamp.calendar in _CIVIL and (stamp.year, stamp.month, stamp.day) >= _REFORM)
        for stamp in flat
    ):
        epoch = _epoch(flat[0].calendar, flat[0].has_year_zero)
        return _differences(stamps, epoch).astype("datetime64[us]")
    return stamps


def calendar_of(stamps: NDArray[Any]) -> str:
    """Calendar of normalised stamps, by its CF name."""
    if stamps.dtype.kind == "M":
        return GREGORIAN
    calendars = sorted({str(stamp.calendar) for stamp in stamps.ravel()})
    if len(calendars) != 1:
        raise DataError(f"the time stamps mix calendars: {', '.join(calendars)}")
    return calendars[0]


def stamp_text(stamp: Stamp) -> str:
    """A stamp as a reader would write it: no more precision than it needs."""
    if isinstance(stamp, np.datetime64):
        text = str(stamp.astype("datetime64[us]")).replace("T", " ")
    else:
        text = stamp.strftime("%Y-%m-%d %H:%M:%S").strip()
    date, _, clock = text.partition(" ")
    clock = clock.removesuffix(".000000")
    if clock in ("", "00:00:00"):
        return date
    return f"{date} {clock.removesuffix(':00')}"


def whole_seconds(micros: Integers) -> Integers:
    """Instants within a hundredth of a second of a whole one, made whole: floats decode so."""
    near = np.rint(micros / SECOND).astype(np.int64) * SECOND
    return np.where(np.abs(near - micros) <= SECOND // 100, near, micros)


def _epoch(calendar: str, has_year_zero: bool) -> Stamp:
    return cftime.datetime(1970, 1, 1, calendar=calendar, has_year_zero=has_year_zero)


def _differences(stamps: NDArray[Any], epoch: Stamp) -> Integers:
    values = [(stamp - epoch) // _MICROSECOND for stamp in stamps.ravel()]
    return np.array(values, dtype=np.int64).reshape(stamps.shape)


@dataclass(frozen=True)
class Clock:
    """Stamps of one kind and calendar to and from microseconds and months.

    ``unit`` is that of the datetime64 stamps to make, or None for cftime objects.
    """

    calendar: str
    unit: str | None
    has_year_zero: bool = True

    @classmethod
    def of(cls, stamps: NDArray[Any]) -> "Clock":
        """The clock of normalised stamps, of which there is at least one."""
        if stamps.dtype.kind == "M":
            return cls(GREGORIAN, np.datetime_data(stamps.dtype)[0])
        return cls(calendar_of(stamps), None, bool(stamps.ravel()[0].has_year_zero))

    def to_micros(self, times: ArrayLike) -> Integers:
        """Microseconds since 1970-01-01; DataError for stamps of another calendar."""
        stamps = normalise_stamps(times)
        if stamps.size == 0:
            return np.zeros(stamps.shape, np.int64)
        if stamps.dtype.kind == "M" and (self.unit is not None or self.calendar in _CIVIL):
            # from the reform on, which the epoch is, civil calendars count alike
            return stamps.astype("datetime64[us]").astype(np.int64)
        calendar = calendar_of(stamps)
        if stamps.dtype.kind == "O" and calendar == self.calendar:
            return _differences(stamps, _epoch(self.calendar, self.has_year_zero))
        raise DataError(
            f"the time stamps follow the calendar {calendar}, the record follows {self.calendar}"
        )

    def from_micros(self, micros: Integers) -> NDArray[Any]:
        """Stamps of this clock, shape kept."""
        if self.unit is not None:
            stamps = micros.astype("datetime64[us]")
            fits = self.unit != "ns" or not micros.size or np.abs(micros).max() < _NANOSECOND_LIMIT
            return stamps.astype(f"datetime64[{self.unit}]") if fits else stamps
        epoch = _epoch(self.calendar, self.has_year_zero)
        stamps = np.empty(micros.size, dtype=object)
        stamps[:] = [epoch + timedelta(microseconds=int(value)) for value in micros.ravel()]
        return stamps.reshape(micros.shape)

    def months(self, micros: Integers) -> Integers:
        """Months since January of year 0 in which the instants lie."""
        if self.unit is not None:
            return micros.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) + 23_640
        stamps = self.from_micros(micros)
        return np.array(
            [self._year_up(stamp.year) * 12 + stamp.month - 1 for stamp in stamps.ravel()],
            dtype=np.int64,
        ).reshape(micros.shape)

    def month_starts(self, months: Integers) -> Integers:
        """The first instants of months counted from January of year 0."""
        if self.unit is not None:
            starts = (months - 23_640).astype("datetime64[M]").astype("datetime64[us]")
            return starts.astype(np.int64)
        starts = np.empty(months.size, dtype=object)
        starts[:] = [self.date(int(month) // 12, int(month) % 12 + 1) for month in months.ravel()]
        return self.to_micros(starts).reshape(months.shape)

    def date(self, year: int, month: int = 1, day: int = 1) -> Stamp:
        """A date, of a year counted through zero; ValueError where the calendar lacks it."""
        if self.unit is not None:
            text = f"{year:05d}" if year < 0 else f"{year:04d}"
            return np.datetime64(f"{text}-{month:02d}-{day:02d}", "us")
        return cftime.datetime(
            year if self.has_year_zero or year > 0 else year - 1,
            month,
            day,
            calendar=self.calendar,
            has_year_zero=self.has_year_zero,
        )

    def _year_up(self, year: int) -> int:
        return year if self.has_year_zero or year > 0 else year + 1
