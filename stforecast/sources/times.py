"""Which coordinate of a dataset tells the time of its values, and stamps for frames without."""

import re
from collections.abc import Collection, Hashable

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.timeaxis import COUNTS_FRAMES, TimeStep

_UNITS = re.compile(r"\s*\w+\s+since\s+.+|.*%Y%m%d.*", re.IGNORECASE)
_TEXT_NAMES = ("times", "time", "dates", "date", "datetime", "valid_time")
_WHEN_MADE = ("forecast_reference_time", "init_time", "analysis_time", "reference_time")


def holds_stamps(coord: xr.DataArray) -> bool:
    """Whether a coordinate holds dates, or numbers whose units say that they are dates."""
    if coord.dtype.kind == "M":
        return True
    if coord.dtype.kind == "O":
        return coord.size > 0 and isinstance(coord.values.flat[0], cftime.datetime)
    return coord.dtype.kind in "fiu" and bool(_UNITS.fullmatch(str(coord.attrs.get("units", ""))))


def time_coordinate(
    data: xr.Dataset | xr.DataArray, ndim: int = 1, others: Collection[Hashable] = ()
) -> str | None:
    """The coordinate of dates, of `ndim` dimensions none of which is in `others`.

    Of several the one of valid times, else any but the time at which a forecast was made, else
    that one. The bounds of a single time are dates along a dimension of their own, and no axis.
    """
    bounds = {bounds_of(coord) for coord in data.coords.values()}
    dated = [
        (str(name), coord)
        for name, coord in data.coords.items()
        if coord.ndim == ndim
        and name not in bounds
        and not set(coord.dims) & set(others)
        and holds_stamps(coord)
    ]

    def rank(item: tuple[str, xr.DataArray]) -> tuple[bool, ...]:
        name, coord = item
        standard_name = coord.attrs.get("standard_name")
        return (
            standard_name in _WHEN_MADE or name in _WHEN_MADE,
            standard_name != "time",
            name != "valid_time",
            name not in coord.dims,
        )

    return min(dated, key=rank)[0] if dated else None


def bounds_of(coord: xr.DataArray) -> str | None:
    """The variable that holds the bounds of a coordinate, as that says."""
    return coord.attrs.get("bounds") or coord.encoding.get("bounds")


def text_times(data: xr.Dataset) -> str | None:
    """The variable with dates as text along one dimension, such as WRF's ``Times``."""
    for name, item in data.variables.items():
        if item.ndim == 1 and item.dtype.kind in "SUT" and str(name).lower() in _TEXT_NAMES:
            return str(name)
    return None


def stamps_of_frames(frames: int, step: TimeStep) -> NDArray[np.datetime64]:
    """Stamps of frames that have none, such as those of a video: from 1970 on, ``step`` apart.

    Those of a step of frames are a second apart.
    """
    start = np.datetime64("1970-01-01", "us")
    count = np.arange(frames)
    if step.is_fixed:
        return np.asarray(start + count * np.timedelta64(step.seconds, "s"))
    months = start.astype("datetime64[M]") + count * step.months
    return np.asarray(months.astype("datetime64[us]"))


def frame_times(frames: int, time_step: str | None) -> xr.Variable:
    """A time coordinate for frames that have no dates, which counts them unless the user says."""
    step = TimeStep.parse(time_step or "1frame")
    attrs = {"standard_name": "time", **(COUNTS_FRAMES if step.frames else {})}
    return xr.Variable(names.TIME, stamps_of_frames(frames, step), attrs)
