"""Reversible networks: exact inversion, exact gradients, and nothing kept in between."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stforecast.models.invertible import Coupling, Reversible, squeeze, unsqueeze

Halves = tuple[Tensor, Tensor]


class Network(nn.Module):
    """Some F, which notes the precision of what it gives."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(c_in, 5, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(5, c_out, 3, padding=1, bias=False)
        self.gave: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(torch.tanh(self.first(x)))
        self.gave.append(y.dtype)
        return y


def make(strides: list[int], channels: int = 2, dtype: torch.dtype = torch.float32) -> Reversible:
    torch.manual_seed(0)
    couplings = []
    for stride in strides:
        couplings.append(Coupling(Network(channels, channels * stride**2, stride), stride))
        channels *= stride**2
    return Reversible(couplings).to(dtype)


def halves(
    channels: int = 2, height: int = 4, width: int = 8, dtype: torch.dtype = torch.float32
) -> Halves:
    random = torch.Generator().manual_seed(1)
    x_1, x_2 = torch.randn(2, 3, channels, height, width, generator=random, dtype=dtype)
    return x_1, x_2


def both_ways(network: Reversible) -> list[tuple[Callable[..., Halves], Halves]]:
    """Each direction with something to put in."""
    dtype = next(network.parameters()).dtype
    x = halves(dtype=dtype)
    with torch.no_grad():
        y_1, y_2 = network(*x)
    return [(network, x), (network.inverse, (torch.randn_like(y_1), torch.randn_like(y_2)))]


def gradients(run: Callable[..., Halves], network: Reversible, x: Halves) -> list[Tensor]:
    """Of some function of the outputs, by the inputs and all weights."""
    x = x[0].clone().requires_grad_(), x[1].clone().requires_grad_()
    y_1, y_2 = run(*x)
    weights = torch.arange(y_1.numel(), dtype=y_1.dtype).reshape(y_1.shape).cos()
    loss = (weights * y_1).sum() + (y_2**2).sum() + (y_1 * y_2).mean()
    return list(torch.autograd.grad(loss, [*x, *network.parameters()]))


def kept_bytes(run: Callable[[], Any], network: nn.Module) -> int:
    """What a forward pass keeps for the backward pass, besides the weights."""
    weights = {weight.data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        if x.data_ptr() not in weights:
            kept[x.data_ptr()] = x.numel() * x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        result = run()  # alive until counted, so that no address is used twice
    del result
    return sum(kept.values())


def test_squeezing_puts_cells_into_channels() -> None:
    x = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    y = squeeze(x, 2)
    assert y.shape == (1, 8, 2, 3)
    for row in range(2):
        for column in range(2):
            channel = 2 * (2 * row + column)
            expected = x[:, :, row::2, column::2]
            assert torch.equal(y[:, channel : channel + 2], expected)
    assert torch.equal(unsqueeze(y, 2), x)
    assert squeeze(x, 1) is x
    assert unsqueeze(x, 1) is x


@pytest.mark.parametrize("strides", [[1], [2], [1, 1, 1, 1], [1, 2, 1, 2, 1]])
@pytest.mark.parametrize("training", [True, False])
def test_the_inverse_undoes_all(strides: list[int], training: bool) -> None:
    network = make(strides).train(training)
    x = halves()
    y = network(*x)
    reduction = 2 ** strides.count(2)
    assert y[0].shape == y[1].shape == (3, 2 * reduction**2, 4 // reduction, 8 // reduction)
    for found, expected in zip(network.inverse(*y), x, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    exact = network.double()
    x_64 = x[0].double(), x[1].double()
    for found, expected in zip(exact.inverse(*exact(*x_64)), x_64, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("way", [0, 1], ids=["forward", "inverse"])
@pytest.mark.parametrize("strides", [[1], [1, 2, 1]])
def test_gradients_are_exact(strides: list[int], way: int) -> None:
    network = make(strides, dtype=torch.float64).train()
    _, x = both_ways(network)[way]
    small = x[0][:1].clone().requires_grad_(), x[1][:1].clone().requires_grad_()
    names = [name for name, _ in network.named_parameters()]

    def function(a: Tensor, b: Tensor, *weights: Tensor) -> Halves:
        given = dict(zip(names, weights, strict=True))
        attribute = "forward" if way == 0 else "inverse"
        result: Halves = torch.func.functional_call(
            Method(network, attribute), prefixed(given), (a, b)
        )
        return result

    weights = [weight.detach().clone().requires_grad_() for weight in network.parameters()]
    assert torch.autograd.gradcheck(function, (*small, *weights))


class Method(nn.Module):
    """A method of a network as a module of its own."""

    def __init__(self, network: Reversible, name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name

    def forward(self, a: Tensor, b: Tensor) -> Halves:
        result: Halves = getattr(self.network, self.name)(a, b)
        return result


def prefixed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{name}": value for name, value in weights.items()}


@pytest.mark.parametrize("way", [0, 1], ids=["forward", "inverse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_those_of_plain_autograd(way: int, dtype: torch.dtype) -> None:
    network = make([1, 2, 1, 1, 2, 1], dtype=dtype)
    run, x = both_ways(network)[way]
    plain = gradients(run, network.eval(), x)
    recomputed = gradients(run, network.train(), x)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    for found, expected in zip(recomputed, plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_what_is_kept_does_not_grow_with_depth() -> None:
    kept = {}
    for depth in (2, 4, 16):
        network = make([1] * depth)
        x = halves()
        for training in (True, False):
            network.train(training)
            kept[depth, training] = kept_bytes(lambda: network(*x), network)  # noqa: B023
    outputs = 2 * halves()[0].numel() * 4
    assert {kept[depth, True] for depth in (2, 4, 16)} == {outputs}
    assert kept[4, False] > 1.8 * kept[2, False]
    assert kept[16, False] > 3.5 * kept[4, False] > 20 * outputs


def test_bf16_is_in_force_again_when_activations_are_computed_again() -> None:
    network = make([1, 2, 1, 1])
    x = halves()
    with torch.autocast("cpu", torch.bfloat16):
        y_1, y_2 = network.train()(*x)
    assert y_1.dtype == y_2.dtype == torch.float32
    (y_1.sum() + (y_2**2).sum()).backward()
    gave = [dtype for coupling in network.couplings for dtype in coupling.F.gave]
    assert gave == [torch.bfloat16] * 8
    recomputed = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        y_1, y_2 = network.eval()(*x)
    (y_1.sum() + (y_2**2).sum()).backward()
    for found, weight in zip(recomputed, network.parameters(), strict=True):
        torch.testing.assert_close(found, weight.grad, rtol=0.02, atol=0.02)


def test_bf16_inverts_to_the_precision_of_the_halves() -> None:
    network = make([1, 2, 1, 1, 1, 1]).eval()
    x = halves()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        again = network.inverse(*network(*x))
    for found, expected in zip(again, x, strict=True):
        # Far below the 0.004 of bfloat16: only where a rounding error crosses one of its steps.
        assert (found - expected).abs().mean() < 1e-5


def test_weights_that_do_not_learn_are_left_alone() -> None:
    network = make([1, 1, 1]).train()
    for weight in network.couplings[1].parameters():
        weight.requires_grad_(False)
    y_1, y_2 = network(*halves())
    (y_1 * y_2).sum().backward()
    learned = [coupling.F.first.weight.grad is not None for coupling in network.couplings]
    assert learned == [True, False, True]
    recomputed = network.couplings[0].F.first.weight.grad.clone()
    network.zero_grad()
    y_1, y_2 = network.eval()(*halves())
    (y_1 * y_2).sum().backward()
    torch.testing.assert_close(
        network.couplings[0].F.first.weight.grad, recomputed, rtol=1e-4, atol=1e-4
    )


def test_a_chain_may_be_run_several_times_before_it_learns() -> None:
    network = make([1, 2]).train()
    x = halves()

    def loss() -> Tensor:
        y = network(*x)
        z = network.inverse(*[torch.tanh(half) for half in y])
        y_1, y_2 = network(*z)
        return (y_1 * y_2).mean()

    recomputed = torch.autograd.grad(loss(), list(network.parameters()))
    plain = torch.autograd.grad(network.eval() and loss(), list(network.parameters()))
    for found, expected in zip(recomputed, plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_weights_that_changed_before_the_backward_pass_are_told() -> None:
    network = make([1, 1]).train()
    y_1, y_2 = network(*halves())
    with torch.no_grad():
        network.couplings[0].F.first.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        (y_1 * y_2).sum().backward()


def test_a_network_can_be_pickled_and_copied() -> None:
    network = Reversible([Coupling(nn.Conv2d(2, 2, 3, padding=1)) for _ in range(2)]).train()
    x = torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert all(torch.equal(a, b) for a, b in zip(other(*x), network(*x), strict=True))
