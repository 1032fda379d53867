"""Losses over cells that were observed.

Each is a mean over the valid cells of a pointwise penalty of the difference ``prediction − target``
in normalised units, taken in float32, or of the CRPS of the members of an ensemble. Cells without
an observation carry no weight and no gradient.
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
            f"training.loss is {name!r}; it can be {', '.join(sorted(LOSSES))}, crps"
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


def crps_sum(
    prediction: Tensor, target: Tensor, valid: Tensor, almost: float = 0.95
) -> tuple[Tensor, Tensor]:
    """The almost fair CRPS of M members summed over the valid cells, and their number.

    Lang et al. (2024, arXiv:2412.15832), equation 4: with ε = (1 − α) / M,
    ``Σ_{j≠k} (|x_j − y| + |x_k − y| − (1 − ε) |x_j − x_k|) / (2 M (M − 1))``. With α = 1 it is the
    fair CRPS (Ferro 2014), whose mean is that of an ensemble without end, but which leaves the
    last member free where all others are right; with 0 it is that of the M members themselves.

    Args:
        prediction: (B, M, T', C, H, W), M of 2 or more.
        target: (B, T', C, H, W); may hold anything, NaN too, where not valid.
        valid: (B, T', C, H, W) bool.
        almost: α.

    Returns:
        Two float32 scalars; both are zero where nothing was observed.
    """
    members = prediction.shape[1]
    # what was not observed is set equal for all, and so adds nothing
    x = torch.where(valid.unsqueeze(1), prediction.float(), 0.0)
    y = torch.where(valid, target.float(), 0.0)
    error = (x - y.unsqueeze(1)).abs().sum() / members
    apart = x.new_zeros(())
    for one in range(1, members):
        apart = apart + (x[:, one:] - x[:, :-one]).abs().sum()
    pairs = members * (members - 1)
    return error - (1 - (1 - almost) / members) * apart / pairs, valid.sum().float()
