"""Stores, runs and forecasts in words, as tables of what and how much."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.table import Table

from stforecast import names
from stforecast.card import RunCard
from stforecast.errors import DataError
from stforecast.grid import Grid
from stforecast.product import open_product
from stforecast.remote import Location, RemotePath
from stforecast.store import ChannelMeta, TensorStore
from stforecast.store.manifest import Manifest
from stforecast.store.repository import is_repository, size_of, versions
from stforecast.timeaxis import counts_frames, span_text, time_text
from stforecast.windows import WindowSpec

Rows = list[tuple[str, str]]

# Of a store that grew file by file.
_MOST_SOURCES = 12
# Of pure numbers.
_NO_UNITS = (None, "", "1")
# Attributes of a forecast that hold whole structures.
_LONG = ("stforecast_data", "stforecast_experiment", "stforecast_model_settings")


def store(path: Location) -> Table:
    """What is in a tensor store."""
    record = TensorStore.open(path)
    meta = record.meta
    n_times = record.shape[0]
    absent = int((~record.present).sum())
    # An absent time is told as such: its cells are not missing besides.
    valid = record.valid_cells[..., record.present, :]
    cells = valid.size * record.grid.height * record.grid.width
    rows: Rows = [
        ("tensor store", f"{path} ({size_text(bytes_below(path))})"),
        *times_rows(record),
        ("absent times", share(absent, n_times)),
        ("missing values", share(cells - int(valid.sum(dtype=np.int64)), cells)),
        ("grid", grid_text(record.grid)),
        *((f"variable {channel.name}", channel_text(channel)) for channel in meta.channels),
    ]
    rows += [(f"static {field.name}", channel_text(field)) for field in meta.static]
    if meta.sequence_name is not None:
        rows.insert(2, (f"sequences ({meta.sequence_name})", str(record.n_sequences)))
    rows += list(meta.done.items())
    sources = [str(source.get("path", "")) for source in meta.sources]
    rows += [("source", path) for path in sources[:_MOST_SOURCES]]
    if len(sources) > _MOST_SOURCES:
        rows.append(("source", f"and {len(sources) - _MOST_SOURCES} more"))
    rows += [("finding", line) for line in meta.findings]
    if meta.created:
        created = _to_the_second(meta.created)
        rows.append(("made", f"{created} by stforecast {meta.stforecast_version}"))
    if meta.updated:
        rows.append(("last added to", _to_the_second(meta.updated)))
    return _table(rows)


def times_rows(record: TensorStore) -> Rows:
    """The times of a store, and their clock where they have one."""
    axis, meta = record.axis, record.meta
    span = axis.span_text(0, axis.size - 1)
    if axis.step.frames:
        return [("times", f"{span}, without a clock")]
    times = f"{axis.size} from {span}, one every {axis.step.label}"
    return [("times", times), ("calendar", f"{meta.calendar}, clock of {meta.timezone}")]


def _to_the_second(stamp: str) -> str:
    """A stamp of our own making, which tells fractions where two must not be the same."""
    return re.sub(r"\.\d+", "", stamp)


def versions_of(path: Location) -> Table:
    """The versions of a store that keeps them, the newest first."""
    table = Table("version", "written", "what", box=None, pad_edge=False)
    for version in versions(path):
        written = version.written.astimezone(UTC).isoformat(" ", timespec="seconds")
        table.add_row(version.id, written, version.message)
    return table


def run(folder: Path) -> Table:
    """What a trained run was made of, and how well it did."""
    card = RunCard.read(folder)
    training = card.training
    state = "finished" if training.finished else f"unfinished ({training.interrupted or 'stopped'})"
    height, width = card.grid["shape"]
    settings = ", ".join(f"{key} {value}" for key, value in card.model.settings.items())
    rows: Rows = [
        ("trained run", f"{card.name} in {folder}, {state}"),
        ("model", f"{card.model.name}: {settings}" if settings else card.model.name),
        ("history", card.step.counted(card.windows["history"])),
        ("horizon", card.step.counted(card.windows["horizon"])),
        *_lag_rows(card),
        *_covariate_rows(card),
        *_learned_rows(card),
        *([("protocol", card.protocol)] if card.protocol else []),
        *((f"variable {channel.name}", channel_text(channel)) for channel in card.channels),
        ("grid", f"{card.grid['kind']}, {height} × {width} cells"),
        *((name, card.part_text(name)) for name in card.splits),
        *_weights_rows(card),
    ]
    for part, systems in card.scores.items():
        for system, scores in systems.items():
            values = ", ".join(_score(name, value, card.channels) for name, value in scores.items())
            rows.append((f"{part} RMSE of {system}", values))
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    rows += [("made", card.created), ("with", versions)]
    if card.git_revision:
        rows.append(("git revision", card.git_revision))
    return _table(rows)


def _lag_rows(card: RunCard) -> Rows:
    """Which lagged frames the model is given, and what of a record they take."""
    lags = card.windows.get("lags")
    if not lags:
        return []
    return [
        ("lags", ", ".join(card.step.counted(lag) for lag in lags)),
        ("record needed", card.step.counted(card.history_needed)),
    ]


def _covariate_rows(card: RunCard) -> Rows:
    """What else the model is told, by what may be known of it."""
    rows = []
    for told in WindowSpec.from_json(card.windows).told:
        names = told.channels
        words = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if names[6:] else "")
        files = ", ".join(told.files)
        rows.append((f"told ({told.kind})", f"{words}, from {files}" if files else words))
    return rows


def _weights_rows(card: RunCard) -> Rows:
    """Where the weights come from."""
    training, origin = card.training, card.imported
    if origin is not None:
        return [("weights", f"{origin.layout} of {origin.file}, sha256 {origin.sha256[:12]}…")]
    return [
        ("budget", ", ".join(f"{key} {value}" for key, value in training.budget.items())),
        (
            "trained for",
            f"{training.steps} steps of {training.batch_size} samples, {training.epochs:.3g} "
            f"epochs, {training.seconds:.0f} s on {card.device} in {card.precision}",
        ),
        ("best weights", f"of step {training.best_step}"),
        ("seed", str(card.seed)),
    ]


def _learned_rows(card: RunCard) -> Rows:
    """What values become before a model sees them."""
    spec = WindowSpec.from_json(card.windows)
    rows: Rows = []
    if spec.has_functions:
        rows.append(("function", _of_variables(spec.function)))
    rows.append(("departure", _of_variables(spec.departure)))
    if card.climatology is not None:
        rows.append(("climatology", card.climatology.kind))
    together = ", all variables together" if spec.scale_together else ""
    return [*rows, ("scaling", _of_variables(spec.scaling) + together)]


def _of_variables(given: str | Mapping[str, str]) -> str:
    if isinstance(given, str):
        return given
    return ", ".join(f"{value} of {name}" for name, value in given.items())


def forecast(path: Path, *, everything: bool = False) -> Table:
    """What a forecast is of, from when and for when; with `everything` the settings in full."""
    product = open_product(path)
    inits, leads = product[names.INIT_TIME], product[names.LEAD_TIME]
    if not leads.values.astype("int64").any():
        raise DataError(
            f"{path} is no forecast, as it has no lead times, but data to make one of: read it "
            f"into a tensor store with `stforecast ingest {path} -o NAME.zarr`"
        )
    frames = counts_frames(leads.attrs)
    spatial: list[str] = []
    rows: Rows = [
        ("forecast", f"{path} ({size_text(bytes_below(path))})"),
        ("initial times", _range([time_text(stamp, frames=frames) for stamp in inits.values])),
        ("lead times", _range([lead_text(lead, frames=frames) for lead in leads.values])),
    ]
    if names.VALID_TIME in product.coords and product[names.VALID_TIME].size:
        valid = product[names.VALID_TIME].values
        rows.append(("valid times", span_text(valid.min(), valid.max(), frames=frames)))
    for name, variable in product.data_vars.items():
        if names.LEAD_TIME in variable.dims:
            spatial = [str(dim) for dim in variable.dims[2:]]
            rows.append((f"variable {name}", _variable_text(variable)))
    rows.append(("grid", " × ".join(f"{product.sizes[dim]} {dim}" for dim in spatial)))
    rows += [
        (key.replace("_", " "), " ".join(str(value).split()))
        for key, value in product.attrs.items()
        if key != "Conventions" and (everything or key not in _LONG)
    ]
    return _table(rows)


def grid_text(grid: Grid) -> str:
    """A grid in words: kind, size, edges."""
    size = f"{grid.height} × {grid.width} cells"
    if grid.kind == "bare":
        return f"{size} without a known place (data.grid gives them one)"
    words = [grid.kind, size]
    for name, coord in (("y", grid.y_coord), ("x", grid.x_coord)):
        if grid.kind == "curvilinear":
            coord = grid.latitude if name == "y" else grid.longitude
        if coord is not None:
            low, high = float(coord.min()), float(coord.max())
            if grid.kind != "curvilinear":
                low, high = float(coord[0]), float(coord[-1])
            units = str(coord.attrs.get("units", "")).replace("degrees_", "°")
            words.append(f"{coord.name} {low:g} to {high:g} {units}".rstrip())
    if grid.is_periodic:
        words.append("round the globe")
    return ", ".join(words)


def channel_text(channel: ChannelMeta) -> str:
    """A variable in words: long name, units, bounds."""
    words = [channel.long_name or channel.standard_name or channel.name]
    words.append(f"in {channel.units}" if channel.units not in _NO_UNITS else "without units")
    if channel.minimum is not None:
        words.append(f"never below {channel.minimum:g}")
    if channel.maximum is not None:
        words.append(f"never above {channel.maximum:g}")
    if channel.daylight:
        words.append("zero at night")
    return ", ".join(words)


def lead_text(lead: Any, *, frames: bool = False) -> str:
    """A lead time: a duration such as 6 h, or a number of calendar steps or of frames."""
    if not isinstance(lead, np.timedelta64):
        return f"{lead} steps"
    seconds = int(lead / np.timedelta64(1, "s"))
    if frames:
        return f"{seconds} frame{'' if seconds == 1 else 's'}"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def size_text(size: int) -> str:
    """Bytes for people."""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.3g} {unit}"


def bytes_below(path: Location) -> int:
    """Size of a file or of all files in a folder; at an address of a store."""
    if is_repository(path):
        return size_of(path)[1]
    if isinstance(path, RemotePath):
        return sum(entry.size for entry in Manifest.read(path).files.values())
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def share(part: int, whole: int) -> str:
    """A number and its share: `12 of 240 (5.0%)`, or none."""
    return f"{part} of {whole} ({part / whole:.1%})" if part else "none"


def _variable_text(variable: xr.DataArray) -> str:
    units = str(variable.attrs.get("units", ""))
    words = str(variable.attrs.get("long_name", variable.name))
    return f"{words}, without units" if units in _NO_UNITS else f"{words}, in {units}"


def _score(name: str, value: float | None, channels: Sequence[ChannelMeta]) -> str:
    if value is None:
        return f"{name} –"
    units = next((channel.units for channel in channels if channel.name == name), "")
    return f"{name} {value:#.4g}".rstrip(".") + ("" if units in _NO_UNITS else f" {units}")


def _range(texts: Sequence[str]) -> str:
    if len(texts) <= 4:
        return ", ".join(texts)
    return f"{len(texts)}: {texts[0]}, {texts[1]} … {texts[-1]}"


def _table(rows: Rows) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    before = ""
    for what, value in rows:
        table.add_row("" if what == before else what, value)
        before = what
    return table
