"""Measure a model: time and memory of a forecast and of a training step."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stforecast.models import Covariates, Forecaster, SampleShape, create_model
from stforecast.profiling.calls import Forecast, TrainingStep
from stforecast.profiling.memory import peak_bytes
from stforecast.training.hardware import Hardware, lay_out_kernels
from stforecast.training.randomness import isolated

Tell = Callable[[str], None]

# Seconds of a call beside which what it sets up is no matter.
_LONG = 1.0


@dataclass(frozen=True)
class Job:
    """A model to measure, and how.

    repeats: calls that are timed, fewer where they take longer than max_seconds together, but one.
    """

    name: str
    shape: SampleShape
    settings: dict[str, Any]
    hardware: Hardware
    batch: int = 1
    repeats: int = 10
    max_seconds: float = 30.0


@dataclass(frozen=True)
class Measured:
    """A call on a whole batch: seconds of each that was timed, and the most bytes that it held."""

    seconds: tuple[float, ...]
    peak_bytes: int | None

    @property
    def median(self) -> float:
        """Seconds of the median call."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Profile:
    """What a model was measured to cost."""

    inference: Measured
    training_step: Measured


def profile_model(job: Job, tell: Tell | None = None) -> Profile:
    """Measure a forecast and a training step of a model with fresh weights on a batch of noise.

    A training step is the forward pass in the middle of the model's sampling schedule, its own
    loss, the backward pass and a step of Adam. Each is called once for its memory, which warms it
    up, and then timed. Peaks include weights, samples, and in training gradients and the state of
    the optimiser, which are held from step to step.

    tell: is given a word now and then on what is being measured.
    """
    with isolated(), _as_in_training(job.hardware):
        made = _made(job)
        inference = _measure(Forecast(*made, job.hardware), job, _telling(tell, "forecast"))
        step = TrainingStep(*made, job.hardware)
        training_step = _measure(step, job, _telling(tell, "training step"))
    return Profile(inference, training_step)


def forecast_seconds(job: Job) -> float:
    """Seconds of a forecast of one sample, by few calls: a guess before a long work.

    The first call sets things up, and counts only where it is so long that this is no matter.
    """
    device = torch.device(job.hardware.device)
    with isolated():
        call = Forecast(*_made(job), job.hardware)
        seconds = [_timed(call, device)]
        if seconds[0] < _LONG:
            seconds.append(_timed(call, device))
    return min(seconds) / job.batch


def _made(job: Job) -> tuple[Forecaster, Tensor, Covariates | None]:
    """The model with fresh weights, and a batch of noise for it."""
    device = torch.device(job.hardware.device)
    torch.manual_seed(0)
    model = create_model(job.name, job.shape, **job.settings)
    lay_out_kernels(model, job.hardware.device)
    model.to(device)
    history, covariates = job.shape.example(job.batch)
    return model, history.to(device), covariates and covariates.to(device)


def _measure(call: Forecast | TrainingStep, job: Job, tell: Callable[[], None]) -> Measured:
    device = torch.device(job.hardware.device)

    def first_call() -> None:
        call.prepare()
        call()

    if device.type == "cuda":  # where the first call tries out which kernels are fastest
        tell()
        call()
    tell()
    idle = call.idle_bytes()
    peak = peak_bytes(first_call, device)
    seconds: list[float] = []
    while not seconds or (len(seconds) < job.repeats and sum(seconds) < job.max_seconds):
        tell()
        seconds.append(_timed(call, device))
    return Measured(tuple(seconds), None if peak is None else idle + peak)


def _timed(call: Callable[[], None], device: torch.device) -> float:
    """Seconds of one call."""
    _synchronize(device)
    begin = time.perf_counter()
    call()
    _synchronize(device)
    return time.perf_counter() - begin


def _telling(tell: Tell | None, what: str) -> Callable[[], None]:
    """Tells what is being measured, and which call of it this is."""
    numbers = itertools.count(1)

    def told() -> None:
        if tell is not None:
            tell(f"{what}, call {next(numbers)}")

    return told


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextlib.contextmanager
def _as_in_training(hardware: Hardware) -> Iterator[None]:
    """Let cuDNN find the fastest kernels, as training does."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = hardware.device == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
