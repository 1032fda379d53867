"""The card of a run: everything but the weights that a forecast needs, as JSON in its folder."""

import contextlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stforecast._version import __version__
from stforecast.errors import RunError, StForecastError
from stforecast.files import written_whole
from stforecast.folders import repair
from stforecast.grid import Grid
from stforecast.store import ChannelMeta, TensorStore
from stforecast.timeaxis import TimeStep, ends_text

# Files in the folder of a run.
CARD: Final = "card.json"
BEST_WEIGHTS: Final = "model.safetensors"
LAST_WEIGHTS: Final = "last.safetensors"
STATE: Final = "state.pt"
INTERVALS: Final = "intervals.safetensors"
METRICS: Final = "metrics.csv"
TENSORBOARD: Final = "tensorboard"
CLIMATOLOGY: Final = "climatology.safetensors"

# What files of weights note of themselves.
STEP: Final = "step"

SCHEMA_VERSION: Final = 1

# Names of one and the same calendar, as CF has them.
_CALENDARS: Final = {
    "gregorian": "standard",
    "proleptic_gregorian": "standard",
    "365_day": "noleap",
    "366_day": "all_leap",
}
_LIBRARIES: Final = ("torch", "pytorch-lightning", "numpy", "xarray", "zarr", "dask", "safetensors")


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class ModelCard(_Section):
    """A system and all of its settings."""

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)


class TrainingCard(_Section):
    """What the training was given, and how far it came."""

    budget: dict[str, Any] = Field(description="what was given of max_epochs, max_steps, max_time")
    batch_size: int
    samples: int = Field(description="samples of the training period")
    total_steps: int | None = Field(None, description="optimiser steps that the budget comes to")
    steps: int = Field(0, description="optimiser steps made")
    epochs: float = 0.0
    seconds: float = 0.0
    step_seconds: float | None = Field(None, description="of one step, without validations")
    best_step: int | None = Field(None, description=f"step of the weights in {BEST_WEIGHTS}")
    finished: bool = False
    interrupted: str | None = Field(None, description="why it ended before its budget, if it did")


class NoiseCard(_Section):
    """What a model that gives members is told: the last static channels."""

    uniform: int = Field(ge=0, description="channels of noise that is the same in all cells")
    local: int = Field(ge=0, description="channels of noise of each cell")


class IntervalsCard(_Section):
    """Tables for intervals, made of past errors (:mod:`stforecast.forecast.calibration`)."""

    file: str
    sha256: str
    period: tuple[str, str] = Field(description="first and last valid time")
    windows: int = Field(description="forecasts whose errors were taken")
    members: int | None = Field(None, description="members of each, where it had any")
    lead_times: int


class ImportCard(_Section):
    """Where weights are from that were not trained here."""

    layout: str = Field(description="the public code base, as models.from_published knows it")
    file: str
    sha256: str


class ClimatologyCard(_Section):
    """What is usual at each time, in a file of its own in the folder of the run."""

    kind: str = Field(description="what times of a class have in common, chosen or asked for")
    file: str = CLIMATOLOGY
    sha256: str


class RunCard(_Section):
    """A trained run, told from its data, its splits and its training."""

    schema_version: int = SCHEMA_VERSION
    name: str
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    model: ModelCard
    shape: dict[str, Any] = Field(description="sizes of a sample, as models.SampleShape has them")
    windows: dict[str, Any] = Field(description="windows.WindowSpec, in steps")
    history_needed: int = Field(description="steps before a forecast that it must be given")
    channels: list[ChannelMeta]
    grid: dict[str, Any] = Field(description="fingerprint of the grid")
    time_step: str
    time_anchor: Literal["same", "mid", "mid-day", "end"] = "same"
    calendar: str
    timezone: str = "UTC"
    splits: dict[str, tuple[str, str]] = Field(description="first and last time of each part")
    sequences: dict[str, tuple[int, int]] | None = Field(
        None, description="half-open ranges of sequences, where these are split and not the times"
    )
    notes: list[str] = Field(default_factory=list, description="how the splits came about")
    statistics: dict[str, Any] = Field(description="windows.Statistics of the training period")
    climatology: ClimatologyCard | None = None
    experiment: dict[str, Any] | None = Field(None, description="the resolved experiment file")
    seed: int
    precision: str
    device: str
    training: TrainingCard
    imported: ImportCard | None = None
    noise: NoiseCard | None = None
    intervals: IntervalsCard | None = None
    scores: dict[str, dict[str, dict[str, float | None]]] = Field(
        default_factory=dict,
        description="RMSE in physical units: part, then forecast or reference, then variable",
    )
    versions: dict[str, str] = Field(default_factory=lambda: library_versions())
    git_revision: str | None = Field(
        default_factory=lambda: git_revision(),
        description="commit of the folder in which the run was trained",
    )

    @property
    def step(self) -> TimeStep:
        """Step of the data that the run was trained on."""
        return TimeStep.parse(self.time_step, self.time_anchor)

    def part_text(self, part: str) -> str:
        """What the training, validation or test was of: dates, or sequences where these differ."""
        if self.sequences is None:
            return ends_text(*self.splits[part])
        if part not in self.sequences:
            return "sequences drawn as they were needed"
        first, stop = self.sequences[part]
        return f"sequences {first} to {stop - 1}"

    @property
    def protocol(self) -> str | None:
        """The published terms that the run was trained on, if it was."""
        return (self.experiment or {}).get("protocol")

    @property
    def channel_names(self) -> list[str]:
        """Names of the variables, in the order of the channels."""
        return [channel.name for channel in self.channels]

    @classmethod
    def read(cls, folder: str | Path) -> "RunCard":
        """The card in a run's folder.

        Raises
        ------
        RunError
            There is none, it cannot be read, or another version of stforecast wrote it.
        """
        path = Path(folder) / CARD
        repair(Path(folder))
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            words = "there is no run" if not Path(folder).exists() else f"it has no {CARD}"
            raise RunError(
                f"{folder} is not a trained run ({words}); make one with stforecast train"
            ) from error
        except OSError as error:
            raise RunError(
                f"cannot read {path}: {error.strerror or error}; change its rights or train the "
                "run again"
            ) from error
        except ValueError as error:  # neither text nor JSON
            raise RunError(f"{path} is damaged (not JSON); train the run again") from error
        if not isinstance(values, dict):
            raise RunError(f"{path} is damaged (no JSON object); train the run again")
        found = values.get("schema_version")
        if found != SCHEMA_VERSION:
            raise RunError(
                f"{path} has schema version {found} and this stforecast ({__version__}) reads "
                f"{SCHEMA_VERSION}; use the stforecast that trained the run, or train it again"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            words = "is missing" if first["type"] == "missing" else first["msg"].lower()
            raise RunError(f"{path} is damaged ({where}: {words}); train the run again") from error

    def write(self, folder: str | Path) -> None:
        """Write the card into a run's folder, whole or not at all.

        Raises
        ------
        RunError
            The folder cannot be written.
        """
        try:
            with written_whole(Path(folder) / CARD, "the card of the run") as beside:
                beside.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except StForecastError as error:
            raise RunError(str(error)) from error

    def check_fits(self, store: TensorStore) -> None:
        """Make sure that the run can forecast from this data.

        Raises
        ------
        RunError
            Variables, units, time step, calendar or grid are not those of the training; says which.
        """
        difference = self._difference(store)
        if difference is not None:
            raise RunError(f"the run {self.name!r} does not fit this data: {difference}")

    def _difference(self, store: TensorStore) -> str | None:
        trained, given = self.channel_names, store.channels
        if trained != given:
            return f"it was trained on {_listed(trained)}, the data has {_listed(given)}" + (
                "; order data.variables alike" if sorted(trained) == sorted(given) else ""
            )
        for ours, theirs in zip(self.channels, store.meta.channels, strict=True):
            if (ours.units or "").strip() != (theirs.units or "").strip():
                return (
                    f"{ours.name!r} was in {_units(ours.units)} and is in {_units(theirs.units)}; "
                    f"if they are the same, say so by data.variables.{ours.name}.units"
                )
        step, other = self.step, store.axis.step
        if (step.seconds, step.months) != (other.seconds, other.months):
            return f"it was trained on a time step of {step.one}, the data has one of {other.one}"
        if _calendar(self.calendar) != _calendar(store.axis.calendar):
            return (
                f"it was trained in the calendar {self.calendar}, "
                f"the data is in {store.axis.calendar}"
            )
        grid = store.grid.fingerprint()
        shapes = ["{}×{}".format(*print_["shape"]) for print_ in (self.grid, grid)]
        if shapes[0] != shapes[1]:
            return f"it was trained on a {shapes[0]} grid, the data has {shapes[1]}"
        words = Grid.difference(self.grid, grid)
        return None if words is None else f"their grids differ, trained on {words} in the data"


def library_versions() -> dict[str, str]:
    """Versions of stforecast, Python and the libraries that results hang on; none is imported."""
    versions = {"stforecast": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def git_revision(folder: str | Path | None = None) -> str | None:
    """Commit of the repository that ``folder`` (the current one by default) lies in, if it does.

    Ends in ``-dirty`` where tracked files were changed since.
    """
    place = str(folder or Path.cwd())
    revision = _git(place, "rev-parse", "HEAD")
    if not revision:
        return None
    # Looking takes no lock and refreshes no index: others may be at work there.
    changed = _git(place, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return f"{revision}-dirty" if changed else revision


def _git(place: str, *arguments: str) -> str | None:
    """What git says; None where it says no, or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", place, *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _calendar(name: str) -> str:
    return _CALENDARS.get(name, name)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _units(units: str | None) -> str:
    return units if units else "no units"
