"""What is measured is a forecast and a training step as users run them."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from stforecast.models import (
    Covariates,
    Forecaster,
    SampleShape,
    TrainingForward,
    create_model,
    register,
)
from stforecast.models.cost import count_parameters
from stforecast.models.registry import REGISTRY
from stforecast.models.sampling import Sampling
from stforecast.profiling import Job, Measured, profile_model
from stforecast.training.hardware import Hardware

SHAPE = SampleShape(3, 2, 1, 16, 16)
CPU = Hardware("cpu", "float32")
SMALL: dict[str, dict[str, Any]] = {
    "simvp": {"hid_S": 8, "hid_T": 16, "N_T": 2},
    "convlstm": {"hidden": [16, 16]},
}


def job(name: str = "simvp", **changes: Any) -> Job:
    return dataclasses.replace(Job(name, SHAPE, SMALL[name], CPU, repeats=3), **changes)


@pytest.mark.parametrize("name", SMALL)
def test_memory_is_what_must_be_there_and_the_same_each_time(name: str) -> None:
    first, second = profile_model(job(name)), profile_model(job(name))
    weights = 4 * count_parameters(create_model(name, SHAPE, **SMALL[name]))
    assert first.inference.peak_bytes == second.inference.peak_bytes
    assert first.training_step.peak_bytes == second.training_step.peak_bytes
    assert first.inference.peak_bytes is not None
    assert first.training_step.peak_bytes is not None
    assert first.inference.peak_bytes > weights
    # weights, gradients, two moments of Adam, and activations
    assert first.training_step.peak_bytes > 4 * weights
    assert first.training_step.peak_bytes > first.inference.peak_bytes


def test_memory_and_time_grow_with_the_batch() -> None:
    one, many = profile_model(job()), profile_model(job(batch=16))
    assert many.inference.peak_bytes > 2 * one.inference.peak_bytes  # type: ignore[operator]
    assert many.training_step.peak_bytes > 4 * one.training_step.peak_bytes  # type: ignore[operator]
    assert many.training_step.median > one.training_step.median


def test_as_many_calls_as_asked_for_in_the_time_given() -> None:
    told: list[str] = []
    profile = profile_model(job(), told.append)
    assert len(profile.inference.seconds) == len(profile.training_step.seconds) == 3
    assert all(seconds > 0 for seconds in profile.inference.seconds)
    assert told[:2] == ["forecast, call 1", "forecast, call 2"]
    assert told[-1] == "training step, call 4"
    hasty = profile_model(job(max_seconds=1e-9))
    assert len(hasty.inference.seconds) == len(hasty.training_step.seconds) == 1


def test_the_median_call_is_told() -> None:
    assert Measured((4.0, 2.0, 3.5), None).median == 3.5


def test_nothing_outside_changes() -> None:
    before = torch.get_rng_state()
    profile_model(job())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.backends.cudnn.benchmark is False


def test_runs_in_bf16() -> None:
    profile = profile_model(job("convlstm", hardware=Hardware("cpu", "bf16")))
    assert profile.inference.peak_bytes != profile_model(job("convlstm")).inference.peak_bytes


def test_covariates_are_given() -> None:
    shape = SampleShape(3, 2, 1, 8, 8, past_channels=1, future_channels=2, static_channels=1)
    assert profile_model(job(shape=shape)).inference.median > 0


class Probe(Forecaster):
    """Says how it is called."""

    loss = "mae"
    calls: list[tuple[Any, ...]] = []  # noqa: RUF012  of the class, since it is made elsewhere

    def __init__(self, shape: SampleShape) -> None:
        super().__init__(shape)
        self.scale = torch.nn.Parameter(torch.tensor(2.0))
        self.sampling = Sampling("scheduled", 0.0, 0.4, 0.04)

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        self.calls.append(("forecast", self.training, torch.is_inference_mode_enabled()))
        return self.scale * history[:, : self.shape.out_steps]

    def training_forward(
        self,
        history: Tensor,
        target: Tensor,
        covariates: Covariates | None = None,
        *,
        valid: Tensor | None = None,
        step: int = 0,
        total_steps: int | None = None,
    ) -> TrainingForward:
        grad, weight = self.scale.grad, float(self.scale.detach())
        self.calls.append(("step", self.training, step, total_steps, grad is not None, weight))
        prediction = self.scale * torch.ones_like(target)
        return TrainingForward(prediction, torch.zeros_like(target), {"more": self.scale})


def test_a_training_step_is_in_the_middle_of_the_schedule_and_changes_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stforecast.models.registry.REGISTRY", dict(REGISTRY))
    register("probe", paper="none")(Probe)
    Probe.calls.clear()
    profile_model(Job("probe", SHAPE, {}, CPU, repeats=2))
    assert Probe.calls[:3] == [("forecast", False, True)] * 3
    steps = Probe.calls[3:]
    assert [step[:5] for step in steps] == [("step", True, 200, 1000, True)] * 3
    weights = [step[5] for step in steps]
    assert weights[0] == 2.0
    assert weights[0] > weights[1] > weights[2] > 1.99  # Adam goes small steps
