"""Larger cells: blocks of rows and columns become one cell each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError
from stforecast.grid import Grid
from stforecast.ingest.record import Record
from stforecast.ingest.transform.grids import Blocks, larger_cells
from stforecast.ingest.transform.methods import described, extended, methods_text, stated
from stforecast.options import VariableOptions
from stforecast.options.transform import CoarsenOptions
from stforecast.store import ChannelMeta

_METHODS = ("mean", "sum", "max", "min")
# Shares are of areas, which are sums of floats.
_ROUNDING = 1e-9


def coarsen(
    record: Record, options: CoarsenOptions, variables: Mapping[str, VariableOptions]
) -> Record:
    """The record on larger cells: of each block the mean by area, the sum, or an extreme.

    A cell of which more than ``options.missing`` of the area is missing is missing. Lazily, block
    by block; the order of the additions does not depend on how files are cut. ConfigError for
    blocks larger than the grid.
    """
    grid = record.layout.grid
    check_cells(grid, options)
    record = record.settled()
    pad = options.remainder == "pad"
    rows = Blocks.of(grid.height, options.y, pad)
    columns = Blocks.of(grid.width, options.x, pad)
    areas = grid.area_weights()
    weights = np.ones(grid.shape) if areas is None else np.asarray(areas.values, np.float64)
    methods = {
        channel.name: _method(channel, variables.get(channel.name), grid)
        for channel in record.layout.channels
    }
    dataset = record.layout.dataset
    arrays = {
        channel.name: _larger(
            dataset[channel.name].variable, weights, rows, columns, methods[channel.name], options
        )
        for channel in record.layout.channels
    }
    notes = list(_left_over(grid, rows, columns))
    larger = larger_cells(grid, rows, columns, notes)
    coords: dict[Any, Any] = {
        name: coord.variable
        for name, coord in dataset.coords.items()
        if not {names.Y, names.X} & set(coord.dims)
    }
    coords |= dict(larger.coords.variables)
    static = larger_static(
        record.layout.static, record.layout.static_channels, grid, options, variables
    )
    layout = replace(
        record.layout,
        grid=larger,
        static=static,
        channels=[
            described(
                channel, cell_methods=extended(channel.cell_methods, "area", methods[channel.name])
            )
            for channel in record.layout.channels
        ],
    )
    timeline = record.timeline
    words = {"mean": "mean" if areas is None else "area-weighted mean"}
    done = (
        f"{options.y} x {options.x} cells are one ({methods_text(methods, words)}): "
        f"{grid.height} x {grid.width} became {larger.height} x {larger.width}"
    )
    changed = replace(
        record,
        layout=layout,
        notes=(*record.notes, *notes),
        done={**record.done, "larger cells": done},
    )
    return changed.on_axis(xr.Dataset(arrays, coords), timeline.axis, timeline.present)


def check_cells(grid: Grid, options: CoarsenOptions) -> None:
    """ConfigError for blocks larger than the grid."""
    for word, number, size in (("y", options.y, grid.height), ("x", options.x, grid.width)):
        if number > size:
            what = "rows" if word == "y" else "columns"
            raise ConfigError(
                f"data.coarsen.{word} is {number}, and the grid has {size} {what}; choose at most "
                f"{size}"
            )


def larger_static(
    fields: xr.Dataset,
    channels: Sequence[ChannelMeta],
    grid: Grid,
    options: CoarsenOptions,
    variables: Mapping[str, VariableOptions],
) -> xr.Dataset:
    """Fields ``(y, x)`` that are the same at all times on larger cells, in memory."""
    pad = options.remainder == "pad"
    rows, columns = Blocks.of(grid.height, options.y, pad), Blocks.of(grid.width, options.x, pad)
    areas = grid.area_weights()
    weights = np.ones(grid.shape) if areas is None else np.asarray(areas.values, np.float64)
    made = {}
    for channel in channels:
        method = _method(channel, variables.get(channel.name), grid)
        variable = fields[channel.name].variable
        made[channel.name] = _larger(variable, weights, rows, columns, method, options).compute()
    return xr.Dataset(made)


def _method(channel: ChannelMeta, options: VariableOptions | None, grid: Grid) -> str:
    if options is not None and options.coarsen is not None:
        return options.coarsen
    along = ("area", grid.y_name, grid.x_name)
    found = stated(channel.cell_methods, along)
    return found if found in _METHODS else "mean"


def _left_over(grid: Grid, rows: Blocks, columns: Blocks) -> list[str]:
    """A sentence on what makes no whole cell."""
    parts = []
    for blocks, coord, what in ((rows, grid.y_coord, "row"), (columns, grid.x_coord, "column")):
        if not blocks.left:
            continue
        first = blocks.size - blocks.left
        words = f"the last {what}" if blocks.left == 1 else f"the last {blocks.left} {what}s"
        if coord is not None:
            values = [f"{value:g}" for value in (coord.values[first], coord.values[-1])]
            place = values[0] if blocks.left == 1 else f"{values[0]} to {values[1]}"
            words += f" ({coord.name} {place})"
        parts.append(words)
    if not parts:
        return []
    one = len(parts) == 1 and rows.left + columns.left == 1
    verb = "makes" if one else "make"
    if rows.pad:
        return [f"{' and '.join(parts)} {verb} smaller cells than the others"]
    kept = "is left out" if one else "are left out"
    return [
        f"{' and '.join(parts)} {verb} no whole cell and {kept}; data.coarsen.remainder: pad keeps "
        f"{'it' if one else 'them'}"
    ]


def _larger(
    variable: xr.Variable,
    weights: NDArray[np.float64],
    rows: Blocks,
    columns: Blocks,
    method: str,
    options: CoarsenOptions,
) -> xr.Variable:
    """A variable on ``(…, y, x)`` on the larger cells, float32."""
    trimmed = variable.isel({names.Y: slice(rows.used), names.X: slice(columns.used)})
    values = trimmed.data
    if not isinstance(values, da.Array):
        values = da.from_array(values, chunks="auto")
    cut = {
        values.ndim - 2: rows.aligned(values.chunks[-2]),
        values.ndim - 1: columns.aligned(values.chunks[-1]),
    }
    values = values.rechunk(cut)
    areas = da.from_array(weights[: rows.used, : columns.used], chunks=values.chunks[-2:])
    lead = tuple(range(values.ndim))
    larger = da.blockwise(
        reduce_cells,
        lead,
        values,
        lead,
        areas,
        lead[-2:],
        adjust_chunks={lead[-2]: rows.counts, lead[-1]: columns.counts},
        dtype=np.float32,
        meta=np.empty((0,) * values.ndim, np.float32),
        step=(rows.step, columns.step),
        method=method,
        missing=options.missing,
    )
    return xr.Variable(variable.dims, larger, dict(variable.attrs))


def reduce_cells(
    values: NDArray[np.floating],
    areas: NDArray[np.float64],
    *,
    step: tuple[int, int],
    method: str,
    missing: float,
) -> NDArray[np.float32]:
    """Blocks of cells ``(…, y, x)``, with their areas ``(y, x)``, as one cell each.

    Blocks at the end may be smaller. One cell of every block at a time, in double precision: that
    takes little memory, and the order of the additions is always the same.
    """
    height, width = (-(-size // by) for size, by in zip(areas.shape, step, strict=True))
    lead = values.shape[:-2]
    extreme = method in ("max", "min")
    total = np.full((*lead, height, width), np.nan if extreme else 0.0)
    known = np.zeros((*lead, height, width))
    area = np.zeros((height, width))
    with np.errstate(invalid="ignore"):
        for row in range(step[0]):
            for column in range(step[1]):
                part = values[..., row :: step[0], column :: step[1]].astype(np.float64)
                weight = areas[row :: step[0], column :: step[1]]
                at = (..., slice(part.shape[-2]), slice(part.shape[-1]))
                there = ~np.isnan(part)
                area[at] += weight
                known[at] += np.where(there, weight, 0.0)
                if extreme:
                    pick = np.fmax if method == "max" else np.fmin
                    total[at] = pick(total[at], part)
                else:
                    total[at] += np.where(there, part * weight if method == "mean" else part, 0.0)
        if method == "mean":
            total /= known
        enough = (known > 0) & (known >= (1 - missing - _ROUNDING) * area)
    return np.where(enough, total, np.nan).astype(np.float32)
