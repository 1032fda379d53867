"""E3D-LSTM: an LSTM on short windows of time, whose cells remember all that they ever were.

Wang, Jiang, Yang, Li, Long, Fei-Fei: Eidetic 3D LSTM: A Model for Video Prediction and Beyond,
ICLR 2019, https://openreview.net/forum?id=B1lKS2AqtX, section 3. As in the authors' code, the
convolutions have no biases but forget gates one of 1, and the output gate's sum goes through tanh.
Equation numbers: the paper at ICLR 2019.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stforecast.models.base import SampleShape
from stforecast.models.layers import Conv2d, full_precision, read_out, wrap_x
from stforecast.models.recurrent import Losses, RecurrentForecaster
from stforecast.models.registry import register
from stforecast.models.settings import require_hidden, require_odd

WINDOW = 2  # frames that a step sees, and that a state is of
_LARGEST = 2**24  # numbers of an attention matrix held at once, for each sample


class WindowConv(Conv2d):
    """A 3D convolution as deep as the window: (B, c_in, 2, h, w) -> (B, c_out, 1, h, w).

    The public code interpolates its one frame back to the window's two, which repeats it: here it
    is left to broadcast. The weight is kept as a 2D one, with a channel's frames side by side.

    step: from one window to the next. There is no next one, but torch may round otherwise.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, periodic_x: bool, step: int = 1) -> None:
        super().__init__(c_in * WINDOW, c_out, kernel, bias=False, periodic_x=periodic_x)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(-1, -1, WINDOW, -1, -1)
        if self.periodic_x:
            x = wrap_x(x, self.reach)
        weight = self.weight.unflatten(1, (-1, WINDOW))  # (c_out, c_in, 2, k, k)
        return functional.conv3d(x, weight, stride=(self.step, 1, 1), padding=(0, *self.padding))


class WindowNorm(nn.Module):
    """Layer normalisation of (B, hidden, 2, h, w), with a weight and a bias for each cell.

    grid: rows and columns of weight and bias.
    """

    def __init__(self, hidden: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden, WINDOW, *grid))
        self.bias = nn.Parameter(torch.zeros(hidden, WINDOW, *grid))

    def forward(self, C: Tensor) -> Tensor:
        weight, bias = self.weight.expand(C.shape[1:]), self.bias.expand(C.shape[1:])
        return functional.layer_norm(C, C.shape[1:], weight, bias)


def attend(query: Tensor, past: Tensor, training: bool) -> Tensor:
    """softmax(R C^T) C  (equation 1): (B, Q, hidden) and (B, K, hidden) -> (B, Q, hidden)."""
    if training:  # by a kernel that never holds the matrix of Q x K, nor keeps it for the gradient
        query, past = query.unsqueeze(1), past.unsqueeze(1)  # one head
        return functional.scaled_dot_product_attention(query, past, past, scale=1.0).squeeze(1)
    # In the public code's order: rounded otherwise, forecasts with weights of some size drift
    # apart from its own. Large matrices are made in parts.
    with full_precision(query):
        query, past = query.float(), past.float()
        parts = query.split(max(1, _LARGEST // past.shape[1]), dim=1)
        found = [torch.softmax(part @ past.transpose(1, 2), dim=2) @ past for part in parts]
        return torch.cat(found, dim=1)


class EideticLSTMCell(nn.Module):
    """One layer.

    X: (B, c_in, 2, h, w), the window or the layer below. H: (B, hidden, 2, h, w), of this layer
    one step before. M: (B, hidden, 1, h, w), of the layer below, or for the lowest of the highest
    layer one step before. C: (B, hidden, 2, h, w), of this layer one step before. history: (B, K,
    hidden), the `records` of this layer's C at all steps before. Returns H, C, M of this layer and
    step.

    grid: rows and columns of the layer normalisation's weights.
    """

    def __init__(
        self,
        c_in: int,
        hidden: int,
        kernel: int,
        periodic_x: bool,
        grid: tuple[int, int],
        global_memory: bool,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.periodic_x = periodic_x
        gates = 7 if global_memory else 6  # I, G, R, O, I', G' and F'
        self.conv_x = WindowConv(c_in, gates * hidden, kernel, periodic_x)
        self.conv_h = WindowConv(hidden, 4 * hidden, kernel, periodic_x)  # W_h of I, G, R, O
        self.conv_m = (  # W_m of I', G', F'
            WindowConv(hidden, 3 * hidden, kernel, periodic_x) if global_memory else None
        )
        self.conv_oc = WindowConv(hidden, hidden, kernel, periodic_x)  # W_co
        self.conv_om = WindowConv(hidden, hidden, kernel, periodic_x)  # W_mo
        self.conv_last = nn.Conv2d(2 * hidden, hidden, 1, bias=False)  # W_1x1x1
        self.norm = WindowNorm(hidden, grid)

    def forward(
        self, X: Tensor, H: Tensor, C: Tensor, M: Tensor, history: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        i_x, g_x, r_x, o_x, i_x_, g_x_, *f_x_ = self.conv_x(X).split(self.hidden, dim=1)
        i_h, g_h, r_h, o_h = self.conv_h(H).chunk(4, dim=1)

        # R_t = sigma(W_xr X_t + W_hr H_{t-1}), I_t alike, G_t with tanh  (equation 1)
        # C_t = I_t G_t + LayerNorm(C_{t-1} + RECALL(R_t, C_{1:t-1}))  (equation 1)
        recalled = self.recall(torch.sigmoid(r_x + r_h), history)
        C = self.norm(C + recalled) + torch.sigmoid(i_x + i_h) * torch.tanh(g_x + g_h)
        # I' = sigma(W'_xi X_t + W_mi M^{k-1}), F' alike, G' with tanh  (equation 2)
        # M^k = I' G' + F' M^{k-1}  (equation 2)
        if self.conv_m is None:  # M^{k-1} is 0
            M = torch.sigmoid(i_x_) * torch.tanh(g_x_)
        else:
            i_m, g_m, f_m = self.conv_m(M).chunk(3, dim=1)
            added = torch.sigmoid(i_x_ + i_m) * torch.tanh(g_x_ + g_m)
            M = added + torch.sigmoid(f_x_[0] + f_m + 1) * M
        # O_t = sigma(W_xo X_t + W_ho H_{t-1} + W_co C_t + W_mo M^k)  (equation 2; tanh within)
        # H_t = O_t tanh(W_1x1x1 [C_t, M^k])  (equation 2)
        o = torch.sigmoid(torch.tanh(o_x + o_h + self.conv_oc(C) + self.conv_om(M)))
        CM = torch.cat((C, M.expand_as(C)), dim=1)  # (B, 2 hidden, 2, h, w)
        H = o * torch.tanh(functional.conv3d(CM, self.conv_last.weight[:, :, None]))
        return H, C, M

    def recall(self, R: Tensor, history: Tensor) -> Tensor:
        """RECALL(R, C) = softmax(R C^T) C  (equation 1).

        (B, hidden, 1, h, w) -> (B, hidden, 2, h, w).
        """
        h, w = R.shape[-2:]
        query = records(R.expand(-1, -1, WINDOW, -1, -1), self.periodic_x)
        found = attend(query, history, self.training)
        if self.periodic_x:
            found = found.transpose(1, 2)
        return found.reshape(-1, self.hidden, WINDOW, h, w)


def records(C: Tensor, periodic_x: bool) -> Tensor:
    """What of C is compared and recalled as one: (B, hidden, 2, h, w) -> (B, 2hw, hidden).

    In the paper it is what all channels hold in one place, and so it is on a grid that goes round
    the globe. OpenSTL's port has the channels in front and does not transpose: there it is
    `hidden` values of a channel that follow one another along the rows (and run on into further
    channels where a channel has fewer), which does not roll with the columns.
    """
    if periodic_x:
        return C.flatten(2).transpose(1, 2)
    return C.reshape(C.shape[0], -1, C.shape[1])


class LayerState(NamedTuple):
    """H and C (B, hidden, 2, h, w) of a layer, and the records (B, K, hidden) of all its C."""

    H: Tensor
    C: Tensor
    history: Tensor


class E3DState(NamedTuple):
    """What the step before saw (B, input_channels, h, w), what each layer keeps, and M."""

    x: Tensor
    layers: list[LayerState]
    M: Tensor


@register("e3d_lstm", paper="Wang et al., ICLR 2019")
class E3DLSTM(RecurrentForecaster):
    """Eidetic 3D LSTM (Wang et al. 2019), with windows of two frames.

    hidden: channels of each layer. patch_size: cells of a frame's edge that become channels.
    filter_size: kernel of the convolutions in space, odd.
    global_memory: M goes on from layer to layer, as in the paper, with its weights W_m and the
        gate F'; layers must then be of one width. The public codes compute each layer's M and
        hand on the M that they were given, which is 0 for ever, so that these weights never
        matter: so it is by default, without them.

    Weight and bias of the layer normalisation belong to the cells of the grid, or to its rows
    where it goes round the globe; there a step recalls by places, as in the paper, else as
    OpenSTL's port does (see :func:`records`). Every step looks back at all the ones before it: what
    a forecast keeps grows with T + T', what training keeps and the multiply-adds with its square.
    From samples with T = T' = 1, of a single step, conv_h and the weight of the normalisation get
    no gradient.
    """

    loss = "mse+mae"  # the means for ||X - X^||_F^2 + ||X - X^||_1  (equation 3)
    fixed_grid = True

    def __init__(
        self,
        shape: SampleShape,
        *,
        hidden: tuple[int, ...] = (128, 128, 128, 128),
        patch_size: int = 2,
        filter_size: int = 5,
        global_memory: bool = False,
        **loop: Any,
    ) -> None:
        super().__init__(shape, patch_size, **loop)
        require_hidden(hidden, alike=global_memory)
        require_odd("filter_size", filter_size)
        self.cells = nn.ModuleList(
            EideticLSTMCell(
                c_in, c_out, filter_size, self.periodic_x, self.parameter_grid, global_memory
            )
            for c_in, c_out in zip((self.input_channels, *hidden), hidden, strict=False)
        )
        self.readout = WindowConv(hidden[-1], self.output_channels, 1, self.periodic_x, step=WINDOW)
        self.hidden = hidden

    def init_state(self, x: Tensor) -> Any:
        B, _, h, w = x.shape
        zeros = [x.new_zeros(B, n, WINDOW, h, w) for n in self.hidden]
        # the frame before the first and the first C that is recalled are zeros
        layers = [LayerState(C, C, records(C, self.periodic_x)) for C in zeros]
        return E3DState(torch.zeros_like(x), layers, x.new_zeros(B, self.hidden[0], 1, h, w))

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        M = state.M
        X = torch.stack((state.x, x), dim=2)  # (B, input_channels, 2, h, w)
        after = []
        for cell, (H, C, history) in zip(self.cells, state.layers, strict=True):
            X, C, M = cell(X, H, C, M, history)
            history = torch.cat((history, records(C, self.periodic_x)), dim=1)
            after.append(LayerState(X, C, history))
        return read_out(self.readout, X).squeeze(2), E3DState(x, after, M)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the step for histories of any length: they are longer at every step."""
        super().compile(*args, **{**kwargs, "dynamic": None})
