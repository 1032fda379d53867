"""MIM: a forget gate that is itself two memories, one of what changes and one of what stays.

Wang, Zhang, Zhu, Long, Wang, Yu: Memory In Memory: A Predictive Neural Network for Learning
Higher-Order Non-Stationarity from Spatiotemporal Dynamics, CVPR 2019, arXiv:1811.07490, section 3.
As in the authors' code, MIM-N and MIM-S have peepholes with a weight of its own for every cell of
the grid, their gates see the output of the step before besides its memory, MIM-N above the lowest
MIM block takes what the MIM-N below it gave, a block's output gate sees M^{l-1} and not C_t and
M^l, and forget gates have a bias of 1 and the others none. Equation numbers: arXiv:1811.07490v2.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.layers import Conv2d, read_out
from stforecast.models.predrnn import SpatiotemporalLSTMCell
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.settings import require_hidden, require_odd


class PeepholeLSTMCell(nn.Module):
    """MIM-N and MIM-S alike: X, H_{t-1} and C_{t-1} -> H_t, C_t, all (B, hidden, h, w).

    In MIM-N (equation 2) X is the difference, H its output D and C its memory N. In MIM-S (equation
    3) X is D_t, H the block's C, which gives T_t, and C its memory S.

    grid: rows and columns of the peepholes' weights.
    """

    def __init__(self, hidden: int, kernel: int, periodic_x: bool, grid: tuple[int, int]) -> None:
        super().__init__()
        convolution: Any = {"bias": False, "periodic_x": periodic_x}
        self.conv_x = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # W_x of i, g, f, o
        self.conv_h = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # W_h of i, g, f, o
        self.peephole_if = nn.Parameter(torch.zeros(2 * hidden, *grid))  # w_ci, w_cf
        self.peephole_o = nn.Parameter(torch.zeros(hidden, *grid))  # w_co

    def forward(self, X: Tensor, H: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        i_x, g_x, f_x, o_x = self.conv_x(X).chunk(4, dim=1)
        i_h, g_h, f_h, o_h = self.conv_h(H).chunk(4, dim=1)
        w_ci, w_cf = self.peephole_if.chunk(2)

        # The sums are taken in the public code's order: rounded otherwise, forecasts with weights
        # of some size drift apart from its own.
        i = torch.sigmoid(i_h + w_ci * C + i_x)
        f = torch.sigmoid(f_h + w_cf * C + f_x + 1)
        # N_t = f N_{t-1} + i g  (equation 2); S_t = f S_{t-1} + i g  (equation 3)
        C = f * C + i * torch.tanh(g_h + g_x)
        o = torch.sigmoid(o_h + o_x + self.peephole_o * C)
        # D_t = o tanh(N_t)  (equation 2); T_t = o tanh(S_t)  (equation 3)
        return o * torch.tanh(C), C


class BlockState(NamedTuple):
    """What a MIM block keeps from step to step, all (B, hidden, h, w).

    H and C as in every LSTM, the memory N and the output D of MIM-N, the memory S of MIM-S.
    """

    H: Tensor
    C: Tensor
    D: Tensor
    N: Tensor
    S: Tensor


class MIMBlock(nn.Module):
    """One layer: an ST-LSTM whose C_{t-1} goes through MIM-N and MIM-S, not through a forget gate.

    X: (B, hidden, h, w), the layer below. difference: (B, hidden, h, w), how the layer below
    differs from the step before; None at the first step. M: (B, hidden, h, w), as in PredRNN.
    """

    def __init__(self, hidden: int, kernel: int, periodic_x: bool, grid: tuple[int, int]) -> None:
        super().__init__()
        convolution: Any = {"bias": False, "periodic_x": periodic_x}
        self.nonstationary = PeepholeLSTMCell(hidden, kernel, periodic_x, grid)
        self.stationary = PeepholeLSTMCell(hidden, kernel, periodic_x, grid)
        self.conv_x = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # W_x of i, g, f', o
        self.conv_h = Conv2d(hidden, 3 * hidden, kernel, **convolution)  # W_h of i, g, o
        self.conv_m = Conv2d(hidden, 4 * hidden, kernel, **convolution)  # W_m of i', g', f', o
        self.conv_last = nn.Conv2d(2 * hidden, hidden, 1, bias=False)  # W_1x1

    def forward(
        self, X: Tensor, difference: Tensor | None, state: BlockState, M: Tensor
    ) -> tuple[BlockState, Tensor]:
        H, C, D, N, S = state
        if difference is None:
            T = C  # without a difference D, T and the memories are the zeros that they begin with
        else:
            # D_t, N_t = MIM-N(X_t - X_{t-1}, D_{t-1}, N_{t-1})  (equations 1 and 2)
            D, N = self.nonstationary(difference, D, N)
            # T_t, S_t = MIM-S(D_t, C_{t-1}, S_{t-1})  (equations 1 and 3)
            T, S = self.stationary(D, C, S)

        i_x, g_x, f_x, o_x = self.conv_x(X).chunk(4, dim=1)  # i and g, and i' and g', share W_x
        i_h, g_h, o_h = self.conv_h(H).chunk(3, dim=1)
        i_m, g_m, f_m, o_m = self.conv_m(M).chunk(4, dim=1)

        # C_t = T_t + i g  (equation 1)
        C = T + torch.sigmoid(i_x + i_h) * torch.tanh(g_x + g_h)
        # M^l = f' M^{l-1} + i' g'  (equation 1)
        delta_M = torch.sigmoid(i_x + i_m) * torch.tanh(g_x + g_m)
        M = torch.sigmoid(f_x + f_m + 1) * M + delta_M
        # H_t = o tanh(W_1x1 [C_t, M^l])  (equation 1)
        o = torch.sigmoid(o_x + o_h + o_m)
        H = o * torch.tanh(self.conv_last(torch.cat((C, M), dim=1)))
        return BlockState(H, C, D, N, S), M


class MIMState(NamedTuple):
    """H and C of the lowest layer, M of the highest, and what the MIM blocks keep.

    begun: whether there was a step before, from which the next one can differ.
    """

    H: Tensor
    C: Tensor
    M: Tensor
    blocks: list[BlockState]
    begun: bool


@register("mim", paper="Wang et al., CVPR 2019, arXiv:1811.07490")
class MIM(RecurrentForecaster):
    """Memory In Memory (Wang et al. 2019): a layer of PredRNN, and MIM blocks on top of it.

    hidden: channels of each layer, all the same. patch_size: cells of a frame's edge that become
    channels. filter_size: kernel of the convolutions, odd.

    The peepholes' weights belong to the cells of the grid, or to its rows where it goes round the
    globe. All memories begin with zeros in every call and carry gradients; OpenSTL's port keeps
    S from one batch to the next, and cuts its gradient at every step. What compares a step with
    the ones before it needs three steps to be learned: for samples of T + T' < 4 frames some
    weights of MIM-N and MIM-S get no gradient.
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
        n = hidden[0]
        self.first = SpatiotemporalLSTMCell(self.input_channels, n, filter_size, self.periodic_x)
        self.blocks = nn.ModuleList(
            MIMBlock(n, filter_size, self.periodic_x, self.parameter_grid) for _ in hidden[1:]
        )
        self.readout = nn.Conv2d(n, self.output_channels, 1, bias=False)
        self.fixed_grid = len(hidden) > 1  # the lowest layer alone fits any grid
        self.hidden = hidden

    def init_state(self, x: Tensor) -> Any:
        zeros = x.new_zeros(x.shape[0], self.hidden[0], *x.shape[2:])
        blocks = [BlockState(*[zeros] * 5) for _ in self.blocks]
        return MIMState(zeros, zeros, zeros, blocks, begun=False)

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        # H^1, C^1, M^1 = ST-LSTM(X_t, H^1_{t-1}, C^1_{t-1}, M^L_{t-1})  (equation 4)
        H, C, M, *_ = self.first(x, state.H, state.C, state.M)
        X, difference = H, H - state.H if state.begun else None
        after = []
        for block, before in zip(self.blocks, state.blocks, strict=True):
            # H^l, C^l, M^l, N^l, S^l = MIM(H^{l-1}, M^{l-1}, H^l, C^l, N^l, S^l), the last four of
            # t - 1  (equation 4)
            now, M = block(X, difference, before, M)
            X, difference = now.H, now.D if state.begun else None
            after.append(now)
        return read_out(self.readout, X), MIMState(H, C, M, after, begun=True)
