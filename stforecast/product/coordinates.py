"""The time coordinates of a forecast, and how times are written to a file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.timeaxis import COUNTS_FRAMES, TimeAxis, calendar_of
from stforecast.timeaxis.stamps import DAY, SECOND, Clock

INIT_ATTRS = {
    "standard_name": "forecast_reference_time",
    "long_name": "initial time, of the last field known",
}
VALID_ATTRS = {"standard_name": "time", "long_name": "valid time"}
PERIOD_ATTRS = {"standard_name": "forecast_period", "long_name": "lead time"}

_UNITS = (("hours", 3600 * SECOND), ("minutes", 60 * SECOND), ("seconds", SECOND))


def time_coordinates(
    axis: TimeAxis, init_positions: Sequence[int], lead_steps: Sequence[int]
) -> dict[str, xr.Variable]:
    """``init_time`` (I), ``lead_time`` (L), ``valid_time`` (I, L); for calendar steps their days.

    With a fixed step ``lead_time`` is a duration, the forecast period itself. With a calendar step
    it counts steps, and ``forecast_period`` (I, L) tells the days, which differ from one initial
    time to the next. Of frames without a clock, an attribute of all three tells that they count.
    """
    inits = np.asarray(init_positions, np.int64).reshape(-1)
    leads = np.asarray(lead_steps, np.int64).reshape(-1)
    init_time = axis.times_at(inits)
    valid_time = axis.times_at(inits[:, None] + leads[None, :])
    coords = {
        names.INIT_TIME: xr.Variable(names.INIT_TIME, init_time, INIT_ATTRS),
        names.VALID_TIME: xr.Variable((names.INIT_TIME, names.LEAD_TIME), valid_time, VALID_ATTRS),
    }
    if axis.step.is_fixed:
        durations = axis.step.to_timedelta(leads)
        coords[names.LEAD_TIME] = xr.Variable(names.LEAD_TIME, durations, PERIOD_ATTRS)
    else:
        label = {"units": "1", "long_name": f"lead time in steps of {axis.step.one}"}
        coords[names.LEAD_TIME] = xr.Variable(names.LEAD_TIME, leads, label)
        coords[names.FORECAST_PERIOD] = xr.Variable(
            (names.INIT_TIME, names.LEAD_TIME),
            days_between(init_time[:, None], valid_time),
            {**PERIOD_ATTRS, "units": "days"},
        )
    if axis.step.frames:
        for coord in coords.values():
            coord.attrs.update(COUNTS_FRAMES)
    return coords


def days_between(begin: NDArray[Any], end: NDArray[Any]) -> NDArray[np.float64]:
    """Days from one stamp to another in their own calendar, shapes broadcast."""
    difference = _micros(end) - _micros(begin)
    return np.asarray(difference / DAY, np.float64)


def time_encoding(stamps: NDArray[Any]) -> dict[str, Any]:
    """How stamps are written: whole numbers of the largest unit that holds them exactly."""
    calendar = calendar_of(stamps) if stamps.size else "proleptic_gregorian"
    units, dtype = _whole_units(_micros(stamps) if stamps.size else np.zeros(1, np.int64))
    # of numbers that begin after the reform of the calendar xarray takes all for days after it
    epoch = "0001-01-01" if calendar in ("standard", "gregorian") else "1970-01-01"
    return {
        "units": f"{units} since {epoch} 00:00:00",
        "calendar": calendar,
        "dtype": dtype,
        "_FillValue": None,
    }


def duration_encoding(durations: NDArray[Any]) -> dict[str, Any]:
    """How durations (timedelta64) are written, likewise."""
    micros = durations.astype("timedelta64[us]").astype(np.int64)
    units, dtype = _whole_units(micros)
    return {"units": units, "dtype": dtype, "_FillValue": None}


def _micros(stamps: NDArray[Any]) -> NDArray[np.int64]:
    return Clock.of(stamps).to_micros(stamps)


def _whole_units(micros: NDArray[np.int64]) -> tuple[str, str]:
    for units, size in _UNITS:
        if not (micros % size).any():
            # 32 bits, where they do, are read by every viewer
            small = np.abs(micros // size).max(initial=0) < 2**31
            return units, "int32" if small else "int64"
    return "microseconds", "int64"
