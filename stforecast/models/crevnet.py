"""CrevNet: frames are encoded and decoded by one invertible network, so that nothing is lost.

Yu, Lu, Easterbrook, Fidler: Efficient and Information-Preserving Future Frame Prediction and
Beyond, ICLR 2020; as in the authors' code for Traffic4cast, with convolutions in two dimensions.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.invertible import Coupling, Halves, Reversible
from stforecast.models.layers import Conv2d, full_precision
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.settings import require


class Bottleneck(nn.Module):
    """F of an i-RevNet block: (B, c_in, H, W) -> (B, c_out, H/stride, W/stride).

    first: the frame itself comes in, without norm and ReLU. last: its last convolution, which
    makes the forecast frame, is in full precision.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        stride: int,
        mult: int,
        periodic_x: bool,
        *,
        first: bool,
        last: bool,
    ) -> None:
        super().__init__()
        width = max(c_out // mult, 1)
        kind: Any = {"bias": False, "periodic_x": periodic_x}
        before = [] if first else [nn.GroupNorm(1, c_in), nn.ReLU()]
        self.body = nn.Sequential(
            *before,
            Conv2d(c_in, width, 3, stride=stride, **kind),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            Conv2d(width, width, 3, **kind),
            nn.GroupNorm(1, width),
            nn.ReLU(),
        )
        self.readout = Conv2d(width, c_out, 3, **kind)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.last:
            with full_precision(y):
                y = self.readout(y.to(self.readout.weight.dtype))
        else:
            y = self.readout(y)
        return cast(Tensor, y)


def two_way_autoencoder(
    channels: int, blocks: tuple[int, ...], strides: tuple[int, ...], mult: int, periodic_x: bool
) -> Reversible:
    """The invertible two-way autoencoder (section 3.1): forward encodes, inverse decodes.

    Takes halves of a frame (B, channels, H, W) each and gives halves of the latent frame.
    """
    couplings: list[Coupling] = []
    for depth, first_stride in zip(blocks, strides, strict=True):
        for stride in (first_stride, *[1] * (depth - 1)):
            c_out = channels * stride**2
            # The two halves of the decoded frame come from the first two couplings.
            order = {"first": not couplings, "last": len(couplings) < 2}
            F = Bottleneck(channels, c_out, stride, mult, periodic_x, **order)
            couplings.append(Coupling(F, stride))
            channels = c_out
    return Reversible(couplings)


class STConvLSTMCell(nn.Module):
    """A spatiotemporal LSTM (PredRNN) whose gates see the memory too.

    X: (B, c_in, h, w). H, C: (B, hidden, h, w), of this layer one step before. M: the same of the
    layer below, or for the lowest of the highest layer one step before. Returns H, C, M.
    """

    def __init__(self, c_in: int, hidden: int, periodic_x: bool) -> None:
        super().__init__()

        def convolution(states: int) -> Conv2d:
            return Conv2d(c_in + states * hidden, hidden, 3, periodic_x=periodic_x)

        # One convolution for each gate and not one for all: its sums are then those of the authors'
        # code to the last bit, on which a long forecast with many couplings comes to depend.
        self.i, self.f, self.g = (convolution(2) for _ in range(3))  # of X, H, C
        self.i_, self.f_, self.g_ = (convolution(2) for _ in range(3))  # of X, M, C: i', f', g'
        self.o = convolution(3)
        self.mix = nn.Conv2d(2 * hidden, hidden, 1)  # W_1x1

    def forward(self, X: Tensor, H: Tensor, C: Tensor, M: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # C_t = f C_{t-1} + i g, whose gates see X_t, H_{t-1} and C_{t-1}
        XHC = torch.cat((X, H, C), dim=1)
        i, f, g = torch.sigmoid(self.i(XHC)), torch.sigmoid(self.f(XHC)), torch.tanh(self.g(XHC))
        C = f * C + i * g
        # M^l = f' M^{l-1} + i' g', whose gates see X_t, M^{l-1} and C_t
        XMC = torch.cat((X, M, C), dim=1)
        i, f, g = torch.sigmoid(self.i_(XMC)), torch.sigmoid(self.f_(XMC)), torch.tanh(self.g_(XMC))
        M = f * M + i * g
        # H_t = o tanh(W_1x1 [C_t, M^l])
        o = torch.sigmoid(self.o(torch.cat((X, H, C, M), dim=1)))
        return o * torch.tanh(self.mix(torch.cat((C, M), dim=1))), C, M


class ReversibleLayer(nn.Module):
    """A layer of the reversible predictive module (section 3.2).

    Given the state, x_2 can be had back from x_1 and the outputs. (In numbers only where g is not
    close to 1, so this part keeps its activations in training.)
    """

    def __init__(self, width: int, told: int, periodic_x: bool) -> None:
        super().__init__()
        self.cell = STConvLSTMCell(width + told, width, periodic_x)
        self.attention = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            Conv2d(width, width, 3, periodic_x=periodic_x),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.Sigmoid(),
        )

    def forward(
        self, x_1: Tensor, x_2: Tensor, state: Halves, M: Tensor, told: Tensor | None
    ) -> tuple[Tensor, Tensor, Halves, Tensor]:
        # h_t = ConvRNN(x_1, h_{t-1})
        X = x_1 if told is None else torch.cat((x_1, told), dim=1)
        H, C, M = self.cell(X, *state, M)
        # g = sigma of convolutions of h_t; x_2 <- (1 - g) x_2 + g h_t, and the halves change places
        g = self.attention(H)
        return (1 - g) * x_2 + g * H, x_1, (H, C), M


@register("crevnet", paper="Yu et al., ICLR 2020")
class CrevNet(RecurrentForecaster):
    """CrevNet (Yu et al. 2020).

    blocks, strides: i-RevNet blocks of each stage of the autoencoder, and by how much the first of
        a stage divides the grid, 1 or 2.
    mult: by how much a block's inner width is smaller than its output.
    layers: of the reversible predictive module.
    patch_size: cells of a frame's edge that become channels before the autoencoder.

    The latent grid is the frame's divided by patch_size and all strides. Nothing is lost on the
    way, so a half of the latent frame has C reduction² / 2 channels, with `reduction` the product
    of these, and the predictive module has that width (the authors' rnn_size): no setting of ours.

    What is told of a frame beside it is brought to the latent grid by one convolution and joined to
    what the lowest cell sees. The autoencoder sees frames only and stays a bijection of them.

    The authors train by the squared error of all frames after the first, each forecast from true
    frames. So do we by default: the sampling "scheduled" begins to fall when the training ends.
    A forecast goes on from its own frames; to learn that, let sampling begin at 0 and end earlier.
    """

    def __init__(
        self,
        shape: SampleShape,
        *,
        blocks: tuple[int, ...] = (4, 5, 3),
        strides: tuple[int, ...] = (1, 2, 2),
        mult: int = 2,
        layers: int = 8,
        patch_size: int = 2,
        sampling_begin: float = 1.0,
        sampling_end: float = 1.0,
        **loop: Any,
    ) -> None:
        _check(shape, blocks, strides, mult, layers, patch_size)
        latent_stride = 2 ** strides.count(2)
        super().__init__(
            shape,
            patch_size,
            patch_size * latent_stride,
            sampling_begin=sampling_begin,
            sampling_end=sampling_end,
            **loop,
        )
        half = self.output_channels // 2
        self.rnn_size = half * latent_stride**2
        self.latent_stride = latent_stride
        self.autoencoder = two_way_autoencoder(half, blocks, strides, mult, self.periodic_x)
        told = self.input_channels - self.output_channels
        self.tell = (
            nn.Conv2d(told, self.rnn_size, latent_stride, stride=latent_stride) if told else None
        )
        self.layers = nn.ModuleList(
            ReversibleLayer(
                self.rnn_size, self.rnn_size if told and layer == 0 else 0, self.periodic_x
            )
            for layer in range(layers)
        )

    def init_state(self, x: Tensor) -> Any:
        B, _, h, w = x.shape
        zeros = x.new_zeros(B, self.rnn_size, h // self.latent_stride, w // self.latent_stride)
        return [(zeros, zeros)] * len(self.layers), zeros

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        states, M = state
        frame, beside = x[:, : self.output_channels], x[:, self.output_channels :]
        told = None if self.tell is None else self.tell(beside)
        x_1, x_2 = self.autoencoder(*frame.chunk(2, dim=1))  # (B, rnn_size, h, w) each
        after = []
        for layer, before in zip(self.layers, states, strict=True):
            x_1, x_2, now, M = layer(x_1, x_2, before, M, told)
            after.append(now)
            told = None
        return torch.cat(self.autoencoder.inverse(x_1, x_2), dim=1), (after, M)


def _check(
    shape: SampleShape,
    blocks: tuple[int, ...],
    strides: tuple[int, ...],
    mult: int,
    layers: int,
    patch_size: int,
) -> None:
    stages = f"model.blocks is {list(blocks)} and model.strides is {list(strides)}"
    require(len(blocks) == len(strides) > 0, f"{stages}; each stage needs one of both")
    require(min(blocks) >= 1, f"model.blocks is {list(blocks)}; a stage has 1 block or more")
    require(set(strides) <= {1, 2}, f"model.strides is {list(strides)}; a stride is 1 or 2")
    for name, value in (("mult", mult), ("layers", layers), ("patch_size", patch_size)):
        require(value >= 1, f"model.{name} is {value}; it must be 1 or more")
    channels = shape.channels * patch_size**2
    require(
        channels % 2 == 0,
        f"model.patch_size is {patch_size}, which makes {channels} channels of a frame; two halves "
        "need an even number, as patch_size 2 makes",
    )
