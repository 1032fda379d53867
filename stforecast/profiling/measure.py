"""Measure a model: time and memory of a forecast and of a training step."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from stforecast.models import Covariates, Forecaster, SampleShape, create_model
from stforecast.profiling.memory import bytes_held, peak_bytes
from stforecast.training.hardware import Hardware, lay_out_kernels
from stforecast.training.losses import masked_sum, pointwise_loss
from stforecast.training.randomness import isolated

Tell = Callable[[str], None]

# Of a training in which schedules that are parts of it are half way.
TOTAL_STEPS = 1000


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

    @property
    def spread(self) -> float:
        """Half of the range of the seconds, as a part of the median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / self.median


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
    device = torch.device(job.hardware.device)
    with isolated(), _as_in_training(job.hardware):
        torch.manual_seed(0)
        model = create_model(job.name, job.shape, **job.settings)
        lay_out_kernels(model, job.hardware.device)
        model.to(device)
        history, covariates = job.shape.example(job.batch)
        history = history.to(device)
        covariates = covariates and covariates.to(device)
        inference = _measure(
            _Forecast(model, history, covariates, job.hardware), job, _telling(tell, "forecast")
        )
        step = _TrainingStep(model, history, covariates, job.hardware)
        training_step = _measure(step, job, _telling(tell, "training step"))
    return Profile(inference, training_step)


class _Forecast:
    """A forecast, as it is made of a trained run."""

    def __init__(
        self, model: Forecaster, history: Tensor, covariates: Covariates | None, hardware: Hardware
    ) -> None:
        self._model, self._history, self._covariates = model.eval(), history, covariates
        self._autocast = _autocast(hardware)

    def idle_bytes(self) -> int:
        """What is held between forecasts."""
        return bytes_held([*_tensors(self._model), *_sample(self._history, self._covariates)])

    def prepare(self) -> None:
        """No forecast leaves anything to the next."""

    def __call__(self) -> None:
        with torch.inference_mode(), self._autocast:
            self._model(self._history, self._covariates)


class _TrainingStep:
    """A step of training; gradients stay until the next backward pass, as in Lightning's loop."""

    def __init__(
        self, model: Forecaster, history: Tensor, covariates: Covariates | None, hardware: Hardware
    ) -> None:
        shape = model.shape
        self._model, self._history, self._covariates = model.train(), history, covariates
        size = (len(history), shape.out_steps, *history.shape[2:])
        self._target = torch.randn(size, device=history.device)
        self._autocast = _autocast(hardware)
        self._penalty = pointwise_loss(model.loss)
        scaled = hardware.precision == "float16"
        self._optimizer: Optimizer = torch.optim.Adam(
            model.parameters(), fused=not scaled and hardware.device != "mps"
        )
        self._scaler = torch.amp.GradScaler(hardware.device, enabled=scaled)
        sampling = getattr(model, "sampling", None)
        self._step = 0 if sampling is None else sampling.middle(TOTAL_STEPS)
        self.prepare()
        self._optimizer.step()  # of gradients that are zero: makes its state and nothing else

    def idle_bytes(self) -> int:
        """What is held between steps, but for gradients, which are dropped."""
        self._optimizer.zero_grad()
        states = [
            value
            for state in self._optimizer.state.values()
            for value in state.values()
            if isinstance(value, Tensor) and value.device == self._target.device
        ]
        samples = [*_sample(self._history, self._covariates), self._target]
        return bytes_held([*_tensors(self._model), *states, *samples])

    def prepare(self) -> None:
        """Leave the gradients that the step before would have left."""
        for parameter in self._model.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def __call__(self) -> None:
        with self._autocast:
            forward = self._model.training_forward(
                self._history,
                self._target,
                self._covariates,
                step=self._step,
                total_steps=TOTAL_STEPS,
            )
            total, count = masked_sum(self._penalty, forward.prediction, forward.target, None)
            losses = [total / count, *forward.losses.values()]
            loss = torch.stack([value.float() for value in losses]).sum()
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()


def _measure(call: "_Forecast | _TrainingStep", job: Job, tell: Callable[[], None]) -> Measured:
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
        _synchronize(device)
        begin = time.perf_counter()
        call()
        _synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return Measured(tuple(seconds), None if peak is None else idle + peak)


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


def _autocast(hardware: Hardware) -> torch.autocast:
    dtype = hardware.autocast_dtype
    return torch.autocast(hardware.device, dtype=dtype, enabled=dtype is not None)


@contextlib.contextmanager
def _as_in_training(hardware: Hardware) -> Iterator[None]:
    """Let cuDNN find the fastest kernels, as training does."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = hardware.device == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _sample(history: Tensor, covariates: Covariates | None) -> list[Tensor]:
    told = vars(covariates).values() if covariates is not None else ()
    return [history, *(value for value in told if value is not None)]
