"""What is usual at the time of each frame, learned from the training period and kept with the run.

A table of one field per class of times (:class:`stforecast.climatology.TimeClasses`), in the units
that values have after ``windows.function``. A sample carries the numbers of its classes and no
fields, so that the table is on the device once.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from stforecast.card import CLIMATOLOGY, ClimatologyCard
from stforecast.climatology import ClassMeans, Fields, Kind, Positions, TimeClasses
from stforecast.climatology.means import ratio, window_means
from stforecast.errors import ConfigError, DataError, RunError
from stforecast.files import written_whole
from stforecast.timeaxis import TimeAxis
from stforecast.windows.days import usable_times
from stforecast.windows.frame_blocks import FrameSource, SampleStore, block_length, blocks
from stforecast.windows.functions import apply
from stforecast.windows.parts import Splits
from stforecast.windows.spec import Function, WindowSpec

HALF_WIDTH = 30  # days before and after a date that count as its season
_DAY = 86_400
# The least that each kind learns from, in days, where it is chosen and not asked for.
_LEAST = {"hour": 0, "hour_of_week": 28, "season": 365}


@dataclass(frozen=True, eq=False)
class Climatology:
    """The usual fields (n + 1, C, H, W) of n classes, and of times of no class; nothing missing."""

    classes: TimeClasses
    fields: Fields

    def index(self, stamps: NDArray[Any]) -> Positions:
        """Which field is that of each time, in their shape."""
        found = self.classes(stamps)
        return np.asarray(np.where(found < 0, len(self.fields) - 1, found))

    def fields_at(self, axis: TimeAxis) -> Callable[[Positions], Fields]:
        """What gives the usual fields (n, C, H, W) at positions of a time axis."""
        return lambda positions: self.fields[self.index(axis.times_at(positions))]

    @cached_property
    def content(self) -> bytes:
        """The file that holds it."""
        note = {"classes": json.dumps(self.classes.to_json())}
        return save({"fields": np.ascontiguousarray(self.fields)}, metadata=note)

    @property
    def card(self) -> ClimatologyCard:
        """What the card of the run has to say of it."""
        digest = hashlib.sha256(self.content).hexdigest()
        return ClimatologyCard(kind=self.classes.kind, file=CLIMATOLOGY, sha256=digest)

    def write(self, folder: Path) -> None:
        """Write the file into a run's folder, whole or not at all."""
        with written_whole(folder / CLIMATOLOGY, "the climatology of the run") as beside:
            beside.write_bytes(self.content)


class ClassIndex:
    """Which field of a climatology is that of each position of a time axis."""

    def __init__(self, climatology: Climatology, axis: TimeAxis, margin: int) -> None:
        self._climatology = climatology
        self._axis = axis
        # stamps of some calendars are slow to take apart: all at once
        self._table = climatology.index(axis.times(0, axis.size + margin))

    def __call__(self, positions: Positions) -> Positions:
        """Numbers of fields, in the shape of the positions, on the axis or beyond."""
        if positions.size and (positions.min() < 0 or positions.max() >= len(self._table)):
            return self._climatology.index(self._axis.times_at(positions))
        return np.asarray(self._table[positions])


def read_climatology(folder: Path, card: ClimatologyCard) -> Climatology:
    """The climatology of a run; RunError where its file is missing or not the one on the card."""
    path = folder / card.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(
            f"the run in {folder} has lost its climatology ({card.file}: {error.strerror}); copy "
            "the whole folder, or train the run again"
        ) from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise RunError(
            f"the climatology {path} is damaged or another run's (its checksum is not the one on "
            "the card); copy the whole folder again, or train the run again"
        )
    try:
        fields = load(content)["fields"]
        size = int.from_bytes(content[:8], "little")
        note = json.loads(content[8 : 8 + size])["__metadata__"]
        found = Climatology(TimeClasses.from_json(json.loads(note["classes"])), fields)
        if len(fields) != found.classes.size + 1:
            raise ValueError(f"{len(fields)} fields for {found.classes.size} classes")
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"the climatology {path} cannot be read ({error}); train the run again"
        ) from error
    return found


def learn_climatology(
    store: SampleStore, spec: WindowSpec, splits: Splits, frames: FrameSource | None = None
) -> Climatology:
    """The climatology of the training part of ``splits``, and of nothing else.

    A class without a value of a cell has that of the hour of the day, else the cell's mean, else
    that of its variable. ``windows.climatology: auto`` takes the kind that fits best the weeks of
    the training period that it did not learn from, each half of them once.

    Raises
    ------
    ConfigError
        A kind is asked for that the time step or the calendar of the record does not have.
    """
    source: FrameSource = store if frames is None else frames
    functions = spec.functions(store.channels)
    sequences = [_Period(source, number, functions) for number in splits.sequences_of("train")]
    start, stop = splits.train
    stamps = store.axis.times(start, stop)
    usable = usable_times(store, spec)[start:stop]
    weeks = np.arange(start, stop) * max(1, store.axis.step.seconds) // (7 * _DAY) % 2
    found: list[Climatology] = []
    gains: list[NDArray[np.float64]] = []
    kinds = _kinds(spec, store.axis, splits.train)
    for kind in kinds:
        classes = _classes(kind, stamps, store.axis)
        numbers = classes(stamps)
        halves = np.where(usable & (numbers >= 0), numbers + weeks * classes.size, -1)
        learned = ClassMeans(sequences, splits.train, halves, 2 * classes.size)
        sums = learned.sums.reshape(2, classes.size, *learned.sums.shape[1:])
        counts = learned.counts.reshape(2, classes.size, *learned.counts.shape[1:])
        found.append(Climatology(classes, _filled(classes, sums.sum(axis=0), counts.sum(axis=0))))
        if len(kinds) > 1:
            one, other = (_filled(classes, sums[half], counts[half]) for half in (0, 1))
            gains.append(_gain(one, sums[1], counts[1]) + _gain(other, sums[0], counts[0]))
    if len(found) == 1:
        return found[0]
    # each variable counts alike, whatever its units
    most = np.abs(gains).max(axis=0)
    return found[int((gains / np.where(most > 0, most, 1.0)).sum(axis=1).argmax())]


def _kinds(spec: WindowSpec, axis: TimeAxis, train: tuple[int, int]) -> list[Kind]:
    """Those asked for, or those that there is enough to learn from."""
    if spec.climatology != "auto":
        return [spec.climatology]
    if not axis.step.is_fixed:
        return ["season" if (train[1] - train[0]) * axis.step.months >= 24 else "hour"]
    days = (train[1] - train[0]) * axis.step.seconds / _DAY
    kinds: list[Kind] = [
        kind for kind in ("hour", "hour_of_week", "season") if days >= _LEAST[kind]
    ]
    try:
        _classes("hour_of_week", axis.times(*train), axis)
    except ConfigError:
        kinds = [kind for kind in kinds if kind != "hour_of_week"]
    return kinds


def _classes(kind: Kind, stamps: NDArray[Any], axis: TimeAxis) -> TimeClasses:
    if kind == "hour_of_week" and (not axis.step.is_fixed or axis.step.seconds > _DAY):
        raise ConfigError(
            f"windows.climatology hour_of_week needs steps of at most a day, and those of the "
            f"record are of {axis.step.label}; set it to season"
        )
    try:
        return TimeClasses.of(kind, stamps, axis.step)
    except DataError as error:
        raise ConfigError(f"windows.climatology {kind}: {error}; set it to season") from error


def _filled(classes: TimeClasses, sums: NDArray[Any], counts: NDArray[Any]) -> Fields:
    """Fields (n + 1, C, H, W) without a missing cell; the last one is the mean of all times."""
    if classes.kind == "season" and len(classes.times_of_day):
        means = window_means(sums, counts, classes.days, HALF_WIDTH)
    else:
        means = ratio(sums, counts)
    by_slot = (classes.days, classes.slots)
    total, number = sums.sum(axis=0), counts.sum(axis=0)
    of_variable = ratio(
        total.sum(axis=(1, 2), keepdims=True),
        np.broadcast_to(number, total.shape).sum(axis=(1, 2), keepdims=True),
    )
    mean = ratio(total, number)
    mean = np.where(np.isnan(mean), np.nan_to_num(of_variable), mean)
    hours = ratio(
        sums.reshape(*by_slot, *sums.shape[1:]).sum(axis=0),
        counts.reshape(*by_slot, *counts.shape[1:]).sum(axis=0),
    )
    hours = np.where(np.isnan(hours), mean, hours)
    fields = np.empty((classes.size + 1, *sums.shape[1:]), np.float32)
    for number_, field in enumerate(means):
        fields[number_] = np.where(np.isnan(field), hours[number_ % classes.slots], field)
    fields[-1] = mean
    return fields


def _gain(fields: Fields, sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """By how much the squared errors (C,) on other times are below those of the mean of all."""
    mean = fields[-1].astype(np.float64)
    total = np.zeros(len(mean))
    for field, one, number in zip(fields[:-1], sums, counts, strict=True):
        wide = field.astype(np.float64)
        gained = (number * mean - 2 * one) * mean - (number * wide - 2 * one) * wide
        total += gained.sum(axis=(1, 2))
    return total


class _Period:
    """The fields of one sequence, after the functions of their variables."""

    def __init__(self, source: FrameSource, sequence: int, functions: Sequence[Function]) -> None:
        self._source = source
        self._sequence = sequence
        self._functions = functions
        self.shape = tuple(source.shape[1:])

    def period(self, first: int, stop: int) -> Iterator[tuple[Positions, Fields]]:
        for begin, end in blocks(first, stop, block_length(self._source.shape)):
            fields = self._source.read(begin, end, self._sequence)
            yield np.arange(begin, end), apply(fields, self._functions)
