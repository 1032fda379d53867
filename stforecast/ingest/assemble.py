"""The tensor layout of a record whose axes, place and times are known, and its description."""

from datetime import UTC, datetime
from math import prod
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast._version import __version__
from stforecast.errors import ConfigError
from stforecast.generators import Generation, restore
from stforecast.grid import Grid
from stforecast.ingest.layout import Layout
from stforecast.ingest.place import describe
from stforecast.ingest.timeline import (
    Timeline,
    bounds_on_timeline,
    dates_on_timeline,
    on_timeline,
)
from stforecast.store import StoreMeta
from stforecast.store.reading import computed, reading
from stforecast.store.schema import GenerationMeta, plain
from stforecast.timeaxis import TimeAxis

# Frames that are looked at to tell whether float32 holds the source's numbers exactly.
_FRAMES_LOOKED_AT = 3
# Cells of a block of all fields together: 32 MiB.
_TOGETHER_CELLS = 2**23


def tensor(layout: Layout, timeline: Timeline) -> xr.Dataset:
    """``data([sequence,] time, channel, y, x)`` float32, lazy, with the coordinates of the source.

    Neither ``valid_cells`` nor the description are there yet.
    """
    source = layout.dataset
    lead = (names.SEQUENCE,) if names.SEQUENCE in source.dims else ()
    dims = (*lead, names.TIME, names.Y, names.X)
    fields = [
        on_timeline(source[channel.name].variable.transpose(*dims).astype(np.float32), timeline)
        for channel in layout.channels
    ]
    data = _stack([variable.data for variable in fields], axis=len(lead) + 1)

    coords = coordinates_on_axis(layout, timeline)
    coords[names.CHANNEL] = xr.Variable(
        names.CHANNEL, np.array([channel.name for channel in layout.channels], dtype=object)
    )
    static: dict[str, Any] = {}
    if layout.static_channels:
        chosen = [layout.static[channel.name].values for channel in layout.static_channels]
        static[names.STATIC] = (
            (names.STATIC_FIELD, names.Y, names.X),
            np.stack(chosen),
            {"long_name": "fields that are the same at all times"},
        )
        coords[names.STATIC_FIELD] = xr.Variable(
            names.STATIC_FIELD,
            np.array([channel.name for channel in layout.static_channels], dtype=object),
        )
    return xr.Dataset(
        {
            names.DATA: ((*lead, names.TIME, names.CHANNEL, names.Y, names.X), data),
            names.ABSENT: (
                names.TIME,
                (~timeline.present).astype(np.int8),
                {"long_name": "1 where the source has no such time"},
            ),
            **static,
        },
        coords=coords,
    )


def _stack(arrays: list[Any], axis: int) -> Any:
    """Fields as one array, with blocks of all of them where these are small.

    Such blocks are made in one step each, of which dask keeps nothing while they are not asked for.
    """
    if not any(isinstance(array, da.Array) for array in arrays):
        return np.stack(arrays, axis=axis)
    lazy = [da.asarray(array) for array in arrays]
    if len(lazy) * max(prod(array.chunksize) for array in lazy) > _TOGETHER_CELLS:
        return da.stack(lazy, axis=axis)
    dims = tuple(range(lazy[0].ndim))
    return da.blockwise(
        _stacked,
        (*dims[:axis], len(dims), *dims[axis:]),
        *(part for array in lazy for part in (array, dims)),
        new_axes={len(dims): len(lazy)},
        axis=axis,
        dtype=np.float32,
        meta=np.empty((0,) * (len(dims) + 1), np.float32),
    )


def _stacked(*fields: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    return np.stack(fields, axis=axis)


def coordinates_on_axis(layout: Layout, timeline: Timeline) -> dict[str, Any]:
    """The coordinates of a record, those along time on its regular axis."""
    source = layout.dataset
    time_attrs = {
        key: plain(value)
        for key, value in source[names.TIME].attrs.items()
        if key not in ("units", "calendar", "bounds")
    }
    bounds_name = str(_bounds_name(source[names.TIME]))
    coords: dict[str, Any] = {}
    for name, coord in source.coords.items():
        if names.TIME not in coord.dims:
            coords[str(name)] = coord.variable
        elif name == bounds_name:
            bounds = bounds_on_timeline(coord.variable, timeline)
            if bounds is not None:
                coords[bounds_name] = bounds
                time_attrs["bounds"] = bounds_name
        elif name != names.TIME and coord.dtype.kind in "fiu":
            # whole numbers cannot be missing, and a type is not to change as a store grows
            numbers = coord.variable if coord.dtype.kind == "f" else coord.variable.astype(float)
            coords[str(name)] = on_timeline(numbers, timeline)
        elif name != names.TIME:
            coords[str(name)] = dates_on_timeline(coord.variable, timeline)
    for name, variable in layout.grid.coords.variables.items():
        coords[str(name)] = variable
    coords[names.TIME] = xr.Variable(names.TIME, timeline.axis.times(), time_attrs)
    return coords


def with_generation(dataset: xr.Dataset, meta: StoreMeta, generation: Generation) -> xr.Dataset:
    """The tensor layout with what training sequences are drawn from; `meta` tells how.

    ConfigError where the sequences kept are not such as are drawn, because a part was chosen.
    """
    meta.generation = GenerationMeta(
        name=generation.name,
        settings=dict(generation.settings),
        arrays=list(generation.arrays),
        sequences=generation.sequences,
        stored=dict(generation.stored),
    )
    generator = restore(
        generation.name,
        generation.settings,
        {name: values for name, (_, values) in generation.arrays.items()},
        "the dataset",
    )
    sizes = dataset.sizes
    kept = (sizes[names.TIME], sizes[names.CHANNEL], sizes[names.Y], sizes[names.X])
    stored = sum(stop - start for start, stop in generation.stored.values())
    if kept != generator.shape or sizes.get(names.SEQUENCE) != stored:
        raise ConfigError(
            "training sequences are drawn whole as they are needed, so data.period, data.region "
            "and data.select cannot choose a part of the others, nor data.coarsen and "
            "data.resample change them; leave them out"
        )
    return dataset.assign(dict(generation.arrays))


def _bounds_name(time: xr.DataArray) -> Any:
    """Name of the time bounds, wherever xarray keeps it; None if there are none."""
    return time.attrs.get("bounds") or time.encoding.get("bounds")


def description(layout: Layout, timeline: Timeline, timezone: str) -> StoreMeta:
    """What the store says of itself, but for findings and files."""
    source, grid, step = layout.dataset, layout.grid, timeline.axis.step
    return StoreMeta(
        time_step=step.text,
        time_anchor=step.anchor,
        calendar=timeline.axis.calendar,
        time_name=layout.time_name,
        y_name=grid.y_name,
        x_name=grid.x_name,
        sequence_name=layout.sequence_name if names.SEQUENCE in source.dims else None,
        channels=layout.channels,
        static=layout.static_channels,
        grid_kind=grid.kind,
        grid_mapping=grid.grid_mapping,
        crs_wkt=None if grid.crs is None else grid.crs.to_wkt(),
        timezone=timezone,
        attrs={
            str(key): plain(value)
            for key, value in source.attrs.items()
            if key != names.META_ATTRIBUTE
        },
        scalars=layout.scalars,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        stforecast_version=__version__,
    )


def mapping_text(layout: Layout, timeline: Timeline, timezone: str) -> dict[str, str]:
    """What became of the source, for people: variables, grid, times."""
    axis = timeline.axis
    variables = [
        channel.name + (f" ({channel.units})" if channel.units else "")
        for channel in layout.channels
    ]
    mapping = {
        "variables": ", ".join(variables),
        **({"static fields": _static_text(layout)} if layout.static_channels else {}),
        "grid": _grid_text(layout.grid),
        "times": times_text(axis),
    }
    if not axis.step.frames:
        mapping["calendar"] = f"{axis.calendar}, clock {timezone}"
    if names.SEQUENCE in layout.dataset.dims:
        mapping["sequences"] = str(layout.dataset.sizes[names.SEQUENCE])
    return mapping


def times_text(axis: TimeAxis) -> str:
    """First and last time of an axis, and its step."""
    if axis.step.frames:
        return f"{axis.span_text(0, axis.size - 1)}, without a clock"
    step = axis.step.label if axis.step.label[0].isdigit() else f"1 {axis.step.label}"
    steps = f"{axis.size} step{'' if axis.size == 1 else 's'} of {step}"
    return f"{axis.span_text(0, axis.size - 1)}, {steps}"


def _static_text(layout: Layout) -> str:
    """Each with its units and its range."""
    parts = []
    for channel in layout.static_channels:
        values = layout.static[channel.name]
        units = f" ({channel.units})" if channel.units else ""
        parts.append(f"{channel.name}{units} {float(values.min()):g} to {float(values.max()):g}")
    return ", ".join(parts)


def _grid_text(grid: Grid) -> str:
    kinds = {"bare": "no known place", "projected": "projected", "curvilinear": "curvilinear"}
    parts = [describe(grid)]
    if grid.kind in kinds:
        parts.append(kinds[grid.kind])
    if grid.crs is not None and grid.crs.name not in ("undefined", "unknown"):
        parts.append(grid.crs.name)
    return ", ".join(parts)


def rounding_notes(layout: Layout, timeline: Timeline) -> list[str]:
    """Which variables float32 does not hold exactly, by a look at a few frames."""
    rows = timeline.rows[timeline.present]
    looked_at = sorted(
        {int(rows[i]) for i in np.linspace(0, rows.size - 1, _FRAMES_LOOKED_AT, dtype=int)}
    )
    notes = []
    for channel in layout.channels:
        array = layout.dataset[channel.name]
        stored = np.dtype(array.encoding.get("dtype") or array.dtype)
        packed = "scale_factor" in array.encoding
        if packed or not (stored.kind in "fiu" and stored.itemsize >= 4 and stored != np.float32):
            continue
        with reading():
            values = computed(array.variable.isel({names.TIME: looked_at}), scattered=True)
        with np.errstate(over="ignore"):
            kept = values.astype(np.float32)
        if not np.array_equal(
            values, kept.astype(values.dtype), equal_nan=values.dtype.kind == "f"
        ):
            notes.append(
                f"{channel.name}: {stored.name} in the source, rounded to the 7 digits of float32"
            )
    return notes
