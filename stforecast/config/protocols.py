"""What a protocol fixes, put into an experiment as options that can be seen."""

import copy
from collections.abc import Iterator
from typing import Any

from stforecast.config.experiment import Experiment
from stforecast.config.text import KeyPath
from stforecast.errors import ConfigError
from stforecast.options.protocols import FIXED, METRICS, benchmark

_VIDEO_READERS = ("moving-mnist", "frames")


class ContradictionError(ConfigError):
    """An option that a protocol has otherwise; ``key`` is its path."""

    def __init__(self, key: KeyPath, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def with_protocol(tree: dict[str, Any], experiment: Experiment) -> dict[str, Any]:
    """The tree of an experiment with the options that its protocol fixes.

    Args:
        tree: what was given, section by section.
        experiment: the same, typed.

    Raises:
        ContradictionError: an option was given that the protocol has otherwise.
    """
    if experiment.protocol is None:
        return tree
    chosen = benchmark(experiment.protocol, _is_of_videos(experiment))
    fixed = Experiment.model_validate(FIXED[chosen])
    whole = copy.deepcopy(tree)
    for key, value in _leaves(FIXED[chosen]):
        if _is_given(tree, key) and _value(experiment, key) != _value(fixed, key):
            given, right = _text(_value(experiment, key)), _text(_value(fixed, key))
            dotted = ".".join(map(str, key))
            raise ContradictionError(
                key,
                f"{dotted} is {given}, but the protocol {chosen} has {right}; leave one of the two "
                "out",
            )
        _put(whole, key, value)
    verification = experiment.verification
    told = [*verification.metrics, "rmse", "mae", *METRICS[chosen]]
    _put(whole, ("verification", "metrics"), list(dict.fromkeys(told)))
    if "lead_time" not in verification.by:
        _put(whole, ("verification", "by"), ["lead_time", *verification.by])
    return whole


def _is_of_videos(experiment: Experiment) -> bool:
    data = experiment.data
    return (
        data.sequence is not None
        or data.reader in _VIDEO_READERS
        or experiment.model.preset == "moving_mnist"
    )


def _leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _is_given(tree: Any, key: KeyPath) -> bool:
    for part in key:
        if not isinstance(tree, dict) or tree.get(part) is None:
            return False
        tree = tree[part]
    return True


def _value(experiment: Experiment, key: KeyPath) -> Any:
    value: Any = experiment
    for part in key:
        value = getattr(value, str(part))
    return value


def _put(tree: dict[str, Any], key: KeyPath, value: Any) -> None:
    *sections, last = map(str, key)
    for section in sections:
        if tree.get(section) is None:
            tree[section] = {}
        tree = tree[section]
    tree[last] = value


def _text(value: Any) -> str:
    """A value as its writer knows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(value) if value[0] == "last" else " to ".join(value)
    return str(value)
