"""From files to a tensor store, or to a tensor in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast._version import __version__
from stforecast.errors import ConfigError
from stforecast.grid import Grid
from stforecast.ingest.findings import Findings
from stforecast.ingest.layout import Layout, lay_out
from stforecast.ingest.place import describe
from stforecast.ingest.provenance import check_unchanged, describe_files, look_at
from stforecast.ingest.survey import Survey
from stforecast.ingest.timeline import Timeline, bounds_on_timeline, find_timeline, on_timeline
from stforecast.options import DataOptions
from stforecast.sources import open_source
from stforecast.store import StoreMeta, TensorStore, check_store_target, write_store
from stforecast.store.schema import plain
from stforecast.store.write import blocks, read_block
from stforecast.timeaxis import stamp_text

Progress = Callable[[int, int], None]
# Records up to this size are kept in memory by Prepared.store.
_MEMORY_BYTES = 2 * 2**30
# Frames that are looked at to tell whether float32 holds the source's numbers exactly.
_FRAMES_LOOKED_AT = 3


@dataclass
class Prepared:
    """A record in the tensor layout, still lazy, and what is known of it so far."""

    dataset: xr.Dataset
    findings: Findings
    timeline: Timeline = field(repr=False)

    def survey(self, progress: Progress | None = None) -> Findings:
        """Read every value once, keep none, and complete the findings."""
        self._read(progress)
        return self.findings

    def write(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
        provenance: Callable[[], list[dict[str, Any]]] | None = None,
    ) -> Findings:
        """Write the store in one pass, complete the findings and put them into it.

        `provenance` is asked for the sources when all is read; when it raises, so does this.
        """
        seen = self._new_survey()

        def describe(meta: StoreMeta) -> StoreMeta:
            self.findings.cells = seen.cells()
            sources = [] if provenance is None else provenance()
            found = self.findings.findings()
            return meta.model_copy(update={"findings": found, "sources": sources})

        write_store(
            self.dataset,
            path,
            overwrite=overwrite,
            progress=progress,
            inspect=seen.inspect,
            describe=describe,
        )
        return self.findings

    def store(self, progress: Progress | None = None) -> TensorStore:
        """The record as a store without files: in memory, or lazy where it is over 2 GiB."""
        data = self.dataset[names.DATA]
        kept = np.empty(data.shape, np.float32) if data.size * 4 <= _MEMORY_BYTES else None
        seen = self._read(progress, kept)
        meta = StoreMeta.from_json(self.dataset.attrs[names.META_ATTRIBUTE])
        meta.findings = self.findings.findings()
        values = data.where(~np.isinf(data)).data if kept is None else kept
        dataset = self.dataset.assign(
            {
                names.DATA: (data.dims, values),
                names.VALID_CELLS: (data.dims[:-2], seen.valid_cells),
            }
        )
        return TensorStore(dataset.assign_attrs({names.META_ATTRIBUTE: meta.to_json()}))

    def _read(self, progress: Progress | None, into: NDArray[np.float32] | None = None) -> Survey:
        seen = self._new_survey()
        done, total = 0, int(seen.valid_cells.size // len(self.dataset[names.CHANNEL]))
        for block in blocks(self.dataset):
            values = seen.inspect(block, read_block(self.dataset, block))
            if into is not None:
                into[block.index] = values
            done += int(np.prod(values.shape[:-3]))
            if progress is not None:
                progress(done, total)
        self.findings.cells = seen.cells()
        return seen

    def _new_survey(self) -> Survey:
        channels = [str(name) for name in self.dataset[names.CHANNEL].values]
        return Survey(channels, self.timeline.present, self.dataset[names.DATA].shape)


def prepare(ds: xr.Dataset, options: DataOptions | None = None) -> Prepared:
    """Bring a CF dataset into the tensor layout, lazily.

    Axes are found, variables, level, region and period taken, times put on a regular axis. Only
    the rows of duplicated times, and up to three frames, are read. DataError and ConfigError say
    what does not fit.
    """
    options = options or DataOptions()
    timezone = _timezone(options.timezone)
    layout = lay_out(_lazy(ds), options)
    timeline = find_timeline(layout.dataset, options.time_step, options.period)
    findings = Findings(
        step=timeline.axis.step,
        mapping=_mapping(layout, timeline, timezone),
        notes=[*layout.notes, *_rounding(layout, timeline)],
        rows=layout.dataset.sizes[names.TIME],
        duplicated=timeline.duplicated,
        duplicated_differ=timeline.duplicated_differ,
        disorder=timeline.disorder,
        first_disorder=timeline.first_disorder,
        shifted=timeline.shifted,
        absent=timeline.absent,
    )
    meta = _meta(layout, timeline, timezone)
    meta.findings = findings.findings()
    dataset = _tensor(layout, timeline).assign_attrs({names.META_ATTRIBUTE: meta.to_json()})
    return Prepared(dataset=dataset, findings=findings, timeline=timeline)


def ingest(
    files: Sequence[str],
    store: str | Path,
    options: DataOptions | None = None,
    *,
    base: str | Path = ".",
    reader: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Findings:
    """Read files and write them as a tensor store, whole or not at all.

    Paths and patterns are relative to `base`. With `dry_run` everything is read and nothing
    written. StoreError when a store is in the way or cannot be written; DataError and ConfigError
    for files and options that do not fit, also for files that change while they are read.
    """
    options = options or DataOptions()
    if reader is not None:
        options = options.model_copy(update={"reader": reader})
    if not dry_run:
        check_store_target(store, overwrite=overwrite)
    ds = open_source(list(files), options, Path(base))
    seen = look_at(ds.encoding.get(names.SOURCE_FILES, ()))
    prepared = prepare(ds, options)
    if dry_run:
        return prepared.survey(progress)

    def provenance() -> list[dict[str, Any]]:
        described = describe_files(seen)
        check_unchanged(seen)
        return described

    return prepared.write(store, overwrite=overwrite, progress=progress, provenance=provenance)


def _timezone(name: str | None) -> str:
    if name is None:
        return "UTC"
    try:
        return str(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"data.timezone: {name!r} is not in the IANA database; write it as Europe/Berlin or UTC"
        ) from None


def _lazy(ds: xr.Dataset) -> xr.Dataset:
    """The dataset with values that are not in memory as dask arrays, so that none are read yet."""
    waiting = [
        name
        for name, array in ds.data_vars.items()
        # dates of cftime (time bounds) are few, and dask cannot tell how large they are
        if array.chunks is None and not array.variable._in_memory and array.dtype != object
    ]
    return ds.assign({name: ds[name].chunk("auto") for name in waiting}) if waiting else ds


def _tensor(layout: Layout, timeline: Timeline) -> xr.Dataset:
    source, axis = layout.dataset, timeline.axis
    lead = (names.SEQUENCE,) if names.SEQUENCE in source.dims else ()
    dims = (*lead, names.TIME, names.Y, names.X)
    fields = [
        on_timeline(source[channel.name].variable.transpose(*dims).astype(np.float32), timeline)
        for channel in layout.channels
    ]
    arrays = [variable.data for variable in fields]
    stack = da.stack if any(isinstance(array, da.Array) for array in arrays) else np.stack
    data = stack(arrays, axis=len(lead) + 1)

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
        elif name != names.TIME and (timeline.present.all() or coord.dtype.kind in "fiu"):
            # dates cannot be missing in every calendar, numbers can
            coords[str(name)] = on_timeline(coord.variable, timeline)
    for name, variable in layout.grid.coords.variables.items():
        coords[str(name)] = variable
    coords[names.TIME] = xr.Variable(names.TIME, axis.times(), time_attrs)
    coords[names.CHANNEL] = xr.Variable(
        names.CHANNEL, np.array([channel.name for channel in layout.channels], dtype=object)
    )
    return xr.Dataset(
        {
            names.DATA: ((*lead, names.TIME, names.CHANNEL, names.Y, names.X), data),
            names.ABSENT: (
                names.TIME,
                (~timeline.present).astype(np.int8),
                {"long_name": "1 where the source has no such time"},
            ),
        },
        coords=coords,
    )


def _bounds_name(time: xr.DataArray) -> Any:
    """Name of the time bounds, wherever xarray keeps it; None if there are none."""
    return time.attrs.get("bounds") or time.encoding.get("bounds")


def _meta(layout: Layout, timeline: Timeline, timezone: str) -> StoreMeta:
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
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        stforecast_version=__version__,
    )


def _mapping(layout: Layout, timeline: Timeline, timezone: str) -> dict[str, str]:
    axis = timeline.axis
    variables = [
        channel.name + (f" ({channel.units})" if channel.units else "")
        for channel in layout.channels
    ]
    first, last = axis.times(0, 1)[0], axis.times(axis.size - 1, axis.size)[0]
    step = axis.step.label if axis.step.label[0].isdigit() else f"1 {axis.step.label}"
    mapping = {
        "variables": ", ".join(variables),
        "grid": _grid_text(layout.grid),
        "times": f"{stamp_text(first)} to {stamp_text(last)}, {axis.size} steps of {step}",
        "calendar": f"{axis.calendar}, clock {timezone}",
    }
    if names.SEQUENCE in layout.dataset.dims:
        mapping["sequences"] = str(layout.dataset.sizes[names.SEQUENCE])
    return mapping


def _grid_text(grid: Grid) -> str:
    kinds = {"bare": "no known place", "projected": "projected", "curvilinear": "curvilinear"}
    parts = [describe(grid)]
    if grid.kind in kinds:
        parts.append(kinds[grid.kind])
    if grid.crs is not None and grid.crs.name not in ("undefined", "unknown"):
        parts.append(grid.crs.name)
    return ", ".join(parts)


def _rounding(layout: Layout, timeline: Timeline) -> list[str]:
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
        values = array.isel({names.TIME: looked_at}).values
        with np.errstate(over="ignore"):
            kept = values.astype(np.float32)
        if not np.array_equal(
            values, kept.astype(values.dtype), equal_nan=values.dtype.kind == "f"
        ):
            notes.append(
                f"{channel.name}: {stored.name} in the source, rounded to the 7 digits of float32"
            )
    return notes
