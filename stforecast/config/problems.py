"""What pydantic finds wrong, in one sentence with the dotted key and the nearest right one."""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stforecast.config.text import KeyPath, describe

_PHRASES = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    # Every pair among the options is a period.
    "tuple_type": "a first and a last date",
    "missing": "a first and a last date",
    "string_pattern_mismatch": "letters, digits and _ . + -, with a letter or digit first",
}
_BOUNDS = {
    "greater_than": ("gt", "a number above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "a number below"),
    "less_than_equal": ("le", "at most"),
}


def explain(
    error: ValidationError, tree: dict[str, Any], root: type[BaseModel]
) -> tuple[KeyPath, str]:
    """The most telling of the errors: the path it is about, and the sentence without its place."""
    found = [(_clean(item, tree), item) for item in error.errors(include_url=False)]
    unknown = [entry for entry in found if entry[1]["type"] == "extra_forbidden"]
    path, first = (unknown or found)[0]
    dotted = ".".join(str(part) for part in path)
    if unknown:
        return path, f"{dotted} is not an option{suggest_key(path, root)}"
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
        return path, f"{dotted}: {message}" if dotted else message
    value = _look_up(tree, path)
    if first["type"] == "missing" and value is _NOTHING:
        return path, f"{dotted} is missing"
    phrases = [_phrase(item) for place, item in found if place == path]
    wanted = " or ".join(dict.fromkeys(phrases))
    hint = ""
    if first["type"] == "literal_error":
        choices = str(first["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
        hint = did_you_mean(describe(value), choices)
    elif first["type"] == "string_type" and isinstance(value, (int, float)) and len(phrases) == 1:
        hint = ", in quotes"
    return path, f"{dotted} is {describe(value)}; it must be {wanted}{hint}"


def place_of(key: KeyPath, given: dict[KeyPath, str], lines: dict[KeyPath, int], where: str) -> str:
    """Where the value of a key was given: on the command line, else a line of `where`."""
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


def did_you_mean(given: str, choices: Iterable[str]) -> str:
    """`; did you mean …?` with the nearest of the choices, or nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(given.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


def suggest_key(path: KeyPath, root: type[BaseModel]) -> str:
    """The nearest right key: in the same section, else anywhere, else what the section has."""
    section, key = path[:-1], str(path[-1])
    options = sections_at(root, section)
    names = list(dict.fromkeys(name for option in options for name in keys_of(option)))
    prefix = "".join(f"{part}." for part in section)
    near = did_you_mean(key, names)
    if near:
        return near.replace("did you mean ", f"did you mean {prefix}")
    leaves = {dotted.rpartition(".")[2]: dotted for dotted in _dotted_keys(root)}
    close = difflib.get_close_matches(key, list(leaves), n=1, cutoff=0.8)
    if close:
        return f"; did you mean {leaves[close[0]]}?"
    place = ".".join(str(part) for part in section) or "an experiment"
    return f"; {place} has {', '.join(names)}" if names else ""


def sections_at(root: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """The class of the section at a path, through mappings and lists; or the alternatives to it."""
    current: Any = root
    for part in path:
        models = _models_in(current)
        chosen = next((model for model in models if str(part) in keys_of(model)), None)
        if chosen is not None:
            current = keys_of(chosen)[str(part)].annotation
        elif not models or not _is_model(current):
            # a name in a mapping of sections, or a position in a list of them
            continue
        else:
            return []
    return _models_in(current)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The options of a section by the keys that an experiment file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [typing.cast(type[BaseModel], annotation)]
    found = []
    for inner in typing.get_args(annotation):
        if not isinstance(inner, (str, types.FunctionType)):
            found += _models_in(inner)
    return found


def _dotted_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in keys_of(model).items():
        keys.append(prefix + name)
        if _is_model(field.annotation):
            keys += _dotted_keys(typing.cast(type[BaseModel], field.annotation), f"{prefix}{name}.")
    return keys


def _phrase(item: Any) -> str:
    kind = item["type"]
    if kind == "literal_error":
        return str(item["ctx"]["expected"]).replace("'", "")
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{words} {item['ctx'][key]:g}"
    if kind in ("too_long", "too_short") and item["ctx"]["field_type"] == "Tuple":
        return _PHRASES["tuple_type"]
    if kind == "too_short":
        return f"a list of at least {item['ctx']['min_length']}"
    message: str = item["msg"]
    return _PHRASES.get(kind, message.removeprefix("Input should be ").lower())


_NOTHING = object()


def _below(tree: Any, part: str | int) -> Any:
    if isinstance(tree, dict):
        return tree.get(part, _NOTHING)
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return tree[part]
    return _NOTHING


def _look_up(tree: Any, path: KeyPath) -> Any:
    for part in path:
        tree = _below(tree, part)
    return tree


def _clean(item: Any, tree: Any) -> KeyPath:
    """The path as its writer knows it: without pydantic's names of alternatives."""
    path: list[str | int] = []
    loc = item["loc"]
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        child = _below(tree, part)
        if child is not _NOTHING:
            tree = child
        elif isinstance(tree, list) and part in tree:
            tree = {}
        elif not (last and item["type"] == "missing" and isinstance(part, str)):
            continue
        path.append(part)
    return tuple(path)
