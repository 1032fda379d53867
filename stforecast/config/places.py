"""Files that an experiment names: those in its file start from there, others from where one is."""

from pathlib import Path
from typing import Any

from stforecast.config.experiment import Experiment
from stforecast.config.text import KeyPath
from stforecast.options.covariates import located
from stforecast.remote import is_address


def located_experiment(experiment: Experiment, base: Path) -> Experiment:
    """Files of several sources and of covariates as seen from the working directory."""
    if base == Path():
        return experiment
    if experiment.data.sources:
        sources = [
            source.model_copy(update={"files": [seen_from(base, name) for name in source.files]})
            for source in experiment.data.sources
        ]
        data = experiment.data.model_copy(update={"sources": sources})
        experiment = experiment.model_copy(update={"data": data})
    if not experiment.windows.covariates:
        return experiment
    covariates = located(experiment.windows.covariates, base)
    windows = experiment.windows.model_copy(update={"covariates": covariates})
    return experiment.model_copy(update={"windows": windows})


def seen_from(base: Path, name: str) -> str:
    """A file of an experiment in the folder `base`, as seen from the working directory."""
    return name if _is_fixed(name) else str(base / name)


def from_here(keys: KeyPath, value: Any, base: Path) -> Any:
    """Paths on the command line start from the working directory, not from the file."""
    if base != Path() and keys[:2] in (("windows", "covariates"), ("data", "sources")):
        return _files_from_here(keys[-1], value)
    if base == Path() or keys not in (("data", "files"), ("data", "store"), ("maps", "overlay")):
        return value
    if isinstance(value, str):
        return value if _is_fixed(value) else str(Path(value).absolute())
    if isinstance(value, list):
        return [from_here(keys, item, base) for item in value]
    return value


def _files_from_here(key: str | int, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _files_from_here(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_files_from_here(key, item) for item in value]
    if key in ("file", "files") and isinstance(value, str) and not _is_fixed(value):
        return str(Path(value).absolute())
    return value


def _is_fixed(name: str) -> bool:
    """Whether a file is where it is wherever one stands: in a package, or at an address."""
    return name.startswith("package:") or is_address(name)
