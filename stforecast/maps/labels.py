"""What stands beside the maps: variables, units, initial, lead and valid times."""

import re
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.timeaxis import counts_frames, frame_number, normalise_stamps, time_text

Fields = tuple[int, int, int, int, int, int]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PRETTY_UNITS = {"degc": "°C", "celsius": "°C", "degree_celsius": "°C", "degf": "°F", "%": "%"}


def variable_title(variable: xr.DataArray) -> str:
    """The name for people, with the short one where that tells more."""
    name = str(variable.name)
    words = variable.attrs.get("long_name") or variable.attrs.get("standard_name") or name
    title = str(words).replace("_", " ").strip()
    title = title[:1].upper() + title[1:]
    return title if name.replace("_", " ").lower() in title.lower() else f"{title} ({name})"


def unit_text(variable: xr.DataArray) -> str:
    """Units with true exponents: ``m s-1`` and ``m s**-1`` as m s⁻¹; empty for pure numbers."""
    units = str(variable.attrs.get("units", "")).strip()
    if units.lower() in _PRETTY_UNITS:
        return _PRETTY_UNITS[units.lower()]
    if units in ("", "1"):
        return ""
    return re.sub(
        r"\b([A-Za-z]+)(?:\*\*|\^)?(-?\d+)\b",
        lambda match: match[1] + match[2].translate(_SUPERSCRIPT),
        units,
    )


class Times:
    """Initial and valid times of a forecast as text, no more precise than they need to be.

    Those of sequences without a clock are the numbers of their frames.
    """

    def __init__(self, forecast: xr.Dataset) -> None:
        self.frames = counts_frames(forecast[names.LEAD_TIME].attrs)
        inits = normalise_stamps(forecast[names.INIT_TIME].values)
        valid = normalise_stamps(forecast[names.VALID_TIME].values)
        self.months_per_lead = _months_per_lead(forecast, inits, valid)
        fields = [_fields(stamp) for stamp in [*inits.ravel(), *valid.ravel()]]
        self._precision = _precision(fields, self.months_per_lead)
        self._unit = self._lead_unit(forecast[names.LEAD_TIME].values)
        zone = str(forecast.attrs.get("data_timezone", "UTC"))
        self.zone = zone if self._precision >= 5 and not self.frames else ""

    def stamp(self, stamp: Any) -> str:
        """A time for titles: ``2019-03-28 06:00``, ``2019-03`` of months, ``2019`` of years.

        Of frames ``frame 11``.
        """
        if self.frames:
            return time_text(normalise_stamps(np.asarray(stamp))[()], frames=True)
        year, month, day, hour, minute, second = _fields(normalise_stamps(np.asarray(stamp))[()])
        date = [f"{year:04d}", f"-{month:02d}", f"-{day:02d}"][: self._precision]
        clock = [f" {hour:02d}", f":{minute:02d}", f":{second:02d}"][: max(self._precision - 3, 0)]
        return "".join(date + clock)

    def file_stamp(self, stamp: Any) -> str:
        """A time for the name of a file: ``20190328T0600``, shorter where that is all there is."""
        if self.frames:
            return f"frame{frame_number(normalise_stamps(np.asarray(stamp))[()])}"
        year, month, day, hour, minute, second = _fields(normalise_stamps(np.asarray(stamp))[()])
        date = [f"{year:04d}", f"{month:02d}", f"{day:02d}"][: self._precision]
        clock = [f"T{hour:02d}", f"{minute:02d}", f"{second:02d}"][: max(self._precision - 3, 0)]
        return "".join(date + clock)

    def lead(self, lead: Any) -> str:
        """A lead time: ``+6 h``, ``+2 days``, ``+1 year``, ``+3 frames``."""
        if isinstance(lead, np.timedelta64):
            word, size = self._unit
            return _counted(float(lead / np.timedelta64(1, "s")) / size, word)
        count = int(lead) * self.months_per_lead
        return _counted(count / 12, "year") if count % 12 == 0 else _counted(count, "month")

    def _lead_unit(self, leads: NDArray[Any]) -> tuple[str, int]:
        """The largest unit in which all leads are whole numbers; hours stay hours for two days."""
        if leads.dtype.kind != "m":
            return "", 1
        if self.frames:
            return "frame", 1
        seconds = leads / np.timedelta64(1, "s")
        for word, size in (("day", 86_400), ("h", 3600), ("min", 60)):
            few = word == "day" and self._precision > 3 and seconds.max(initial=0) <= 2 * size
            if not few and not (seconds % size).any():
                return word, size
        return "s", 1


def _counted(count: float, word: str) -> str:
    plural = "s" if word in ("day", "month", "year", "frame") and count != 1 else ""
    return f"+{count:g} {word}{plural}"


def _fields(stamp: Any) -> Fields:
    if isinstance(stamp, np.datetime64):
        date, _, clock = str(stamp.astype("datetime64[s]")).partition("T")
        year, month, day = date.rsplit("-", 2)
        return int(year), int(month), int(day), int(clock[:2]), int(clock[3:5]), int(clock[6:8])
    return stamp.year, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second


def _months_per_lead(forecast: xr.Dataset, inits: NDArray[Any], valid: NDArray[Any]) -> int:
    """Months of one calendar step; 0 for leads that are durations."""
    leads = forecast[names.LEAD_TIME].values
    if leads.dtype.kind == "m" or leads.size == 0 or inits.size == 0:
        return 0
    at = int(np.argmax(np.abs(leads)))
    first, last = _fields(inits.ravel()[0]), _fields(valid[0, at])
    months = (last[0] - first[0]) * 12 + last[1] - first[1]
    return round(months / int(leads[at])) if leads[at] else 0


def _precision(fields: list[Fields], months: int) -> int:
    """How many of year, month, day, hour, minute and second the stamps need."""
    if months and months % 12 == 0:
        return 1
    if months:
        return 2
    if all(field[3:] == (0, 0, 0) for field in fields):
        return 3
    return 5 if all(field[5] == 0 for field in fields) else 6
