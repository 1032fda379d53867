"""What a model costs before it is run: parameters and multiply-adds."""

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from stforecast.models.base import Forecaster


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
