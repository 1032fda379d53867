"""PhyDNet: a part of the latent frame obeys a partial differential equation, an LSTM has the rest.

Le Guen, Thome: Disentangling Physical Dynamics from Unknown Factors for Unsupervised Video
Prediction, CVPR 2020, arXiv:2003.01460. Where the authors' code and the paper differ, as the code.
Equation numbers: the paper at CVPR 2020.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stforecast.models.base import SampleShape
from stforecast.models.layers import Conv2d, ConvTranspose2d, read_out
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.sampling import SamplingKind
from stforecast.models.settings import require, require_hidden, require_odd


class PhyCell(nn.Module):
    """A step of data assimilation in latent space: predict by the equation, correct by the frame.

    h_{t+1} = (1 - K_t) (h_t + Phi(h_t)) + K_t E(u_t)  (equation 5), in the two steps of 6 and 7.

    E: (B, c, h, w), the encoded frame E(u_t). h: (B, c, h, w), the physical state. Returns h_{t+1}.
    """

    def __init__(self, channels: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        orders = kernel**2  # one filter for each pair (i, j) of orders below the kernel's size
        self.derivatives = Conv2d(channels, orders, kernel, periodic_x=periodic_x)
        self.norm = nn.GroupNorm(kernel, orders)
        self.coefficients = nn.Conv2d(orders, channels, 1)  # c_ij
        self.gain = Conv2d(2 * channels, channels, 3, periodic_x=periodic_x)  # W_u and W_h

    def forward(self, E: Tensor, h: Tensor) -> Tensor:
        # Phi(h) = sum_ij c_ij d^(i+j) h / dx^i dy^j  (equation 3, which bounds i + j; here i and j)
        phi = self.coefficients(self.norm(self.derivatives(h)))
        # K_t = sigma(W_h h_t + W_u E(u_t) + b_k); the paper's (equation 8) has tanh, and h~ for h
        K = torch.sigmoid(self.gain(torch.cat((E, h), dim=1)))
        predicted = h + phi  # h~ = h + Phi(h)  (equation 6)
        # h_{t+1} = h~ + K_t (E(u_t) - h~)  (equation 7)
        corrected: Tensor = predicted + K * (E - predicted)
        return corrected


def moments(filters: Tensor) -> Tensor:
    """Moment matrices of square filters: (..., k, k) -> (..., k, k), in double precision.

    Entry (i, j) is sum_uv u^i v^j / (i! j!) w[u, v], with row u and column v counted from the
    middle: what the filter gives of the derivative of order i along rows and j along columns
    (Long et al.: PDE-Net, ICML 2018, arXiv:1710.09668, section 2.2).
    """
    k = filters.shape[-1]
    # Apple's GPUs know no double precision.
    dtype = torch.float32 if filters.device.type == "mps" else torch.float64
    offsets = torch.arange(k, dtype=dtype, device=filters.device) - (k - 1) // 2
    M = torch.stack([offsets**i / math.factorial(i) for i in range(k)])  # (order, offset)
    return M @ filters.to(dtype) @ M.T


def moment_loss(filters: Tensor) -> Tensor:
    """How far filters are from the derivatives that they stand for (equation 10).

    filters: (k², c, k, k). Filter i k + j of each input channel is to have the moments of
    d^(i+j) / dx^i dy^j, a single 1 at (i, j). Mean squares over filters and moments, summed over
    the input channels, as in the authors' code; the paper sums norms ||M(w_ij) - Delta_ij||_F.
    """
    k = filters.shape[-1]
    found = moments(filters)  # (k², c, k, k)
    wanted = torch.eye(k * k, dtype=found.dtype, device=found.device).reshape(k * k, 1, k, k)
    loss = filters.shape[1] * functional.mse_loss(found, wanted.expand_as(found))
    return loss.float()


class ConvLSTMCell(nn.Module):
    """One layer of the residual branch: X (B, c_in, h, w), H and C (B, hidden, h, w) -> H, C."""

    def __init__(self, c_in: int, hidden: int, periodic_x: bool) -> None:
        super().__init__()
        self.gates = Conv2d(c_in + hidden, 4 * hidden, 3, periodic_x=periodic_x)  # i, f, o, g

    def forward(self, X: Tensor, H: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        i, f, o, g = self.gates(torch.cat((X, H), dim=1)).chunk(4, dim=1)
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(C), C


def _block(
    convolution: type[Conv2d | ConvTranspose2d], c_in: int, c_out: int, **kind: Any
) -> nn.Sequential:
    # 16 groups as published, but no group of one channel, which would lose its mean
    groups = math.gcd(16, c_out // 2)
    return nn.Sequential(
        convolution(c_in, c_out, 3, **kind), nn.GroupNorm(groups, c_out), nn.LeakyReLU(0.2)
    )


@register("phydnet", paper="Le Guen and Thome, CVPR 2020, arXiv:2003.01460")
class PhyDNet(RecurrentForecaster):
    """PhyDNet (Le Guen and Thome 2020).

    hidden: channels of each layer of the ConvLSTM branch. The last is also the width of the latent
        frame, of which the outer layers of encoder and decoder have half.
    patch_size: 2 or 4, cells of a frame's edge to one of the latent frame.
    filter_size: kernel k of the PhyCell, odd; its k² filters are the derivatives of orders below k.
    output: "sigmoid" bounds the forecast to [0, 1] as published; "auto" does so where frames lie
        there, and "linear" never.
    sampling, sampling_end: by default a batch is shown its true frames, all or none, with a chance
        that falls by 0.003 an epoch, as a part of the authors' 2,000 epochs.

    Training adds the moment loss of the PhyCell's filters. The published loss is a sum over all
    T + T' - 1 frames, ours is their mean: the moment loss is divided by their number too. (OpenSTL
    takes the squared error of that sum against the frames once more; nothing here does.)
    """

    def __init__(
        self,
        shape: SampleShape,
        *,
        hidden: tuple[int, ...] = (128, 128, 64),
        patch_size: Literal[2, 4] = 2,
        filter_size: int = 7,
        output: Literal["auto", "sigmoid", "linear"] = "auto",
        sampling: SamplingKind = "sequence",
        sampling_end: float = 1 / 6,
        **loop: Any,
    ) -> None:
        super().__init__(shape, 1, patch_size, sampling=sampling, sampling_end=sampling_end, **loop)
        require_hidden(hidden)
        require_odd("filter_size", filter_size)
        width = hidden[-1]
        require(width % 4 == 0, f"model.hidden ends with {width}; it must be a multiple of 4")
        self.hidden = hidden
        self.sigmoid = output == "sigmoid" or (output == "auto" and shape.unit_range)

        around: Any = {"periodic_x": self.periodic_x}
        half, deep = width // 2, patch_size // 2  # width and stride of the outer layers
        self.E = nn.Sequential(
            _block(Conv2d, self.input_channels, half, stride=2, **around),
            _block(Conv2d, half, half, **around),
            _block(Conv2d, half, width, stride=deep, **around),
        )
        self.E_p, self.E_r = (
            nn.Sequential(*[_block(Conv2d, width, width, **around) for _ in range(2)])
            for _ in range(2)
        )
        self.phycell = PhyCell(width, filter_size, self.periodic_x)
        self.cells = nn.ModuleList(
            ConvLSTMCell(c_in, c_out, self.periodic_x)
            for c_in, c_out in zip((width, *hidden), hidden, strict=False)
        )
        self.D_p, self.D_r = (
            nn.Sequential(
                *[_block(ConvTranspose2d, width, width, stride=1, **around) for _ in range(2)]
            )
            for _ in range(2)
        )
        self.D = nn.Sequential(
            _block(ConvTranspose2d, width, half, stride=2, **around),
            _block(ConvTranspose2d, half, half, stride=1, **around),
        )
        self.readout = ConvTranspose2d(half, self.output_channels, 3, stride=deep, **around)

    def init_state(self, x: Tensor) -> Any:
        B, h, w = x.shape[0], x.shape[2] // self.multiple, x.shape[3] // self.multiple
        zeros = [x.new_zeros(B, width, h, w) for width in self.hidden]
        return zeros[-1], [(zero, zero) for zero in zeros]

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        h, layers = state
        latent = self.E(x)  # (B, width, H/p, W/p)
        h = self.phycell(self.E_p(latent), h)
        H = self.E_r(latent)
        after = []
        for cell, before in zip(self.cells, layers, strict=True):
            H, C = cell(H, *before)
            after.append((H, C))
        # h = h^p + h^r  (section 3.1)
        z = self.D(self.D_p(h) + self.D_r(H))  # (B, width/2, H deep/p, W deep/p)
        y = read_out(self.readout, z)
        return torch.sigmoid(y) if self.sigmoid else y, (h, after)

    def final_losses(self) -> dict[str, Tensor]:
        # L = L_image + lambda L_moment, lambda being 1  (equation 9)
        frames = self.shape.in_steps + self.shape.out_steps - 1
        return {"moments": moment_loss(self.phycell.derivatives.weight) / frames}
