"""Where the times of a store and those of new files lie on the axis that holds both."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.timeaxis import TimeAxis, TimeStep, normalise_stamps
from stforecast.timeaxis.stamps import Clock

Stamps = NDArray[Any]

# So many times at even distances are another step, and no gaps.
_A_STEP = 3


@dataclass(frozen=True)
class Part:
    """The times of a part: it starts at position `at` of the axis; `present` tells which it has."""

    at: int
    present: NDArray[np.bool_]

    @property
    def stop(self) -> int:
        """The first position after it."""
        return self.at + int(self.present.size)

    def on(self, size: int) -> NDArray[np.bool_]:
        """Which of `size` positions it has."""
        result = np.zeros(size, dtype=bool)
        result[self.at : self.stop] = self.present
        return result


@dataclass(frozen=True)
class Growth:
    """The axis of a store and new files together; absent are the times that neither has."""

    axis: TimeAxis
    old: Part
    new: Part

    @cached_property
    def added(self) -> NDArray[np.bool_]:
        """Times that only the files have, ``(time)``."""
        return self.new.on(self.axis.size) & ~self.old.on(self.axis.size)

    @cached_property
    def shared(self) -> NDArray[np.bool_]:
        """Times that both have, ``(time)``."""
        return self.new.on(self.axis.size) & self.old.on(self.axis.size)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Times that one of them has, ``(time)``."""
        return self.old.on(self.axis.size) | self.new.on(self.axis.size)

    @property
    def moves(self) -> bool:
        """Whether the times of the store get other positions, as there are new ones before them."""
        return self.old.at > 0

    def changes(self, start: int, stop: int) -> bool:
        """Whether positions start … stop - 1 have other times than the store has there."""
        extends = start < self.old.stop < min(stop, self.axis.size)
        return self.moves or extends or bool(self.added[start:stop].any())


def grow(
    axis: TimeAxis,
    present: NDArray[np.bool_],
    new_axis: TimeAxis,
    new_present: NDArray[np.bool_],
    *,
    any_step: bool,
) -> Growth:
    """Place the times of a store (`axis`, `present`) and of files on one axis.

    The times of the store stay what they are. Of files that follow a multiple of its step beyond
    the record it is doubted that they belong there, unless `any_step`. DataError when they do not
    fit: another calendar, step or phase.
    """
    if new_axis.calendar != axis.calendar:
        raise DataError(
            f"they follow the calendar {new_axis.calendar}, the store follows {axis.calendar}"
        )
    old_stamps, new_stamps = axis.times()[present], new_axis.times()[new_present]
    if axis.step.is_fixed:
        positions = axis.positions(new_stamps)
        first, stop = min(0, int(positions[0])), max(axis.size, int(positions[-1]) + 1)
        joint = TimeAxis(axis.times(first, first + 1)[0], axis.step, stop - first, axis.calendar)
    else:
        joint = TimeAxis.from_times(
            joined_stamps(old_stamps, new_stamps), TimeStep(months=axis.step.months)
        )
        kept = joint.times_at(joint.positions(old_stamps))
        if not np.array_equal(normalise_stamps(kept), normalise_stamps(old_stamps)):
            raise DataError("with them the store would have other time stamps")
    old = Part(int(joint.positions(old_stamps[:1])[0] - present.argmax()), present)
    new = Part(int(joint.positions(new_stamps[:1])[0] - new_present.argmax()), new_present)
    growth = Growth(joint, old, new)
    for part, own in ((old, axis), (new, new_axis)):
        expected = part.at + np.flatnonzero(part.present)
        if not np.array_equal(joint.positions(own.times()[part.present]), expected):
            raise DataError("their times do not lie on one axis with those of the store")
    if not any_step:
        _check_step(growth)
    return growth


def _check_step(growth: Growth) -> None:
    added = np.flatnonzero(growth.added)
    beyond = added[(added < growth.old.at) | (added >= growth.old.stop)]
    distances = np.unique(np.diff(beyond))
    if beyond.size >= _A_STEP and distances.size == 1 and distances[0] > 1:
        step, times = growth.axis.step, int(distances[0])
        theirs = TimeStep(seconds=step.seconds * times, months=step.months * times)
        raise DataError(
            f"they have a time step of {theirs.text}, the store has one of {step.text}; if the "
            f"times between are absent, say so with data.time_step={step.text}"
        )


def joined_stamps(old: Stamps, new: Stamps) -> Stamps:
    """Stamps of one calendar, one after the other: all as datetime64[us] or as cftime objects."""
    parts = [normalise_stamps(old), normalise_stamps(new)]
    if all(part.dtype.kind == "M" for part in parts):
        return np.concatenate([part.astype("datetime64[us]") for part in parts])
    clock = Clock.of(parts[0])
    return clock.from_micros(np.concatenate([clock.to_micros(part) for part in parts]))
