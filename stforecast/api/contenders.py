"""From an experiment to the models that are compared on its data."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from stforecast.comparison import (
    ABLATION,
    Contender,
    ablated_settings,
)
from stforecast.comparison.ablation import LAYOUT
from stforecast.config import Change, Experiment, carried_section
from stforecast.errors import ConfigError
from stforecast.models import variants
from stforecast.models.registry import REGISTRY, carried_over, complete_settings
from stforecast.models.settings import suggestion
from stforecast.options import ComparedOptions, ModelOptions

Load = Callable[[Change], Experiment]
"""The experiment as it is loaded with a change."""
Describe = Callable[[Experiment], dict[str, Any]]
"""An experiment as plain values for the card of a run."""


def contenders_of(
    experiment: Experiment,
    load: Load,
    describe: Describe,
    models: Sequence[str] | None,
    preset: str | None,
) -> list[Contender]:
    """The models asked for, each with its settings.

    models: labels of the section `compare`, or names of systems and their variants; by default all
    of that section, or every system where there is none. preset: stands in the place of the
    experiment's settings of the model.

    Raises:
        ConfigError: a model, preset or setting that there is not.
    """
    labels = list(models) if models is not None else list(experiment.compare) or list(REGISTRY)
    known = [*experiment.compare, *variants()]
    found = []
    for label in labels:
        if label not in known:
            raise ConfigError(f"there is no model {label}{suggestion(label, known)}")
        entry = experiment.compare.get(label, ComparedOptions())
        name = entry.model.get("name", label if label in variants() else experiment.model.name)
        change = _change(str(name), entry, preset)
        try:
            chosen = load(change)
        except ConfigError as error:
            if label not in experiment.compare:
                raise
            raise ConfigError(f"compare.{label}: {error}") from error
        found.append(_contender(label, chosen, chosen.model, describe))
    return found


def ablation_of(
    experiment: Experiment,
    load: Load,
    describe: Describe,
    models: Sequence[str] | None,
    preset: str | None,
) -> tuple[list[Contender], list[str]]:
    """The models of SimVP's ablation, of the sizes of the experiment's SimVP or of a preset.

    Returns them, and sentences about settings of the experiment that give way to the paper's.

    Raises:
        ConfigError: a model, preset or setting that there is not.
    """
    known = [ablated.label for ablated in ABLATION]
    for label in models or ():
        if label not in known:
            raise ConfigError(f"the ablation has no model {label}; it has {', '.join(known)}")
    chosen = load(_change("simvp", ComparedOptions(), preset))
    base = chosen.model.settings
    found = []
    for ablated in ABLATION:
        if models is None or ablated.label in models:
            model = ModelOptions(name="simvp", **ablated_settings(ablated, base))
            found.append(_contender(ablated.label, chosen, model, describe, ablated.words))
    return found, _given_way(base)


def _change(name: str, entry: ComparedOptions, preset: str | None) -> Change:
    """The experiment with another model in the place of its own."""

    def change(tree: dict[str, Any], overridden: Collection[Sequence[Any]]) -> dict[str, Any]:
        own = tree.get("model") or {}
        if ("model", "name") in overridden:
            raise ConfigError(
                "--set model.name has no place in a comparison; say which models with --models"
            )
        if preset is not None:
            model = {"preset": preset}
        else:
            model = carried_section(own, name, carried_over)
        for keys in overridden:
            if keys[0] == "model" and len(keys) > 1:  # said of every model
                model[keys[1]] = own[keys[1]]
        model |= {**entry.model, "name": name}
        training = {**(tree.get("training") or {}), **entry.training}
        return {**tree, "model": model, "training": training, "compare": {}}

    return change


def _contender(
    label: str, chosen: Experiment, model: ModelOptions, describe: Describe, words: str = ""
) -> Contender:
    described = describe(chosen.model_copy(update={"model": model}))
    described.pop("compare", None)
    return Contender(label, model, chosen.training, words, described)


def _given_way(base: Mapping[str, Any]) -> list[str]:
    """What the experiment says of SimVP's layout, which the ablation takes from the paper."""
    _, complete = complete_settings("simvp", base)
    changed = [
        f"{key} {_text(value)} instead of {_text(complete[key])}"
        for key, value in LAYOUT.items()
        if key in base and _text(complete[key]) != _text(value)
    ]
    if not changed:
        return []
    return [f"the ablation has the layout of the paper: {', '.join(changed)}"]


def _text(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(map(str, value))}]"
    return str(value)
