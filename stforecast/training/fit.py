"""One process's share of a training: everything is put together, and Lightning runs it."""

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import LightningEnvironment

from stforecast.card import RunCard
from stforecast.errors import RunError
from stforecast.models import create_model
from stforecast.training.distributed import Ranks
from stforecast.training.ensemble import CRPS, Draws, told_noise
from stforecast.training.hardware import lay_out_kernels
from stforecast.training.job import Job, Result
from stforecast.training.logs import Best
from stforecast.training.losses import pointwise_loss
from stforecast.training.mixing import LagMixing
from stforecast.training.module import TrainingModule
from stforecast.training.plan import Plan
from stforecast.training.preparation import prepared_samples
from stforecast.training.progress import Reporter
from stforecast.training.randomness import isolated, seed_everything, set_random_state
from stforecast.training.recorder import Recorder
from stforecast.training.resume import load_budget, make_budget
from stforecast.training.schedules import make_schedule
from stforecast.training.session import Session
from stforecast.training.signals import StopRequest
from stforecast.training.validation import Validator
from stforecast.windows import Batch, GeneratedDataset, ResumableLoader, Transform, WindowDataset

PRECISIONS: dict[str, Any] = {"float32": "32-true", "bf16": "bf16-mixed", "float16": "16-mixed"}
STEPS_BETWEEN_CHECKS = 10  # on a GPU, which an answer would keep waiting


def fit(
    job: Job,
    plan: Plan,
    ranks: Ranks,
    reporter: Reporter,
    stop: StopRequest,
    state: dict[str, Any] | None,
) -> Result:
    """Train until the budget is used up or `stop` says so; the files are in the run's folder.

    `state` is what an earlier session left, if the run goes on.

    Raises:
        NotFiniteError: a loss or a gradient was not finite.
        RunError: the budget is used up already, or a file cannot be written.
    """
    with isolated(), _own_signals(), _hushed():
        seed_everything(job.options.seed)
        session, stream = _session(job, plan, ranks, reporter, stop, state)
        seed_everything(job.options.seed + ranks.rank)  # each process drops out other cells
        trainer = _trainer(job, ranks, _Driver(session, stop, state, ranks))
        try:
            trainer.fit(session.module, train_dataloaders=stream)
        except BaseException as error:
            # The error on its way says more than a full disk's second complaint.
            with contextlib.suppress(RunError):
                session.close()
            # Lightning ends the program where the user insists; that is not for a library to do.
            if isinstance(error, SystemExit):
                raise KeyboardInterrupt from error
            raise
        session.close()
        reporter.finish(session.best)
        return Result(session.outcome, session.counters.step)


def _session(
    job: Job,
    plan: Plan,
    ranks: Ranks,
    reporter: Reporter,
    stop: StopRequest,
    state: dict[str, Any] | None,
) -> "tuple[Session, _Stream]":
    options, hardware = job.options, job.hardware
    draws = Draws.of(options)
    shape = told_noise(plan.shape, draws)
    model = create_model(job.card.model.name, shape, **job.card.model.settings)
    if state is not None:
        model.load_state_dict(state["model"])
    lay_out_kernels(model, hardware.device)
    if options.compile:
        # Batches have one shape but for the last one, and paddings follow from it: symbolic sizes
        # would gain nothing, and torch 2.13 fails on them.
        model.compile(dynamic=False)
    # of a single forecast the CRPS is the absolute error
    named = {"auto": model.loss, CRPS: "mae"}.get(options.loss, options.loss)
    penalty = pointwise_loss(named)
    module = TrainingModule(
        model,
        Transform.create(plan.statistics, plan.spec, job.store.meta.channels, plan.climatology),
        options,
        penalty,
        # Its gradients are unscaled before they are clipped, which a fused step would do itself.
        fused=hardware.precision != "float16" and hardware.device != "mps",
        scaled=hardware.precision == "float16",
        ranks=ranks,
        draws=draws,
        mixing=LagMixing.of(options, plan.spec, job.store.channels),
    )

    def loader(dataset: WindowDataset | GeneratedDataset, shuffle: bool) -> ResumableLoader:
        # a validation, which is read in its order, needs little beside a training
        share = plan.memory // 8
        return ResumableLoader(
            dataset,
            options.batch_size // ranks.world_size,
            shuffle=shuffle,
            seed=options.seed,
            workers=options.workers,
            pin_memory=hardware.device == "cuda",
            rank=ranks.rank,
            world_size=ranks.world_size,
            memory=plan.memory - share if shuffle else share,
        )

    data = plan.training_data(job.store)
    if state is None:
        model.prepare(prepared_samples(data, module.transform, options.batch_size))
    train = loader(data, shuffle=True)
    validator = None
    if len(plan.validation):
        validator = Validator(
            loader(plan.dataset(job.store, plan.validation), shuffle=False),
            job.store.channels,
            penalty,
            hardware.autocast_dtype,
            ranks,
        )
    steps_done = 0 if state is None else int(state["session"]["counters"]["step"])
    session = Session(
        module,
        budget=make_budget(options, len(train)),
        schedule=make_schedule(options.schedule, options.learning_rate, options.warmup),
        validator=validator,
        recorder=Recorder(job.run, job.card, job.matters, module, train, ranks, steps_done),
        reporter=reporter,
        ranks=ranks,
        stop=stop,
        steps_per_epoch=len(train),
        patience=options.early_stopping,
        check_every=1 if hardware.device == "cpu" else STEPS_BETWEEN_CHECKS,
    )
    if state is not None:
        session.load_state_dict(state["session"])
        load_budget(session.budget, state["session"]["budget"], session.counters)
        train.load_state_dict(state["loader"])
        session.best = _best(job.card)
    return session, _Stream(train)


def _best(card: RunCard) -> Best | None:
    """What the card has of the best weights."""
    scores, step = card.scores.get("validation"), card.training.best_step
    if scores is None or step is None:
        return None
    return Best(step, scores["model"], scores["persistence"])


def _trainer(job: Job, ranks: Ranks, driver: "_Driver") -> pl.Trainer:
    # Told, not guessed: the cluster's or a notebook's environment is none of a training's business.
    return pl.Trainer(
        accelerator=job.hardware.device,
        devices=ranks.world_size,
        strategy="ddp" if ranks.world_size > 1 else "auto",
        precision=PRECISIONS[job.hardware.precision],
        plugins=[LightningEnvironment()],
        max_epochs=-1,  # the session ends it
        callbacks=[driver],
        default_root_dir=str(job.run.path),
        benchmark=job.hardware.device == "cuda",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class _Stream:
    """Batches without end, epoch after epoch, from where the loader stands."""

    def __init__(self, loader: ResumableLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield from self._loader


class _Driver(pl.Callback):
    """Lets a session take part in Lightning's loop."""

    def __init__(
        self, session: Session, stop: StopRequest, state: dict[str, Any] | None, ranks: Ranks
    ) -> None:
        self._session = session
        self._stop = stop
        self._state = state
        self._ranks = ranks

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop.listen()  # after Lightning, whose own handlers end the run in the middle
        state, self._state = self._state, None
        if state is not None:
            optimizer = trainer.optimizers[0]
            fused = optimizer.param_groups[0]["fused"]
            optimizer.load_state_dict(state["optimizer"])
            for group in optimizer.param_groups:
                group["fused"] = fused
            if state["precision"]:
                trainer.precision_plugin.load_state_dict(state["precision"])
            set_random_state(state["random"][self._ranks.rank])
        if self._session.begin():
            trainer.should_stop = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._session.module.set_rate(self._session.rate())

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._session.stepped():
            trainer.should_stop = True


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Lightning changes signal handlers and does not give all of them back."""
    before = {number: signal.getsignal(number) for number in StopRequest.SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError):  # not the main thread: nothing was changed
                signal.signal(number, handler)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """What Lightning says about itself is not for the user: what matters is checked here.

    Nor is the traceback of TensorBoard's thread, whose error is raised again where it is called.
    """
    loud = threading.excepthook

    def quieter(arguments: threading.ExceptHookArgs) -> None:
        if not (arguments.thread and type(arguments.thread).__module__.startswith("tensorboard.")):
            loud(arguments)

    threading.excepthook = quieter
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for module in ("pytorch_lightning", "lightning_fabric"):
            warnings.filterwarnings("ignore", module=rf"{module}\..*")
        # Kernels of one cell have two layouts that are the same; exchanging them copies once.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            threading.excepthook = loud
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
