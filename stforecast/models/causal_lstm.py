"""PredRNN++: causal LSTMs, whose two memories work one after the other, and a gradient highway.

Wang, Gao, Long, Wang, Yu: PredRNN++: Towards A Resolution of the Deep-in-Time Dilemma in
Spatiotemporal Predictive Learning, ICML 2018, arXiv:1804.06300. As in the authors' code, the output
gate sees H too, g' does not see M, W_3 is as large as the other kernels and not 1 x 1, and forget
gates have a bias of 1 and the others none. Equation numbers: the paper at ICML 2018.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.layers import Conv2d, read_out
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.settings import require, require_hidden, require_odd


class CausalLSTMCell(nn.Module):
    """One layer of causal LSTM (section 4.1).

    X: (B, c_in, h, w), the frame or the layer below. H, C: (B, hidden, h, w), of this layer one
    step before. M: (B, hidden, h, w), of the layer below, or for the lowest of the highest layer
    one step before. Returns H, C, M of this layer and step.
    """

    def __init__(self, c_in: int, hidden: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        convolution: Any = {"bias": False, "periodic_x": periodic_x}
        # W_1 (of i, f, g), W_2 (of i', f', g') and W_4 (of o) are kept by what they are applied to.
        self.conv_x = Conv2d(c_in, 7 * hidden, kernel, **convolution)  # of i, f, g, i', f', g', o
        self.conv_h = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # of i, f, g, o
        self.conv_c = Conv2d(hidden, 3 * hidden, kernel, **convolution)  # of i, f, g
        self.conv_m = Conv2d(hidden, 3 * hidden, kernel, **convolution)  # of i', f', and W_3
        self.conv_c2m = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # of i', g', f', o
        self.conv_om = Conv2d(hidden, hidden, kernel, **convolution)  # of o
        self.conv_last = nn.Conv2d(2 * hidden, hidden, 1, bias=False)  # W_5

    def forward(self, X: Tensor, H: Tensor, C: Tensor, M: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        i_x, f_x, g_x, i_x_, f_x_, g_x_, o_x = self.conv_x(X).chunk(7, dim=1)
        i_h, f_h, g_h, o_h = self.conv_h(H).chunk(4, dim=1)
        i_c, f_c, g_c = self.conv_c(C).chunk(3, dim=1)
        i_m, f_m, W_3_M = self.conv_m(M).chunk(3, dim=1)

        # g = tanh, i = sigma and f = sigma of W_1 [X_t, H_{t-1}, C_{t-1}]  (equation 1)
        # C_t = f C_{t-1} + i g  (equation 1)
        i, g = torch.sigmoid(i_x + i_h + i_c), torch.tanh(g_x + g_h + g_c)
        C = torch.sigmoid(f_x + f_h + f_c + 1) * C + i * g
        # g' = tanh, i' = sigma and f' = sigma of W_2 [X_t, C_t, M^{k-1}]  (equation 1; g' here not
        # of M^{k-1})
        # M^k = f' tanh(W_3 M^{k-1}) + i' g'  (equation 1)
        i_c_, g_c_, f_c_, o_c = self.conv_c2m(C).chunk(4, dim=1)
        i_, g_ = torch.sigmoid(i_x_ + i_m + i_c_), torch.tanh(g_x_ + g_c_)
        M = torch.sigmoid(f_x_ + f_m + f_c_ + 1) * torch.tanh(W_3_M) + i_ * g_
        # o = tanh(W_4 [X_t, C_t, M^k])  (equation 1; here of H_{t-1} too)
        # H_t = o tanh(W_5 [C_t, M^k])  (equation 1)
        o = torch.tanh(o_x + o_h + o_c + self.conv_om(M))
        H = o * torch.tanh(self.conv_last(torch.cat((C, M), dim=1)))
        return H, C, M


class GradientHighwayUnit(nn.Module):
    """A short way through time (section 4.2): X_t, Z_{t-1} -> Z_t, all (B, hidden, h, w)."""

    def __init__(self, hidden: int, kernel: int, periodic_x: bool) -> None:
        super().__init__()
        convolution: Any = {"bias": False, "periodic_x": periodic_x}
        self.conv_x = Conv2d(hidden, 2 * hidden, kernel, **convolution)  # W_px, W_sx
        self.conv_z = Conv2d(hidden, 2 * hidden, kernel, **convolution)  # W_pz, W_sz
        # as published: S begins at 1/2, whatever the input
        nn.init.uniform_(self.conv_x.weight, -0.001, 0.001)
        nn.init.uniform_(self.conv_z.weight, -0.001, 0.001)

    def forward(self, X: Tensor, Z: Tensor) -> Tensor:
        # P_t = tanh(W_px X_t + W_pz Z_{t-1})  (equation 2)
        # S_t = sigma(W_sx X_t + W_sz Z_{t-1})  (equation 2)
        p, s = (self.conv_x(X) + self.conv_z(Z)).chunk(2, dim=1)
        S = torch.sigmoid(s)
        # Z_t = S_t P_t + (1 - S_t) Z_{t-1}  (equation 2)
        return S * torch.tanh(p) + (1 - S) * Z


@register("causal_lstm", paper="Wang et al., ICML 2018, arXiv:1804.06300")
class CausalLSTM(RecurrentForecaster):
    """PredRNN++ (Wang et al. 2018): causal LSTMs, the highway between the first and the second.

    hidden: channels of each layer, all the same, of two layers or more. patch_size: cells of a
    frame's edge that become channels. filter_size: kernel of the convolutions, odd.
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
        require(
            len(hidden) >= 2,
            f"model.hidden is {list(hidden)}; give two layers or more, "
            "for the gradient highway is between the first and the second",
        )
        require_odd("filter_size", filter_size)
        self.cells = nn.ModuleList(
            CausalLSTMCell(c_in, c_out, filter_size, self.periodic_x)
            for c_in, c_out in zip((self.input_channels, *hidden), hidden, strict=False)
        )
        self.highway = GradientHighwayUnit(hidden[0], filter_size, self.periodic_x)
        self.readout = nn.Conv2d(hidden[-1], self.output_channels, 1, bias=False)
        self.hidden = hidden

    def init_state(self, x: Tensor) -> Any:
        zeros = x.new_zeros(x.shape[0], self.hidden[0], *x.shape[2:])
        return [(zeros, zeros)] * len(self.hidden), zeros, zeros

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        layers, M, Z = state
        after = []
        for k, (cell, (H, C)) in enumerate(zip(self.cells, layers, strict=True)):
            # H^k, C^k, M^k = CausalLSTM_k(H^{k-1}, H^k_{t-1}, C^k_{t-1}, M^{k-1}), the first of X_t
            # and M^L_{t-1}, the second of Z_t  (equation 3)
            H, C, M = cell(x, H, C, M)
            after.append((H, C))
            if k == 0:
                Z = self.highway(H, Z)  # Z_t = GHU(H^1, Z_{t-1})  (equation 3)
            x = Z if k == 0 else H
        return read_out(self.readout, x), (after, M, Z)
