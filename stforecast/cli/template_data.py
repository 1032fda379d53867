"""The section `data` of a new experiment file, filled from the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from stforecast.cli.suggest import Record
from stforecast.config.text import yaml_scalar
from stforecast.errors import StForecastError
from stforecast.options import DataOptions, SplitOptions
from stforecast.store import ChannelMeta
from stforecast.timeaxis import TimeAxis, TimeStep
from stforecast.windows.parts import PARTS
from stforecast.windows.spec import WindowSpec
from stforecast.windows.splits import Splits, resolve_splits

_MINUTE = 60
_DATE = len("2012-12-31")


def data_section(
    name: str, files: Sequence[str], record: Record, options: DataOptions, windows: WindowSpec
) -> str:
    """The section `data` for a record: what was said of it, what was found, what else there is.

    name: of the experiment. files: as they are to stand in it. windows: which the split has room
    for.
    """
    lines = ["data:", "  # relative to this file; patterns such as *.nc are fine", "  files:"]
    lines += [f"    - {yaml_scalar(file)}" for file in files]
    lines += _plain(options, "reader", f"reader: {record.reader}", "how the files are read")
    if options.slots != "auto":
        lines.append(f"  slots: {options.slots}")
    lines += _plain(options, "store", f"store: data/{name}.zarr", f"else runs/{name}/store.zarr")
    if record.axis.step.frames:
        lines += _plain(options, "time_step", "time_step: 1s", "else frames are counted")
    else:
        example = "timezone: Europe/Berlin"
        lines += _plain(options, "timezone", example, "clock of the stamps, else UTC")
        lines += _plain(options, "time_step", f"time_step: {record.axis.step.text}", "as found")
    if record.sequence_name is not None:
        lines.append(f"  sequence: {yaml_scalar(record.sequence_name)}")
    if record.drawn:
        sizes = _inline(options.moving_mnist.model_dump())
        lines += ["  # sequences drawn for an epoch, and those stored", f"  moving_mnist: {sizes}"]
    if chosen := options.frames.model_dump(exclude_none=True):
        lines.append(f"  frames: {_inline(chosen)}")
    if options.select:
        lines.append(f"  select: {_inline(options.select)}")
    lines.append("  # {missing: -9999} names a mark of missing values that files do not declare")
    lines.append("  variables:")
    for channel in record.channels:
        lines += _variable(channel, record, options)
    lines += _place(record, options)
    lines += _made(record, options)
    lines += _period(record, options)
    lines += _split(record, windows, options.split)
    return "\n".join(lines)


def _plain(options: DataOptions, key: str, example: str, words: str) -> list[str]:
    value = getattr(options, key)
    if value is not None:
        return [f"  {key}: {yaml_scalar(value)}"]
    return [f"  # {example}   # {words}"]


def _variable(channel: ChannelMeta, record: Record, options: DataOptions) -> list[str]:
    given = (options.variables or {}).get(channel.name)
    values = {} if given is None else given.model_dump(exclude_defaults=True)
    if record.is_traffic:
        values.setdefault("index", record.channels.index(channel))
        values.setdefault("minimum", 0)
    if record.is_video:
        values = {"minimum": 0, "maximum": 1, **values}
    words = "" if "long_name" in values else channel.long_name or channel.standard_name or ""
    units = f"in {channel.units}" if channel.units else "without units: add units: here"
    comment = ", ".join(part for part in (words, units) if part)
    return [f"    {yaml_scalar(channel.name)}: {_inline(values)}   # {comment}"]


def _place(record: Record, options: DataOptions) -> list[str]:
    """Where the grid lies, and which part of it is taken: as given, else as it could be given."""
    grid = record.grid
    lines = []
    if options.grid is not None:
        lines.append(f"  grid: {_inline(options.grid.model_dump())}")
    elif grid.kind == "bare" and record.sequence_name is None:
        lines += [
            "  # the files do not say where their cells lie; with the outer edges of the grid,",
            "  # forecasts and maps have latitude and longitude:",
            "  # grid: {west: -74.02, east: -73.90, south: 40.67, north: 40.84, first_row: north}",
        ]
    if options.region is not None:
        lines.append(f"  region: {_inline(options.region.model_dump())}")
    elif grid.kind in ("geographic", "projected"):
        (west, east), (south, north) = _ends(grid.x_coord), sorted(_ends(grid.y_coord))
        whole = {"west": west, "east": east, "south": south, "north": north}
        lines += [
            "  # a part of the grid, by the centres of its cells:",
            f"  # region: {_inline(whole)}",
        ]
    return lines


def _made(record: Record, options: DataOptions) -> list[str]:
    """What is done to the values: as given, else as it could be given."""
    given = options.model_dump(include={"coarsen", "resample"}, exclude_defaults=True)
    lines = [f"  {key}: {_inline(value)}" for key, value in given.items()]
    if not given and record.sequence_name is None:
        lines += [
            "  # larger cells and longer steps (docs/data.md has what else there is):",
            "  # coarsen: 2",
            f"  # resample: {_longer(record.axis.step).text}",
        ]
    return lines


def _longer(step: TimeStep) -> TimeStep:
    """A usual step that is made of whole ones of another."""
    if not step.is_fixed:
        return TimeStep(
            months=12 * (1 if 12 % step.months == 0 and step.months < 12 else step.months)
        )
    for seconds in (3600, 86_400):
        if step.seconds < seconds and seconds % step.seconds == 0:
            return TimeStep(seconds=seconds)
    return TimeStep(months=1) if step.seconds == 86_400 else TimeStep(seconds=4 * step.seconds)


def _ends(coord: xr.DataArray | None) -> list[float]:
    assert coord is not None  # such grids have both
    return [round(float(coord[at]), 6) for at in (0, -1)]


def _inline(values: Mapping[str, Any]) -> str:
    parts = (
        f"{key}: {_inline(value) if isinstance(value, Mapping) else yaml_scalar(value)}"
        for key, value in values.items()
    )
    return f"{{{', '.join(parts)}}}"


def _period(record: Record, options: DataOptions) -> list[str]:
    if options.period is not None:
        first, last = options.period
        return [f"  period: [{yaml_scalar(first)}, {yaml_scalar(last)}]"]
    axis = record.axis
    first, last = (axis.text_at(at)[:10] for at in (0, axis.size - 1))
    return [f"  # period: [{first}, {last}]   # a part of the record"]


def _split(record: Record, windows: WindowSpec, given: SplitOptions) -> list[str]:
    if record.drawn:
        return ["  # validation and test are what is stored, and there is nothing to split"]
    chosen = given.model_dump(exclude_none=True)
    if chosen:
        return ["  split:", *(f"    {name}: {_part(part)}" for name, part in chosen.items())]
    fractions = ["  split:", "    train: 0.7", "    validation: 0.1", "    test: 0.2"]
    if record.n_sequences > 1:
        return ["  # shares of the sequences", *fractions]
    try:
        splits = resolve_splits(record.axis, SplitOptions(), windows)
    except StForecastError:
        return ["  # shares of the record, in this order; dates do as well", *fractions]
    lines = ["  # first and last date of each period; windows never cross from one to another"]
    lines.append("  split:")
    periods = _whole_days(record.axis, splits, windows) or splits.dates(record.axis)
    lines += [f"    {name}: {_part(ends)}" for name, ends in periods.items()]
    return lines


def _whole_days(
    axis: TimeAxis, splits: Splits, windows: WindowSpec
) -> dict[str, tuple[str, str]] | None:
    """The periods without the parts of days at their ends; None where that leaves too little."""
    if not axis.step.is_fixed or axis.step.frames or axis.step.seconds < _MINUTE:
        return None
    days: dict[str, tuple[str, str]] = {}
    for name in PARTS:
        part = splits.part(name)
        if part is None:
            continue
        begin, stop = part
        # at midnight a time is written as its date; the record itself may begin and end anywhen
        while 0 < begin < stop and len(axis.text_at(begin)) > _DATE:
            begin += 1
        while begin < stop < axis.size and len(axis.text_at(stop)) > _DATE:
            stop -= 1
        if begin == stop:
            return None
        days[name] = (axis.text_at(begin)[:_DATE], axis.text_at(stop - 1)[:_DATE])
    try:
        resolve_splits(axis, SplitOptions.model_validate(days), windows)
    except StForecastError:
        return None
    return days


def _part(part: float | tuple[str, str]) -> str:
    if isinstance(part, float):
        return f"{part:g}"
    return f"[{yaml_scalar(part[0])}, {yaml_scalar(part[1])}]"
