"""Training a model on a tensor store: :func:`train`."""

from pathlib import Path
from typing import Any

from stforecast.card import STATE, ModelCard, RunCard
from stforecast.errors import ConfigError, DataError, Interrupted, RunError
from stforecast.models.registry import complete_settings, variant_name
from stforecast.options import ModelOptions, SplitOptions, TrainingOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.budget import parse_duration
from stforecast.training.counters import Outcome
from stforecast.training.distributed import Ranks
from stforecast.training.files import read_state
from stforecast.training.hardware import Hardware, choose_hardware
from stforecast.training.health import NotFiniteError
from stforecast.training.job import Job
from stforecast.training.launch import launch
from stforecast.training.plan import Plan, make_card, make_plan
from stforecast.training.progress import Notify, Reporter, make_reporter
from stforecast.training.resume import (
    check_budget,
    check_same,
    comparable,
    describe_budget,
    what_matters,
)
from stforecast.training.runfolder import RunFolder
from stforecast.training.signals import StopRequest
from stforecast.windows import Statistics, WindowSpec
from stforecast.windows.climatology import read_climatology


def train(
    store: TensorStore,
    folder: str | Path,
    *,
    name: str,
    windows: WindowOptions,
    split: SplitOptions,
    model: ModelOptions,
    training: TrainingOptions,
    experiment: dict[str, Any] | None = None,
    resume: bool = False,
    replace: bool = False,
    progress: bool = True,
    notify: Notify | None = None,
) -> RunCard:
    """Train a model and leave a run in `folder`.

    The folder then holds ``card.json``, ``model.safetensors`` (the weights with the lowest
    normalised squared error on the validation period, or the lowest CRPS where that is the loss;
    the last ones without such a period),
    ``last.safetensors``, ``state.pt`` to resume from, ``metrics.csv`` and ``tensorboard/``. It
    appears once there are weights: until then, what stood there stays.

    Args:
        store: the data.
        folder: the run's folder.
        name: the run's name, for its card.
        windows: what makes a sample.
        split: training, validation and test period.
        model: the system and its settings.
        training: budget, optimiser, schedule, loss, device, precision, seed.
        experiment: the resolved experiment file, kept on the card.
        resume: go on with the unfinished run in `folder`, at the very next batch.
        replace: train anew although there is a run in `folder`.
        progress: draw a bar where standard error is a terminal.
        notify: is given lines for the user.

    Returns:
        The card of the finished run.

    Raises:
        Interrupted: stopped by SIGINT or SIGTERM; the state is saved.
        RunError: there is a run, or none to resume, or one of another experiment; the device
            asked for is not there; a file cannot be written; a loss is not finite.
        ConfigError, DataError: options or data that no training can begin with.
    """
    if resume and replace:
        raise ConfigError("a run is either resumed or replaced; give only one of the two")
    _check_options(training)
    hardware = choose_hardware(training, store.shape[2] * store.shape[3])
    system_name, settings = complete_settings(model.name, model.settings)
    system = ModelCard(name=system_name, settings=settings)
    run = RunFolder.reopen(Path(folder)) if resume else RunFolder.create(Path(folder), replace)
    try:
        card = state = None
        if resume:
            card = RunCard.read(run.path)
            card.check_fits(store)
            state = read_state(run.path / STATE)
        statistics = None if card is None else Statistics.from_json(card.statistics)
        told = () if card is None else WindowSpec.from_json(card.windows).told
        climatology = None
        if card is not None and card.climatology is not None:
            climatology = read_climatology(run.path, card.climatology)
        plan = make_plan(
            store,
            windows,
            split,
            statistics,
            told=told,
            climatology=climatology,
            memory=training.memory_limit,
        )
        samples = plan.training_samples(store)
        if samples < training.devices:
            raise DataError(
                f"there are {samples} training windows, too few for {training.devices} devices; "
                "set training.devices to 1"
            )
        matters = what_matters(
            {"name": system.name, **system.settings},
            comparable(plan.spec),
            plan.learned_from(store),
            training,
        )
        if card is None or state is None:
            card = make_card(name, plan, store, system, training, hardware, experiment)
            if plan.climatology is not None:
                plan.climatology.write(run.path)
        else:
            check_same(state["matters"], matters)
            check_budget(state["matters"], training, card.training.finished)
            card = _continued(card, training, hardware, experiment)
        job = Job(store, run, card, windows, split, training, hardware, matters, resume)
        units = [channel.units for channel in store.meta.channels]
        reporter = make_reporter(progress, notify, store.channels, units)
        return _run(job, plan, state, reporter)
    finally:
        run.abandon()


def _run(job: Job, plan: Plan, state: dict[str, Any] | None, reporter: Reporter) -> RunCard:
    """Train in this process, or in as many as there are devices; the card as it then is."""
    stop = StopRequest()
    try:
        _introduce(plan, job.card, job.hardware, reporter)
        if job.hardware.devices > 1:
            result = launch(job, reporter, stop)
        else:
            # Lightning takes seconds to load, and is not needed to say what is wrong before.
            from stforecast.training.fit import fit

            result = fit(job, plan, Ranks(), reporter, stop, state)
    except NotFiniteError as error:
        raise RunError(_not_finite(error, job)) from error
    finally:
        reporter.close()
    card = RunCard.read(job.run.folder)
    if result.outcome is Outcome.INTERRUPTED:
        raise Interrupted(f"interrupted after {result.step} steps; go on with --resume")
    return card


def _check_options(options: TrainingOptions) -> None:
    if options.max_time is not None:
        parse_duration(options.max_time)
    if options.batch_size % options.devices:
        raise ConfigError(
            f"training.batch_size is {options.batch_size}, which {options.devices} devices cannot "
            "share evenly; make it a multiple of training.devices"
        )


def _continued(
    card: RunCard,
    options: TrainingOptions,
    hardware: Hardware,
    experiment: dict[str, Any] | None,
) -> RunCard:
    """The card of a run that goes on, perhaps elsewhere and for longer."""
    training = card.training.model_copy(
        update={"budget": describe_budget(options), "finished": False, "interrupted": None}
    )
    return card.model_copy(
        update={
            "training": training,
            "device": hardware.describe_device(),
            "precision": hardware.precision,
            "experiment": experiment if experiment is not None else card.experiment,
        }
    )


def _introduce(plan: Plan, card: RunCard, hardware: Hardware, reporter: Reporter) -> None:
    """A few lines before the first step."""
    for note in plan.splits.notes:
        reporter.notify(note)
    validation = f", {len(plan.validation)} for validation" if len(plan.validation) else ""
    model = variant_name(card.model.name, card.model.settings)
    reporter.notify(
        f"{model}, {plan.spec.history} → {card.step.counted(plan.spec.horizon)}, "
        f"{card.training.samples} windows for training{validation}; {hardware.describe()}"
    )
    if not len(plan.validation):
        reporter.notify(
            "there is no validation period: nothing tells which weights are best, and the last "
            "ones are kept"
        )
    if card.training.steps:
        reporter.notify(f"going on after step {card.training.steps}")


def _not_finite(error: NotFiniteError, job: Job) -> str:
    options = job.options
    if job.run.in_place:
        training = RunCard.read(job.run.folder).training
        kept = (
            f"the state after step {training.steps} and the best weights, of step "
            f"{training.best_step}, are kept in {job.run.folder}"
        )
    else:
        kept = "no weights were worth keeping yet"
    remedy = f"try a smaller training.learning_rate (it is {options.learning_rate:g})"
    if job.hardware.precision != "float32":
        remedy += " or training.precision: float32"
    return f"{error}, so the training stopped; {kept}; {remedy}"
