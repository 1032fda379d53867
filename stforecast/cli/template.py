"""The text of a new experiment file: commented, and filled from the data."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from stforecast.cli.describe import grid_text
from stforecast.cli.suggest import (
    Record,
    suggest_calendar,
    suggest_references,
    suggest_windows,
)
from stforecast.config.text import yaml_scalar
from stforecast.errors import StForecastError
from stforecast.options import DataOptions, SplitOptions, WindowOptions
from stforecast.remote import is_address
from stforecast.store import ChannelMeta
from stforecast.timeaxis import TimeStep, stamp_text
from stforecast.windows.spec import WindowSpec, resolve_windows
from stforecast.windows.splits import resolve_splits

_SECTIONS = ("windows", "model", "training", "verification", "maps", "cluster")


def experiment_text(
    name: str,
    files: Sequence[str],
    record: Record,
    options: DataOptions,
    preset: str | None = None,
) -> str:
    """An experiment file for a record.

    Args:
        name: of the experiment.
        files: as they are to stand in it.
        record: what was found in the files.
        options: what was said of the data beyond the files.
        preset: text of an experiment file whose sections but `data` are taken over.
    """
    sections = _sections_of(preset) if preset is not None else {}
    windows = _fitting_windows(sections.get("windows"), record)
    if windows is None:
        # references such as day_before go with the time step of the windows
        unfit = sections.pop("windows", None)
        sections.pop("verification", None)
        windows = suggest_windows(record)
        if unfit is not None:
            sections["windows"] = "# Not those of the preset, which do not fit this record.\n"
            sections["windows"] += _windows_section(windows, record)
    written = {
        "windows": _windows_section(windows, record),
        "model": _MODEL,
        "training": _TRAINING,
        "verification": _verification_section(record),
        "maps": _MAPS,
        "cluster": _CLUSTER,
    }
    parts = [_head(name, record), _data_section(name, files, record, options, windows)]
    parts += [sections.get(section, written[section]) for section in _SECTIONS]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def as_patterns(files: Sequence[str]) -> list[str]:
    """Many files of a folder as one pattern, where it means just these files."""
    kept: list[str] = []
    by_kind: dict[tuple[Path, str], list[str]] = {}
    for name in files:
        if is_address(name):
            kept.append(name)
            continue
        by_kind.setdefault((Path(name).parent, Path(name).suffix), []).append(name)
    for (folder, suffix), group in by_kind.items():
        pattern = f"*{suffix}"
        if len(group) > 3 and {Path(name) for name in group} == set(folder.glob(pattern)):
            kept.append(str(folder / pattern))
        else:
            kept += group
    return kept


def relative_to(files: Sequence[str], folder: Path) -> list[str]:
    """Files seen from the working directory, as an experiment file in `folder` names them."""
    return [
        name
        if name.startswith("package:") or is_address(name) or os.path.isabs(name)
        else os.path.relpath(name, folder)
        for name in files
    ]


def _head(name: str, record: Record) -> str:
    axis = record.axis
    first, last = (stamp_text(axis.times_at(at)[()]) for at in (0, axis.size - 1))
    lines = [
        f"# {name}: {grid_text(record.grid)};",
        f"# {axis.size} times from {first} to {last}, one every {axis.step.label}, "
        f"in the calendar {axis.calendar}.",
        "# Every value may be changed, and what is commented out shows what else there is.",
        f"name: {yaml_scalar(name)}",
    ]
    return "\n".join(lines)


def _data_section(
    name: str, files: Sequence[str], record: Record, options: DataOptions, windows: WindowSpec
) -> str:
    lines = ["data:", "  # relative to this file; patterns such as *.nc are fine", "  files:"]
    lines += [f"    - {yaml_scalar(file)}" for file in files]
    lines += _plain(options, "reader", f"reader: {record.reader}", "how the files are read")
    if options.slots != "auto":
        lines.append(f"  slots: {options.slots}")
    lines += _plain(options, "store", f"store: data/{name}.zarr", f"else runs/{name}/store.zarr")
    lines += _plain(options, "timezone", "timezone: Europe/Berlin", "clock of the stamps, else UTC")
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
    first, last = (stamp_text(axis.times_at(at)[()])[:10] for at in (0, axis.size - 1))
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
    for name, (first, last) in splits.dates(record.axis).items():
        lines.append(f"    {name}: {_part((first, last))}")
    return lines


def _part(part: float | tuple[str, str]) -> str:
    if isinstance(part, float):
        return f"{part:g}"
    return f"[{yaml_scalar(part[0])}, {yaml_scalar(part[1])}]"


def _windows_section(windows: WindowSpec, record: Record) -> str:
    step = record.axis.step
    fields = suggest_calendar(record)
    lines = [
        "windows:",
        f"  history: {_duration(step, windows.history)}   # what a forecast starts from",
        f"  horizon: {_duration(step, windows.horizon)}   # how far the model learns to forecast",
    ]
    yearly = step.months >= 12
    lines += [
        "  # lags: [24h, 168h]   # the frames so long before each time are given to the model too",
        "  # none, last_frame, history_mean or climatology: what is subtracted before and added",
        "  # back after; series that drift need it, and those with a daily or weekly round",
        f"  departure: {'history_mean' if yearly else 'none'}",
    ]
    if fields:
        lines += [
            "  # what else the model is told of each valid time, in the clock of the stamps",
            "  covariates:",
            f"    - calendar: [{', '.join(fields)}]",
            "    # - holidays: US                # of a country; {country: US, subdivision: NY}",
            "    # - sun: elevation              # of the sun over each cell",
            "    # - {file: weather.csv, columns: [rain]}   # your own; known: future for plans",
        ]
    return "\n".join(lines)


def _verification_section(record: Record) -> str:
    return "\n".join(
        [
            "verification:",
            "  # forecasts that cost nothing: persistence, history_mean, day_before, week_before,",
            "  # climatology, hour_of_week, anomaly_persistence, linear (a ridge per cell)",
            f"  references: [{', '.join(suggest_references(record))}]",
            "  by: [lead_time]   # also hour, weekday, month, season of the valid time",
            "  every: 1          # steps from one initial time to the next",
        ]
    )


_MODEL = """\
model:
  name: simvp
  # Published settings, such as taxibj or weather, or your own:
  # preset: taxibj
  hid_S: 16         # width of encoder and decoder
  hid_T: 128        # width of the translator
  N_S: 2            # layers of encoder and decoder
  N_T: 4            # layers of the translator"""

_TRAINING = """\
training:
  # The budget is one of max_time, max_steps and max_epochs.
  max_time: 10min
  batch_size: 16
  learning_rate: 1e-3
  seed: 0
  # device: cuda    # cuda, mps or cpu; the best there is by default"""

_MAPS = """\
maps:
  # lead_time: [1, 4]            # steps or durations; up to four by default
  # overlay: districts.geojson   # GeoJSON or shapefile drawn over each map"""

_CLUSTER = """\
cluster:    # for ingest, forecast --period and verify; without it they run in one process
  # workers: 4                       # processes on this machine
  # memory_limit: 4GB                # of each
  # scheduler: tcp://node1:8786      # or a dask cluster that runs already"""


def _sections_of(text: str) -> dict[str, str]:
    """The sections of an experiment file as they are written, comments and all."""
    sections: dict[str, list[str]] = {}
    above: list[str] = []
    current: list[str] | None = None
    for line in text.splitlines():
        match = re.match(r"([A-Za-z_]\w*):", line)
        if match:
            current = [*above, line]
            sections[match[1]] = current
            above = []
        elif line.startswith("#") or not line.strip():
            above.append(line)
        elif current is not None:
            current += [*above, line]
            above = []
    return {name: "\n".join(lines) for name, lines in sections.items()}


def _fitting_windows(section: str | None, record: Record) -> WindowSpec | None:
    """The windows of a preset, if they are whole steps and the record has room for them."""
    if section is None:
        return None
    from stforecast.config.text import parse_yaml

    values, _ = parse_yaml(section, "windows")
    try:
        spec = resolve_windows(WindowOptions.model_validate(values["windows"]), record.axis.step)
        resolve_splits(record.axis, SplitOptions(), spec, n_sequences=record.n_sequences)
    except StForecastError:
        return None
    return spec


def _duration(step: TimeStep, steps: int) -> str:
    if step.is_fixed:
        return TimeStep(seconds=steps * step.seconds).text
    return TimeStep(months=steps * step.months).text
