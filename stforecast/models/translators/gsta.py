"""gSTA, the translator of SimVP-V2: blocks with gated spatiotemporal attention.

Tan, Gao, Li, Li: SimVP: Towards Simple yet Powerful Spatiotemporal Predictive Learning, 2022,
arXiv:2211.12509. Its attention is that of a convolution with a large kernel, split in three as in
Guo et al.: Visual Attention Network, 2022, arXiv:2202.09741.
"""

import math

import torch
from torch import Tensor, nn

from stforecast.models.layers import Conv2d, DropPath, Norm
from stforecast.models.settings import require
from stforecast.models.translators.base import Translator

DILATION = 3
LAYER_SCALE = 0.01  # at the beginning of a training
SHALLOWEST_DROP = 0.01  # drop path of the first block, that of the last being a setting


class LargeKernel(nn.Module):
    """The reach of a large kernel: one depthwise convolution beside another that is dilated."""

    def __init__(self, dim: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        near, far = 2 * DILATION - 1, kernel // DILATION
        far -= 1 - far % 2  # 21 cells are 5 x 5, then 7 x 7 with three cells between
        self.near = Conv2d(dim, dim, near, groups=dim, periodic_x=periodic_x)
        self.far = Conv2d(dim, dim, far, dilation=DILATION, groups=dim, periodic_x=periodic_x)

    def forward(self, x: Tensor) -> Tensor:
        # DW-D-Conv(DW-Conv(x))
        x = self.far(self.near(x))
        return x


class GatedAttention(nn.Module):
    """A large kernel's features, gated by as many others of it: (B, dim, h, w) -> the same."""

    def __init__(self, dim: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        self.large_kernel = LargeKernel(dim, kernel, periodic_x)
        self.mix = Conv2d(dim, 2 * dim, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        # [z, g] = Conv_1x1(DW-D-Conv(DW-Conv(x))), x' = sigma(g) z
        x = self.mix(self.large_kernel(x))  # (B, 2 dim, h, w)
        features, gate = x.chunk(2, dim=1)
        return torch.sigmoid(gate) * features


class Attention(nn.Module):
    """An attention between two 1 x 1 convolutions, with a shortcut: (B, dim, h, w) -> the same."""

    def __init__(self, dim: int, attention: nn.Module) -> None:
        super().__init__()
        self.proj_in = Conv2d(dim, dim, 1)
        self.act = nn.GELU()
        self.attention = attention
        self.proj_out = Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj_out(self.attention(self.act(self.proj_in(x))))
        return x + y


class FeedForward(nn.Module):
    """1 x 1 out to `hidden` channels, depthwise 3 x 3, 1 x 1 back: (B, dim, h, w) -> the same."""

    def __init__(self, dim: int, hidden: int, drop: float, periodic_x: bool) -> None:
        super().__init__()
        self.expand = Conv2d(dim, hidden, 1)
        self.depthwise = Conv2d(hidden, hidden, 3, groups=hidden, periodic_x=periodic_x)
        self.act = nn.GELU()
        self.contract = Conv2d(hidden, dim, 1)
        self.drop = nn.Dropout(drop)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.depthwise(self.expand(x))))  # (B, hidden, h, w)
        x = self.drop(self.contract(x))
        return x


class Block(nn.Module):
    """Attention and feed-forward, each normalised, scaled by channel and added to its input.

    (B, c_in, h, w) -> (B, c_out, h, w); where these differ, a 1 x 1 convolution ends the block.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        attention: Attention,
        *,
        mlp_ratio: float,
        drop: float,
        drop_path: float,
        periodic_x: bool,
    ) -> None:
        super().__init__()
        self.norm_1 = nn.BatchNorm2d(c_in)
        self.attn = attention
        self.norm_2 = nn.BatchNorm2d(c_in)
        self.mlp = FeedForward(c_in, int(c_in * mlp_ratio), drop, periodic_x)
        self.scale_1 = nn.Parameter(torch.full((c_in,), LAYER_SCALE))
        self.scale_2 = nn.Parameter(torch.full((c_in,), LAYER_SCALE))
        self.drop_path = DropPath(drop_path)
        self.resize = Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.scale_1[:, None, None] * self.attn(self.norm_1(x)))
        x = x + self.drop_path(self.scale_2[:, None, None] * self.mlp(self.norm_2(x)))
        x = self.resize(x)
        return x


class GSTATranslator(Translator):
    """N_T blocks with gated spatiotemporal attention; batch norm, whatever `norm` is elsewhere.

    The first goes from c_in to hid_T channels, the last from hid_T to c_out.

    attention_kernel: reach of the attention in latent cells, as a kernel.
    mlp_ratio: width of a block's feed-forward part over that of the block.
    drop: probability of dropping a number of the feed-forward part.

    The probability of dropping a path grows with the depth from 0.01 to drop_path; where that is 0,
    none is dropped (OpenSTL still drops some of the first blocks').
    """

    paper = "Tan et al., 2022, arXiv:2211.12509"

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
    ) -> None:
        super().__init__(c_in, c_out, hid_T, N_T, norm, drop_path, periodic_x)
        require(N_T >= 2, f"model.N_T is {N_T}; this translator has a first and a last block")
        require(
            attention_kernel >= DILATION,
            f"model.attention_kernel is {attention_kernel}; it must be {DILATION} or more",
        )
        require(mlp_ratio >= 1, f"model.mlp_ratio is {mlp_ratio:g}; it must be 1 or more")
        require(0 <= drop < 1, f"model.drop is {drop:g}; it must be in [0, 1)")
        shallowest = min(SHALLOWEST_DROP, drop_path)
        rates = [shallowest + (drop_path - shallowest) * i / (N_T - 1) for i in range(N_T)]
        sizes = [c_in, *[hid_T] * (N_T - 1), c_out]
        self.blocks = nn.Sequential(
            *(
                Block(
                    sizes[i],
                    sizes[i + 1],
                    self.attention(sizes[i], attention_kernel, periodic_x),
                    mlp_ratio=mlp_ratio,
                    drop=drop,
                    drop_path=rate,
                    periodic_x=periodic_x,
                )
                for i, rate in enumerate(rates)
            )
        )

    def attention(self, dim: int, kernel: int, periodic_x: bool) -> Attention:
        """The attention of a block of `dim` channels."""
        attention = Attention(dim, GatedAttention(dim, kernel, periodic_x))
        _initialise(attention)
        return attention

    def forward(self, z: Tensor) -> Tensor:
        z = self.blocks(z)
        return z


def _initialise(module: nn.Module) -> None:
    """Convolutions that keep the size of what goes through them, without biases, as published."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, std=math.sqrt(2 * layer.groups / fan_out))
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
