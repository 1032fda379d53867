"""Checks of a system's settings, with sentences for the one who wrote them."""

import difflib
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal

from stforecast.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with a message unless a condition holds."""
    if not condition:
        raise ConfigError(message)


def require_odd(name: str, kernel: int) -> None:
    """Raise ConfigError unless a kernel has a middle."""
    require(kernel > 0 and kernel % 2 == 1, f"model.{name} is {kernel}; a kernel must be odd")


def require_hidden(hidden: tuple[int, ...], *, alike: bool = False) -> None:
    """Raise ConfigError unless each layer has a width, and all the same one if a system needs it.

    alike: a memory that goes from layer to layer has one width.
    """
    require(len(hidden) > 0, "model.hidden is empty; give the width of each layer")
    for width in hidden:
        require(width >= 1, f"model.hidden has a layer of {width}; it must be 1 or more")
    same = not alike or len(set(hidden)) == 1
    require(same, f"model.hidden is {list(hidden)}; its memory needs layers of one width")


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, else all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"


def checked(key: str, value: Any, annotation: Any) -> Any:
    """A value as its annotation has it; ConfigError if it is something else."""
    try:
        return _converted(value, annotation)
    except (TypeError, ValueError):
        message = f"{key} is {value!r}; it must be {_described(annotation)}"
        raise ConfigError(message) from None


def _converted(value: Any, annotation: Any) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        for option in arguments:
            try:
                return _converted(value, option)
            except (TypeError, ValueError):
                continue
        raise ValueError
    if origin is Literal:
        # 1 == True in Python, but not in an experiment file
        if any(value == option and type(value) is type(option) for option in arguments):
            return value
        raise ValueError
    if origin is tuple:
        if isinstance(value, str):
            raise ValueError
        return tuple(_converted(item, arguments[0]) for item in value)
    if annotation is type(None) and value is None:
        return None
    if annotation is float and type(value) in (int, float):
        return float(value)
    if annotation in (bool, int, str) and type(value) is annotation:
        return value
    raise ValueError


def _described(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_described(option) for option in arguments)
    if origin is Literal:
        return " or ".join(str(option) for option in arguments)
    if origin is tuple:
        return f"a list, each item {_described(arguments[0])}"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return names.get(annotation, "null")
