"""Find, read and resolve an experiment: file, overrides, presets, paths."""

import copy
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from stforecast.config.experiment import Experiment
from stforecast.config.loaded import LoadedExperiment
from stforecast.config.other_model import Carry, nothing
from stforecast.config.overrides import override
from stforecast.config.places import located_experiment
from stforecast.config.presets import (
    DEMO,
    experiment_preset,
    experiment_presets,
    with_model_preset,
)
from stforecast.config.problems import explain, place_of
from stforecast.config.protocols import ContradictionError, with_protocol
from stforecast.config.text import KeyPath, read_yaml
from stforecast.errors import ConfigError

DEFAULT_FILE = "stforecast.yaml"

Change = Callable[[dict[str, Any], Collection[KeyPath]], dict[str, Any]]
"""Another experiment's sections from those of one, and the keys that were overridden in it."""


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
    experiment = located_experiment(
        _resolve(tree, overrides, lines, where, base, change, carry), base
    )
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
    given = override(tree, overrides, base, carry)
    tree = without_empty_sections(tree, Experiment)
    if change is not None:
        tree = change(tree, given.keys())
    tree = with_model_preset(tree)
    try:
        experiment = Experiment.model_validate(tree)
        return Experiment.model_validate(with_protocol(tree, experiment))
    except ContradictionError as error:
        raise ConfigError(f"{place_of(error.key, given, lines, where)}: {error}") from None
    except ValidationError as error:
        key, sentence = explain(error, tree, Experiment)
        raise ConfigError(f"{place_of(key, given, lines, where)}: {sentence}") from None


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
