"""Training, validation and test as periods of dates, or counted back from the end.

Of two periods nearer to each other than a window, the end of the earlier one gives way.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError
from stforecast.timeaxis import TimeAxis
from stforecast.windows.counted import LAST, counted_back
from stforecast.windows.parts import (
    PARTS,
    SHARES,
    WORDS,
    PartName,
    Range,
    Splits,
    dates_of,
    period,
    refuse_long,
    refuse_short,
    splits_of,
)
from stforecast.windows.spec import WindowSpec


def periods_of_dates(
    axis: TimeAxis,
    given: Mapping[PartName, tuple[str, str]],
    spec: WindowSpec,
    n_sequences: int,
    usable: NDArray[np.bool_],
) -> Splits:
    """Parts at the dates given, completed and kept a window apart; errors as of resolve_splits."""
    notes: list[str] = []
    ranges: dict[PartName, Range] = {}
    refuse_long(axis, spec)
    for name, (first, last) in given.items():
        if first == LAST:
            continue
        ranges[name] = period(axis, first, last, f"{WORDS[name]} period")
        if _leaves_record(axis, first, last):
            dates = " to ".join(dates_of(axis, ranges[name]))
            notes.append(
                f"the {WORDS[name]} period {first} to {last} lies only partly in the record; "
                f"what is used is {dates}"
            )
    ranges |= _from_the_end(axis, given, ranges, spec, usable, notes)
    _refuse_overlap(ranges, given)
    if len(ranges) < len(PARTS):
        ranges = _complete(axis, ranges, spec, notes)
    ranges = _keep_apart(axis, ranges, spec, notes)
    refuse_short(axis, ranges, spec)
    return replace(splits_of(ranges), n_sequences=n_sequences, notes=notes)


def _from_the_end(
    axis: TimeAxis,
    given: Mapping[PartName, tuple[str, str]],
    dated: Mapping[PartName, Range],
    spec: WindowSpec,
    usable: NDArray[np.bool_],
    notes: list[str],
) -> dict[PartName, Range]:
    """The periods that are counted back, the test period first and validation before it."""
    ranges: dict[PartName, Range] = {}
    end = axis.size
    for name in ("test", "validation", "train"):
        first, length = given.get(name, ("", ""))
        if first == LAST and name == "train":
            raise ConfigError(
                "data.split.train cannot be counted back from the end, which is for test and "
                "validation; give its dates, or leave it out"
            )
        if first == LAST:
            ranges[name] = counted_back(axis, f"data.split.{name}", length, spec, end, usable)
            dates = " to ".join(dates_of(axis, ranges[name]))
            notes.append(f"the {WORDS[name]} period, the {LAST} {length}, is {dates}")
        part = ranges.get(name, dated.get(name))
        if part is not None:
            end = part[0] - spec.span
    return ranges


def _leaves_record(axis: TimeAxis, first: str, last: str) -> bool:
    """Whether the period has room for the step before the record, or for the one after it."""
    for position in (-1, axis.size):
        lone = replace(axis, start=axis.times_at(position)[()], size=1, stamps=None)
        start, stop = lone.slice_of(first, last)
        if start < stop:
            return True
    return False


def _refuse_overlap(ranges: Mapping[PartName, Range], given: Mapping[PartName, Any]) -> None:
    in_order = sorted(ranges, key=lambda name: ranges[name])
    for earlier, later in itertools.pairwise(in_order):
        if ranges[earlier][1] > ranges[later][0]:
            raise ConfigError(
                f"the {WORDS[earlier]} period ({_asked(given[earlier])}) and the "
                f"{WORDS[later]} period ({_asked(given[later])}) of data.split overlap"
            )


def _asked(value: tuple[str, str]) -> str:
    """A period as it was asked for."""
    return " ".join(value) if value[0] == LAST else " to ".join(value)


def _complete(
    axis: TimeAxis, ranges: dict[PartName, Range], spec: WindowSpec, notes: list[str]
) -> dict[PartName, Range]:
    """Add the periods that were not given."""
    if sorted(ranges, key=lambda name: ranges[name]) != [name for name in PARTS if name in ranges]:
        raise ConfigError(
            "data.split has its periods in another order than training, validation, test; "
            "give all three"
        )
    full = dict(ranges)
    if "test" not in full:
        start = max(stop for _, stop in full.values()) + spec.span
        if axis.size - start >= spec.span:
            full["test"] = (start, axis.size)
            notes.append(_taken("test", axis, full["test"], "what follows the periods given"))
        else:
            notes.append("there is no test period: the record ends with the periods given")
    if "train" not in full:
        full["train"] = (0, min(start for start, _ in full.values()) - spec.span)
        if full["train"][1] < spec.span:
            earliest = min(ranges, key=lambda name: ranges[name])
            raise ConfigError(
                f"before the {WORDS[earliest]} period the record has no room to train on; "
                "give data.split.train"
            )
        notes.append(_taken("train", axis, full["train"], "what precedes the periods given"))
    if "validation" not in full:
        start, stop = full["train"]
        share = SHARES["validation"] / (SHARES["train"] + SHARES["validation"])
        size = max(spec.span, round((stop - start - spec.span) * share))
        full["validation"] = (stop - size, stop)
        full["train"] = (start, stop - size - spec.span)
        words = "the end of the training period"
        notes.append(_taken("validation", axis, full["validation"], words))
    return full


def _taken(name: PartName, axis: TimeAxis, part: Range, words: str) -> str:
    return f"the {WORDS[name]} period is {words}, {' to '.join(dates_of(axis, part))}"


def _keep_apart(
    axis: TimeAxis, ranges: Mapping[PartName, Range], spec: WindowSpec, notes: list[str]
) -> dict[PartName, Range]:
    """Trim the end of each part that has another too near behind it."""
    apart = dict(ranges)
    in_order = sorted(ranges, key=lambda name: ranges[name])
    for earlier, later in itertools.pairwise(in_order):
        start, stop = ranges[earlier]
        latest = ranges[later][0] - spec.span
        if stop > latest:
            apart[earlier] = (start, max(start, latest))
            if latest > start:
                notes.append(
                    f"the {WORDS[earlier]} period ends at {dates_of(axis, apart[earlier])[1]}, "
                    f"a window's {spec.span} steps before the {WORDS[later]} period"
                )
    return apart
