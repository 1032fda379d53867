"""Losses: by hand on small arrays, and blind to what was not observed."""

import math

import pytest
import torch

from stforecast.errors import ConfigError
from stforecast.training.losses import LOSSES, Pointwise, masked_sum, pointwise_loss

DIFFERENCES = torch.tensor([0.5, -2.0, 0.0, 1.0])
BY_HAND = {
    "mse": (0.25 + 4 + 0 + 1) / 4,
    "mae": (0.5 + 2 + 0 + 1) / 4,
    "mse+mae": (0.25 + 4 + 0 + 1 + 0.5 + 2 + 0 + 1) / 4,
    "huber": (0.125 + 1.5 + 0 + 0.5) / 4,
}


def mean(
    penalty: Pointwise, prediction: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None
) -> torch.Tensor:
    total, count = masked_sum(penalty, prediction, target, valid)
    return total / count


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_mean_over_all_cells(name: str) -> None:
    target = torch.tensor([3.0, 1.0, 2.0, -1.0])
    loss = mean(pointwise_loss(name), target + DIFFERENCES, target, None)
    assert loss.item() == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_missing_cells_have_no_weight_and_no_gradient(name: str) -> None:
    target = torch.tensor([1.0, math.nan, 3.0, math.nan])
    valid = ~target.isnan()
    prediction = torch.tensor([1.5, 7.0, 1.0, -7.0], requires_grad=True)
    loss = mean(pointwise_loss(name), prediction, target, valid)
    loss.backward()
    alone = mean(pointwise_loss(name), prediction[valid], target[valid], None)
    assert loss.item() == pytest.approx(alone.item())
    assert prediction.grad is not None
    assert prediction.grad[~valid].tolist() == [0.0, 0.0]
    assert (prediction.grad[valid] != 0).all()


def test_huber_is_that_of_torch() -> None:
    prediction, target = torch.randn(2, 100, generator=torch.Generator().manual_seed(0)) * 2
    ours = mean(pointwise_loss("huber"), prediction, target, None)
    assert ours.item() == pytest.approx(
        torch.nn.functional.huber_loss(prediction, target).item(), rel=1e-6
    )


def test_nothing_observed_is_no_loss() -> None:
    prediction = torch.ones(3, requires_grad=True)
    nothing = torch.zeros(3, dtype=torch.bool)
    total, count = masked_sum(torch.square, prediction, torch.full((3,), math.nan), nothing)
    assert (total.item(), count.item()) == (0.0, 0.0)
    total.backward()
    assert prediction.grad is not None
    assert prediction.grad.tolist() == [0.0, 0.0, 0.0]


def test_half_precision_predictions_are_judged_in_float32() -> None:
    prediction = torch.full((70000,), 1.0, dtype=torch.bfloat16)
    loss = mean(torch.square, prediction, torch.zeros(70000), None)
    assert loss.dtype == torch.float32
    assert loss.item() == 1.0


def test_unknown_loss() -> None:
    with pytest.raises(ConfigError, match=r"training\.loss is 'rmse'; it can be huber, mae"):
        pointwise_loss("rmse")
