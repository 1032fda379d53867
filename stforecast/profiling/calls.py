"""The calls that are measured: a forecast and a training step, as users run them."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from stforecast.models import Covariates, Forecaster
from stforecast.profiling.memory import bytes_held
from stforecast.training.hardware import Hardware
from stforecast.training.losses import masked_sum, pointwise_loss

# Of a training in which schedules that are parts of it are half way.
TOTAL_STEPS = 1000


class Forecast:
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


class TrainingStep:
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


def _autocast(hardware: Hardware) -> torch.autocast:
    dtype = hardware.autocast_dtype
    return torch.autocast(hardware.device, dtype=dtype, enabled=dtype is not None)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _sample(history: Tensor, covariates: Covariates | None) -> list[Tensor]:
    told = vars(covariates).values() if covariates is not None else ()
    return [history, *(value for value in told if value is not None)]
