"""Predictors that cost nothing: what a model has to beat.

From initial times they make fields at lead times, as a model does. None reads beyond its initial
time; statistics come from the training period alone; a cell that is missing in what a predictor
reads stays missing.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from stforecast.climatology import Kind, TimeClasses, clock
from stforecast.climatology.frames import Fields, Frames, Positions
from stforecast.climatology.means import ClassMeans, LinearTrend
from stforecast.errors import DataError, StForecastWarning
from stforecast.store import TensorStore

_WINDOW = 61  # days
_DAYS = 86_400
# Sequences are read together where they have no more fields than this many times a piece.
_TOGETHER = 4

Learned = TypeVar("Learned")


@dataclass(frozen=True)
class Task:
    """What is to be forecast, and what may be known for it.

    ``leads`` (L,) in steps; ``history`` fields end at the initial time; ``train`` is half-open, and
    so are ``train_sequences``, where sequences were split and not times.
    """

    store: TensorStore
    leads: Positions
    history: int
    train: tuple[int, int]
    train_sequences: tuple[int, int] | None = None


class Reference(ABC):
    """A predictor of fields at the lead times of a task after any initial position."""

    name: ClassVar[str]

    def __init__(self, task: Task) -> None:
        self.store = task.store
        self.leads = task.leads
        self.history = task.history
        self.train = task.train
        self.train_sequences = task.train_sequences
        self.frames = [Frames(self.store, number) for number in range(self.store.n_sequences)]

    @abstractmethod
    def fields(self, inits: Positions, sequence: int) -> Fields:
        """Forecasts (len(inits), L, C, H, W) of one sequence."""

    @abstractmethod
    def describe(self) -> str:
        """What the reference is, in a sentence."""

    def training_period(self) -> str:
        """First and last date of the training period."""
        return self.store.axis.span_text(self.train[0], self.train[1] - 1)

    def learn(self, learn: Callable[[Sequence[Frames]], Learned]) -> list[Learned]:
        """What is learned for each sequence: from its own training period.

        Where sequences were split and not times, one thing for all, from those trained on.
        """
        if self.train_sequences is None:
            return [learn([frames]) for frames in self.frames]
        begin, end = self.train_sequences
        if not 0 <= begin < end <= len(self.frames):
            raise DataError(
                f"{self.name} needs the sequences {begin} to {end - 1} that the run learned from, "
                f"and the record has {len(self.frames)}; give the record of the training, or leave "
                f"{self.name} out of verification.references"
            )
        return [learn(self.frames[begin:end])] * len(self.frames)

    def __call__(self, inits: Positions, sequences: range | None) -> Fields:
        """Forecasts (len(inits), L, C, H, W), or (len(inits), L, S, C, H, W) of some sequences."""
        if sequences is None:
            return self.fields(inits, 0)
        frames = self.frames[sequences.start : sequences.stop]
        # short sequences, such as videos, are read together
        if len(frames) * frames[0].size <= _TOGETHER * frames[0].chunk:
            chosen = slice(sequences.start, sequences.stop)
            read = self.store.read_sequences(0, self.store.shape[0], chosen)
            for one, fields in zip(frames, read, strict=True):
                one.hold(fields)
        try:
            return np.stack([self.fields(inits, sequence) for sequence in sequences], axis=2)
        finally:
            for one in frames:
                one.hold(None)

    def _seconds_per_step(self, span: str) -> int:
        step = self.store.axis.step
        if not step.is_fixed or step.frames:
            raise DataError(
                f"{self.name} needs {span}, but the step of the record is {step.one}; leave it out "
                "of verification.references"
            )
        return step.seconds


class Persistence(Reference):
    """The last field known stays."""

    name = "persistence"

    def fields(self, inits: Positions, sequence: int) -> Fields:
        last = self.frames[sequence].take(inits)
        return np.repeat(last[:, None], len(self.leads), axis=1)

    def describe(self) -> str:
        return "the field at the initial time"


class HistoryMean(Reference):
    """The mean of the fields that a model is given."""

    name = "history_mean"

    def fields(self, inits: Positions, sequence: int) -> Fields:
        past = inits[:, None] + np.arange(1 - self.history, 1)
        fields = self.frames[sequence].take(past)
        number = np.isfinite(fields).sum(axis=1)
        total = np.nansum(fields, axis=1, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            mean = np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
        return np.repeat(mean[:, None], len(self.leads), axis=1)

    def describe(self) -> str:
        return (
            f"mean of the last {self.history} fields up to the initial time, missing ones left out"
        )


class _SameHour(Reference):
    """The field a whole number of periods before the valid time, the latest one known."""

    days: ClassVar[int]

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        span = "steps that fit into a " + ("day" if self.days == 1 else "week")
        seconds = self._seconds_per_step(span)
        if self.days * _DAYS % seconds:
            raise DataError(
                f"{self.name} needs {span}, but the step of the record is "
                f"{self.store.axis.step.one}; leave it out of verification.references"
            )
        period = self.days * _DAYS // seconds
        self.offsets = latest_known(self.leads, period)

    def fields(self, inits: Positions, sequence: int) -> Fields:
        return self.frames[sequence].take(inits[:, None] + self.offsets)

    def describe(self) -> str:
        what = "day" if self.days == 1 else "week"
        return (
            f"the field at the same hour one {what} before the valid time; of {what}s that end "
            f"after the initial time as many more as lead back to it"
        )


def latest_known(leads: Positions, period: int) -> Positions:
    """Steps from the initial time to the latest time known that lies whole periods before leads."""
    return leads - period * -(-leads // period)


class DayBefore(_SameHour):
    """The field at the same hour of the day before."""

    name = "day_before"
    days = 1


class WeekBefore(_SameHour):
    """The field at the same hour of the week before."""

    name = "week_before"
    days = 7


class ClassMean(Reference):
    """The mean over the training period of a class of times, such as hours of the week."""

    def _tabulate(self, training: Positions, n: int) -> None:
        self.tables = self.learn(
            lambda sequences: ClassMeans(sequences, self.train, training, n).means()
        )

    @abstractmethod
    def classes(self, positions: Positions) -> Positions:
        """Class of the times at positions, in their shape; -1 for one that has no mean."""

    def fields(self, inits: Positions, sequence: int) -> Fields:
        return self.at(inits[:, None] + self.leads, sequence)

    def at(self, positions: Positions, sequence: int) -> Fields:
        """What is usual at positions, (*positions.shape, C, H, W)."""
        classes = self.classes(positions)
        fields = self.tables[sequence][classes]
        fields[classes < 0] = np.nan
        return fields


class HourOfWeek(ClassMean):
    """The mean of the hour of the week."""

    name = "hour_of_week"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if self._seconds_per_step("steps of at most a day") > _DAYS:
            raise DataError(
                f"{self.name} needs steps of at most a day, but the step of the record is "
                f"{self.store.axis.step.one}; leave it out of verification.references"
            )
        axis = self.store.axis
        self._classes = TimeClasses.of("hour_of_week", axis.times(*self.train), axis.step)
        training = self.classes(np.arange(*self.train))
        self._tabulate(training, self._classes.size)

    def classes(self, positions: Positions) -> Positions:
        return self._classes(self.store.axis.times_at(positions))

    def describe(self) -> str:
        return (
            f"mean of the same hour of the week over the training period, {self.training_period()}"
        )


class Climatology(ClassMean):
    """What is usual at the date: by day and hour, day, month, or as a trend over the years.

    - steps below a day: mean over the same hour within 61 days around the date, all years; for a
      training period under two years the mean of the hour of the day
    - days and longer: within 61 days around the date; under one year the mean of all
    - months: mean of the month; under one year the mean of all
    - years: mean and linear trend, which goes on beyond the training period
    """

    name = "climatology"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        axis = self.store.axis
        times = axis.times(*self.train)
        step = axis.step
        self.n_days = clock.days_per_year(times)
        year = 360 if self.n_days == 360 else 365
        length = (self.train[1] - self.train[0]) * (
            step.seconds / _DAYS / year if step.is_fixed else step.months / 12
        )
        self.fallback: str | None = None
        if not step.is_fixed:
            self.kind = "trend" if step.months % 12 == 0 else "month"
        else:
            self.kind = "hour" if step.seconds < _DAYS else "day"
        needed = {"hour": 2, "day": 1, "month": 1}.get(self.kind, 0)
        if length < needed:
            what = "the mean of each hour of the day" if self.kind == "hour" else "one mean"
            self.fallback = f"the training period is shorter than {needed} year" + "s" * (
                needed > 1
            )
            self.kind = "slot" if self.kind == "hour" else "all"
            warnings.warn(
                f"{self.fallback}, so climatology is {what}, without the seasons",
                StForecastWarning,
                stacklevel=2,
            )
        kind: Kind = "season" if self.kind == "hour" else "hour"
        self._hours = TimeClasses.of(kind, times, step)
        self._learn()

    def _learn(self) -> None:
        if self.kind == "trend":
            self.trends = self.learn(lambda sequences: LinearTrend(sequences, self.train))
            return
        training = self.classes(np.arange(*self.train))
        if self.kind in ("slot", "month", "all"):
            n = {"slot": self._hours.size, "month": 12, "all": 1}[self.kind]
            self._tabulate(training, n)
            return
        n = self._hours.size if self.kind == "hour" else self.n_days
        self.tables = self.learn(
            lambda sequences: ClassMeans(sequences, self.train, training, n).window_means(
                self.n_days, _WINDOW // 2
            )
        )

    def classes(self, positions: Positions) -> Positions:
        if self.kind == "all":
            return np.zeros_like(positions)
        times = self.store.axis.times_at(positions)
        if self.kind == "month":
            return clock.month(times) - 1
        if self.kind == "day":
            return clock.day_of_year(times)
        return self._hours(times)

    def at(self, positions: Positions, sequence: int) -> Fields:
        if self.kind == "trend":
            return self.trends[sequence].at(positions)
        return super().at(positions, sequence)

    def describe(self) -> str:
        what = {
            "hour": f"mean of the same hour within {_WINDOW} days around the date",
            "day": f"mean of the {_WINDOW} days around the date",
            "month": "mean of the month",
            "trend": "mean and linear trend",
            "slot": "mean of the hour of the day",
            "all": "mean",
        }[self.kind]
        because = f" ({self.fallback})" if self.fallback else ""
        return f"{what} over the training period, {self.training_period()}{because}"
