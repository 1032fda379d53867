"""The systems by name, and the one way to make one.

A system's settings are the keyword-only parameters of its constructor: their annotations are
checked here, their ranges by the constructor itself.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from stforecast.errors import ConfigError
from stforecast.models.base import Forecaster, SampleShape
from stforecast.models.settings import checked, suggestion

System = TypeVar("System", bound=type[Forecaster])


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered system and the paper it is from."""

    name: str
    system: type[Forecaster]
    paper: str


REGISTRY: dict[str, Entry] = {}


def register(name: str, *, paper: str) -> Callable[[System], System]:
    """Class decorator: make a system available by its name."""

    def enter(system: System) -> System:
        if name in REGISTRY:
            raise ValueError(f"two systems are registered as {name}")
        REGISTRY[name] = Entry(name, system, paper)
        return system

    return enter


def split_variant(name: str) -> tuple[str, dict[str, Any]]:
    """The system and the settings that a name stands for.

    ``simvp:tau`` is ``("simvp", {"translator": "tau"})``, and a system's own name has no settings.
    Raises ConfigError for an unknown name, with the nearest known one.
    """
    system, colon, value = name.partition(":")
    entry = REGISTRY.get(system)
    if entry is not None and not colon:
        return name, {}
    if entry is not None and entry.system.variants and value in entry.system.variants.values:
        return system, {entry.system.variants.setting: value}
    raise ConfigError(f"there is no model {name}{suggestion(name, variants())}")


def variants() -> list[str]:
    """Names of all systems, each followed by its variants: ``simvp``, ``simvp:tau``…"""
    names = []
    for name, entry in REGISTRY.items():
        names.append(name)
        if entry.system.variants is not None:
            plain = _plain_variant(entry)
            names += [f"{name}:{value}" for value in entry.system.variants.values if value != plain]
    return names


def variant_name(name: str, settings: Mapping[str, Any]) -> str:
    """The name of a system with some settings, as :func:`variants` has it."""
    entry = REGISTRY[name]
    if entry.system.variants is None:
        return name
    plain = _plain_variant(entry)
    value = settings.get(entry.system.variants.setting, plain)
    return name if value == plain else f"{name}:{value}"


def paper(name: str) -> str:
    """The paper that a system or a variant is from."""
    system, chosen = split_variant(name)
    of = REGISTRY[system].system.variants
    if of is None or not chosen:
        return REGISTRY[system].paper
    return of.values[chosen[of.setting]].paper


def carried_over(own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings of one model, named among them, that hold for the model `name`, too.

    All where it is the same model; of another variant of the same system what both have; none of
    another system. The name itself is left out. Raises ConfigError for unknown models.
    """
    system, chosen = split_variant(name)
    given = {key: value for key, value in own.items() if key != "name"}
    own_system, own_chosen = split_variant(str(own.get("name", "simvp")))
    if own_system != system:
        return {}
    if variant_name(system, {**given, **own_chosen}) == variant_name(system, chosen):
        return given
    variants_of = REGISTRY[system].system.variants
    assert variants_of is not None  # or there were no other one
    kept = {key: value for key, value in given.items() if key != variants_of.setting}
    known = REGISTRY[system].system.setting_parameters({**kept, **chosen})
    return {key: value for key, value in kept.items() if key in known}


def create_model(name: str, shape: SampleShape, **settings: Any) -> Forecaster:
    """Make a system, or a variant of one, by its name for samples of a shape.

    The model's ``name`` is that of the system, and its ``settings`` are complete and plain: with
    both, the same call makes the same model. Raises ConfigError for an unknown name or setting
    (naming the nearest known one) and for a bad value.
    """
    system, complete = complete_settings(name, settings)
    model = REGISTRY[system].system(shape, **complete)
    model.name = system
    model.settings = {
        key: list(value) if isinstance(value, tuple) else value for key, value in complete.items()
    }
    return model


def complete_settings(name: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The system that a name stands for, and all its settings.

    These are the ones given, checked, that of the variant, and the defaults of the others.
    """
    system, chosen = split_variant(name)
    for key, value in chosen.items():
        if given.get(key, value) != value:
            raise ConfigError(
                f"the model is {name}, but model.{key} is {given[key]}; leave one out"
            )
    given = {**given, **chosen}
    parameters = REGISTRY[system].system.setting_parameters(given)
    for key in given:
        if key not in parameters:
            known = variant_name(system, given)
            raise ConfigError(f"model {known} has no setting {key}{suggestion(key, parameters)}")
    return system, {
        key: checked(f"model.{key}", given[key], parameter.annotation)
        if key in given
        else _default(system, parameter)
        for key, parameter in parameters.items()
    }


def _plain_variant(entry: Entry) -> Any:
    """The value of a system's variants that it has without being told."""
    assert entry.system.variants is not None
    return entry.system.setting_parameters({})[entry.system.variants.setting].default


def _default(name: str, parameter: inspect.Parameter) -> Any:
    if parameter.default is inspect.Parameter.empty:
        raise ConfigError(f"model {name} needs the setting {parameter.name}")
    return parameter.default
