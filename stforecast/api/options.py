"""Keyword arguments as typed options."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import BaseModel

from stforecast.config import Experiment, experiment_of
from stforecast.errors import ConfigError
from stforecast.options import DataOptions, TrainingOptions, WindowOptions
from stforecast.verification.details import Details


def data_options(where: str, given: Mapping[str, Any]) -> DataOptions:
    """The data section that keyword arguments make; ConfigError like an experiment file's."""
    return experiment_of({"name": "api", "data": dict(given)}, (), where).data


def score_details(where: str, given: Mapping[str, Any]) -> Details:
    """What else is asked of scores, from keyword arguments; ConfigError for what is no such."""
    known = [field.name for field in fields(Details)]
    for name in given:
        if name not in known:
            raise ConfigError(
                f"{where}: there is no {name}; beside its named arguments there are "
                f"{', '.join(known)}"
            )
    tree = {"name": "api", "verification": dict(given)}
    return Details.of(experiment_of(tree, (), where).verification)


def experiment(
    where: str,
    name: str,
    model: str,
    windows: Mapping[str, Any],
    split: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Experiment:
    """An experiment from keyword arguments, each setting in the section that knows it.

    ``protocol`` is of the experiment as a whole, and what no section knows is a setting of the
    model. ConfigError for one that is nearly a setting of the training or of the windows.
    """
    return experiment_of(experiment_tree(where, name, model, windows, split, settings), (), where)


def experiment_tree(
    where: str,
    name: str,
    model: str,
    windows: Mapping[str, Any],
    split: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The sections of such an experiment as a file would have them."""
    tree: dict[str, dict[str, Any]] = {
        "data": {"split": {key: value for key, value in split.items() if value is not None}},
        "windows": dict(windows),
        "model": {"name": model},
        "training": {},
    }
    sections: dict[str, type[BaseModel]] = {"training": TrainingOptions, "windows": WindowOptions}
    known = {key: name for name, section in sections.items() for key in section.model_fields}
    settings = dict(settings)
    protocol = settings.pop("protocol", None)
    for key, value in settings.items():
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if key not in known and near:
            raise ConfigError(f"{where}: there is no {key}; did you mean {near[0]}?")
        tree[known.get(key, "model")][key] = value
    return {"name": name, "protocol": protocol, **tree}
