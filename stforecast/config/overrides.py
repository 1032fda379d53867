"""Dotted overrides: ``training.max_epochs=5``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stforecast.config.other_model import Carry, name_other_model
from stforecast.config.places import from_here
from stforecast.config.text import KeyPath, describe, parse_value
from stforecast.errors import ConfigError
from stforecast.options import BUDGETS


def override(
    tree: dict[str, Any], overrides: Sequence[str], base: Path, carry: Carry
) -> dict[KeyPath, str]:
    """Put ``dotted.key=value`` into the tree of an experiment, one after the other.

    base: the folder that files of the tree start from; those on the line start from here.
    carry: which settings of the tree's model hold for another one that is named.

    Returns the path that each set, and its text.
    """
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
        given[apply_override(tree, keys, from_here(keys, value, base))] = text
    return given


def _drop_budgets(tree: dict[str, Any], given: dict[KeyPath, str]) -> None:
    """A budget on the command line replaces that of the file, but not another on the line."""
    training = tree.get("training")
    if isinstance(training, dict):
        for budget in BUDGETS:
            if ("training", budget) not in given:
                training.pop(budget, None)


def parse_override(text: str) -> tuple[KeyPath, Any]:
    """Split ``a.b.c=value`` into its keys and its value, which is read as YAML."""
    dotted, equals, value = text.partition("=")
    keys = tuple(dotted.strip().split("."))
    if not equals or not all(keys):
        raise ConfigError(
            f"--set {text} is not KEY=VALUE with a dotted key, such as training.max_epochs=5"
        )
    return keys, parse_value(value, f"--set {text}")


def apply_override(tree: dict[str, Any], keys: KeyPath, value: Any) -> KeyPath:
    """Put a value into a tree of sections, making the sections on the way.

    A list is entered by the number of an item, from 0; a list of names that is entered by a name
    becomes a mapping first. Returns the path that was set.
    """
    node: Any = tree
    path: list[str | int] = []
    for position, key in enumerate(keys):
        last = position == len(keys) - 1
        step: str | int = key
        if isinstance(node, list):
            step = _item(node, key, path)
        elif not isinstance(node, dict):
            raise ConfigError(
                f"--set {_dotted(keys)}: {_dotted(path)} is {describe(node)}, "
                f"which has no key {key}"
            )
        path.append(step)
        if last:
            _put(node, step, value)
        else:
            node = _enter(node, step, keys[position + 1])
    return tuple(path)


def _put(node: Any, step: str | int, value: Any) -> None:
    if isinstance(node, list) and step == len(node):
        node.append(value)
    else:
        node[step] = value


def _enter(node: Any, step: Any, following: str | int) -> Any:
    if isinstance(node, list) and step == len(node):
        node.append({})
    child = node.get(step) if isinstance(node, dict) else node[step]
    if child is None:
        child = [] if following == "0" else {}
    elif isinstance(child, list):
        child = list(child)
        by_name = not str(following).isdigit()
        if by_name and all(isinstance(item, str) for item in child):
            child = dict.fromkeys(child)
    node[step] = child
    return child


def _item(items: list[Any], key: str | int, path: list[str | int]) -> int:
    text = str(key)
    if text.isdigit() and int(text) <= len(items):
        return int(text)
    raise ConfigError(
        f"--set {_dotted((*path, key))}: {_dotted(path)} is a list of {len(items)}, entered by the "
        f"number of an item from 0"
    )


def _dotted(keys: list[str | int] | KeyPath) -> str:
    return ".".join(str(key) for key in keys)
