"""The experiments and model settings that come with the package."""

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stforecast.config.problems import did_you_mean
from stforecast.config.text import read_yaml
from stforecast.errors import ConfigError
from stforecast.options import BUDGETS

DEMO = "demo"


def presets_folder() -> Path:
    """Where the package keeps them: ``<experiment>.yaml`` and ``model/<name>/<preset>.yaml``."""
    return Path(str(importlib.resources.files("stforecast") / "presets"))


def experiment_presets() -> list[str]:
    """Names of the experiments that come with the package."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def experiment_preset(name: str) -> Path:
    """The file of an experiment that comes with the package."""
    _check_known(name, experiment_presets(), "experiment preset {}")
    return presets_folder() / f"{name}.yaml"


def model_presets(model: str) -> list[str]:
    """Names of the published settings of a model, or of a variant of one such as ``simvp:tau``.

    Those of a variant V are the files ``V_<preset>.yaml`` of its system.
    """
    system, _, variant = model.partition(":")
    files = (presets_folder() / "model" / system).glob("*.yaml")
    prefix = _prefix(variant)
    return sorted(path.stem.removeprefix(prefix) for path in files if path.stem.startswith(prefix))


def has_preset(model: str, preset: object) -> bool:
    """Whether a model, or a variant of one, has published settings of this name."""
    return str(preset).removeprefix(_prefix(model.partition(":")[2])) in model_presets(model)


def model_preset(
    model: str, preset: str, given: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Published settings of a model: its own under ``model``, those of training under ``training``.

    model: its name, or a variant's.
    given: its settings as given; one that has presets of its own, such as ``translator: tau``, is
        as good as the variant's name.

    Raises ConfigError when the model has no such preset.
    """
    system, _, variant = model.partition(":")
    folder = presets_folder() / "model"
    models = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if system not in models or not model_presets(model):
        nearest = did_you_mean(model, _variants(system) if system in models else models)
        raise ConfigError(
            f"model.preset is {preset}, but there are no presets for the model {model}{nearest}"
        )
    if not variant:
        values = [value for value in (given or {}).values() if isinstance(value, str)]
        stems = model_presets(system)
        variant = next((value for value in values if f"{value}_{preset}" in stems), "")
    prefix = _prefix(variant)
    name = f"{system}:{variant}" if variant else system
    preset = preset.removeprefix(prefix)
    _check_known(preset, model_presets(name), f"preset {{}} of {name}")
    content, _ = read_yaml(folder / system / f"{prefix}{preset}.yaml")
    training = content.pop("training", None) or {}
    settings = content.pop("model", None) or content
    settings.pop("name", None)
    return {"model": settings, "training": training}


def with_model_preset(tree: dict[str, Any]) -> dict[str, Any]:
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


def _variants(system: str) -> list[str]:
    """Variants of a system that have presets beside those of the system itself."""
    stems = model_presets(system)
    parted = [stem.partition("_") for stem in stems]
    return sorted({f"{system}:{variant}" for variant, _, preset in parted if preset in stems})


def _prefix(variant: str) -> str:
    return f"{variant}_" if variant else ""


def _check_known(name: str, names: list[str], what: str) -> None:
    if name not in names:
        hint = did_you_mean(name, names) or f"; there are {', '.join(names)}"
        raise ConfigError(f"there is no {what.format(name)}{hint}")
