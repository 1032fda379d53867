"""The experiments and model settings that come with the package."""

import importlib.resources
from pathlib import Path
from typing import Any

from stforecast.config.problems import did_you_mean
from stforecast.config.text import read_yaml
from stforecast.errors import ConfigError

DEMO = "demo"


def presets_folder() -> Path:
    """Where the package keeps them: ``<experiment>.yaml`` and ``model/<name>/<preset>.yaml``."""
    return Path(str(importlib.resources.files("stforecast") / "presets"))


def experiment_presets() -> list[str]:
    """Names of the experiments that come with the package."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def experiment_preset(name: str) -> Path:
    """The file of an experiment that comes with the package."""
    return _pick(name, experiment_presets(), "experiment preset", presets_folder())


def model_presets(model: str) -> list[str]:
    """Names of the published settings of a model."""
    return sorted(path.stem for path in (presets_folder() / "model" / model).glob("*.yaml"))


def model_preset(model: str, preset: str) -> dict[str, dict[str, Any]]:
    """Published settings of a model: its own under ``model``, those of training under ``training``.

    Raises ConfigError when the model has no such preset.
    """
    folder = presets_folder() / "model"
    models = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if model not in models:
        raise ConfigError(
            f"model.preset is {preset}, but there are no presets for the model {model}"
            f"{did_you_mean(model, models)}"
        )
    path = _pick(preset, model_presets(model), f"preset of {model}", folder / model)
    content, _ = read_yaml(path)
    training = content.pop("training", None) or {}
    settings = content.pop("model", None) or content
    settings.pop("name", None)
    return {"model": settings, "training": training}


def _pick(name: str, names: list[str], what: str, folder: Path) -> Path:
    if name not in names:
        hint = did_you_mean(name, names) or f"; there are {', '.join(names)}"
        raise ConfigError(f"there is no {what} {name}{hint}")
    return folder / f"{name}.yaml"
