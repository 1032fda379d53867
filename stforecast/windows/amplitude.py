"""How far a window departs, by which each window can be scaled by itself.

A model learned of mild days meets wild ones: the shape of what follows is alike, its size is not.
Reversible instance normalisation (Kim et al. 2022, ICLR) divides each sample by the spread of its
own inputs and multiplies the forecast by it again. Here the spread is taken about the reference of
the departures, over the whole grid, so that cells keep their proportions.
"""

import torch
from torch import Tensor

# A window stiller than this share of what is usual is not blown up further: it would be noise.
STILLEST = 0.05


def amplitude(
    history: Tensor, known: Tensor, lags: Tensor | None, lags_known: Tensor | None, chosen: Tensor
) -> Tensor:
    """Root mean square of the departures of each sample and channel, (B, 1, C, 1, 1).

    history (B, T, C, H, W) and lags (B, G, N, C, H, W) are departures in units of their usual
    scale, and `known` says which of them count. 1 for channels (C, 1, 1) that are not chosen, and
    where nothing is known.
    """
    squares = torch.where(known, history, 0.0).square().sum((1, 3, 4))
    count = known.sum((1, 3, 4))
    if lags is not None:
        assert lags_known is not None
        squares = squares + torch.where(lags_known, lags, 0.0).square().sum((1, 2, 4, 5))
        count = count + lags_known.sum((1, 2, 4, 5))
    spread = (squares / count.clamp(min=1)).sqrt().clamp(min=STILLEST)
    spread = torch.where(count > 0, spread, 1.0)[:, None, :, None, None]
    return torch.where(chosen, spread, 1.0)
