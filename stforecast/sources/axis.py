"""The time axis of a file: its dimension, or one made of a single time."""

from collections.abc import Hashable

import xarray as xr

from stforecast.sources.times import bounds_of, holds_stamps, text_times, time_coordinate


def with_time_axis(part: xr.Dataset) -> xr.Dataset:
    """A file of one time, which has it as a scalar only, with a time axis of that one."""
    if time_of(part) is not None:
        return part
    name = time_coordinate(part, ndim=0)
    if name is None:
        return part
    others = [
        other
        for other, coord in part.coords.items()
        if other == bounds_of(part[name])
        or (other != name and coord.ndim == 0 and holds_stamps(coord))
    ]
    axis = part.reset_coords(others).expand_dims(name)
    return axis.set_coords(others)


def time_of(part: xr.Dataset) -> str | None:
    """The coordinate or variable that tells the times of a file along a dimension."""
    return time_coordinate(part) or text_times(part)


def time_dim(part: xr.Dataset) -> Hashable | None:
    """The dimension along which the times of a file lie."""
    name = time_of(part)
    return None if name is None else part[name].dims[0]
