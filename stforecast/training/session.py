"""One run from its first step to its last: what happens after each step of the optimiser."""

import math
from typing import Any

import torch

from stforecast.training.budget import Budget, validation_is_due
from stforecast.training.counters import Clock, Counters, Outcome, Snapshot
from stforecast.training.distributed import Ranks
from stforecast.training.health import NotFiniteError
from stforecast.training.logs import Best, Row
from stforecast.training.module import TrainingModule
from stforecast.training.progress import Reporter
from stforecast.training.recorder import Recorder
from stforecast.training.schedules import Rate, Schedule
from stforecast.training.signals import StopRequest
from stforecast.training.validation import Scores, Validator


class Session:
    """Drives a run: rates, budget, validations, best weights, saving, stopping.

    The training loop calls :meth:`begin` once, :meth:`rate` before and :meth:`stepped` after each
    step of the optimiser, and stops when one of them says so. In a run of several processes all of
    them do the same, and decide alike.
    """

    SAVE_SECONDS = 600.0  # between states, where validations are rarer
    CURVE_STEPS = 10  # between points of TensorBoard's curves of single steps

    def __init__(
        self,
        module: TrainingModule,
        *,
        budget: Budget,
        schedule: Schedule,
        validator: Validator | None,
        recorder: Recorder,
        reporter: Reporter,
        ranks: Ranks,
        stop: StopRequest,
        steps_per_epoch: int,
        patience: int | None,
        check_every: int,
    ) -> None:
        self.module = module
        self.budget = budget
        self.counters = Counters()
        self.outcome = Outcome.RUNNING
        self.best: Best | None = None
        self._schedule = schedule
        self._validator = validator
        self._recorder = recorder
        self._reporter = reporter
        self._ranks = ranks
        self._stop = stop
        self._steps_per_epoch = steps_per_epoch
        self._patience = patience
        self._check_every = check_every
        self._summed_steps = 0
        self._last_rate = 0.0
        self._clock = Clock(self.counters)
        self._saved = 0.0  # seconds at the last state
        self._agreed = 0.0  # seconds that all processes know of

    @property
    def epoch(self) -> float:
        """Passes over the training period, in parts too."""
        return self.counters.step / self._steps_per_epoch

    def rate(self) -> Rate:
        """The learning rate of the next step."""
        rate = self._schedule(self.budget.progress(self.counters.step))
        self._last_rate = rate.learning_rate
        return rate

    def begin(self) -> bool:
        """Start the clock; True where nothing is left but what fell due before."""
        counters = self.counters
        self._clock = Clock(counters)
        self._saved = self._agreed = self._ranks.of_first([counters.elapsed])[0]
        self.budget.start(counters.step, counters.stepping)
        self._tell_module()
        if counters.step == 0:
            self._save()  # a full disk shows now and not after the first hour
            self._clock.other()
        elif self._due():
            return self._validate()
        return False

    def stepped(self) -> bool:
        """Whatever is due after one more step of the optimiser; True to stop."""
        counters = self.counters
        counters.step += 1
        self._summed_steps += 1
        self._clock.steps()
        stop = False
        if counters.step % self._check_every == 0 or counters.step == 1:
            stop = self._agree()
        self._tell_module()
        self._report()
        if self._due():
            return self._validate()
        if stop:
            return self._interrupt()
        if self._agreed - self._saved > self.SAVE_SECONDS:
            self._save()
            self._clock.other()
        return False

    def state_dict(self) -> dict[str, Any]:
        """What this class must know to go on: plain values."""
        return {
            "counters": dict(vars(self.counters)),
            "budget": self.budget.state_dict(),
            "sums": {name: float(value) for name, value in self.module.sums.items()},
            "summed_steps": self._summed_steps,
            "last_rate": self._last_rate,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was called; the budget is loaded by its maker."""
        for name, value in state["counters"].items():
            setattr(self.counters, name, value)
        self.module.sums = {name: torch.tensor(value) for name, value in state["sums"].items()}
        self._summed_steps = int(state["summed_steps"])
        self._last_rate = float(state["last_rate"])

    def close(self) -> None:
        """Leave the files as they are, whatever ended the run."""
        self._recorder.close()

    # --- what happens after a step ---------------------------------------------------------------

    def _due(self) -> bool:
        return validation_is_due(self.budget, self.counters.step, self.counters.validated)

    def _agree(self) -> bool:
        """Whether any process is to stop; the budget learns what the first one's clock says."""
        counters = self.counters
        self.module.health.check()
        stop = self._ranks.totals([float(self._stop())])[0] > 0
        elapsed, stepping = self._ranks.of_first([counters.elapsed, counters.stepping])
        self._agreed = elapsed
        if counters.step == 1 and self._validator is not None and self.budget.total_steps is None:
            seconds = self._validator.probe(self.module)
            self.budget.validation_costs(self._ranks.of_first([seconds])[0])
            self._clock.other()
        planned = self.budget.total_steps
        self.budget.stepped(counters.step, elapsed, stepping)
        if planned is None and self.budget.total_steps is not None:
            self._reporter.notify(
                f"about {self.budget.total_steps} steps and {self.budget.validations} validations "
                "fit the budget"
            )
        return stop

    def _tell_module(self) -> None:
        self.module.done_steps = self.counters.step
        self.module.total_steps = self.budget.total_steps

    def _report(self) -> None:
        step, loss, rate = self.counters.step, self.module.health.loss, self._last_rate
        self._reporter.step(step, self.budget.total_steps, loss, rate)
        if step % self.CURVE_STEPS == 0:
            self._recorder.curves({"train/loss": loss, "train/learning_rate": rate}, step)

    def _validate(self) -> bool:
        counters = self.counters
        self.module.health.check()
        scores: Scores | None = None
        if self._validator is not None:
            scores = self._validator.run(self.module, self._stop)
            if scores is None:
                return self._interrupt()
            if not math.isfinite(self._judged(scores)):
                raise NotFiniteError("validation loss", counters.step)
        counters.validated = self.budget.progress(counters.step)
        row = self._row(scores)
        # Without a validation period the last weights are the best that are known.
        best = scores is None or self._judged(scores) < counters.best_mse
        if best:
            counters.best_mse = math.inf if scores is None else self._judged(scores)
            counters.best_step, counters.stale = counters.step, 0
            if scores is not None:
                self.best = Best(row.step, row.rmse, row.persistence_rmse)
        else:
            counters.stale += 1
        if self.budget.done(counters.step):
            self.outcome = Outcome.FINISHED
        elif self._patience is not None and counters.stale >= self._patience:
            self.outcome = Outcome.STOPPED_EARLY
        self._save(row, best)
        self._reporter.validated(row, self.budget.total_steps, best)
        self.budget.validation_costs(self._ranks.of_first([self._clock.other()])[0])
        return self.outcome is not Outcome.RUNNING

    def _judged(self, scores: Scores) -> float:
        """What weights are chosen by: the squared error, or the CRPS of members."""
        return scores.mse if self.module.draws is None else scores.loss

    def _interrupt(self) -> bool:
        self.outcome = Outcome.INTERRUPTED
        self._save()
        return True

    def _save(self, row: Row | None = None, best: bool = False) -> None:
        self._saved = self._agreed
        snapshot = Snapshot(
            counters=self.counters,
            outcome=self.outcome,
            epoch=self.epoch,
            total_steps=self.budget.total_steps,
            state=self.state_dict(),
        )
        self._recorder.save(snapshot, row, best)

    def _row(self, scores: Scores | None) -> Row:
        sums = self.module.take_sums()
        steps = max(self._summed_steps, 1) * self._ranks.world_size
        means = dict(zip(sums, self._ranks.totals([*sums.values()]), strict=True))
        means = {name: total / steps for name, total in means.items()}
        self._summed_steps = 0
        return Row(
            step=self.counters.step,
            epoch=self.epoch,
            learning_rate=self._last_rate,
            seconds=self.counters.elapsed,
            train_loss=means.pop("prediction", None),
            losses=means,
            validation_loss=None if scores is None else scores.loss,
            validation_mse=None if scores is None else scores.mse,
            rmse={} if scores is None else scores.rmse,
            persistence_rmse={} if scores is None else scores.persistence_rmse,
        )
