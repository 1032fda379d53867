"""Several records of one grid as one: side by side, on one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid, matching_cells
from stforecast.ingest.assemble import coordinates_on_axis
from stforecast.ingest.place import describe
from stforecast.ingest.record import Record
from stforecast.ingest.timeline import Timeline, on_timeline
from stforecast.store import ChannelMeta
from stforecast.timeaxis import TimeAxis, stamp_text

_TOOLS = "bring one to the other first, with xESMF, CDO (cdo remapcon) or xarray-regrid"


@dataclass(frozen=True)
class Fixed:
    """Fields without a time, on their grid: a source that has no others."""

    grid: Grid
    fields: xr.Dataset
    channels: list[ChannelMeta]
    notes: list[str]


def merge(
    parts: Sequence[tuple[str, Record]],
    fixed: Sequence[tuple[str, Fixed]],
    join: Literal["outer", "inner"],
) -> Record:
    """Records, each with what to call it, and fields without a time, as one record.

    The grid is that of the first, which the others must hold the cells of. With `outer` a time is
    there if any record has it, with `inner` if all have. DataError, naming two of them, when their
    grids, time steps or calendars differ, no time is common, or two variables have one name.
    """
    (first_label, first), *others = parts
    settled = [(first_label, first.settled())]
    for label, record in others:
        settled.append(
            (label, _on_grid_of(first_label, first.layout.grid, label, record.settled()))
        )
    axis, rows = _one_axis(settled, join)
    arrays: dict[str, xr.Variable] = {}
    owner: dict[str, str] = {}
    for (label, record), own in zip(settled, rows, strict=True):
        line = Timeline(axis, own)
        for channel in record.layout.channels:
            _claim(channel.name, label, owner)
            values = record.layout.dataset[channel.name].variable.astype(np.float32)
            arrays[channel.name] = on_timeline(values, line)
    static, static_channels = _static(first_label, first.layout.grid, settled, fixed, owner)
    present = np.any([own >= 0 for own in rows], axis=0)
    coords = coordinates_on_axis(settled[0][1].layout, Timeline(axis, rows[0]))
    layouts = [record.layout for _, record in settled]
    layout = replace(
        layouts[0],
        channels=[channel for one in layouts for channel in one.channels],
        scalars=_common([one.scalars for one in layouts]),
        references=None,
        static=static,
        static_channels=static_channels,
    )
    notes = [note for label, record in settled for note in _told(label, record)]
    notes += [f"{label}: {note}" for label, one in fixed for note in one.notes]
    dataset = xr.Dataset(arrays, coords)
    merged = replace(
        first,
        layout=layout,
        rows=sum(record.rows for _, record in settled),
        notes=tuple(notes),
        done=_done(settled, fixed),
    ).on_axis(dataset, axis, present)
    merged.layout.dataset.attrs = _common([one.dataset.attrs for one in layouts])
    return replace(merged, source=merged.timeline)


def _claim(name: str, label: str, owner: dict[str, str]) -> None:
    if name in owner:
        raise DataError(
            f"{owner[name]} and {label} both have {name}; give one of them another name, such as "
            f"variables: {{{name}_2: {{source: {name}}}}}, or leave it out"
        )
    owner[name] = label


def _one_axis(
    parts: Sequence[tuple[str, Record]], join: Literal["outer", "inner"]
) -> tuple[TimeAxis, list[np.ndarray]]:
    """The axis of all, and for each of them its row at each of its positions, -1 where absent."""
    first_label, first = parts[0]
    ours = first.timeline.axis
    spans, found = [], []
    for label, record in parts:
        axis = record.timeline.axis
        if not ours.matches(axis):
            steps = [_step_text(one) for one in (ours, axis)]
            raise DataError(
                f"{first_label} has times {steps[0]}, {label} {steps[1]}; bring them to one step "
                "with resample in data.sources"
            )
        positions = ours.positions(axis.times())
        there = np.flatnonzero(record.timeline.present)
        found.append((positions, there))
        spans.append((int(positions[there[0]]), int(positions[there[-1]]) + 1))
    if join == "outer":
        begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
    else:
        begin, end = max(span[0] for span in spans), min(span[1] for span in spans)
    rows = []
    for positions, there in found:
        own = np.full(max(end - begin, 0), -1)
        at = positions[there] - begin
        inside = (at >= 0) & (at < own.size)
        own[at[inside]] = there[inside]
        rows.append(own)
    if join == "inner" and end > begin:
        common = np.flatnonzero(np.all([own >= 0 for own in rows], axis=0))
        rows = [_only(own, common) for own in rows]
        begin, end = (
            (begin + int(common[0]), begin + int(common[-1]) + 1) if common.size else (0, 0)
        )
    if end - begin < 2:
        periods = [
            f"{label} from {stamp_text(record.timeline.axis.times(0, 1)[0])} to "
            f"{stamp_text(record.timeline.axis.times_at([record.timeline.axis.size - 1])[0])}"
            for label, record in parts
        ]
        raise DataError(
            f"the sources have fewer than two times in common ({'; '.join(periods)}); give others, "
            "or write data.join: outer"
        )
    times = np.concatenate([record.timeline.axis.times() for _, record in parts])
    whole = TimeAxis.from_times(times, ours.step)
    start = int(whole.positions(ours.times_at([begin]))[0])
    return whole.part(start, start + end - begin), rows


def _only(rows: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Rows from the first common position to the last, those that are not common left out."""
    if not common.size:
        return rows[:0]
    kept = np.full_like(rows, -1)
    kept[common] = rows[common]
    return kept[common[0] : common[-1] + 1]


def _step_text(axis: TimeAxis) -> str:
    step = axis.step.label if axis.step.label[0].isdigit() else f"1 {axis.step.label}"
    return f"{step} apart from {stamp_text(axis.times(0, 1)[0])} on in the calendar {axis.calendar}"


def _on_grid_of(first_label: str, grid: Grid, label: str, record: Record) -> Record:
    """A record on the cells of a grid; DataError if it does not hold them."""
    layout = record.layout
    if names.SEQUENCE in layout.dataset.dims:
        raise DataError(
            f"{label} holds independent sequences, which cannot be put beside another source; "
            "ingest it by itself"
        )
    cells = _cells(first_label, grid, label, layout.grid)
    if cells is None:
        return record
    dataset = layout.dataset.drop_vars(
        [
            name
            for name, coord in layout.dataset.coords.items()
            if {names.Y, names.X} & set(coord.dims)
        ]
    )
    return replace(
        record,
        layout=replace(
            layout,
            dataset=dataset.isel(cells),
            static=layout.static.isel(cells, missing_dims="ignore"),
        ),
    )


def _cells(first_label: str, grid: Grid, label: str, other: Grid) -> dict[str, Any] | None:
    """Where the cells of a grid lie in another; None where they are all of it in its order."""
    if grid.shape == other.shape:
        if "bare" in (grid.kind, other.kind):
            return None
        if Grid.difference(other.fingerprint(), grid.fingerprint()) is None:
            return None
    rows = matching_cells(other.y_coord, grid.y_coord)
    columns = matching_cells(other.x_coord, grid.x_coord)
    curved = "curvilinear" in (grid.kind, other.kind)
    if "bare" in (grid.kind, other.kind) or curved or rows is None or columns is None:
        raise DataError(
            f"{first_label} ({describe(grid)}) and {label} ({describe(other)}) lie on two grids; "
            f"{_TOOLS}"
        )
    return {names.Y: rows, names.X: columns}


def _static(
    first_label: str,
    grid: Grid,
    parts: Sequence[tuple[str, Record]],
    fixed: Sequence[tuple[str, Fixed]],
    owner: dict[str, str],
) -> tuple[xr.Dataset, list[ChannelMeta]]:
    """All fields without a time, those of records and those that came alone."""
    arrays: dict[Any, xr.Variable] = {}
    channels: list[ChannelMeta] = []
    for label, record in parts:
        for channel in record.layout.static_channels:
            _claim(channel.name, label, owner)
            arrays[channel.name] = record.layout.static[channel.name].variable
            channels.append(channel)
    for label, one in fixed:
        cells = _cells(first_label, grid, label, one.grid)
        fields = one.fields if cells is None else one.fields.isel(cells)
        for channel in one.channels:
            _claim(channel.name, label, owner)
            arrays[channel.name] = fields[channel.name].variable
            channels.append(channel)
    return xr.Dataset(arrays), channels


def _told(label: str, record: Record) -> list[str]:
    """What was found of a source by itself, but for the steps of which it lacks all."""
    found = record.findings_of_source()
    return [f"{label}: {line}" for line in found.sentences_of_source()]


def _done(
    parts: Sequence[tuple[str, Record]], fixed: Sequence[tuple[str, Fixed]]
) -> dict[str, str]:
    """What was done to each, and which variables are from where."""
    sources = [
        (label, [*record.layout.channels, *record.layout.static_channels])
        for label, record in parts
    ]
    sources += [(label, one.channels) for label, one in fixed]
    texts = [
        f"{', '.join(channel.name for channel in channels)} from {label}"
        for label, channels in sources
    ]
    done = {"sources": "; ".join(texts)}
    for what in dict.fromkeys(key for _, record in parts for key in record.done):
        told = [record.done[what] for _, record in parts if what in record.done]
        done[what] = "; ".join(dict.fromkeys(told))
    return done


def _common(mappings: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """The entries that all those have alike that have them."""
    merged: dict[Any, Any] = {}
    for key in dict.fromkeys(key for one in mappings for key in one):
        values = [one[key] for one in mappings if key in one]
        if all(_equal(value, values[0]) for value in values):
            merged[key] = values[0]
    return merged


def _equal(one: Any, other: Any) -> bool:
    return bool(repr(one) == repr(other))
