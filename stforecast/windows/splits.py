"""Training, validation and test period: resolved to positions, a window's length apart.

Between two parts lies a gap as long as a window, so that no frame of one is near enough to a frame
of another to have shared a sample with it. Fractions leave the gap; of periods given as dates, the
end of the earlier one gives way.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError, DataError
from stforecast.options import SplitOptions
from stforecast.timeaxis import TimeAxis, stamp_text
from stforecast.windows.counted import LAST, counted_back
from stforecast.windows.spec import WindowSpec

PartName = Literal["train", "validation", "test"]
Range = tuple[int, int]

PARTS: Final[tuple[PartName, ...]] = get_args(PartName)
SHARES: Final[dict[PartName, float]] = {"train": 0.7, "validation": 0.1, "test": 0.2}
WORDS: Final[dict[PartName, str]] = {
    "train": "training",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Splits:
    """Half-open ranges of positions on the time axis; a part that does not exist is None.

    ``sequences`` are half-open ranges of sequences where these are what is split; every part then
    has all times. ``notes`` are sentences for the user about what was not as asked for.
    """

    train: Range
    validation: Range | None = None
    test: Range | None = None
    sequences: Mapping[PartName, Range] | None = None
    n_sequences: int = 1
    notes: list[str] = field(default_factory=list)

    def part(self, name: PartName) -> Range | None:
        """Range of positions of one part."""
        ranges: dict[PartName, Range | None] = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }
        return ranges[name]

    def sequences_of(self, name: PartName) -> range:
        """Sequences that belong to one part."""
        if self.sequences is None:
            return range(self.n_sequences)
        return range(*self.sequences.get(name, (0, 0)))

    def dates(self, axis: TimeAxis) -> dict[str, tuple[str, str]]:
        """First and last time of each part that exists, as text that :func:`period` reads back."""
        parts = {name: self.part(name) for name in PARTS}
        return {name: dates_of(axis, part) for name, part in parts.items() if part is not None}


def resolve_splits(
    axis: TimeAxis,
    options: SplitOptions,
    spec: WindowSpec,
    n_sequences: int = 1,
    stored: Mapping[PartName, Range] | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> Splits:
    """The periods asked for as positions on ``axis``.

    Fractions are shares of the record without its gaps, in the order training, validation, test;
    what is not given shares the rest as 0.7 : 0.1 : 0.2. Of many independent sequences, fractions
    are shares of the sequences, each of them whole. With some periods given as dates, training is
    what precedes them, validation the last eighth of what is there to train on, and test what
    follows them. Test and validation may be counted back from the end, by the times that
    ``usable`` (time,) says may stand in a window, all by default. Where training sequences are
    drawn as they are needed, ``stored`` says which sequences are for validation and for test, and
    nothing is left to ask for.

    Raises
    ------
    ConfigError
        Fractions mixed with dates, periods that overlap or cannot be completed, or a part with no
        room for a window.
    DataError
        A period outside the record.
    """
    given: dict[PartName, Any] = {
        name: getattr(options, name) for name in PARTS if getattr(options, name) is not None
    }
    dated = [name for name, value in given.items() if not isinstance(value, float)]
    if stored is not None:
        return _around_drawn(axis, given, spec, n_sequences, stored)
    if dated and len(dated) < len(given):
        raise ConfigError(
            "data.split mixes fractions and dates; give its periods either all as fractions or "
            "all as dates, of which `last 28D` is one"
        )
    if dated:
        every = np.ones(axis.size, np.bool_)
        return _from_dates(axis, given, spec, n_sequences, every if usable is None else usable)
    if n_sequences > 1:
        return _of_sequences(axis, given, spec, n_sequences)
    return _from_fractions(axis, given, spec)


def period(axis: TimeAxis, first: str, last: str, what: str) -> Range:
    """Positions of a period of dates, both ends included; what lies outside the record is cut.

    Raises
    ------
    ConfigError
        What is given is no date, or the period ends before it begins.
    DataError
        The period lies outside the record.
    """
    start, stop = axis.slice_of(first, last)
    if start >= stop:
        raise DataError(
            f"the {what} ({first} to {last}) has no time of the record, "
            f"which runs from {' to '.join(dates_of(axis, (0, axis.size)))}"
        )
    return start, stop


def dates_of(axis: TimeAxis, part: Range) -> tuple[str, str]:
    """First and last time of a range of positions, as text that ``axis.slice_of`` reads back."""
    first, last = (stamp_text(axis.times_at(position)[()]) for position in (part[0], part[1] - 1))
    if axis.slice_of(first, last)[1] > part[1]:  # a date alone would include the rest of its day
        last = f"{last} 00:00"
    return first, last


# --- fractions -----------------------------------------------------------------------------------


def _fractions(given: Mapping[PartName, float]) -> dict[PartName, float]:
    """Shares of all parts, the rest shared among those not given."""
    rest = max(0.0, 1.0 - sum(given.values()))
    missing = [name for name in PARTS if name not in given]
    total = sum(SHARES[name] for name in missing)
    shares = {name: given[name] if name in given else rest * SHARES[name] / total for name in PARTS}
    if shares["train"] < 1e-9:
        raise ConfigError("the fractions of data.split leave nothing to train on")
    return {name: share for name, share in shares.items() if share >= 1e-9}


def _from_fractions(axis: TimeAxis, given: Mapping[PartName, float], spec: WindowSpec) -> Splits:
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
    _refuse_short(axis, ranges, spec)
    return _splits(ranges)


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


def _of_sequences(
    axis: TimeAxis, given: Mapping[PartName, float], spec: WindowSpec, n_sequences: int
) -> Splits:
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
    return replace(_splits(times), sequences=ranges, n_sequences=n_sequences, notes=notes)


def _around_drawn(
    axis: TimeAxis,
    given: Mapping[PartName, Any],
    spec: WindowSpec,
    n_sequences: int,
    stored: Mapping[PartName, Range],
) -> Splits:
    if given:
        raise ConfigError(
            "the training sequences of this record are drawn as they are needed, and those that "
            "it holds are for validation and test: leave data.split out"
        )
    _refuse_long(axis, spec)
    times = dict.fromkeys(("train", *stored), (0, axis.size))
    notes = ["the training sequences are drawn as they are needed, and none of them twice"]
    return replace(_splits(times), sequences=dict(stored), n_sequences=n_sequences, notes=notes)


def _refuse_long(axis: TimeAxis, spec: WindowSpec) -> None:
    if axis.size < spec.record_needed:
        raise ConfigError(
            f"each sequence has {axis.size} steps and a window needs {spec.record_needed}; "
            f"shorten {_what_to_shorten(spec)}"
        )


# --- dates ---------------------------------------------------------------------------------------


def _from_dates(
    axis: TimeAxis,
    given: Mapping[PartName, tuple[str, str]],
    spec: WindowSpec,
    n_sequences: int,
    usable: NDArray[np.bool_],
) -> Splits:
    notes: list[str] = []
    ranges: dict[PartName, Range] = {}
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
    _refuse_short(axis, ranges, spec)
    return replace(_splits(ranges), n_sequences=n_sequences, notes=notes)


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


# --- both ----------------------------------------------------------------------------------------


def _refuse_short(axis: TimeAxis, ranges: Mapping[PartName, Range], spec: WindowSpec) -> None:
    for name, (start, stop) in ranges.items():
        # lags may reach back to what precedes a period, but not to what precedes the record
        room = stop - max(start, spec.history_needed - spec.history)
        if room < spec.span:
            lagged = " after the longest lag" if stop - start > max(room, 0) else ""
            raise ConfigError(
                f"the {WORDS[name]} period has {max(room, 0)} steps{lagged} where a window needs "
                f"{spec.span} (history and horizon); make it longer in data.split, or shorten "
                f"{_what_to_shorten(spec)}"
            )


def _what_to_shorten(spec: WindowSpec) -> str:
    if spec.lags:
        return "windows.lags, windows.history or windows.horizon"
    return "windows.history or windows.horizon"


def _splits(ranges: Mapping[PartName, Range]) -> Splits:
    return Splits(ranges["train"], ranges.get("validation"), ranges.get("test"))
