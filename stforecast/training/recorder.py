"""What a run leaves in its folder: weights, state, card, metrics, curves."""

import math
from collections.abc import Mapping
from typing import Any

from stforecast.card import (
    BEST_WEIGHTS,
    LAST_WEIGHTS,
    METRICS,
    STATE,
    STEP,
    TENSORBOARD,
    RunCard,
)
from stforecast.training.counters import Outcome, Snapshot
from stforecast.training.distributed import Ranks
from stforecast.training.files import write_state, write_weights
from stforecast.training.logs import MetricsFile, Row, TensorBoardLog
from stforecast.training.module import TrainingModule
from stforecast.training.randomness import random_state
from stforecast.training.runfolder import RunFolder
from stforecast.windows import ResumableLoader


class Recorder:
    """Writes the files of a run; of several processes only the first one does.

    Args:
        run: its folder.
        card: the card as it was before the first step, or as it was left.
        matters: the options that a resumed run must share (:mod:`stforecast.training.resume`).
        module: what is trained.
        loader: the training windows.
        first_step: the step that is resumed from.
    """

    def __init__(
        self,
        run: RunFolder,
        card: RunCard,
        matters: Mapping[str, Any],
        module: TrainingModule,
        loader: ResumableLoader,
        ranks: Ranks,
        first_step: int,
    ) -> None:
        self.run = run
        self.card = card
        self._matters = dict(matters)
        self._module = module
        self._loader = loader
        self._ranks = ranks
        self._metrics = MetricsFile()
        if first_step:
            self._metrics.resume(run.path / METRICS, first_step)
        self._curves: TensorBoardLog | None = None
        if ranks.first:
            self._curves = TensorBoardLog(run.path / TENSORBOARD, first_step)

    def save(self, now: Snapshot, row: Row | None, best: bool) -> None:
        """Everything that going on from here, or forecasting, needs.

        `row` holds the scores of a validation, if there was one, and `best` says that no weights
        before were better.
        """
        randomness = self._ranks.gather(random_state())
        if not self._ranks.first:
            return
        # The first state, before any step, only shows that there is room: nobody would forecast
        # with weights that have learned nothing.
        started = now.counters.step > 0
        if self._curves is not None:
            # Not part of what is saved: of curves, a resumed run cuts off what came after its step.
            self._curves.row(row)
        if started:
            self._update_card(now, row if best else None)
        if row is not None:
            self._metrics.append(row)
        placed = self.run.in_place
        with self.run.saving(settle=started) as path:
            weights = self._module.model.state_dict()
            notes = {STEP: str(now.counters.step)}
            if best or (started and now.counters.best_step == 0):
                write_weights(path / BEST_WEIGHTS, weights, notes)
            write_weights(path / LAST_WEIGHTS, weights, notes)
            write_state(path / STATE, self._state(now, randomness))
            if row is not None:
                self._metrics.write(path / METRICS)
            if started:
                self.card.write(path)
                if not placed:
                    # Its writer opens the file of curves anew by name at each flush.
                    self.close()
        if started and not placed:
            self._curves = TensorBoardLog(self.run.path / TENSORBOARD, now.counters.step + 1)

    def curves(self, values: Mapping[str, float | None], step: int) -> None:
        """Points of curves by name."""
        if self._curves is not None:
            finite = {
                name: value
                for name, value in values.items()
                if value is not None and math.isfinite(value)
            }
            self._curves.scalars(finite, step)

    def close(self) -> None:
        """Nothing more is written."""
        curves, self._curves = self._curves, None
        if curves is not None:
            curves.close()

    def _state(self, now: Snapshot, randomness: list[Any]) -> dict[str, Any]:
        trainer = self._module.trainer
        steps = len(self._loader)
        # The loop may have fetched a batch ahead: the state is that of the steps made.
        epoch, batch = divmod(now.counters.step, steps)
        return {
            "matters": self._matters,
            "session": now.state,
            "loader": {**self._loader.state_dict(), "epoch": epoch, "batch": batch},
            "model": self._module.model.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "random": randomness,
        }

    def _update_card(self, now: Snapshot, best: Row | None) -> None:
        counters, training = now.counters, self.card.training
        training.total_steps = now.total_steps
        training.steps = counters.step
        training.epochs = round(now.epoch, 4)
        training.seconds = round(counters.elapsed, 3)
        training.step_seconds = round(counters.stepping / counters.step, 6)
        training.best_step = counters.best_step or counters.step
        training.finished = now.outcome in (Outcome.FINISHED, Outcome.STOPPED_EARLY)
        training.interrupted = {
            Outcome.INTERRUPTED: "stopped by the user",
            Outcome.STOPPED_EARLY: "no better score for as long as early_stopping allows",
        }.get(now.outcome)
        if best is not None and best.rmse:
            self.card.scores["validation"] = {
                "model": best.rmse,
                "persistence": best.persistence_rmse,
            }
