"""Time stamps as files have them: CF numbers, text, numbers such as 2012123123."""

import re
from typing import Any

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.sources.times import holds_stamps

_SINCE = re.compile(r"\s*(\w+)\s+since\s+(.+)", re.IGNORECASE)
_TEXT = re.compile(
    r"\s*(\d{4})(?:-?(\d{2})(?:-?(\d{2})"
    r"(?:[T _-]?(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.\d*)?)?)?)?)?)?"
    r"(?:Z|\+00:?00)?\s*"
)
# Digits of a whole number that is a date: year, month, day, hour, minute.
_DIGITS = (4, 6, 8, 10, 12)
_MONTHS = {"month": 1, "months": 1, "year": 12, "years": 12, "common_year": 12, "common_years": 12}
# What some archives write, and what CF knows.
_CALENDARS = {
    "360": "360_day",
    "365": "noleap",
    "366": "all_leap",
    "360_days": "360_day",
    "365_days": "noleap",
    "366_days": "all_leap",
    "none": "",
}
_KNOWN = {
    *("standard", "gregorian", "proleptic_gregorian", "julian", "noleap", "365_day", "360_day"),
    *("all_leap", "366_day", "tai"),
}
_CIVIL = {"", "standard", "gregorian", "proleptic_gregorian"}

Stamps = NDArray[Any]


def read_stamps(coord: xr.DataArray, where: str) -> Stamps:
    """The stamps of a coordinate as datetime64 or cftime objects, shape kept.

    Dates as they are; numbers with CF units, months and years included; text such as
    ``2012-12-31T05`` or ``2012123105``; whole numbers such as 20121231 or 2012123105, with or
    without a fraction of the day. DataError, naming `where`, for anything else.
    """
    if coord.dtype.kind == "M" or (coord.dtype.kind == "O" and holds_stamps(coord)):
        return np.asarray(coord.values)
    values = coord.values
    calendar = str(coord.attrs.get("calendar", "")).lower()
    calendar = _CALENDARS.get(calendar, calendar)
    if calendar and calendar not in _KNOWN:
        raise DataError(f"the calendar of {where}, {calendar!r}, is none that CF knows")
    if values.dtype.kind in "SUOT":
        return _from_text(values, calendar, where)
    if values.dtype.kind in "fiu":
        units = str(coord.attrs.get("units", ""))
        if since := _SINCE.fullmatch(units):
            return _from_cf(values, units, since, calendar, where)
        if values.size and np.isfinite(values).all():
            stamps = _from_digits(values, calendar, str(coord.name).lower() in ("year", "years"))
            if stamps is not None:
                return stamps
    raise DataError(
        f"{where} has no dates along {coord.name}, only values such as "
        f"{', '.join(str(value) for value in values.flat[:2])}; give it units such as 'hours since "
        "1900-01-01'"
    )


def _from_cf(
    values: NDArray[Any], units: str, since: re.Match[str], calendar: str, where: str
) -> Stamps:
    months = _MONTHS.get(since[1].lower())
    if not np.isfinite(values).all():
        raise DataError(f"some time stamps of {where} are missing; remove those rows")
    if months is not None and calendar != "360_day":
        start = _TEXT.match(since[2])
        if start is not None:
            return _from_months(values * months, start, calendar)
    numbers = xr.Variable(("n",), values.reshape(-1), {"units": units})
    if calendar:
        numbers.attrs["calendar"] = calendar
    try:
        coder = xr.coders.CFDatetimeCoder(time_unit="us")
        decoded = coder.decode(numbers, name="time").values
    except (ValueError, OverflowError, TypeError):
        raise DataError(
            f"the units of time in {where}, {units!r}"
            + (f" in the calendar {calendar!r}" if calendar else "")
            + ", are not dates that CF knows"
        ) from None
    return np.asarray(decoded).reshape(values.shape)


def _from_months(values: NDArray[Any], start: re.Match[str], calendar: str) -> Stamps:
    """Months since a date: calendar months, a half is the middle of its month."""
    year, month, day = int(start[1]), int(start[2] or 1), int(start[3] or 1)
    stamps = []
    for value in values.reshape(-1).astype(np.float64):
        whole, part = divmod(round(value * 1e6) / 1e6, 1)
        index = year * 12 + month - 1 + int(whole)
        begin = _date(index // 12, index % 12 + 1, 1, calendar)
        end = _date((index + 1) // 12, (index + 1) % 12 + 1, 1, calendar)
        length = end - begin
        offset = (day - 1) * (np.timedelta64(1, "D") if isinstance(begin, np.datetime64) else _DAY)
        stamps.append(begin + offset + length * part)
    return _as_stamps(stamps, values.shape)


def _from_text(values: NDArray[Any], calendar: str, where: str) -> Stamps:
    stamps = []
    for value in values.reshape(-1):
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        match = _TEXT.fullmatch(text.strip("\0"))
        stamp = None if match is None else _from_parts(match.groups(), calendar)
        if stamp is None:
            raise DataError(
                f"{text!r} in the time axis of {where} is not a date; write it as 2012-12-31T05"
            )
        stamps.append(stamp)
    return _as_stamps(stamps, values.shape)


def _from_digits(values: NDArray[Any], calendar: str, are_years: bool) -> Stamps | None:
    """Whole numbers whose digits are a date, such as 20121231 or 2012123105; None if they are not.

    Years alone only where the coordinate is called so, since 1990, 1991 may be anything.
    """
    flat = values.reshape(-1).astype(np.float64)
    whole, part = np.floor(flat), flat - np.floor(flat)
    lengths = {len(str(int(number))) for number in whole}
    if len(lengths) != 1 or (length := lengths.pop()) not in _DIGITS or (whole < 0).any():
        return None
    if (length == 4 and not are_years) or (part.any() and length != 8):
        return None
    stamps = []
    for number, fraction in zip(whole, part, strict=True):
        match = _TEXT.fullmatch(str(int(number)))
        stamp = None if match is None else _from_parts(match.groups(), calendar)
        if stamp is None:
            return None
        seconds = round(float(fraction) * 86400)
        if seconds:
            stamp += np.timedelta64(seconds, "s") if calendar in _CIVIL else _DAY * seconds / 86400
        stamps.append(stamp)
    return _as_stamps(stamps, values.shape)


_DAY = cftime.datetime(2000, 1, 2, calendar="360_day") - cftime.datetime(
    2000, 1, 1, calendar="360_day"
)


def _from_parts(parts: tuple[str | None, ...], calendar: str) -> Any:
    year, month, day, hour, minute, second = (
        int(part) if part is not None else default
        for part, default in zip(parts, (0, 1, 1, 0, 0, 0), strict=True)
    )
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        date = _date(year, month, day, calendar)
    except ValueError:
        return None
    seconds = hour * 3600 + minute * 60 + second
    return date + (np.timedelta64(seconds, "s") if calendar in _CIVIL else _DAY * seconds / 86400)


def _date(year: int, month: int, day: int, calendar: str) -> Any:
    if calendar in _CIVIL:
        return np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "us")
    return cftime.datetime(year, month, day, calendar=calendar)


def _as_stamps(stamps: list[Any], shape: tuple[int, ...]) -> Stamps:
    if stamps and isinstance(stamps[0], np.datetime64):
        return np.array(stamps, dtype="datetime64[us]").reshape(shape)
    result = np.empty(len(stamps), dtype=object)
    result[:] = stamps
    return result.reshape(shape)
