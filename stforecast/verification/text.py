"""Lead times in words."""

import numpy as np
import xarray as xr

from stforecast.timeaxis import counts_frames

_UNITS = (("D", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def are_durations(leads: xr.DataArray) -> bool:
    """Whether lead times are durations, and count neither calendar steps nor frames."""
    return leads.dtype.kind == "m" and not counts_frames(leads.attrs)


def lead_numbers(leads: xr.DataArray) -> np.ndarray:
    """Lead times as hours where they are durations, else as what they count."""
    if leads.dtype.kind != "m":
        return np.asarray(leads.values)
    if are_durations(leads):
        return np.asarray(leads.values / np.timedelta64(1, "h"))
    return np.asarray(leads.values / np.timedelta64(1, "s")).astype(np.int64)


def lead_texts(leads: xr.DataArray) -> list[str]:
    """Durations in the largest unit, from days down, that suits all; others as they count.

    Hours stay hours up to two days, as forecasters say them.
    """
    if not are_durations(leads):
        return [str(lead) for lead in lead_numbers(leads)]
    seconds = leads.values / np.timedelta64(1, "s")
    for unit, size in _UNITS:
        if (seconds % size == 0).all() and (unit != "D" or seconds.max(initial=0) > 2 * size):
            return [f"{value / size:g} {unit}" for value in seconds]
    return [f"{value:g} s" for value in seconds]
