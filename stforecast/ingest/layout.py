"""What a dataset of any source is: its fields, their axes, their place on earth.

The result has every chosen variable on ``([sequence,] time, y, x)``, lazily, in the type it has;
times are as the source has them, in its order, absent and duplicated ones included.
"""

from dataclasses import dataclass
from dataclasses import field as default
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid, promote_references
from stforecast.grid.references import referred
from stforecast.ingest.axes import (
    Axes,
    NotAFieldError,
    constant_coordinates,
    find_axes,
    promote_times,
)
from stforecast.ingest.dimensions import reduce_further, select, split_channels
from stforecast.ingest.marks import without_marks
from stforecast.ingest.place import place
from stforecast.ingest.region import cut
from stforecast.ingest.stamps import read_stamps
from stforecast.ingest.static import StaticField, read_static, static_field, told_of_files
from stforecast.ingest.variables import Choice, channel_meta, choose, not_numeric
from stforecast.ingest.words import dims_text
from stforecast.options import DataOptions
from stforecast.sources.steps import REFERENCES, began_at, to_valid_time
from stforecast.sources.times import holds_stamps
from stforecast.sources.versions import merge_versions
from stforecast.store.schema import ChannelMeta, plain
from stforecast.timeaxis import COUNTS_FRAMES, stamp_text

# Cells of one block of a field that has no chunks of its own: 16 MiB of float32.
_BLOCK_CELLS = 2**22
# Attributes of the files that say how their values are to be taken, whatever the user calls them.
_KEPT = ("units", "GRIB_stepType")
_NO_PLACE = (
    "the grid has no known place on earth; give its edges in data.grid for maps with "
    "coastlines and for area-weighted scores"
)
_RESERVED = {names.TIME, names.CHANNEL, names.SEQUENCE, names.Y, names.X, names.STATIC_FIELD}


@dataclass
class Layout:
    """Fields on canonical dimensions, and what they are.

    ``dataset`` holds the variables under the names they get, with ``time`` (and its bounds), the
    spatial coordinates and the grid mapping variable as coordinates, and the source's global
    attributes. ``scalars`` are its scalar coordinates: name to value and attributes. ``notes`` are
    sentences for the user. ``references`` are the times at which the forecasts of the rows began,
    where they are of forecasts. ``static`` holds the fields that have no time, on ``(y, x)``.
    """

    dataset: xr.Dataset
    grid: Grid
    time_name: str
    sequence_name: str | None
    channels: list[ChannelMeta]
    scalars: dict[str, Any]
    notes: list[str]
    references: NDArray[Any] | None = None
    static: xr.Dataset = default(default_factory=xr.Dataset)
    static_channels: list[ChannelMeta] = default(default_factory=list)


@dataclass(frozen=True)
class _Field:
    choice: Choice
    values: xr.DataArray
    axes: Axes


def lay_out(dataset: xr.Dataset, options: DataOptions | None = None) -> Layout:
    """Find fields, axes and place of a dataset, and bring it into one form; no values are read.

    Raises DataError, in one sentence, for data that are not a record of fields on one grid.
    """
    options = options or DataOptions()
    notes: list[str] = []
    dataset = readied(dataset, options, notes)
    references = dataset.encoding.get(REFERENCES)
    fields, fixed = _fields(dataset, options, notes)
    axes = fields[0].axes
    for other in fields[1:]:
        _check_alike(fields[0], other)
    dataset = constant_coordinates(dataset, axes)
    grid = Grid.of_field(dataset, fields[0].choice.source, axes.y, axes.x)
    if options.grid is not None:
        grid = place(grid, options.grid, notes)
    elif grid.kind == "bare" and axes.sequence is None:
        notes.append(_NO_PLACE)
    if grid.grid_mapping is not None and grid.crs is None:
        notes.append(
            f"the coordinate system that {grid.grid_mapping} describes is none that PROJ can read, "
            "so it is kept as it is and not used"
        )
    result = _canonical(fields, dataset, notes)
    notes += told_of_files(dataset, fixed)
    static, static_channels = read_static(fixed)
    if options.region is not None:
        part = cut(grid, options.region, notes)
        result, static, grid = part.apply(result), part.apply(static), part.grid
    result = result.assign_coords(grid.coords.coords)
    for name, variable in grid.coords.variables.items():
        result[name].encoding = dict(variable.encoding)
    result.attrs = {
        str(key): plain(value)
        for key, value in dataset.attrs.items()
        if not str(key).startswith("GRIB_") and key != "coordinates"
    }
    if names.SOURCE_FILES in dataset.encoding:
        result.encoding[names.SOURCE_FILES] = dataset.encoding[names.SOURCE_FILES]
    return Layout(
        dataset=result,
        grid=grid,
        time_name=_time_name(axes),
        sequence_name=axes.sequence,
        channels=[channel_meta(field.choice, field.values) for field in fields],
        scalars=_scalars(fields, grid),
        notes=notes,
        references=_references(dataset, axes) if references is None else references,
        static=static,
        static_channels=static_channels,
    )


def readied(dataset: xr.Dataset, options: DataOptions, notes: list[str]) -> xr.Dataset:
    """A dataset with one variable per quantity, what is no field among its coordinates.

    One value of further dimensions is chosen, what the user says to be missing is, and times are
    those that values are for.
    """
    for dim, size in dataset.sizes.items():
        if size == 0:
            raise DataError(f"the data have no entries along {dim}")
    dataset = promote_times(promote_references(dataset))
    dataset = select(dataset, options.select)
    dataset = split_channels(dataset, options.select)
    dataset = without_marks(dataset, options.variables or {})
    dataset, merged = merge_versions(dataset)
    if merged is not None:
        notes.append(merged)
    dataset = to_valid_time(dataset)
    notes += dataset.encoding.get(names.SOURCE_NOTES, ())
    return dataset


def _fields(
    dataset: xr.Dataset, options: DataOptions, notes: list[str]
) -> tuple[list[_Field], list[StaticField]]:
    """The fields that change, and those of the same rows and columns that have no time."""
    choices, named = choose(dataset, options.variables)
    fields: list[_Field] = []
    timeless: list[tuple[Choice, NotAFieldError]] = []
    refusals: list[NotAFieldError] = []
    for choice in choices:
        values = dataset[choice.source]
        try:
            if (reason := not_numeric(values)) is not None:
                raise NotAFieldError(reason)
            if choice.name in _RESERVED or choice.name in dataset.coords:
                raise DataError(
                    f"a variable cannot be called {choice.name!r} here; give it another name with "
                    "data.variables"
                )
        except NotAFieldError as error:
            if named:
                raise
            refusals.append(error)
            continue
        try:
            if choice.options.static:
                raise NotAFieldError(f"{choice.name} is said to be static; a forecast needs others")
            axes = find_axes(values, _sequence(values, options), options.time_step, notes)
            fields.append(_Field(choice, reduce_further(values, axes.dims), axes))
        except NotAFieldError as error:
            timeless.append((choice, error))
    if not fields:
        raise [*(refusal for _, refusal in timeless), *refusals][0]
    axes, fixed = fields[0].axes, []
    for choice, refusal in timeless:
        found = static_field(choice, dataset[choice.source], axes.y, axes.x)
        if found is not None:
            fixed.append(found)
        elif named:
            raise refusal
        else:
            refusals.append(refusal)
    notes.extend(f"left out: {refusal}" for refusal in refusals)
    return fields, fixed


def _sequence(values: xr.DataArray, options: DataOptions) -> str | None:
    """The dimension of independent sequences: the one named, or one that is called so."""
    if options.sequence is None and names.SEQUENCE in values.dims:
        return names.SEQUENCE
    return options.sequence


def _check_alike(one: _Field, other: _Field) -> None:
    """DataError naming both, if two fields do not share their grid and their times."""
    a, b = one.choice.name, other.choice.name
    remedy = "choose variables of one grid with data.variables, and ingest the others by themselves"
    if (one.axes.y, one.axes.x) != (other.axes.y, other.axes.x):
        sizes = [
            dims_text((dim, field.values.sizes[dim]) for dim in (field.axes.y, field.axes.x))
            for field in (one, other)
        ]
        raise DataError(f"{a} and {b} lie on two grids ({sizes[0]} and {sizes[1]}); {remedy}")
    if not np.array_equal(one.axes.stamps, other.axes.stamps):
        raise DataError(
            f"{a} and {b} have different times ({one.axes.stamps.size} along {one.axes.time}, "
            f"{other.axes.stamps.size} along {other.axes.time}); choose variables of the same "
            "times with data.variables"
        )


def _canonical(fields: list[_Field], dataset: xr.Dataset, notes: list[str]) -> xr.Dataset:
    axes = fields[0].axes
    arrays = {}
    for field in fields:
        values = field.values.transpose(*field.axes.dims).variable
        if not values._in_memory and values.chunks is None:
            values = values.chunk(_blocks(values, field.axes.time))
        dims = [names.TIME, names.Y, names.X]
        if field.axes.sequence is not None:
            dims.insert(0, names.SEQUENCE)
        attrs = {key: values.attrs[key] for key in _KEPT if key in values.attrs}
        arrays[field.choice.name] = xr.Variable(dims, values.data, attrs, dict(values.encoding))
    coords = _time_coordinates(dataset, axes, notes)
    if axes.sequence is not None and axes.sequence in dataset.coords:
        labels = dataset[axes.sequence]
        coords[names.SEQUENCE] = xr.Variable(names.SEQUENCE, labels.values, dict(labels.attrs))
    return xr.Dataset(arrays, coords=coords)


def _blocks(values: xr.Variable, time: str) -> dict[str, int]:
    """Chunks along time alone, whole chunks of the file each."""
    frame = max(1, values.size // max(1, values.sizes[time]))
    stored = int(values.encoding.get("preferred_chunks", {}).get(time, 1))
    return {time: max(1, _BLOCK_CELLS // (frame * stored)) * stored}


def _time_coordinates(dataset: xr.Dataset, axes: Axes, notes: list[str]) -> dict[str, xr.Variable]:
    """The stamps as ``time``, their bounds, and the numbers and dates that go along with them."""
    source = dataset[axes.stamps_name] if axes.stamps_name is not None else xr.DataArray(0)
    # whatever else is told of the times, such as their range, is told of those of one file
    attrs = {
        key: source.attrs[key] for key in ("long_name", "standard_name") if key in source.attrs
    }
    if attrs.get("standard_name", "time") != "time":
        # GRIB names the time of an analysis after the forecast it starts
        attrs["long_name"] = "time"
    attrs = {**attrs, "standard_name": "time", "axis": "T"}
    if axes.frames:
        attrs |= {"long_name": "frame", **COUNTS_FRAMES}
    time = xr.Variable(names.TIME, axes.stamps, attrs)
    coords = {names.TIME: time}
    bounds = next(iter(referred(source.variable, "bounds")), None)
    if bounds in dataset.coords and _along(dataset[bounds], axes.time):
        dims = (names.TIME, *map(str, dataset[bounds].dims[1:]))
        coords[str(bounds)] = xr.Variable(dims, dataset[bounds].values)
        time.encoding["bounds"] = bounds
    for name, coord in dataset.coords.items():
        if coord.dims != (axes.time,) or name in (axes.stamps_name, names.TIME, bounds):
            continue
        if name == axes.time or coord.attrs.get("standard_name") == "time":
            continue  # other words for the same times
        if coord.dtype.kind in "fiu" or holds_stamps(coord):
            own = {key: value for key, value in coord.attrs.items() if key != "bounds"}
            coords[str(name)] = xr.Variable(names.TIME, coord.values, own)
        else:
            notes.append(f"left out: {name}, which is text along {axes.time}")
    return coords


def _references(dataset: xr.Dataset, axes: Axes) -> NDArray[Any] | None:
    """When the forecasts of the rows began, where a coordinate besides their times tells it."""
    for name, coord in dataset.coords.items():
        is_other = coord.dims == (axes.time,) and name not in (axes.stamps_name, axes.time)
        if is_other and coord.attrs.get("standard_name") == "forecast_reference_time":
            return read_stamps(coord, str(name))
    began = began_at(dataset)
    return None if began is None else np.repeat(began, axes.stamps.size)


def _along(bounds: xr.DataArray, time: str) -> bool:
    return bounds.dims[:1] == (time,) and holds_stamps(bounds)


def _time_name(axes: Axes) -> str:
    """The source's name of the time dimension, unless that is a name of something else."""
    if axes.stamps_name is None or "time" in axes.time.lower() or axes.time == axes.stamps_name:
        return axes.time
    return axes.stamps_name


def _scalars(fields: list[_Field], grid: Grid) -> dict[str, Any]:
    """Scalar coordinates of the source, such as the height of a level."""
    scalars = {}
    for field in fields:
        for name, coord in field.values.coords.items():
            if coord.ndim == 0 and name not in grid.coords.variables:
                value = coord.values[()]
                if holds_stamps(coord):
                    value = stamp_text(value)
                elif isinstance(value, np.timedelta64):
                    value = f"{value / np.timedelta64(1, 'h'):g}h"
                attrs = {
                    str(key): plain(item) for key, item in coord.attrs.items() if key != "bounds"
                }
                scalars[str(name)] = {"value": plain(value), "attrs": attrs}
    return scalars
