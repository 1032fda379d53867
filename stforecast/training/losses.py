"""Losses over cells that were observed.

Each is a mean over the valid cells of a pointwise penalty of the difference ``prediction − target``
in normalised units, taken in float32. Cells without an observation carry no weight and no gradient.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stforecast.errors import ConfigError

Pointwise = Callable[[Tensor], Tensor]


def _huber(difference: Tensor) -> Tensor:
    """Huber (1964), with the bend at one standard deviation."""
    size = difference.abs()
    return torch.where(size <= 1, 0.5 * size * size, size - 0.5)


LOSSES: dict[str, Pointwise] = {
    "mse": torch.square,
    "mae": torch.abs,
    "mse+mae": lambda difference: difference.square() + difference.abs(),
    "huber": _huber,
}


def pointwise_loss(name: str) -> Pointwise:
    """The penalty called `name`; ConfigError for a name that is none."""
    try:
        return LOSSES[name]
    except KeyError:
        raise ConfigError(
            f"training.loss is {name!r}; it can be {', '.join(sorted(LOSSES))}"
        ) from None


def masked_sum(
    penalty: Pointwise, prediction: Tensor, target: Tensor, valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The penalty summed over the valid cells, and their number.

    Args:
        penalty: one of :data:`LOSSES`.
        prediction: (B, T', C, H, W), of any floating type.
        target: of the same shape; may hold anything, NaN too, where not valid.
        valid: (B, T', C, H, W) bool, or None where every cell was observed.

    Returns:
        Two float32 scalars; both are zero where nothing was observed.
    """
    difference = prediction.float() - target.float()
    if valid is None:
        return penalty(difference).sum(), difference.new_tensor(float(difference.numel()))
    difference = torch.where(valid, difference, torch.zeros_like(difference))
    # Every penalty is zero at zero, so what is not valid adds nothing.
    return penalty(difference).sum(), valid.expand_as(difference).sum().float()
