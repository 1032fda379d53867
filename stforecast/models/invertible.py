"""Networks that run both ways, and learn without keeping what they computed on the way.

Additive couplings: Dinh, Krueger, Bengio: NICE, 2015, arXiv:1410.8516. Couplings that change the
grid: Jacobsen, Smeulders, Oyallon: i-RevNet, ICLR 2018, arXiv:1802.07088. Backward pass from the
outputs alone: Gomez, Ren, Urtasun, Grosse: The Reversible Residual Network, NeurIPS 2017,
arXiv:1707.04585.
"""

import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Halves = tuple[Tensor, Tensor]


def squeeze(x: Tensor, stride: int) -> Tensor:
    """Cells into channels: (B, C, H, W) -> (B, s²C, H/s, W/s); row by row, each cell with its C."""
    if stride == 1:
        return x
    B, C, H, W = x.shape
    x = x.reshape(B, C, H // stride, stride, W // stride, stride).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(B, stride**2 * C, H // stride, W // stride)


def unsqueeze(x: Tensor, stride: int) -> Tensor:
    """Undo :func:`squeeze`: (B, s²C, h, w) -> (B, C, hs, ws)."""
    if stride == 1:
        return x
    B, C, h, w = x.shape
    x = x.reshape(B, stride, stride, C // stride**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(B, C // stride**2, h * stride, w * stride)


class Coupling(nn.Module):
    """An additive coupling of two halves: y_1 = x_2, y_2 = x_1 + F(x_2).

    F: any network (B, C, H, W) -> (B, s²C, H/s, W/s) that does the same when it is run again (no
    dropout, no running statistics). With a stride s the halves are squeezed to F's grid.
    """

    def __init__(self, F: nn.Module, stride: int = 1) -> None:
        super().__init__()
        self.F = F
        self.stride = stride

    def forward(self, x_1: Tensor, x_2: Tensor) -> Halves:
        return squeeze(x_2, self.stride), squeeze(x_1, self.stride) + self.F(x_2)

    def inverse(self, y_1: Tensor, y_2: Tensor) -> Halves:
        x_2 = unsqueeze(y_1, self.stride)
        return unsqueeze(y_2 - self.F(x_2), self.stride), x_2


class Reversible(nn.Module):
    """Couplings one after the other, a bijection of two halves, which ``inverse`` undoes.

    In training neither direction keeps activations: the backward pass computes them again from
    the outputs, coupling by coupling, for one more evaluation of each F. Gradients are those of
    plain autograd up to rounding. What is inverted loses the rounding of one sum for each coupling.
    The halves stay in the precision they come in, float32 under autocast too, where only F is in
    lower precision, the same each time.
    """

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(couplings)
        self._learn = _without_memory()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a file takes over: not the function, which is the same for all."""
        return {name: value for name, value in super().__getstate__().items() if name != "_learn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._learn = _without_memory()

    def forward(self, x_1: Tensor, x_2: Tensor) -> Halves:
        return self._run(x_1, x_2, inverse=False)

    def inverse(self, y_1: Tensor, y_2: Tensor) -> Halves:
        return self._run(y_1, y_2, inverse=True)

    def _run(self, a: Tensor, b: Tensor, inverse: bool) -> Halves:
        chain: list[Any] = list(reversed(self.couplings)) if inverse else list(self.couplings)
        if self.training and torch.is_grad_enabled():
            a, b = self._learn(chain, inverse, a, b)
        else:
            for coupling in chain:
                a, b = _apply(coupling, inverse, a, b)
        return a, b


@functools.cache
def _without_memory() -> Callable[..., Any]:
    """A chain that is run without keeping its activations: (chain, inverse, a, b) -> halves.

    The compiler does not look inside: what it would trace is the very graph that is not to be kept.
    Telling it so loads it, which takes seconds, and so waits for the first network of this kind.
    """

    def run(chain: list[Coupling], inverse: bool, a: Tensor, b: Tensor) -> Any:
        weights = [weight for coupling in chain for weight in _learned(coupling)]
        return _FromOutputs.apply(chain, inverse, a, b, *weights)

    uncompiled: Callable[..., Any] = torch.compiler.disable(run)
    return uncompiled


class _FromOutputs(torch.autograd.Function):
    """A chain of couplings of which only the outputs are kept."""

    @staticmethod
    def forward(
        ctx: Any, chain: list[Coupling], inverse: bool, a: Tensor, b: Tensor, *weights: Tensor
    ) -> Halves:
        ctx.chain, ctx.inverse, ctx.precision = chain, inverse, _precision(a)
        with ctx.precision():
            for coupling in chain:
                a, b = _apply(coupling, inverse, a, b)
        # The weights are kept anyway; torch will tell if they change before the backward pass.
        ctx.save_for_backward(a, b, *weights)
        return a, b

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, da: Tensor, db: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors[:2]
        undo = _undo_inverse if ctx.inverse else _undo_forward
        gradients: list[list[Tensor]] = []
        with ctx.precision():
            for coupling in reversed(ctx.chain):
                (a, b), (da, db), found = undo(coupling, (a, b), (da, db))
                gradients.append(found)
        return None, None, da, db, *[g for found in reversed(gradients) for g in found]


def _apply(coupling: Coupling, inverse: bool, a: Tensor, b: Tensor) -> Halves:
    halves: Halves = coupling.inverse(a, b) if inverse else coupling(a, b)
    return halves


def _undo_forward(coupling: Coupling, y: Halves, dy: Halves) -> tuple[Halves, Halves, list[Tensor]]:
    """Inputs of y = coupling(x), and gradients of its inputs and weights, from y and dy."""
    x_2 = unsqueeze(y[0], coupling.stride)
    F_x2, dx_2, gradients = _backward_of(coupling, x_2, dy[1])
    x_1 = unsqueeze(y[1] - F_x2, coupling.stride)
    dx = unsqueeze(dy[1], coupling.stride), unsqueeze(dy[0], coupling.stride) + dx_2
    return (x_1, x_2), dx, gradients


def _undo_inverse(coupling: Coupling, x: Halves, dx: Halves) -> tuple[Halves, Halves, list[Tensor]]:
    """The same of x = coupling.inverse(y), from x and dx."""
    dy_2 = squeeze(dx[0], coupling.stride)
    F_x2, dx_2, gradients = _backward_of(coupling, x[1], -dy_2)
    y = squeeze(x[1], coupling.stride), squeeze(x[0], coupling.stride) + F_x2
    return y, (squeeze(dx[1] + dx_2, coupling.stride), dy_2), gradients


def _backward_of(coupling: Coupling, x: Tensor, dF: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """F(x), and the gradients of x and of F's weights."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        F_x = coupling.F(x)
    dx, *gradients = torch.autograd.grad(F_x, [x, *_learned(coupling)], dF.to(F_x.dtype))
    return F_x.detach(), dx, gradients


def _learned(coupling: Coupling) -> list[Tensor]:
    return [weight for weight in coupling.parameters() if weight.requires_grad]


def _precision(x: Tensor) -> Callable[[], AbstractContextManager[object]]:
    """The precision that is in force now, to be had again later."""
    device = x.device.type
    if x.is_meta:
        return nullcontext
    dtype, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    # Lowered weights are not kept for later: these know no gradient, as they are made without one.
    return lambda: torch.autocast(device, dtype, enabled, cache_enabled=False)
