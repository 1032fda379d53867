"""From a dataset and its options to a record, with all that is asked for done to its values."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid
from stforecast.ingest.axes import NotAFieldError
from stforecast.ingest.layout import lay_out, readied
from stforecast.ingest.marks import marks_text
from stforecast.ingest.place import place
from stforecast.ingest.record import Record
from stforecast.ingest.region import cut
from stforecast.ingest.static import read_static, timeless_fields, told_of_files
from stforecast.ingest.timeline import find_timeline, nothing_in
from stforecast.ingest.transform.clocks import on_clock
from stforecast.ingest.transform.grids import Blocks, larger_cells
from stforecast.ingest.transform.merge import Fixed, merge
from stforecast.ingest.transform.rates import needs_neighbours, rates
from stforecast.ingest.transform.recipe import recipe_of
from stforecast.ingest.transform.space import check_cells, coarsen, larger_static
from stforecast.ingest.transform.time import resample
from stforecast.options import DataOptions


def build_record(ds: xr.Dataset, options: DataOptions) -> Record:
    """Lay a dataset out, put its times on an axis, and transform its values, lazily.

    In this order: sums become rates, cells larger, steps longer; several sources are each done so
    and then put side by side. DataError and ConfigError say what does not fit.
    """
    parts: Sequence[xr.Dataset] | None = ds.encoding.get(names.SOURCE_PARTS)
    if parts is None:
        return _record_of(_lazy(ds), options).with_recipe(recipe_of(options))
    records: list[tuple[str, Record]] = []
    fixed: list[tuple[str, Fixed]] = []
    clock = options.timezone or "UTC"
    for part, source in zip(parts, options.sources, strict=True):
        label, own = _label(part), options.of_source(source)
        try:
            found = _one_of_several(_lazy(part), own, clock)
        except DataError as error:
            raise type(error)(f"{label}: {error}") from error
        if isinstance(found, Fixed):
            fixed.append((label, found))
        else:
            records.append((label, found))
    if not records:
        raise DataError("none of data.sources has a time axis; a forecast needs a record in time")
    record = merge(records, fixed, options.join)
    if options.period is not None:
        record = _in_period(record, options.period)
    return record.with_recipe(recipe_of(options))


def _record_of(ds: xr.Dataset, options: DataOptions, clock: str | None = None) -> Record:
    layout = lay_out(ds, options)
    if clock is not None:
        if layout.dataset.sizes[names.TIME] == 1:
            name = layout.channels[0].name
            raise DataError(
                f"{name} has a single time; if it does not change, write {{{name}: {{static: "
                "true}}} among its variables"
            )
        layout = on_clock(layout, options.timezone or clock, clock)
    variables = options.variables or {}
    # a value may need times before the period, or beyond it
    late = options.resample is not None or any(map(needs_neighbours, variables.values()))
    period = None if late else options.period
    record = Record.of(layout, find_timeline(layout.dataset, options.time_step, period))
    if (marks := marks_text(variables)) is not None:
        record = replace(record, done={**record.done, "missing where": marks})
    record = rates(record, variables)
    if options.coarsen is not None:
        record = coarsen(record, options.coarsen, variables)
    if options.resample is not None:
        record = resample(record, options.resample, variables)
    if late and options.period is not None:
        record = _in_period(record.settled(), options.period)
    return record


def _one_of_several(ds: xr.Dataset, options: DataOptions, clock: str) -> Record | Fixed:
    """A source as a record, or as the fields without a time that are all it has."""
    try:
        return _record_of(ds, options, clock)
    except NotAFieldError:
        found = _fixed(ds, options)
        if found is None:
            raise
        return found


def _fixed(ds: xr.Dataset, options: DataOptions) -> Fixed | None:
    notes: list[str] = []
    dataset = readied(ds, options, notes)
    found = timeless_fields(dataset, options.variables)
    if found is None:
        return None
    chosen, (y, x) = found
    grid = Grid.of_field(dataset, chosen[0].choice.source, y, x)
    if options.grid is not None:
        grid = place(grid, options.grid, notes)
    notes += told_of_files(dataset, chosen)
    fields, channels = read_static(chosen)
    if options.region is not None:
        part = cut(grid, options.region, notes)
        fields, grid = part.apply(fields), part.grid
    if options.coarsen is not None:
        check_cells(grid, options.coarsen)
        fields = larger_static(fields, channels, grid, options.coarsen, options.variables or {})
        pad = options.coarsen.remainder == "pad"
        rows = Blocks.of(grid.height, options.coarsen.y, pad)
        columns = Blocks.of(grid.width, options.coarsen.x, pad)
        grid = larger_cells(grid, rows, columns, notes)
    return Fixed(grid, fields, channels, notes)


def _label(part: xr.Dataset) -> str:
    """What to call a source in messages: its file, or the first and how many more."""
    first, *more = (str(file) for file in part.encoding.get(names.SOURCE_FILES, ("a source",)))
    name = PurePath(first).name
    return f"{name} and {len(more)} more" if more else name


def _in_period(record: Record, period: tuple[str, str]) -> Record:
    """The times of a record within a period, from the first that is there to the last."""
    axis = record.timeline.axis
    first, stop = axis.slice_of(*period)
    there = first + np.flatnonzero(record.timeline.present[first:stop])
    if not there.size:
        raise nothing_in(axis, period)
    if there.size < 2:
        raise DataError(
            f"the period {period[0]} to {period[1]} holds a single time step; a forecast needs at "
            "least two"
        )
    return record.part(int(there[0]), int(there[-1]) + 1)


def _lazy(ds: xr.Dataset) -> xr.Dataset:
    """The dataset with values that are not in memory as dask arrays, so that none are read yet."""
    waiting = [
        name
        for name, array in ds.data_vars.items()
        # dates of cftime (time bounds) are few, and dask cannot tell how large they are
        if array.chunks is None and not array.variable._in_memory and array.dtype != object
    ]
    return ds.assign({name: ds[name].chunk("auto") for name in waiting}) if waiting else ds
