"""The runs of a comparison: which are there, which go on, which are to be trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from stforecast.card import CARD, RunCard
from stforecast.comparison.contenders import Contender, run_name
from stforecast.errors import RunError
from stforecast.options import SplitOptions, VerificationOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training import train
from stforecast.training.existing import check_trained_alike
from stforecast.training.plan import Plan
from stforecast.training.progress import Notify
from stforecast.training.resume import describe_budget

MODEL = "model"
VERIFICATION = "verification"


class Status(Enum):
    """What is to be done for a run."""

    MISSING = "to train"
    UNFINISHED = "to go on with"
    FINISHED = "trained"
    OTHER = "to train anew"


@dataclass(frozen=True)
class Task:
    """What all runs of a comparison share."""

    name: str
    record: TensorStore
    windows: WindowOptions
    split: SplitOptions
    verification: VerificationOptions


@dataclass(frozen=True)
class Run:
    """One contender with one seed; `folder` holds its model and its scores."""

    contender: Contender
    seed: int
    folder: Path
    status: Status

    @property
    def model(self) -> Path:
        return self.folder / MODEL

    @property
    def words(self) -> str:
        return f"{self.contender.label}, seed {self.seed}"


def find_runs(
    task: Task,
    plan: Plan,
    folder: Path,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    *,
    replace: bool,
) -> list[Run]:
    """All runs with how they stand, seed by seed, so that the first ones tell of every model.

    Raises:
        RunError: a run that is there was trained otherwise, and is not to be replaced.
    """
    runs, others = [], []
    for seed in seeds:
        for contender in contenders:
            place = folder / run_name(contender.label, seed)
            try:
                status = _status(task, plan, place / MODEL, contender, seed)
            except RunError as error:
                others.append(str(error))
                status = Status.OTHER
            runs.append(Run(contender, seed, place, status))
    if others and not replace:
        more = f" ({len(others) - 1} more do not fit either)" if len(others) > 1 else ""
        raise RunError(
            f"{others[0]}{more}; set it back, or train anew what does not fit with --replace"
        )
    return runs


def train_run(run: Run, task: Task, *, progress: bool, notify: Notify | None) -> RunCard:
    """Train a run, or go on with it, as far as its budget; the errors of :func:`train`."""
    if run.status is Status.FINISHED:
        return RunCard.read(run.model)
    experiment = run.contender.described(run.seed)
    if experiment is not None:
        experiment["verification"] = task.verification.model_dump(mode="json")
    return train(
        task.record,
        run.model,
        name=f"{task.name}-{run.folder.name}",
        windows=task.windows,
        split=task.split,
        model=run.contender.model,
        training=run.contender.trained_with(run.seed),
        experiment=experiment,
        resume=run.status is Status.UNFINISHED,
        replace=run.status is Status.OTHER,
        progress=progress,
        notify=notify,
    )


def _status(task: Task, plan: Plan, model: Path, contender: Contender, seed: int) -> Status:
    if not (model / CARD).is_file():
        return Status.MISSING
    options = contender.trained_with(seed)
    card = check_trained_alike(model, task.record, plan, contender.model, options)
    splits = (card.splits, plan.splits.dates(task.record.axis))
    before, now = (" to ".join(dates.get("test", ("not given",))) for dates in splits)
    if before != now:
        raise RunError(
            f"the run in {model} was trained otherwise: data.split.test was {before} and is now "
            f"{now}"
        )
    finished = card.training.finished and card.training.budget == describe_budget(options)
    return Status.FINISHED if finished else Status.UNFINISHED
