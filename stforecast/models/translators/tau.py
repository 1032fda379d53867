"""TAU: blocks with temporal attention, learned with the divergence of frame differences.

Tan et al.: Temporal Attention Unit: Towards Efficient Spatiotemporal Predictive Learning,
CVPR 2023, arXiv:2206.12126. Equation numbers: the paper at CVPR 2023.
"""

import torch
from torch import Tensor, nn

from stforecast.models.layers import Conv2d, Norm, full_precision
from stforecast.models.settings import require
from stforecast.models.translators.gsta import Attention, GSTATranslator, LargeKernel

REDUCTION = 16
EPSILON = 1e-12  # of the published code


class TemporalAttention(nn.Module):
    """H' = SA * DA * H, attention within the frames and between them: (B, dim, h, w) -> the same.

    The frames are stacked in the channels, so that a weight for a channel is one for a time.
    """

    def __init__(self, dim: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        self.large_kernel = LargeKernel(dim, kernel, periodic_x)
        self.mix = Conv2d(dim, dim, 1)
        squeezed = max(dim // max(dim // REDUCTION, 4), 1)
        self.squeeze = nn.Linear(dim, squeezed, bias=False)
        self.excite = nn.Linear(squeezed, dim, bias=False)

    def forward(self, H: Tensor) -> Tensor:
        # SA = Conv_1x1(DW-D Conv(DW Conv(H)))  (equation 2)
        SA = self.mix(self.large_kernel(H))  # (B, dim, h, w)
        # DA = FC(AvgPool(H))  (equation 2)
        DA = torch.sigmoid(self.excite(torch.relu(self.squeeze(H.mean((2, 3))))))  # (B, dim)
        # H' = (SA DA) H  (equation 2), DA being one number for all cells of a channel
        weighted: Tensor = DA[:, :, None, None] * SA * H
        return weighted


class TAUTranslator(GSTATranslator):
    """N_T blocks as in gSTA, but with temporal attention units, and a loss of their own.

    attention_kernel, mlp_ratio, drop: as in gSTA.
    alpha: weight of the differential divergence; 0 for none.
    tau: its temperature.
    """

    paper = "Tan et al., CVPR 2023, arXiv:2206.12126"

    def __init__(
        self,
        c_in: int,
        c_out: int,
        hid_T: int,
        N_T: int,
        norm: Norm,
        drop_path: float,
        periodic_x: bool,
        *,
        attention_kernel: int = 21,
        mlp_ratio: float = 8.0,
        drop: float = 0.0,
        alpha: float = 0.1,
        tau: float = 0.1,
    ) -> None:
        super().__init__(
            c_in,
            c_out,
            hid_T,
            N_T,
            norm,
            drop_path,
            periodic_x,
            attention_kernel=attention_kernel,
            mlp_ratio=mlp_ratio,
            drop=drop,
        )
        require(alpha >= 0, f"model.alpha is {alpha:g}; it cannot be negative")
        require(tau > 0, f"model.tau is {tau:g}; it must be above 0")
        self.alpha = alpha
        self.tau = tau

    def attention(self, dim: int, kernel: int, periodic_x: bool) -> Attention:
        return Attention(dim, TemporalAttention(dim, kernel, periodic_x))

    def losses(self, prediction: Tensor, target: Tensor, valid: Tensor | None) -> dict[str, Tensor]:
        if self.alpha == 0 or target.shape[1] <= 2:
            return {}
        # The second term of L = sum_i ||Y^_i - Y_i||^2 + alpha L_reg(Y^, Y)  (equation 6)
        divergence = differential_divergence(prediction, target, valid, self.tau)
        return {"divergence": self.alpha * divergence}


def differential_divergence(
    prediction: Tensor, target: Tensor, valid: Tensor | None, tau: float
) -> Tensor:
    """How unlike the changes from frame to frame are: D_KL(softmax(dY^/tau) || softmax(dY/tau)).

    The softmax is over all cells and channels of a difference dY of frames. As in the published
    code the divergence is the mean over these and the frames, where the paper has the sum. Missing
    cells take no part: a difference counts where both its frames are known. Computed in float32,
    whose smallest numbers the logarithm needs.

    prediction, target: (B, T', C, H, W). valid: the same, or None where all is known.
    """
    with full_precision(prediction):
        # dY^_i = Y^_{i+1} - Y^_i, dY_i = Y_{i+1} - Y_i  (equation 3)
        predicted = prediction.float().diff(dim=1).flatten(2) / tau  # (B, T'-1, C H W)
        true = target.float().diff(dim=1).flatten(2) / tau
        known = None
        if valid is not None:
            known = (valid[:, 1:] & valid[:, :-1]).flatten(2)
            lowest = torch.finfo(torch.float32).min
            predicted = predicted.masked_fill(~known, lowest)
            true = true.masked_fill(~known, lowest)
        # p = exp(dY^ / tau) / sum exp(dY^ / tau), q alike of dY  (equation 4)
        p, q = predicted.softmax(-1), true.softmax(-1)
        # L_reg = D_KL(p || q) = sum_i p_i log(p_i / q_i)  (equation 5)
        divergence = p * torch.log(p / (q + EPSILON) + EPSILON)
        if known is None:
            return divergence.mean()
        return (divergence * known).sum() / known.sum().clamp(min=1)
