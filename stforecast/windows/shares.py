"""Training, validation and test as shares: of a record's steps, or of its sequences.

Between two parts of a record lies a gap as long as a window. Sequences are independent, and need
none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stforecast.errors import ConfigError
from stforecast.timeaxis import TimeAxis
from stforecast.windows.parts import (
    PARTS,
    SHARES,
    PartName,
    Range,
    Splits,
    refuse_short,
    splits_of,
    what_to_shorten,
)
from stforecast.windows.spec import WindowSpec


def _fractions(given: Mapping[PartName, float]) -> dict[PartName, float]:
    """Shares of all parts, the rest shared among those not given."""
    rest = max(0.0, 1.0 - sum(given.values()))
    missing = [name for name in PARTS if name not in given]
    total = sum(SHARES[name] for name in missing)
    shares = {name: given[name] if name in given else rest * SHARES[name] / total for name in PARTS}
    if shares["train"] < 1e-9:
        raise ConfigError("the fractions of data.split leave nothing to train on")
    return {name: share for name, share in shares.items() if share >= 1e-9}


def shares_of_times(axis: TimeAxis, given: Mapping[PartName, float], spec: WindowSpec) -> Splits:
    """Parts of a record one after the other; ConfigError where there is no room for them."""
    shares = _fractions(given)
    usable = axis.size - spec.span * (len(shares) - 1)
    needed = spec.span * (2 * len(shares) - 1)
    if axis.size < needed:
        raise ConfigError(
            f"the record has {axis.size} steps; {len(shares)} periods for windows of {spec.span} "
            f"steps, a window apart, need at least {needed}: shorten windows.history or "
            "windows.horizon"
        )
    sizes = _apportion(usable, shares, [name for name in shares if name not in given], spec.span)
    ranges: dict[PartName, Range] = {}
    start = 0
    for name, size in sizes.items():
        ranges[name] = (start, start + size)
        start += size + spec.span
    refuse_short(axis, ranges, spec)
    return splits_of(ranges)


def _apportion(
    total: int, shares: Mapping[PartName, float], free: Sequence[PartName], least: int
) -> dict[PartName, int]:
    """Whole sizes that add up to ``total``; free parts have at least ``least``, if training can."""
    whole = sum(shares.values())
    sizes = {name: round(total * share / whole) for name, share in shares.items()}
    for name in free:
        if name != "train":
            sizes[name] = max(sizes[name], least)
    others = sum(size for name, size in sizes.items() if name != "train")
    return {**sizes, "train": total - others}


def shares_of_sequences(
    axis: TimeAxis, given: Mapping[PartName, float], spec: WindowSpec, n_sequences: int
) -> Splits:
    """Parts of whole sequences; ConfigError where there are too few, or they are too short."""
    shares = _fractions(given)
    notes: list[str] = []
    if n_sequences < len(shares) and "validation" in shares:
        del shares["validation"]
        notes.append(f"{n_sequences} sequences are too few for a validation part; there is none")
    _refuse_long(axis, spec)
    sizes = _apportion(n_sequences, shares, list(shares), 1)
    if sizes["train"] < 1:
        raise ConfigError(
            f"the fractions of data.split leave none of the {n_sequences} sequences to train on"
        )
    ranges: dict[PartName, Range] = {}
    start = 0
    for name, size in sizes.items():
        ranges[name] = (start, start + size)
        start += size
    times = dict.fromkeys(ranges, (0, axis.size))
    return replace(splits_of(times), sequences=ranges, n_sequences=n_sequences, notes=notes)


def around_drawn(
    axis: TimeAxis,
    given: Mapping[PartName, Any],
    spec: WindowSpec,
    n_sequences: int,
    stored: Mapping[PartName, Range],
) -> Splits:
    """Parts of a record whose training sequences are drawn, and which holds only the others."""
    if given:
        raise ConfigError(
            "the training sequences of this record are drawn as they are needed, and those that "
            "it holds are for validation and test: leave data.split out"
        )
    _refuse_long(axis, spec)
    times = dict.fromkeys(("train", *stored), (0, axis.size))
    notes = ["the training sequences are drawn as they are needed, and none of them twice"]
    return replace(splits_of(times), sequences=dict(stored), n_sequences=n_sequences, notes=notes)


def _refuse_long(axis: TimeAxis, spec: WindowSpec) -> None:
    if axis.size < spec.record_needed:
        raise ConfigError(
            f"each sequence has {axis.size} steps and a window needs {spec.record_needed}; "
            f"shorten {what_to_shorten(spec)}"
        )
