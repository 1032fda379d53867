"""ConvLSTM: an LSTM whose products are convolutions.

Shi et al.: Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting,
NeurIPS 2015, arXiv:1506.04214, section 3.1, without its peepholes W_c, as everybody runs it since,
and without biases. Equation numbers: arXiv:1506.04214v2.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.layers import Conv2d, read_out
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.settings import require_hidden, require_odd


class ConvLSTMCell(nn.Module):
    """One layer: X_t (B, c_in, h, w), H_{t-1} and C_{t-1} (B, hidden, h, w) -> H_t, C_t."""

    def __init__(self, c_in: int, hidden: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        convolution: Any = {"bias": False, "periodic_x": periodic_x}
        self.conv_x = Conv2d(c_in, 4 * hidden, kernel, **convolution)  # W_x of i, f, g, o
        self.conv_h = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # W_h of i, f, g, o

    def forward(self, X: Tensor, H: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        # i_t = sigma(W_xi X_t + W_hi H_{t-1}), f_t and o_t alike  (equation 3)
        i, f, g, o = (self.conv_x(X) + self.conv_h(H)).chunk(4, dim=1)
        # C_t = f_t C_{t-1} + i_t tanh(W_xc X_t + W_hc H_{t-1})  (equation 3)
        C = torch.sigmoid(f) * C + torch.sigmoid(i) * torch.tanh(g)
        # H_t = o_t tanh(C_t)  (equation 3)
        return torch.sigmoid(o) * torch.tanh(C), C


@register("convlstm", paper="Shi et al., NeurIPS 2015, arXiv:1506.04214")
class ConvLSTM(RecurrentForecaster):
    """ConvLSTM (Shi et al. 2015), as PredRNN's authors and OpenSTL run it.

    hidden: channels of each layer. patch_size: cells of a frame's edge that become channels.
    filter_size: kernel of all convolutions, odd.
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
        require_hidden(hidden)
        require_odd("filter_size", filter_size)
        self.cells = nn.ModuleList(
            ConvLSTMCell(c_in, c_out, filter_size, self.periodic_x)
            for c_in, c_out in zip((self.input_channels, *hidden), hidden, strict=False)
        )
        self.readout = nn.Conv2d(hidden[-1], self.output_channels, 1, bias=False)
        self.hidden = hidden

    def init_state(self, x: Tensor) -> Any:
        B, _, h, w = x.shape
        return [(x.new_zeros(B, n, h, w), x.new_zeros(B, n, h, w)) for n in self.hidden]

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        after = []
        for cell, (H, C) in zip(self.cells, state, strict=True):
            H, C = cell(x, H, C)
            after.append((H, C))
            x = H
        return read_out(self.readout, x), after
