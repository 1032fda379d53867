"""What a run writes down as it goes: metrics.csv for people, TensorBoard for curves."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stforecast.errors import RunError
from stforecast.files import written_whole
from stforecast.training.files import writing


@dataclass(frozen=True)
class Row:
    """The run after one step, as it goes into a line of metrics.csv.

    Losses are in normalised units; `validation_loss` is the training's own loss and
    `validation_mse` the squared error that chooses the best weights. RMSE are in the units of each
    variable, over all lead times and valid cells; None where there was nothing to score.
    """

    step: int
    epoch: float
    learning_rate: float
    seconds: float
    train_loss: float | None = None
    validation_loss: float | None = None
    validation_mse: float | None = None
    rmse: dict[str, float | None] = field(default_factory=dict)
    persistence_rmse: dict[str, float | None] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """One value per column, in the order of the columns."""
        values: dict[str, Any] = {
            "step": self.step,
            "epoch": round(self.epoch, 4),
            "learning_rate": self.learning_rate,
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "validation_mse": self.validation_mse,
        }
        values |= {f"rmse_{name}": score for name, score in self.rmse.items()}
        values |= {f"persistence_rmse_{name}": s for name, s in self.persistence_rmse.items()}
        values |= {f"loss_{name}": value for name, value in self.losses.items()}
        return values | {"seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Best:
    """The weights kept as best: their step, and their scores as a :class:`Row` has them."""

    step: int
    rmse: dict[str, float | None]
    persistence_rmse: dict[str, float | None]


class MetricsFile:
    """metrics.csv: one line per validation, rewritten whole so that it is never half a line."""

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []

    def resume(self, path: Path, step: int) -> None:
        """Go on after `step`: what was written beyond it was not saved with the state."""
        try:
            with path.open(newline="") as file:
                lines = list(csv.DictReader(file))
            self._lines = [dict(line) for line in lines if int(line["step"]) <= step]
        except FileNotFoundError:
            self._lines = []
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} cannot be read ({error}); move it away to go on without it"
            ) from error

    def append(self, row: Row) -> None:
        """Add a line, or put it in the place of one of the same step."""
        line = row.flat()
        self._lines = [old for old in self._lines if int(old["step"]) != row.step]
        self._lines.append(line)

    def write(self, path: Path) -> None:
        """All lines so far; StForecastError where the system refuses."""
        columns = list(dict.fromkeys(name for line in self._lines for name in line))
        columns.append(columns.pop(columns.index("seconds")))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._lines)
        with written_whole(path, "the metrics") as beside:
            beside.write_text(text.getvalue(), encoding="utf-8")


class TensorBoardLog:
    """Curves for TensorBoard; a resumed run writes over what came after the saved step."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        with writing(folder):
            self._writer = SummaryWriter(str(folder), purge_step=first_step or None)

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Curves by name; None is left out."""
        with writing(self._folder):
            for name, value in values.items():
                if value is not None:
                    self._writer.add_scalar(name, value, step)

    def row(self, row: Row | None) -> None:
        """The scores of one validation, if there was one; all points so far are in the file."""
        if row is not None:
            self.scalars(
                {
                    "validation/loss": row.validation_loss,
                    "validation/mse": row.validation_mse,
                    **{f"rmse/{name}": score for name, score in row.rmse.items()},
                    **{f"persistence_rmse/{name}": s for name, s in row.persistence_rmse.items()},
                },
                row.step,
            )
        with writing(self._folder):
            self._writer.flush()

    def close(self) -> None:
        with writing(self._folder):
            self._writer.close()


def number_words(value: float) -> str:
    """Four digits, also where the last are zeros: numbers below each other compare at a glance."""
    return f"{value:#.4g}".rstrip(".")


def score_words(names: Sequence[str], units: Sequence[str | None], row: Row | Best) -> str:
    """The scores beside persistence, as part of a sentence."""
    parts = []
    for name, unit in zip(names, units, strict=True):
        score, reference = row.rmse.get(name), row.persistence_rmse.get(name)
        if score is None:
            continue
        shown = f"{name} {number_words(score)}"
        if unit and unit != "1":
            shown += f" {unit}"
        if reference is not None:
            shown += f" (persistence {number_words(reference)})"
        parts.append(shown)
    return ", ".join(parts)
