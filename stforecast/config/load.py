"""Find, read and resolve an experiment: file, overrides, presets, paths."""

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from stforecast.config.experiment import Experiment
from stforecast.config.other_model import Carry, name_other_model, nothing
from stforecast.config.outputs import FORECAST, MAPS, MODEL, STORE, VERIFICATION
from stforecast.config.overrides import apply_override, parse_override
from stforecast.config.presets import (
    DEMO,
    experiment_preset,
    experiment_presets,
    model_preset,
)
from stforecast.config.problems import explain
from stforecast.config.protocols import ContradictionError, with_protocol
from stforecast.config.text import KeyPath, read_yaml
from stforecast.errors import ConfigError
from stforecast.options import BUDGETS
from stforecast.options.covariates import located
from stforecast.remote import Location, is_address, location

DEFAULT_FILE = "stforecast.yaml"

Change = Callable[[dict[str, Any], Collection[KeyPath]], dict[str, Any]]
"""Another experiment's sections from those of one, and the keys that were overridden in it."""


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment, where it came from, and where its inputs and outputs lie."""

    experiment: Experiment
    source: Path | None
    """The experiment file; None for the built-in demo and for defaults."""
    origin: str
    """Where it came from, in words."""

    @property
    def base(self) -> Path:
        """The folder that relative paths of the experiment start from."""
        return self.source.parent if self.source else Path()

    @property
    def is_demo(self) -> bool:
        return self.source is None and self.experiment.name == DEMO

    @property
    def folder(self) -> Path:
        """The folder of this experiment's outputs."""
        return Path(self.experiment.runs) / self.experiment.name

    @property
    def store(self) -> Location:
        store = self.experiment.data.store
        if store and is_address(store):
            return location(store)
        return self.base / store if store else self.folder / STORE

    @property
    def files(self) -> list[str]:
        """The data files, as seen from the working directory."""
        return [_seen_from(self.base, name) for name in self.experiment.data.files]

    @property
    def model(self) -> Path:
        return self.folder / MODEL

    @property
    def forecast(self) -> Path:
        return self.folder / FORECAST

    @property
    def verification(self) -> Path:
        return self.folder / VERIFICATION

    @property
    def maps(self) -> Path:
        return self.folder / MAPS

    @property
    def overlay(self) -> Path | None:
        overlay = self.experiment.maps.overlay
        return self.base / overlay if overlay else None


def load_experiment(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    own_data: str | None = None,
    change: Change | None = None,
    carry: Carry = nothing,
) -> LoadedExperiment:
    """Load the experiment of a file, else of ``./stforecast.yaml``, else the built-in demo.

    Parameters
    ----------
    path
        The experiment file.
    overrides
        ``dotted.key=value`` each, with the value as YAML; the later ones win. Paths in them are
        relative to the working directory, those in the file to the file.
    own_data
        A name for data that the user gave in another way: it stands, with defaults, where the
        demo would.
    change
        Makes another experiment of this one before presets are filled in.
    carry
        Which settings of the file's model hold for the one that an override names instead.

    Raises
    ------
    ConfigError
        In one sentence with the file, the line and the dotted key.
    """
    source = _find(path)
    lines: dict[KeyPath, int] = {}
    if source is not None:
        tree, lines = read_yaml(source)
        tree.setdefault("name", _name_from(source))
        where, origin = str(source), f"Experiment: {source}"
    elif own_data is not None:
        tree, where = {"name": own_data}, "the experiment"
        origin = f"Experiment: defaults for {own_data} (no -c FILE and no ./{DEFAULT_FILE})"
    else:
        demo = experiment_preset(DEMO)
        tree, lines = read_yaml(demo)
        tree["name"] = DEMO
        where = str(demo)
        origin = f"Experiment: the built-in demo (no -c FILE and no ./{DEFAULT_FILE})"
    base = source.parent if source else Path()
    experiment = _located(_resolve(tree, overrides, lines, where, base, change, carry), base)
    return LoadedExperiment(experiment, source, origin)


def experiment_of(
    tree: dict[str, Any],
    overrides: Sequence[str],
    where: str,
    change: Change | None = None,
) -> Experiment:
    """The experiment that a mapping describes, such as that on a run's card.

    Raises ConfigError like :func:`load_experiment`; `where` names the mapping in it.
    """
    return _resolve(copy.deepcopy(tree), overrides, {}, where, Path(), change)


def _resolve(
    tree: dict[str, Any],
    overrides: Sequence[str],
    lines: dict[KeyPath, int],
    where: str,
    base: Path,
    change: Change | None = None,
    carry: Carry = nothing,
) -> Experiment:
    given = _override(tree, overrides, base, carry)
    tree = without_empty_sections(tree, Experiment)
    if change is not None:
        tree = change(tree, given.keys())
    tree = _with_model_preset(tree)
    try:
        experiment = Experiment.model_validate(tree)
        return Experiment.model_validate(with_protocol(tree, experiment))
    except ContradictionError as error:
        raise ConfigError(f"{_place(error.key, given, lines, where)}: {error}") from None
    except ValidationError as error:
        key, sentence = explain(error, tree, Experiment)
        raise ConfigError(f"{_place(key, given, lines, where)}: {sentence}") from None


def _located(experiment: Experiment, base: Path) -> Experiment:
    """Files of several sources and of covariates as seen from the working directory."""
    if base == Path():
        return experiment
    if experiment.data.sources:
        sources = [
            source.model_copy(update={"files": [_seen_from(base, name) for name in source.files]})
            for source in experiment.data.sources
        ]
        data = experiment.data.model_copy(update={"sources": sources})
        experiment = experiment.model_copy(update={"data": data})
    if not experiment.windows.covariates:
        return experiment
    covariates = located(experiment.windows.covariates, base)
    windows = experiment.windows.model_copy(update={"covariates": covariates})
    return experiment.model_copy(update={"windows": windows})


def _seen_from(base: Path, name: str) -> str:
    return name if _is_fixed(name) else str(base / name)


def without_empty_sections(tree: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A section whose every line is commented out reads as null: it is empty."""
    cleaned = dict(tree)
    for name, field in model.model_fields.items():
        kind = field.annotation
        if name in cleaned and isinstance(kind, type) and issubclass(kind, BaseModel):
            value = {} if cleaned[name] is None else cleaned[name]
            cleaned[name] = (
                without_empty_sections(value, kind) if isinstance(value, dict) else value
            )
    return cleaned


def _find(path: str | Path | None) -> Path | None:
    if path is None:
        return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None
    found = Path(path)
    if not found.exists():
        if str(path) in experiment_presets():
            raise ConfigError(
                f"there is no experiment file {path}; write one from the preset with "
                f"`stforecast new NAME --from {path} --data FILES`"
            )
        raise ConfigError(
            f"there is no experiment file {path}; `stforecast new NAME --data FILES` writes one"
        )
    return found


def _name_from(source: Path) -> str:
    stem = source.stem
    if source.name == DEFAULT_FILE:
        stem = source.resolve().parent.name
    return safe_name(stem)


def safe_name(text: str) -> str:
    """A name for a folder of outputs out of any text."""
    kept = "".join(char if char.isalnum() or char in "_.+-" else "-" for char in text)
    return kept.lstrip("._+-")[:100] or "experiment"


def _override(
    tree: dict[str, Any], overrides: Sequence[str], base: Path, carry: Carry
) -> dict[KeyPath, str]:
    given: dict[KeyPath, str] = {}
    for text in overrides:
        keys, value = parse_override(text)
        if keys[0] == "training" and keys[-1] in BUDGETS and value is not None:
            _drop_budgets(tree, given)
        if keys == ("model", "name") and isinstance(tree.get("model"), dict):
            said = {str(path[1]) for path in given if path[0] == "model" and len(path) > 1}
            if ("model",) in given:  # the whole section was
                said |= set(tree["model"])
            name_other_model(tree["model"], said, str(value), carry)
        given[apply_override(tree, keys, _from_here(keys, value, base))] = text
    return given


def _drop_budgets(tree: dict[str, Any], given: dict[KeyPath, str]) -> None:
    """A budget on the command line replaces that of the file, but not another on the line."""
    training = tree.get("training")
    if isinstance(training, dict):
        for budget in BUDGETS:
            if ("training", budget) not in given:
                training.pop(budget, None)


def _from_here(keys: KeyPath, value: Any, base: Path) -> Any:
    """Paths on the command line start from the working directory, not from the file."""
    if base != Path() and keys[:2] in (("windows", "covariates"), ("data", "sources")):
        return _files_from_here(keys[-1], value)
    if base == Path() or keys not in (("data", "files"), ("data", "store"), ("maps", "overlay")):
        return value
    if isinstance(value, str):
        return value if _is_fixed(value) else str(Path(value).absolute())
    if isinstance(value, list):
        return [_from_here(keys, item, base) for item in value]
    return value


def _is_fixed(name: str) -> bool:
    """Whether a file is where it is wherever one stands: in a package, or at an address."""
    return name.startswith("package:") or is_address(name)


def _files_from_here(key: str | int, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _files_from_here(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_files_from_here(key, item) for item in value]
    if key in ("file", "files") and isinstance(value, str) and not _is_fixed(value):
        return str(Path(value).absolute())
    return value


def _with_model_preset(tree: dict[str, Any]) -> dict[str, Any]:
    """Published settings lie under the user's own; a budget of the user's replaces the preset's."""
    model = tree.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("preset"), str):
        return tree
    name = model.get("name", "simvp")
    preset = model_preset(str(name), model["preset"], model)
    training = tree.get("training", {})
    if not isinstance(training, dict):
        return tree
    published = preset["training"]
    if any(training.get(budget) is not None for budget in BUDGETS):
        published = {key: value for key, value in published.items() if key not in BUDGETS}
    return {
        **tree,
        "model": {"name": name, **preset["model"], **model},
        "training": {**published, **training},
    }


def _place(key: KeyPath, given: dict[KeyPath, str], lines: dict[KeyPath, int], where: str) -> str:
    if key not in given:
        near = [text for path, text in given.items() if path[: len(key)] == key]
        beside = [text for path, text in given.items() if path[:-1] == key[:-1] != ()]
        if key not in lines and near + beside:
            return f"--set {(near + beside)[0]}"
        if near:
            return f"{where}, line {lines[key]}, with --set {' --set '.join(near)}"
    lengths = range(len(key), 0, -1)
    for length in lengths:  # the command line counts, also for what is inside a value of it
        if key[:length] in given:
            return f"--set {given[key[:length]]}"
    for length in lengths:
        if key[:length] in lines:
            return f"{where}, line {lines[key[:length]]}"
    return where
