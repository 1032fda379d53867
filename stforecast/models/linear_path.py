"""A linear regression beside a network, which learns what the regression leaves.

What a cell does next is for the most part a weighted sum of what it did. A network of few samples
finds these weights slowly and blurs them; least squares find them at once. Linear parts beside a
network are those of LSTNet (Lai et al. 2018, arXiv:1703.07015) and DLinear (Zeng et al. 2023,
arXiv:2205.13504); here the weights are the same for all cells, are solved in closed form before the
training (Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634) and stay.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stforecast.models.base import Covariates, Sample, SampleShape, future_fields
from stforecast.models.layers import full_precision

# Of the mean square of the inputs, which are scaled to one.
PENALTY = 1e-2
# So that a target which the regression gives exactly still has a scale.
_SMALLEST = 1e-3


class LinearPath(nn.Module):
    """A weighted sum of each cell's inputs for each lead and channel, and the size of its misses.

    Inputs: all channels of the T history frames, and the future covariates of the initial and of
    the valid time (lagged frames and what is usual among them). Without an intercept: a forecast is
    as large as its inputs. Weights are zero, and ``missed`` (T', C, 1, 1) is one, until
    :meth:`fit`; they are kept with the model's and not trained.
    """

    weights: Tensor
    missed: Tensor

    def __init__(self, shape: SampleShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.in_steps * shape.channels + 2 * shape.future_channels
        leads = (shape.out_steps, shape.channels)
        self.register_buffer("weights", torch.zeros(*leads, width))
        self.register_buffer("missed", torch.ones(*leads, 1, 1))

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        """(B, T, C, H, W) -> (B, T', C, H, W), float32."""
        with full_precision(history):
            known, future = self._inputs(history, covariates)
            split = known.shape[1]
            forecast = torch.einsum("bphw,lcp->blchw", known, self.weights[..., :split])
            if future is not None:
                ahead = self.weights[..., split:]
                forecast = forecast + torch.einsum("blkhw,lck->blchw", future, ahead)
            return forecast

    @torch.no_grad()
    def fit(self, samples: Iterable[Sample]) -> None:
        """Solve for the weights, and measure what they miss, of all samples together."""
        leads, channels, width = self.weights.shape
        # of inputs, then targets: memory is that of one batch, whatever the number of samples
        products = torch.zeros(leads, channels, width + 1, width + 1, dtype=torch.float64)
        cells = torch.zeros(leads, channels, dtype=torch.float64)
        for history, covariates, target, valid in samples:
            known, future = self._inputs(history, covariates)
            for lead in range(leads):
                inputs = known if future is None else torch.cat((known, future[:, lead]), dim=1)
                for channel in range(channels):
                    table = torch.cat((inputs, target[:, lead, channel, None].float()), dim=1)
                    rows = table.movedim(1, -1)[valid[:, lead, channel]].double()
                    products[lead, channel] += (rows.T @ rows).cpu()
                    cells[lead, channel] += len(rows)
        square, right = products[..., :-1, :-1], products[..., :-1, -1]
        target_square = products[..., -1, -1]
        diagonal = square.diagonal(dim1=-2, dim2=-1)
        size = torch.where(diagonal > 0, diagonal, 1.0).sqrt()
        scaled = square / size[..., :, None] / size[..., None, :]
        scaled = scaled + PENALTY * torch.eye(width, dtype=torch.float64)
        weights = torch.linalg.solve(scaled, right / size) / size
        # mean square of target - weights · inputs, of the same sums
        explained = 2 * (weights * right).sum(-1)
        fitted = torch.einsum("lcp,lcpq,lcq->lc", weights, square, weights)
        left = (target_square - explained + fitted).clamp(min=0) / cells.clamp(min=1)
        self.weights.copy_(weights)
        self.missed.copy_(left.sqrt().clamp(min=_SMALLEST)[..., None, None])

    def _inputs(
        self, history: Tensor, covariates: Covariates | None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, T·C + K, H, W) known at the initial time, and (B, T', K, H, W) of the valid times."""
        flat = history.float().flatten(1, 2)
        future = future_fields(history, covariates, self.shape)
        if future is None:
            return flat, None
        future = future.float()
        steps = self.shape.in_steps
        return torch.cat((flat, future[:, steps - 1]), dim=1), future[:, steps:]
