"""Training and scoring all runs of a comparison, one after the other."""

import contextlib
import gc
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
import xarray as xr

from stforecast.card import RunCard
from stforecast.comparison.contenders import Contender, check_contenders
from stforecast.comparison.estimate import long_text, seconds_of_forecasts
from stforecast.comparison.references import scored_beside
from stforecast.comparison.runs import VERIFICATION, Run, Status, Task, find_runs, train_run
from stforecast.comparison.scored import Bar, Tell, identity_of, scores_of
from stforecast.errors import Interrupted, StForecastError
from stforecast.models import SampleShape
from stforecast.models.cost import Costs, count_costs
from stforecast.options import SplitOptions, VerificationOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.budget import parse_duration
from stforecast.training.plan import make_plan
from stforecast.training.progress import Notify
from stforecast.training.resume import budget_words, describe_budget

_log = logging.getLogger(__name__)
_DOING = {
    Status.MISSING: "training",
    Status.UNFINISHED: "going on with the training",
    Status.OTHER: "training anew",
}


@dataclass(frozen=True)
class Done:
    """A run as it ended: its card and scores, or the sentence that says why it has none."""

    run: Run
    card: RunCard | None = None
    scores: xr.Dataset | None = None
    failure: str = ""


@dataclass(frozen=True)
class Campaign:
    """Runs that were found to go together, ready to be trained and scored."""

    task: Task
    runs: list[Run]
    costs: dict[str, Costs]
    """By the label of a contender."""
    notes: list[str]
    shape: SampleShape
    forecasts: int
    """Of the test period, by which each run is scored."""

    @property
    def budget(self) -> str:
        """What each of the runs is trained for."""
        return budget_words(describe_budget(self.runs[0].contender.training))

    def describe(self) -> str:
        """How much there is to do, and about how long it takes."""
        left = [run for run in self.runs if run.status is not Status.FINISHED]
        several = len(self.runs) > 1
        words = (
            f"{len(self.runs)} runs of {self.budget} each" if several else f"1 run of {self.budget}"
        )
        if not left:
            return f"{words}, all of them trained"
        if len(left) < len(self.runs):
            words += f", {len(self.runs) - len(left)} of them trained"
        scoring = self._scoring_seconds(left)
        options = left[0].contender.training
        time = options.max_time
        if time is not None:
            training = long_text(parse_duration(time) * len(left))
            limited = options.max_epochs is not None or options.max_steps is not None
            takes = "at most" if limited else "about"
            words += f"; training takes {takes} {training}{', one run after the other' * several}"
        if scoring is not None:
            words += ", and scoring about " if time is not None else "; scoring takes about "
            of_each = " of each" if len(left) > 1 else ""
            words += f"{long_text(scoring)} ({self.forecasts:,} forecasts{of_each})"
        return words

    def _scoring_seconds(self, runs: Sequence[Run]) -> float | None:
        """Seconds of all forecasts that some runs are scored by; None where that is not known."""
        contenders = {run.contender.label: run.contender for run in runs}
        found = seconds_of_forecasts(list(contenders.values()), self.costs, self.shape)
        if not found:
            return None
        return self.forecasts * sum(found[run.contender.label] for run in runs)

    def run(
        self,
        *,
        progress: bool = True,
        notify: Notify | None = None,
        details: Notify | None = None,
        bar: Bar | None = None,
    ) -> list[Done]:
        """Train what is missing and score everything; each run ends before the next begins.

        A run that fails is told in its place, and the others go on. `notify` is given a line before
        and after each run, `details` those of its training; `bar` shows the scoring.

        Raises:
            Interrupted: stopped by SIGINT or SIGTERM; the same comparison goes on there.
        """
        say: Callable[[str], object] = notify or (lambda line: None)
        identity = identity_of(self.task.record)
        done = []
        for number, run in enumerate(self.runs, start=1):
            place = f"[{number}/{len(self.runs)}] {run.words}"
            if run.status is not Status.FINISHED:
                say(f"{place}: {_DOING[run.status]}")
            ended = self._one(run, identity, progress, details, bar or _no_bar)
            say(f"{place}: {_words(ended)}")
            done.append(ended)
            if run.status is not Status.FINISHED:
                _clean_up()
        return done

    def _one(
        self, run: Run, identity: str, progress: bool, details: Notify | None, bar: Bar
    ) -> Done:
        try:
            card = train_run(run, self.task, progress=progress, notify=details)
            scores = scores_of(
                run.model,
                self.task.record,
                self.task.verification,
                run.folder / VERIFICATION,
                device=run.contender.training.device,
                identity=identity,
                bar=bar,
            )
        except Interrupted as error:
            first = str(error).partition(";")[0]
            raise Interrupted(
                f"{first} of {run.words}; the same comparison goes on there, and keeps what is done"
            ) from error
        except Exception as error:
            # Hours of other models must not hang on one, whatever is wrong with it.
            _log.debug("%s failed", run.words, exc_info=True)
            return Done(run, failure=_sentence(error))
        return Done(run, card, scores)


def make_campaign(
    record: TensorStore,
    folder: Path,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    *,
    name: str,
    windows: WindowOptions,
    split: SplitOptions,
    verification: VerificationOptions,
    replace: bool = False,
    check: Callable[[Contender, SampleShape], None] | None = None,
) -> Campaign:
    """Settle what is trained, and refuse what cannot be before anything is.

    Args:
        record: the data of all runs.
        folder: holds a folder for each run, ``LABEL-seedN/model``.
        contenders, seeds: each contender is trained once per seed.
        name: of the experiment.
        windows, split, verification: alike for all.
        replace: train anew the runs that are there and were trained otherwise.
        check: raises ConfigError for a contender that does not go with the shape of the samples.

    Raises:
        ConfigError: contenders that cannot be made, told apart, or have different budgets; no test
            period. DataError: data that no training can begin with, or that cannot be scored.
        RunError: a run that is there was trained otherwise; names the difference.
    """
    check_contenders(contenders, seeds)
    plan = make_plan(record, windows, split)
    verification, notes, forecasts = scored_beside(record, plan, verification)
    costs = {}
    for contender in contenders:
        if check is not None:
            check(contender, plan.shape)
        model = contender.model
        costs[contender.label] = count_costs(model.name, plan.shape, **model.settings)
    task = Task(name, record, windows, split, verification)
    runs = find_runs(task, plan, folder, contenders, seeds, replace=replace)
    return Campaign(task, runs, costs, notes, plan.shape, forecasts)


def _words(done: Done) -> str:
    if done.card is None or done.scores is None:
        return f"failed: {done.failure}"
    training = done.card.training
    return f"trained in {training.seconds:.0f} s ({training.steps} steps) and scored"


def _sentence(error: Exception) -> str:
    """Why a run failed, for a table."""
    if isinstance(error, StForecastError):
        return str(error)
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in first:
        return "out of memory; lower training.batch_size or choose a smaller model"
    return f"unexpected {type(error).__name__}: {first}"


def _clean_up() -> None:
    """Let go of what a training held in memory: parts of it refer to each other."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _no_bar(what: str) -> AbstractContextManager[Tell | None]:
    return contextlib.nullcontext()
