"""The text of a new experiment file: commented, and filled from the data."""

import re
from collections.abc import Sequence

from stforecast.cli.describe import grid_text
from stforecast.cli.suggest import (
    Record,
    suggest_calendar,
    suggest_departure,
    suggest_references,
    suggest_windows,
)
from stforecast.cli.template_data import data_section
from stforecast.config.text import parse_yaml, yaml_scalar
from stforecast.errors import StForecastError
from stforecast.options import DataOptions, SplitOptions, WindowOptions
from stforecast.timeaxis import TimeStep
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
    parts = [_head(name, record), data_section(name, files, record, options, windows)]
    parts += [sections.get(section, written[section]) for section in _SECTIONS]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _head(name: str, record: Record) -> str:
    axis = record.axis
    span = axis.span_text(0, axis.size - 1)
    times = (
        f"# {record.n_sequences} sequences of {span}, without a clock."
        if axis.step.frames
        else f"# {axis.size} times from {span}, one every {axis.step.label}, "
        f"in the calendar {axis.calendar}."
    )
    lines = [
        f"# {name}: {grid_text(record.grid)};",
        times,
        "# Every value may be changed, and what is commented out shows what else there is.",
        f"name: {yaml_scalar(name)}",
    ]
    return "\n".join(lines)


def _windows_section(windows: WindowSpec, record: Record) -> str:
    step = record.axis.step
    fields = suggest_calendar(record)
    lines = [
        "windows:",
        f"  history: {_duration(step, windows.history)}   # what a forecast starts from",
        f"  horizon: {_duration(step, windows.horizon)}   # how far the model learns to forecast",
    ]
    lines += [
        "  # lags: [24h, 168h]   # the frames so long before each time are given to the model too",
        "  # none, last_frame, history_mean or climatology: what is subtracted before and added",
        "  # back after; series that drift need it, and those with a daily or weekly round",
        f"  departure: {suggest_departure(record)}",
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
  N_T: 2            # layers of the translator
  incep_kernels: [3]   # its kernels; more and wider ones cost steps, so they take longer to pay"""

_TRAINING = """\
training:
  # The budget: max_time, max_steps or max_epochs; with max_time and one of them, what ends first.
  max_time: 10min
  max_epochs: 20    # a short record is learned by heart after that
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
    values, _ = parse_yaml(section, "windows")
    try:
        spec = resolve_windows(WindowOptions.model_validate(values["windows"]), record.axis.step)
        resolve_splits(record.axis, SplitOptions(), spec, n_sequences=record.n_sequences)
    except StForecastError:
        return None
    return spec


def _duration(step: TimeStep, steps: int) -> str:
    if step.frames:
        return str(steps)
    if step.is_fixed:
        return TimeStep(seconds=steps * step.seconds).text
    return TimeStep(months=steps * step.months).text
