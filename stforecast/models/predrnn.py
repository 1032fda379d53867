"""PredRNN: a memory that climbs through the layers, besides the one that each layer keeps.

Wang, Long, Wang, Gao, Yu: PredRNN: Recurrent Neural Networks for Predictive Learning using
Spatiotemporal LSTMs, NeurIPS 2017, section 3.2. As in the authors' code, forget gates have a bias
of 1 and the others none.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.layers import Conv2d, read_out
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.settings import require_hidden, require_odd


class SpatiotemporalLSTMCell(nn.Module):
    """One layer of ST-LSTM, with the memory C of its own and the memory M of all layers.

    X: (B, c_in, h, w), the frame or the layer below. H, C: (B, hidden, h, w), of this layer one
    step before. M: (B, hidden, h, w), of the layer below, or for the lowest of the highest layer
    one step before. Returns H, C, M of this layer and step, and what was added to C and M, from
    which PredRNN-V2 makes a loss.
    """

    def __init__(self, c_in: int, hidden: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        convolution: Any = {"bias": False, "periodic_x": periodic_x}
        self.conv_x = Conv2d(c_in, 7 * hidden, kernel, **convolution)  # of i, f, g, i', f', g', o
        self.conv_h = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # of i, f, g, o
        self.conv_m = Conv2d(hidden, 3 * hidden, kernel, **convolution)  # of i', f', g'
        self.conv_o = Conv2d(2 * hidden, hidden, kernel, **convolution)  # W_co and W_mo
        self.conv_last = nn.Conv2d(2 * hidden, hidden, 1, bias=False)  # W_1x1

    def forward(
        self, X: Tensor, H: Tensor, C: Tensor, M: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        i_x, f_x, g_x, i_x_, f_x_, g_x_, o_x = self.conv_x(X).chunk(7, dim=1)
        i_h, f_h, g_h, o_h = self.conv_h(H).chunk(4, dim=1)
        i_m, f_m, g_m = self.conv_m(M).chunk(3, dim=1)

        # i = sigma(W_xi X_t + W_hi H_{t-1}), f alike, g = tanh(W_xg X_t + W_hg H_{t-1})
        # C_t = f C_{t-1} + i g
        delta_C = torch.sigmoid(i_x + i_h) * torch.tanh(g_x + g_h)
        C = torch.sigmoid(f_x + f_h + 1) * C + delta_C
        # i', f', g' alike, of X_t and M^{l-1}
        # M^l = f' M^{l-1} + i' g'
        delta_M = torch.sigmoid(i_x_ + i_m) * torch.tanh(g_x_ + g_m)
        M = torch.sigmoid(f_x_ + f_m + 1) * M + delta_M
        # o = sigma(W_xo X_t + W_ho H_{t-1} + W_co C_t + W_mo M^l)
        # H_t = o tanh(W_1x1 [C_t, M^l])
        CM = torch.cat((C, M), dim=1)  # (B, 2 hidden, h, w)
        o = torch.sigmoid(o_x + o_h + self.conv_o(CM))
        H = o * torch.tanh(self.conv_last(CM))
        return H, C, M, delta_C, delta_M


@register("predrnn", paper="Wang et al., NeurIPS 2017")
class PredRNN(RecurrentForecaster):
    """PredRNN (Wang et al. 2017).

    hidden: channels of each layer, all the same. patch_size: cells of a frame's edge that become
    channels. filter_size: kernel of the convolutions, odd.
    """

    def __init__(
        self,
        shape: SampleShape,
        *,
        hidden: tuple[int, ...] = (128, 128, 128, 128),
        patch_size: int = 2,
        filter_size: int = 5,
        **loop: Any,
    ) -> None:
        super().__init__(shape, patch_size, **loop)
        require_hidden(hidden, alike=True)
        require_odd("filter_size", filter_size)
        self.cells = nn.ModuleList(
            SpatiotemporalLSTMCell(c_in, c_out, filter_size, self.periodic_x)
            for c_in, c_out in zip((self.input_channels, *hidden), hidden, strict=False)
        )
        self.readout = nn.Conv2d(hidden[-1], self.output_channels, 1, bias=False)
        self.hidden = hidden

    def init_state(self, x: Tensor) -> Any:
        zeros = x.new_zeros(x.shape[0], self.hidden[0], *x.shape[2:])
        return [(zeros, zeros)] * len(self.hidden), zeros

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        layers, M = state
        after = []
        for cell, (H, C) in zip(self.cells, layers, strict=True):
            x, C, M, *_ = cell(x, H, C, M)
            after.append((x, C))
        return read_out(self.readout, x), (after, M)
