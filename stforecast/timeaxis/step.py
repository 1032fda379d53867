"""The step of a time axis: a fixed duration or a number of calendar months."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stforecast.errors import ConfigError, DataError
from stforecast.timeaxis.stamps import DAY, SECOND, Clock, Integers, normalise_stamps, stamp_text

Anchor = Literal["same", "mid", "mid-day", "end"]

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3600, 86_400, 604_800
_SECONDS = {
    **dict.fromkeys(("s", "S", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "T", "minute", "minutes"), _MINUTE),
    **dict.fromkeys(("h", "H", "hr", "hour", "hours"), _HOUR),
    **dict.fromkeys(("d", "D", "day", "days"), _DAY),
    **dict.fromkeys(("w", "W", "week", "weeks"), _WEEK),
}
_FRAMES = ("frame", "frames")
_MONTHS = {
    **dict.fromkeys(("M", "MS", "ME", "mon", "month", "months"), 1),
    **dict.fromkeys(("y", "Y", "YS", "YE", "year", "years"), 12),
}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*([A-Za-z]+)\s*")


@dataclass(frozen=True)
class TimeStep:
    """A fixed step of `seconds`, or a calendar step of `months`; exactly one of them is not zero.

    With `frames` the steps are those of sequences without a clock, such as videos: their stamps
    only count them, one second for each.

    `anchor` tells where the stamps of a calendar step lie: at the same day of the month, in the
    middle of the period that the step spans (``mid``; ``mid-day`` without the hours), or on the
    last day of the month.
    """

    seconds: int = 0
    months: int = 0
    anchor: Anchor = "same"
    frames: bool = False

    def __post_init__(self) -> None:
        if (self.seconds > 0) == (self.months > 0) or min(self.seconds, self.months) < 0:
            raise ConfigError("a time step is either a number of seconds or a number of months")
        if self.frames and not self.seconds:
            raise ConfigError("frames are counted, not months")

    @classmethod
    def parse(cls, text: str, anchor: Anchor = "same") -> "TimeStep":
        """Read a duration such as ``30min``, ``1h``, ``1D``, ``2W``, ``3M`` (months) or ``1Y``.

        ``1frame`` is one of frames that have no clock.
        """
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        amount = float(match[1] or 1) if match else 0.0
        unit = match[2] if match else ""
        if unit == "m":
            raise ConfigError(f"{text!r} is ambiguous: write min for minutes or M for months")
        if unit in _SECONDS:
            seconds = amount * _SECONDS[unit]
            if seconds > 0 and seconds == int(seconds):
                return cls(seconds=int(seconds))
        if unit in _FRAMES and amount > 0 and amount == int(amount):
            return cls(seconds=int(amount), frames=True)
        if unit in _MONTHS:
            months = amount * _MONTHS[unit]
            if months > 0 and months == int(months):
                return cls(months=int(months), anchor=anchor)
        raise ConfigError(
            f"{text!r} is not a duration; write a positive number and a unit, such as 30min, 12h, "
            "1D, 1M (month) or 1Y"
        )

    @classmethod
    def infer(cls, times: ArrayLike) -> "TimeStep":
        """Find the step of time stamps: the most common difference of the sorted distinct ones.

        Months and years are recognised by calendar arithmetic, wherever in them the stamps lie.
        DataError with fewer than two different stamps, or when they follow no step.
        """
        stamps = normalise_stamps(times).ravel()
        clock = Clock.of(stamps) if stamps.size else Clock("proleptic_gregorian", "us")
        micros = np.unique(clock.to_micros(stamps))
        if micros.size < 2:
            only = f" ({stamp_text(stamps[0])})" if stamps.size else ""
            raise DataError(
                f"the record has {'a single time' if only else 'no time'}{only}; a forecast needs "
                "at least two different ones"
                + ("; where more come later, give data.time_step" if only else "")
            )
        differences = np.diff(micros)
        if differences.min() >= 27 * DAY:
            months = _most_common(np.diff(clock.months(micros)))
            if months > 0:
                anchor = find_anchor(clock, micros, months)
                if anchor is not None:
                    return cls(months=months, anchor=anchor)
        rounded = np.rint(differences / SECOND).astype(np.int64) * SECOND
        step = _most_common(rounded)
        if step == 0:
            raise DataError("the time stamps lie less than a second apart, which is not supported")
        # The phase of a stamp that does lie one step before the next; the first may be a stray.
        phases = (micros - micros[(rounded == step).argmax()]) % step
        off = np.minimum(phases, step - phases) > slack(step)
        if off.any():
            stray = micros[off]
            if stray.size * 2 > micros.size:
                raise DataError(
                    "the time stamps are not regular: their differences go from "
                    f"{duration_text(int(differences.min()))} to "
                    f"{duration_text(int(differences.max()))}; give data.time_step, or resample "
                    "them first"
                )
            raise DataError(
                f"the time stamps are not regular: most lie {duration_text(step)} apart, but "
                f"{stamp_text(clock.from_micros(stray[:1])[0])} does not fall on that step"
                + (f", nor do {stray.size - 1} others" if stray.size > 1 else "")
                + "; give data.time_step, or resample them first"
            )
        return cls(seconds=step // SECOND)

    @property
    def is_fixed(self) -> bool:
        """Whether every step lasts equally long."""
        return self.seconds > 0

    @property
    def text(self) -> str:
        """The step as text that :meth:`parse` reads back, such as ``1h`` or ``3M``."""
        if not self.is_fixed:
            return f"{self.months // 12}Y" if self.months % 12 == 0 else f"{self.months}M"
        if self.frames:
            return f"{self.seconds}frame" + ("s" if self.seconds > 1 else "")
        for unit, seconds in (("D", _DAY), ("h", _HOUR), ("min", _MINUTE)):
            if self.seconds % seconds == 0:
                return f"{self.seconds // seconds}{unit}"
        return f"{self.seconds}s"

    @property
    def label(self) -> str:
        """The step in words: ``hour``, ``30 minutes``, ``month``, ``frame``."""
        if not self.is_fixed:
            count, word = (
                (self.months // 12, "year") if self.months % 12 == 0 else (self.months, "month")
            )
        elif self.frames:
            count, word = self.seconds, "frame"
        else:
            count, word = _count_and_word(self.seconds)
        return word if count == 1 else f"{count} {word}s"

    @property
    def one(self) -> str:
        """One step in words: ``one hour``, ``30 minutes``, ``one frame``."""
        return self.label if self.label[0].isdigit() else f"one {self.label}"

    def counted(self, count: int, noun: str = "step") -> str:
        """So many steps in words: ``12 steps of one hour``, ``10 frames``."""
        if self.frames and self.seconds == 1:
            noun, of = "frame", ""
        else:
            of = f" of {self.one}"
        return f"{count} {noun}{'' if count == 1 else 's'}{of}"

    def steps(self, duration: int | str, what: str) -> int:
        """Number of steps in a duration: 4 stays 4, ``24h`` of hourly steps is 24.

        ConfigError, naming `what` is counted, for less than one step or a fraction of steps.
        """
        if isinstance(duration, str) and duration.strip().lstrip("+-").isdigit():
            duration = int(duration)
        if isinstance(duration, str):
            try:
                span = TimeStep.parse(duration)
            except ConfigError as error:
                raise ConfigError(f"{what}: {error}, or a number of steps") from None
            same_kind = (span.is_fixed, span.frames) == (self.is_fixed, self.frames)
            whole, part = divmod(
                span.seconds if self.is_fixed else span.months,
                self.seconds if self.is_fixed else self.months,
            )
            if not same_kind or part or whole < 1:
                remedy = "; frames have no clock, so give their number" if self.frames else ""
                raise ConfigError(
                    f"{what} {duration} is not a whole number of time steps of {self.one}{remedy}"
                )
            return whole
        if isinstance(duration, bool) or not isinstance(duration, (int, np.integer)):
            raise ConfigError(f"{what} {duration!r} is neither a number of steps nor a duration")
        if duration < 1:
            raise ConfigError(f"{what} must be at least 1 step, not {duration}")
        return int(duration)

    def to_timedelta(self, k: ArrayLike) -> Any:
        """`k` fixed steps as timedelta64, shape of `k`; ConfigError for a calendar step."""
        if not self.is_fixed:
            raise ConfigError(f"a step of one {self.label} has no fixed duration")
        seconds = np.asarray(k, np.int64) * self.seconds
        return seconds.astype("timedelta64[s]").astype("timedelta64[ns]")[()]


def calendar_micros(
    clock: Clock, start: int, months: int, anchor: Anchor, positions: Integers
) -> Integers:
    """Instants (microseconds) at `positions` calendar steps after `start`."""
    first = int(clock.months(np.array([start]))[0])
    wanted = first + positions * months
    if anchor in ("mid", "mid-day"):
        lead = _lead_months(clock, start, months)
        return _middles(clock, wanted - lead, months, anchor)
    begin = clock.month_starts(wanted)
    length = clock.month_starts(wanted + 1) - begin
    offset = start - int(clock.month_starts(np.array([first]))[0])
    day, time = divmod(offset, DAY)
    last = length // DAY - 1
    days = last if anchor == "end" else np.minimum(day, last)
    instants: Integers = begin + days * DAY + time
    return instants


def find_anchor(
    clock: Clock, micros: Integers, months: int, likely: Anchor = "same"
) -> Anchor | None:
    """How stamps lie in their months, some perhaps absent; None when they follow no rule.

    Few stamps may fit several rules; `likely` is tried first.
    """
    start = int(micros[0])
    rules: list[Anchor] = ["end", "same", "mid", "mid-day"]
    if likely != "same":  # which is what a step has before its stamps are known
        rules = [likely, *rules]
    for anchor in rules:
        if anchor == "end" and not _is_last_day(clock, start):
            continue
        positions = nearest_positions(clock, start, months, anchor, micros)
        ideal = calendar_micros(clock, start, months, anchor, positions)
        if (np.abs(ideal - micros) > SECOND).any():
            continue
        # The 30th moved to the end of February would be lost if a period began there.
        if anchor != "same" or len(set(ideal - clock.month_starts(clock.months(ideal)))) == 1:
            return anchor
    positions = nearest_positions(clock, start, months, "mid", micros)
    ideal = calendar_micros(clock, start, months, "mid", positions)
    near = (np.abs(ideal - micros) <= 2 * DAY).all()
    return "mid" if near and np.unique(positions).size == positions.size else None


def nearest_positions(
    clock: Clock, start: int, months: int, anchor: Anchor, micros: Integers
) -> Integers:
    """Positions of the calendar steps from `start` that lie nearest to instants."""
    if anchor == "same" or anchor == "end":
        first = int(clock.months(np.array([start]))[0])
        months_off = clock.months(micros) - first
        nearest: Integers = np.floor_divide(2 * months_off + months, 2 * months)
        return nearest
    index = clock.months(np.append(micros, start))
    begin = clock.month_starts(index)
    fraction = (np.append(micros, start) - begin) / (clock.month_starts(index + 1) - begin)
    decimal = index + fraction
    rounded: Integers = np.rint((decimal[:-1] - decimal[-1]) / months).astype(np.int64)
    return rounded


def slack(step: int) -> int:
    """How far a stamp may lie off a fixed step (both in microseconds) and still be meant by it."""
    return min(step // 100, 60 * SECOND)


def duration_text(micros: int) -> str:
    """A duration in words: ``1 hour``, ``31 days``."""
    count, word = _count_and_word(max(1, round(micros / SECOND)))
    return f"{count:g} {word}" + ("" if count == 1 else "s")


def _count_and_word(seconds: int) -> tuple[int, str]:
    for word, size in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)):
        if seconds % size == 0:
            return seconds // size, word
    return seconds, "second"


def _most_common(values: NDArray[np.int64]) -> int:
    """The most common value, the smallest of those at a tie."""
    distinct, counts = np.unique(values, return_counts=True)
    return int(distinct[counts.argmax()])


def _is_last_day(clock: Clock, instant: int) -> bool:
    month = clock.months(np.array([instant]))
    return int(clock.month_starts(month + 1)[0]) - instant <= DAY


def _middles(clock: Clock, first_months: Integers, months: int, anchor: Anchor) -> Integers:
    begin = clock.month_starts(first_months)
    middle = begin + (clock.month_starts(first_months + months) - begin) // 2
    if anchor == "mid-day":
        middle -= middle % DAY
    return middle


def _lead_months(clock: Clock, start: int, months: int) -> int:
    """How many months before that of the stamp `start` the period begins whose middle it is."""
    first = int(clock.months(np.array([start]))[0])
    leads = np.array(sorted({months // 2, max(months // 2 - 1, 0), (months - 1) // 2}))
    middles = _middles(clock, first - leads, months, "mid")
    return int(leads[np.abs(middles - start).argmin()])
