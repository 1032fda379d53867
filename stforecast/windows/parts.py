"""The parts of a record, for training, validation and test, as positions on its time axis."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from stforecast.errors import ConfigError, DataError
from stforecast.timeaxis import TimeAxis
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
            f"which runs from {axis.text_at(0)} to {axis.text_at(axis.size - 1)}"
        )
    return start, stop


def dates_of(axis: TimeAxis, part: Range) -> tuple[str, str]:
    """First and last time of a range of positions, as text that ``axis.slice_of`` reads back."""
    first, last = axis.text_at(part[0]), axis.text_at(part[1] - 1)
    if axis.slice_of(first, last)[1] > part[1]:  # a date alone would include the rest of its day
        last = f"{last} 00:00"
    return first, last


def refuse_short(axis: TimeAxis, ranges: Mapping[PartName, Range], spec: WindowSpec) -> None:
    """ConfigError for a part without room for a window."""
    for name, (start, stop) in ranges.items():
        # lags may reach back to what precedes a period, but not to what precedes the record
        room = stop - max(start, spec.history_needed - spec.history)
        if room < spec.span:
            lagged = " after the longest lag" if stop - start > max(room, 0) else ""
            raise ConfigError(
                f"the {WORDS[name]} period has {max(room, 0)} steps{lagged} where a window needs "
                f"{spec.span} (history and horizon); make it longer in data.split, or shorten "
                f"{what_to_shorten(spec)}"
            )


def refuse_long(axis: TimeAxis, spec: WindowSpec) -> None:
    """ConfigError for a window that the whole record has no room for."""
    if spec.record_needed > axis.size:
        lag = f", {max(spec.lags)} steps after the longest lag" if spec.lags else ""
        raise ConfigError(
            f"a window takes {spec.span} steps (windows.history {spec.history} and "
            f"windows.horizon {spec.horizon}{lag}), and the record has {axis.size}, "
            f"{axis.span_text(0, axis.size - 1)}; shorten {what_to_shorten(spec)}"
        )


def what_to_shorten(spec: WindowSpec) -> str:
    if spec.lags:
        return "windows.lags, windows.history or windows.horizon"
    return "windows.history or windows.horizon"


def splits_of(ranges: Mapping[PartName, Range]) -> Splits:
    """Parts that all sequences have."""
    return Splits(ranges["train"], ranges.get("validation"), ranges.get("test"))
