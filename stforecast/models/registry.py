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


def create_model(name: str, shape: SampleShape, **settings: Any) -> Forecaster:
    """Make a system by its name for samples of a shape, with the settings given.

    The model's ``settings`` are complete and plain: with them, the same call makes the same
    model. Raises ConfigError for an unknown name or setting (naming the nearest known one) and
    for a bad value.
    """
    complete = complete_settings(name, settings)
    model = REGISTRY[name].system(shape, **complete)
    model.name = name
    model.settings = {
        key: list(value) if isinstance(value, tuple) else value for key, value in complete.items()
    }
    return model


def complete_settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a system: those given, checked, and the defaults of the others."""
    if name not in REGISTRY:
        raise ConfigError(f"there is no model {name}{suggestion(name, REGISTRY)}")
    parameters = REGISTRY[name].system.setting_parameters(given)
    for key in given:
        if key not in parameters:
            raise ConfigError(f"model {name} has no setting {key}{suggestion(key, parameters)}")
    return {
        key: checked(f"model.{key}", given[key], parameter.annotation)
        if key in given
        else _default(name, parameter)
        for key, parameter in parameters.items()
    }


def _default(name: str, parameter: inspect.Parameter) -> Any:
    if parameter.default is inspect.Parameter.empty:
        raise ConfigError(f"model {name} needs the setting {parameter.name}")
    return parameter.default
