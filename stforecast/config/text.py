"""Read YAML 1.2 as its writer meant it, and remember the line of every key.

Dates stay text (the calendar of the data decides what they mean), a key given twice is an error,
and nothing but plain values can be built.
"""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from stforecast.errors import ConfigError

KeyPath = tuple[str | int, ...]

_DEEPEST = 50


class _PlainConstructor(SafeConstructor):
    """Plain values; what looks like a date is text."""


_PlainConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _reader() -> YAML:
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _PlainConstructor
    return reader


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Read a YAML file that holds one mapping.

    Returns the mapping, and the line (from 1) of each key and list item by its path.
    Raises ConfigError when there is no such file or it is not such YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder, not a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Like :func:`read_yaml` for text; `where` names it in errors."""
    try:
        value = _reader().load(text)
        node = _reader().compose(text)
    except YAMLError as error:
        raise ConfigError(_sentence(error, where)) from None
    if value is None:
        return {}, {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where} holds {describe(value)}, not keys with values")
    lines: dict[KeyPath, int] = {}
    _collect_lines(node, (), lines)
    return _with_text_keys(value, where), lines


def parse_value(text: str, where: str) -> Any:
    """One value as YAML: `5`, `true`, `[hour, weekday]`, `{level: 500}` or plain text."""
    try:
        value = _reader().load(text)
    except YAMLError as error:
        raise ConfigError(_sentence(error, where)) from None
    return _with_text_keys(value, where)


def yaml_scalar(value: Any) -> str:
    """A plain value as YAML that reads back as itself, also between brackets; quoted if need be."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        plain = value and _reader().load(f"[{value}]") == [value] and "#" not in value
    except YAMLError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)


def describe(value: Any) -> str:
    """A value in the words of an error message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sentence(error: YAMLError, where: str) -> str:
    line = ""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        line = f", line {error.problem_mark.line + 1}"
    if isinstance(error, DuplicateKeyError):
        key = str(error.problem).split('"')[1]
        return f"{where}{line}: the key {key} is given twice"
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    words = " ".join((f"{context}, {problem}" if context else str(problem)).split())
    if context and "flow mapping" in context:
        words += "; a colon needs a space behind it, and a { needs its }"
    return f"{where}{line} is not valid YAML: {words}"


def _with_text_keys(value: Any, where: str, depth: int = 0) -> Any:
    """Keys such as 2012 are text too."""
    if depth > _DEEPEST:
        raise ConfigError(f"{where} is nested more than {_DEEPEST} levels deep")
    if isinstance(value, dict):
        return {
            str(key) if isinstance(key, (str, int, float)) else _refuse_key(key, where): (
                _with_text_keys(item, where, depth + 1)
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_text_keys(item, where, depth + 1) for item in value]
    return value


def _refuse_key(key: Any, where: str) -> str:
    raise ConfigError(f"{where} has {describe(key)} for a key; keys are text")


def _collect_lines(node: Node | None, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    if len(path) > _DEEPEST:
        return
    if isinstance(node, MappingNode):
        for key, item in node.value:
            below = (*path, str(key.value))
            lines[below] = key.start_mark.line + 1
            _collect_lines(item, below, lines)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            below = (*path, index)
            lines[below] = item.start_mark.line + 1
            _collect_lines(item, below, lines)
