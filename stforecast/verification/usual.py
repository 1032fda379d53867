"""What is usual at a time, and the reference that keeps the departure from it."""

import warnings

from stforecast.climatology import clock
from stforecast.climatology.frames import Fields, Positions
from stforecast.errors import StForecastWarning
from stforecast.verification.predictors import (
    ClassMean,
    Climatology,
    HourOfWeek,
    Reference,
    Task,
)

# Of fewer weeks, the mean of an hour of the week is too much of the very value to be forecast.
_WEEKS = 10


def tells_weeks(task: Task) -> bool:
    """Whether the training period is long enough to tell the days of the week apart."""
    axis = task.store.axis
    first, stop = task.train
    length = (stop - first) * axis.step.seconds if axis.step.is_fixed else 0
    enough = length >= _WEEKS * 7 * clock.SECONDS_PER_DAY
    return enough and clock.has_weekdays(axis.times(first, first + 1))


def usual(task: Task) -> ClassMean:
    """By hour of the week, where steps are below a day and weeks are told, else the climatology."""
    if tells_weeks(task) and task.store.axis.step.seconds < clock.SECONDS_PER_DAY:
        return HourOfWeek(task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StForecastWarning)  # the description tells
        return Climatology(task)


class AnomalyPersistence(Reference):
    """What is usual at the valid time, and the departure from it of the last field known."""

    name = "anomaly_persistence"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.usual = usual(task)

    def fields(self, inits: Positions, sequence: int) -> Fields:
        departure = self.frames[sequence].take(inits) - self.usual.at(inits, sequence)
        fields: Fields = self.usual.at(inits[:, None] + self.leads, sequence)
        fields += departure[:, None]
        return fields

    def describe(self) -> str:
        return (
            "what is usual at the valid time, and the departure from it at the initial time; "
            f"usual: {self.usual.describe()}"
        )
