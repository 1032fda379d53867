"""Layers that several systems are made of.

The convolutions know whether columns go round the globe. Circular padding is done on the input,
so that the parameters, their names and their shapes are those of the plain layers.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["group", "batch", "layer"]
Activation = Literal["leaky_relu", "silu"]


def wrap_x(x: Tensor, size: int) -> Tensor:
    """Continue the columns round the globe: (..., W) -> (..., size + W + size)."""
    width = x.shape[-1]
    if size == 0:
        return x
    if size <= width:
        return torch.cat((x[..., width - size :], x, x[..., :size]), dim=-1)
    # a kernel wider than the globe goes round it more than once
    return x[..., torch.arange(-size, width + size, device=x.device) % width]


class Conv2d(nn.Conv2d):
    """A convolution with an odd kernel that keeps H and W (or divides them by the stride)."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        periodic_x: bool = False,
    ) -> None:
        reach = dilation * (kernel - 1) // 2
        super().__init__(
            c_in,
            c_out,
            kernel,
            stride=stride,
            padding=(reach, 0 if periodic_x else reach),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.reach = reach
        self.periodic_x = periodic_x

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(wrap_x(x, self.reach) if self.periodic_x else x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with an odd kernel that multiplies H and W by the stride."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        *,
        stride: int = 2,
        bias: bool = True,
        periodic_x: bool = False,
    ) -> None:
        half = kernel // 2
        super().__init__(
            c_in,
            c_out,
            kernel,
            stride=stride,
            padding=half,
            output_padding=stride - 1,
            bias=bias,
        )
        self.reach = (half + stride - 1) // stride  # columns of the input that reach over the edge
        self.periodic_x = periodic_x

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not self.periodic_x:
            return super().forward(x, output_size)
        y = super().forward(wrap_x(x, self.reach))  # (B, C', sH, s(W + 2 reach))
        beyond = self.reach * self.stride[1]
        return y[..., beyond : y.shape[-1] - beyond]  # (B, C', sH, sW)


def norm_layer(norm: Norm, channels: int, groups: int) -> nn.Module:
    """Normalisation of (B, C, H, W); "layer" is over all of C, H and W, for a grid of any size."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1 if norm == "layer" else groups, channels)


def activation_layer(activation: Activation) -> nn.Module:
    # Not in place: the input is kept for the norm's gradient anyway.
    return nn.LeakyReLU(0.2) if activation == "leaky_relu" else nn.SiLU()


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off where x is: for a last layer and what follows it."""
    # Tensors without data, on which costs are counted, know no autocast.
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def read_out(readout: nn.Module, x: Tensor) -> Tensor:
    """A last layer, in float32 whatever the precision of what comes before it."""
    with full_precision(x):
        y: Tensor = readout(x.float())
        return y


class DropPath(nn.Module):
    """Drop a path of the network for whole samples, in training; the others make up for it.

    Stochastic depth (Huang et al. 2016) and, of parallel paths, FractalNet (Larsson et al. 2017).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        kept = 1 - self.probability
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(kept)
        return x * (mask / kept)

    def extra_repr(self) -> str:
        return f"{self.probability:g}"


def pad_to_multiple(x: Tensor, multiple: int, periodic_x: bool) -> Tensor:
    """Grow H and W to multiples of a number, on both sides: (B, C, H, W) -> (B, C, H', W').

    The border is repeated, or the columns go round the globe; sizes that divide stay as they are.
    """
    top, bottom = _both_sides(x.shape[-2], multiple)
    left, right = _both_sides(x.shape[-1], multiple)
    if not (bottom or right):
        return x
    if periodic_x and right:
        width = x.shape[-1]
        x = x[..., torch.arange(-left, width + right, device=x.device) % width]
        left = right = 0
    return functional.pad(x, (left, right, top, bottom), mode="replicate")


def crop_from_multiple(x: Tensor, multiple: int, height: int, width: int) -> Tensor:
    """Undo :func:`pad_to_multiple`: (B, C, H', W') -> (B, C, H, W)."""
    top, bottom = _both_sides(height, multiple)
    left, right = _both_sides(width, multiple)
    if not (bottom or right):
        return x
    return x[..., top : top + height, left : left + width]


def _both_sides(size: int, multiple: int) -> tuple[int, int]:
    missing = -size % multiple
    return missing // 2, missing - missing // 2
