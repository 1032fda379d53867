"""What a model costs before it is run: parameters and multiply-adds."""

import copy
import dataclasses
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from stforecast.models.base import Forecaster, SampleShape
from stforecast.models.registry import create_model


@dataclasses.dataclass(frozen=True)
class Costs:
    """Numbers that training changes; multiply-adds of one forecast of one sample, and per frame."""

    parameters: int
    multiply_adds: int
    multiply_adds_per_frame: float


def count_costs(name: str, shape: SampleShape, **settings: Any) -> Costs:
    """Count what a model would cost, without making its weights.

    Raises ConfigError like :func:`~stforecast.models.create_model`.
    """
    with torch.device("meta"):
        model = create_model(name, shape, **settings)
    multiply_adds = count_multiply_adds(model)
    return Costs(count_parameters(model), multiply_adds, multiply_adds / shape.out_steps)


def count_parameters(model: Forecaster) -> int:
    """Numbers that training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_multiply_adds(model: Forecaster) -> int:
    """Multiply-adds of one forecast of one sample, counted on tensors without data.

    Counted by torch, on its convolutions and matrix products; a multiplication with the addition
    that follows is one, as in the tables of papers (torch itself counts two).
    """
    model = copy.deepcopy(model).to("meta").eval()
    history, covariates = model.shape.example(1)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(history.to("meta"), covariates and covariates.to("meta"))
    return int(counter.get_total_flops()) // 2
