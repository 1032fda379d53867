"""What each dimension of a field is: time, rows, columns, sequences."""

import re
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stforecast.errors import DataError
from stforecast.grid import is_latitude, is_longitude, spatial_dims
from stforecast.ingest.stamps import Stamps, read_stamps
from stforecast.ingest.words import dims_text, nearest
from stforecast.sources.times import holds_stamps, stamps_of_frames, time_coordinate
from stforecast.timeaxis import TimeStep, counts_frames

_TIME_NAMES = re.compile(
    r"(time|times|valid_time|t|xtime|date|dates|datetime|time_counter|initial_time\d*|year|years|"
    r"month|months|day|days|timestep|frame|frames)(_?\d+)?"
)


class NotAFieldError(DataError):
    """A variable has no time or no rows and columns, so that it is no field that changes."""


@dataclass(frozen=True)
class Axes:
    """The dimensions of a field, and its time stamps.

    ``stamps_name`` is the coordinate that the stamps come from, None for stamps made up. ``frames``
    is true where stamps count frames of sequences that have no clock.
    """

    time: str
    y: str
    x: str
    sequence: str | None
    stamps: Stamps
    stamps_name: str | None
    frames: bool = False

    @property
    def dims(self) -> tuple[str, ...]:
        """In the order of the tensor."""
        leading = () if self.sequence is None else (self.sequence,)
        return (*leading, self.time, self.y, self.x)


def find_axes(
    field: xr.DataArray, sequence: str | None, time_step: str | None, notes: list[str]
) -> Axes:
    """The axes of a field; NotAFieldError if it has no time, or no rows and columns.

    DataError when the time axis has no dates, or the field no dimension ``sequence``.
    """
    if sequence is not None and sequence not in field.dims:
        raise DataError(
            f"{field.name} has no dimension {sequence!r} as data.sequence says; "
            + nearest(sequence, map(str, field.dims))
        )
    others: set[Hashable] = set() if sequence is None else {sequence}
    time, stamps_name = _find_time(field, others)
    spatial = spatial_dims(field, {*others, time})
    if spatial is None:
        raise NotAFieldError(
            f"no rows and columns can be found among the dimensions of {field.name} "
            f"({dims_text(field.sizes.items())}); name them y and x, or latitude and longitude"
        )
    frames = False
    if sequence is not None and (stamps_name is None or not holds_stamps(field[stamps_name])):
        stamps_name = None
        step = TimeStep.parse(time_step or "1frame")
        frames = step.frames
        stamps = _made_up(field.sizes[time], step, notes)
    elif stamps_name is None:
        raise DataError(
            f"the time dimension {time!r} of {field.name} has no dates; give it a coordinate of "
            "dates, such as numbers with units 'hours since 1900-01-01'"
        )
    else:
        stamps = read_stamps(field[stamps_name], str(field.name))
        frames = counts_frames(field[stamps_name].attrs)
    if stamps.size == 0:
        raise DataError(f"{field.name} has no times at all")
    return Axes(time, *spatial, sequence, stamps, stamps_name, frames)


def _find_time(field: xr.DataArray, others: set[Hashable]) -> tuple[str, str | None]:
    """The time dimension and the coordinate with its stamps, by dates, else by name."""
    dated = time_coordinate(field, others=others)
    if dated is not None:
        return str(field[dated].dims[0]), dated
    named = [dim for dim in field.dims if _is_time_by_name(field, dim) and dim not in others]
    if named:
        dim = min(named, key=lambda dim: ("time" not in str(dim).lower(), field.dims.index(dim)))
        on_dim = [name for name, coord in field.coords.items() if coord.dims == (dim,)]
        usable = [
            name for name in on_dim if name == dim or _TIME_NAMES.fullmatch(str(name).lower())
        ]
        return str(dim), str(usable[0]) if usable else None
    raise NotAFieldError(_no_time(field))


def promote_times(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with dates that its files keep as variables made coordinates."""
    chosen = [
        name
        for name, item in dataset.data_vars.items()
        if item.ndim == 1 and (holds_stamps(item) or _names_times(name, item.dims[0]))
    ]
    return dataset.set_coords(chosen)


def _names_times(name: Hashable, dim: Hashable) -> bool:
    """Whether a variable is called like times; along points of a mesh ``t`` is a temperature."""
    return _TIME_NAMES.fullmatch(str(name).lower()) is not None and (
        name == dim or _TIME_NAMES.fullmatch(str(dim).lower()) is not None
    )


def _is_time_by_name(field: xr.DataArray, dim: Hashable) -> bool:
    axis = field[dim].attrs.get("axis") if dim in field.coords else None
    return axis == "T" or _TIME_NAMES.fullmatch(str(dim).lower()) is not None


def _no_time(field: xr.DataArray) -> str:
    dims = f"{field.name} has no time axis among its dimensions ({dims_text(field.sizes.items())})"
    if any(coord.ndim == 0 and holds_stamps(coord) for coord in field.coords.values()):
        return (
            f"{dims}, only a single time; give the files of the other times too, or data.time_step "
            "where they are added later"
        )
    return f"{dims}; a forecast needs a record in time"


def _made_up(size: int, step: TimeStep, notes: list[str]) -> Stamps:
    """Stamps of sequences without dates, such as videos: from 1970 on, one step apart."""
    notes.append(
        "the sequences have no dates, so their frames are counted; with data.time_step they have "
        "dates from 1970-01-01 on"
        if step.frames
        else f"the sequences have no dates, so their frames are stamped from 1970-01-01 on, "
        f"{step.one} apart"
    )
    return stamps_of_frames(size, step)


def constant_coordinates(dataset: xr.Dataset, axes: Axes) -> xr.Dataset:
    """The dataset with latitude and longitude that were written anew for each time, once only.

    DataError for a grid that moves.
    """
    for name, coord in dataset.coords.items():
        is_place = is_latitude(name, coord.attrs) or is_longitude(name, coord.attrs)
        if not (is_place and axes.time in coord.dims and coord.ndim > 1):
            continue
        first, last = coord.isel({axes.time: 0}), coord.isel({axes.time: -1})
        if not np.array_equal(first.values, last.values, equal_nan=True):
            raise DataError(
                f"the grid moves: {name} changes with {axes.time}; regrid the files to a fixed grid"
            )
        dataset = dataset.assign_coords({name: first.drop_vars(list(first.coords))})
    return dataset
