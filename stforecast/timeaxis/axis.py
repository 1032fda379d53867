"""A regular time axis, and the positions of stamps and of periods on it."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stforecast.errors import ConfigError, DataError
from stforecast.timeaxis.stamps import (
    DAY,
    SECOND,
    Clock,
    Integers,
    Stamp,
    normalise_stamps,
    stamp_text,
    whole_seconds,
)
from stforecast.timeaxis.step import (
    TimeStep,
    calendar_micros,
    find_anchor,
    nearest_positions,
    slack,
)
from stforecast.timeaxis.text import span_text, time_text

_DATE = re.compile(
    r"\s*([+-]?\d{4,6})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?)?)?)?"
    r"(?:Z|\+00:?00)?\s*"
)
_FRAME = re.compile(r"\s*(?:frame\s*)?(\d+)\s*")


@dataclass(frozen=True)
class TimeAxis:
    """Times ``start + i * step`` for i in [0, size), in a calendar of CF.

    `stamps`, if given, are the times themselves as the source has them: mid-month stamps that
    follow their rule only within a day or two. Beyond them the axis goes on by the rule.
    """

    start: Stamp
    step: TimeStep
    size: int
    calendar: str
    stamps: NDArray[Any] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_times(cls, times: ArrayLike, step: TimeStep | None = None) -> "TimeAxis":
        """The axis on which all of `times` lie, in any order, some perhaps absent or twice.

        DataError when there are fewer than two different times or they do not follow one step.
        """
        given = normalise_stamps(times).ravel()
        if step is None:
            step = TimeStep.infer(given)
        clock = Clock.of(given)
        micros = np.unique(clock.to_micros(given))
        if not step.is_fixed:
            anchor = find_anchor(clock, micros, step.months, step.anchor)
            if anchor is None:
                raise DataError(
                    f"the time stamps do not lie one {step.label} apart in the calendar "
                    f"{clock.calendar}"
                )
            step = TimeStep(months=step.months, anchor=anchor)
        start = clock.from_micros(whole_seconds(micros[:1]))[0]
        axis = cls(start=start, step=step, size=1, calendar=clock.calendar)
        positions = axis.positions(clock.from_micros(micros))
        size = int(positions[-1]) + 1
        axis = cls(start=axis.start, step=step, size=size, calendar=clock.calendar)
        if step.anchor in ("mid", "mid-day"):
            regular = axis._micros(positions)
            if (np.abs(regular - micros) > SECOND).any():
                stamps = axis._micros(np.arange(size))
                stamps[positions] = micros
                return cls(
                    start=axis.start,
                    step=step,
                    size=size,
                    calendar=clock.calendar,
                    stamps=clock.from_micros(stamps),
                )
        return axis

    @cached_property
    def _clock(self) -> Clock:
        return Clock.of(np.asarray(self.start))

    @cached_property
    def _start(self) -> int:
        return int(self._clock.to_micros(np.asarray(self.start)))

    def _micros(self, positions: Integers) -> Integers:
        step = self.step
        if step.is_fixed:
            return self._start + positions * (step.seconds * SECOND)
        instants = calendar_micros(self._clock, self._start, step.months, step.anchor, positions)
        if self.stamps is not None:
            known = (positions >= 0) & (positions < self.size)
            instants[known] = self._clock.to_micros(self.stamps[positions[known]])
        return instants

    def times(self, first: int = 0, last: int | None = None) -> NDArray[Any]:
        """Stamps of the positions first … last - 1, which may lie beyond the axis."""
        stop = self.size if last is None else last
        return self._clock.from_micros(self._micros(np.arange(first, stop, dtype=np.int64)))

    def times_at(self, positions: ArrayLike) -> NDArray[Any]:
        """Stamps of any positions, in their shape."""
        index = np.asarray(positions, dtype=np.int64)
        return self._clock.from_micros(self._micros(index.ravel()).reshape(index.shape))

    def text(self, stamp: Stamp) -> str:
        """A time of the axis as a reader would write it, which :meth:`parse_time` reads back."""
        return time_text(stamp, frames=self.step.frames)

    def text_at(self, position: int) -> str:
        """The time at a position, which may lie beyond the axis, likewise."""
        return self.text(self.times_at(position)[()])

    def span_text(self, first: int, last: int) -> str:
        """The times at two positions: ``2012-01-01 to 2012-12-31``, ``frames 1 to 20``."""
        ends = self.times_at([first, last])
        return span_text(ends[0], ends[1], frames=self.step.frames)

    def part(self, first: int, stop: int) -> "TimeAxis":
        """The axis of the positions first … stop - 1."""
        return TimeAxis(
            start=self.times(first, first + 1)[0],
            step=self.step,
            size=stop - first,
            calendar=self.calendar,
            stamps=None if self.stamps is None else self.stamps[first:stop],
        )

    def positions(self, times: ArrayLike) -> NDArray[np.int64]:
        """Positions of stamps, in their shape; they may lie before 0 or beyond the axis.

        Stamps may be off by a hundredth of the step and a minute at most, as those decoded from
        floating-point days are, and mid-month stamps by two days. DataError for stamps that are off
        the axis or in another calendar.
        """
        stamps = np.asarray(times)
        micros = self._clock.to_micros(stamps)
        if micros.size == 0:
            return micros
        flat = micros.ravel()
        if self.step.is_fixed:
            step = self.step.seconds * SECOND
            positions = np.floor_divide(2 * (flat - self._start) + step, 2 * step)
            tolerance = slack(step)
        else:
            step_ = self.step
            positions = nearest_positions(
                self._clock, self._start, step_.months, step_.anchor, flat
            )
            tolerance = 2 * DAY if step_.anchor in ("mid", "mid-day") else SECOND
        off = np.abs(self._micros(positions) - flat) > tolerance
        if off.any():
            stray = self._clock.from_micros(flat[off][:1])[0]
            raise DataError(
                f"{stamp_text(stray)} is not on the time axis, which starts at "
                f"{self.text(self.start)} with a step of {self.step.one}"
                + (f" ({int(off.sum())} such stamps)" if off.sum() > 1 else "")
            )
        return positions.reshape(micros.shape)

    def slice_of(self, first_text: str, last_text: str) -> tuple[int, int]:
        """Half-open positions of a period of dates, such as ("2012", "2012-12-31T05").

        Both ends include all of themselves; the result is clipped to the axis, and may be empty.
        ConfigError for text that is no date of the calendar, or an end before the beginning.
        """
        begin, _ = self._span(first_text)
        _, end = self._span(last_text)
        if end <= begin:
            raise ConfigError(f"the period from {first_text} to {last_text} ends before it begins")
        first, stop = self._first_from(begin), self._first_from(end)
        return min(max(first, 0), self.size), min(max(stop, 0), self.size)

    def parse_time(self, text: str) -> Stamp:
        """The stamp a date means: the only one of the axis within it, else its first instant.

        So ``2012-12`` on a monthly axis is that month's stamp wherever in the month it lies, and
        ``2012-12-31`` on an hourly axis is midnight. ConfigError for what is no date.
        """
        begin, end = self._span(text)
        first, stop = self._first_from(begin), self._first_from(end)
        if stop - first == 1:
            return self.times(first, stop)[0]
        return self._clock.from_micros(np.array([begin]))[0]

    @property
    def has_whole_seconds(self) -> bool:
        """Whether no stamp of the axis lies within a second."""
        return not (self._micros(np.arange(self.size)) % SECOND).any()

    def matches(self, other: "TimeAxis") -> bool:
        """Whether both have the same step, calendar and phase, wherever they begin and end."""
        ours, theirs = self.step, other.step
        if self.calendar != other.calendar:
            return False
        if (ours.seconds, ours.months) != (theirs.seconds, theirs.months):
            return False
        # A few mid-month stamps may read as "the same day": it is enough that one rule fits both.
        return self._holds(other) or other._holds(self)

    def _holds(self, other: "TimeAxis") -> bool:
        try:
            self.positions(other.times(last=1 if self.step.is_fixed else None))
        except DataError:
            return False
        return True

    def _first_from(self, instant: int) -> int:
        """The first position whose stamp is not before an instant."""
        if self.step.is_fixed:
            return -((self._start - instant) // (self.step.seconds * SECOND))
        guess = nearest_positions(
            self._clock, self._start, self.step.months, "same", np.array([instant])
        )
        near = int(guess[0]) + np.arange(-3, 4)
        return int(near[np.searchsorted(self._micros(near), instant)])

    def _span(self, text: str) -> tuple[int, int]:
        """First instant of a date given as text and the first after it, in microseconds.

        Of frames their numbers are dates: ``frame 11`` or ``11``.
        """
        frame = _FRAME.fullmatch(str(text)) if self.step.frames else None
        if frame is not None:
            return (int(frame[1]) - 1) * SECOND, int(frame[1]) * SECOND
        match = _DATE.fullmatch(str(text))
        if match is None:
            example = "2012, 2012-12, 2012-12-31 or 2012-12-31T05"
            raise ConfigError(
                f"{text!r} is no frame; write the number of one, such as 11"
                if self.step.frames
                else f"{text!r} is not a date; write it as {example}"
            )
        year, month, day, hour, minute, second = (
            None if part is None else int(part) for part in match.groups()
        )
        clock = self._clock
        try:
            begin = int(clock.to_micros(np.asarray(clock.date(year or 0, month or 1, day or 1))))
        except ValueError:
            raise ConfigError(f"{text} is not a date of the calendar {self.calendar}") from None
        if (hour or 0) > 23 or (minute or 0) > 59 or (second or 0) > 59:
            raise ConfigError(f"{text} is not a time of day")
        begin += ((hour or 0) * 3600 + (minute or 0) * 60 + (second or 0)) * SECOND
        if day is None:
            months = 12 if month is None else 1
            index = clock.months(np.array([begin])) + months
            return begin, int(clock.month_starts(index)[0])
        length = DAY if hour is None else 3600 * SECOND
        if minute is not None:
            length = 60 * SECOND if second is None else SECOND
        return begin, begin + length
