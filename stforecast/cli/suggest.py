"""Windows, covariates and references that suit a record."""

from dataclasses import dataclass

from stforecast.grid import Grid
from stforecast.store import ChannelMeta
from stforecast.timeaxis import TimeAxis
from stforecast.windows.spec import WindowSpec

_DAY = 86_400


@dataclass(frozen=True)
class Record:
    """What was found in the files."""

    channels: list[ChannelMeta]
    grid: Grid
    axis: TimeAxis
    sequence_name: str | None
    n_sequences: int
    reader: str
    drawn: bool = False
    """Whether training sequences are drawn as they are needed."""

    @property
    def is_traffic(self) -> bool:
        """Counts in the cells of a city: they follow the week."""
        return self.reader == "deepst"

    @property
    def is_video(self) -> bool:
        """Images, whose values go from 0 to 1."""
        return self.reader in ("moving-mnist", "frames")


def suggest_windows(record: Record) -> WindowSpec:
    """History and horizon that suit the step, and of which the record holds enough."""
    step = record.axis.step
    if step.months:
        history, horizon = {1: (12, 6), 12: (8, 4)}.get(step.months, (4, 4))
    elif step.seconds >= _DAY:
        history = horizon = 7
    elif step.seconds >= 3600:
        history = horizon = max(4, min(12, _DAY // step.seconds))
    else:
        history = horizon = max(4, min(12, 7200 // step.seconds))
    # three periods, a window apart, for windows that are not to be the whole of a period
    parts = 1 if record.n_sequences > 1 else 10
    while (history + horizon) * parts > record.axis.size and history + horizon > 2:
        history, horizon = max(1, history // 2), max(1, horizon // 2)
    return WindowSpec(history, horizon)


def suggest_calendar(record: Record) -> list[str]:
    """Calendar fields that tell the times of a record apart."""
    step = record.axis.step
    if record.n_sequences > 1 or step.months >= 12:
        return []
    if step.months:
        return ["month"]
    years = record.axis.size * step.seconds / (365 * _DAY)
    seasonal = ["day_of_year"] if years > 1.5 else []
    if step.seconds >= _DAY:
        return seasonal
    return ["hour", "weekday"] if record.is_traffic else ["hour", *seasonal]


def suggest_departure(record: Record) -> str:
    """What to subtract before learning: what is usual, where the day goes round often enough."""
    step = record.axis.step
    if record.n_sequences > 1 or step.frames:
        return "none"
    if step.months:
        return "history_mean" if step.months >= 12 else "none"
    rounds = record.axis.size * step.seconds / _DAY
    return "climatology" if step.seconds < _DAY and rounds >= 14 else "none"


def suggest_references(record: Record) -> list[str]:
    """Forecasts that cost nothing and are not easily beaten."""
    step = record.axis.step
    if record.n_sequences > 1:
        return ["persistence", "history_mean"]
    elif record.is_traffic and step.is_fixed and step.seconds < _DAY:
        return ["persistence", "week_before", "hour_of_week", "linear"]
    elif step.is_fixed and step.seconds < _DAY:
        return ["persistence", "day_before", "climatology"]
    else:
        return ["persistence", "history_mean", "climatology"]
