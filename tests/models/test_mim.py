"""MIM computes its equations, keeps nothing between calls, and learns through all its memories."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from stforecast.errors import ConfigError, DataError
from stforecast.models import SampleShape, create_model, from_published
from stforecast.models.cost import count_parameters
from stforecast.models.mim import MIM, BlockState, MIMBlock, PeepholeLSTMCell
from stforecast.models.published.mim import _public_name

SHAPE = SampleShape(3, 2, 1, 8, 12)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(shape: SampleShape = SHAPE, layers: int = 3, **settings: Any) -> MIM:
    """A model whose weights, the peepholes' too, are random and not small."""
    torch.manual_seed(0)
    model = create_model("mim", shape, hidden=[6] * layers, filter_size=3, **settings)
    assert isinstance(model, MIM)
    scatter(model)
    return model.eval()


def scatter(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter[0].numel() ** 0.5)


def product(convolution: nn.Conv2d, gate: int, x: Tensor) -> Tensor:
    """What the weight of one gate makes of a field."""
    n = x.shape[1]
    return functional.conv2d(x, convolution.weight[gate * n : (gate + 1) * n], padding="same")


def lstm_by_hand(cell: PeepholeLSTMCell, X: Tensor, H: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    gates = [product(cell.conv_x, k, X) + product(cell.conv_h, k, H) for k in range(4)]
    n = X.shape[1]
    i = torch.sigmoid(gates[0] + cell.peephole_if[:n] * C)
    f = torch.sigmoid(gates[2] + cell.peephole_if[n:] * C + 1)
    C = f * C + i * gates[1].tanh()
    return torch.sigmoid(gates[3] + cell.peephole_o * C) * C.tanh(), C


def test_the_memories_follow_their_equations() -> None:
    torch.manual_seed(0)
    cell = PeepholeLSTMCell(4, 3, False, (5, 7))
    scatter(cell)
    X, H, C = torch.randn(3, 2, 4, 5, 7)
    with torch.no_grad():
        torch.testing.assert_close(cell(X, H, C), lstm_by_hand(cell, X, H, C))


def test_a_block_follows_its_equations() -> None:
    torch.manual_seed(0)
    block = MIMBlock(4, 3, False, (5, 7))
    scatter(block)
    X, difference, M, *kept = torch.randn(8, 2, 4, 5, 7)
    H, C, D, N, S = kept
    with torch.no_grad():
        after, M_after = block(X, difference, BlockState(*kept), M)
        D, N = lstm_by_hand(block.nonstationary, difference, D, N)
        T, S = lstm_by_hand(block.stationary, D, C, S)
        i, g, f_, o = (product(block.conv_x, k, X) for k in range(4))
        C = T + torch.sigmoid(i + product(block.conv_h, 0, H)) * torch.tanh(
            g + product(block.conv_h, 1, H)
        )
        M_ = torch.sigmoid(f_ + product(block.conv_m, 2, M) + 1) * M
        M_ = M_ + torch.sigmoid(i + product(block.conv_m, 0, M)) * torch.tanh(
            g + product(block.conv_m, 1, M)
        )
        o = torch.sigmoid(o + product(block.conv_h, 2, H) + product(block.conv_m, 3, M))
        H = o * functional.conv2d(torch.cat((C, M_), 1), block.conv_last.weight).tanh()
    torch.testing.assert_close(after, BlockState(H, C, D, N, S))
    torch.testing.assert_close(M_after, M_)


def test_without_a_difference_the_memories_stay_zero() -> None:
    block = MIMBlock(4, 3, False, (5, 7))
    scatter(block)
    zeros = torch.zeros(2, 4, 5, 7)
    X, M = torch.randn(2, 2, 4, 5, 7)
    with torch.no_grad():
        without, _ = block(X, None, BlockState(*[zeros] * 5), M)
        called, _ = block(X, zeros, BlockState(*[zeros] * 5), M)
    torch.testing.assert_close(without, called)


def test_nothing_is_compared_before_there_is_something_to_compare() -> None:
    model = make()
    calls = []
    for block in model.blocks:
        assert isinstance(block, MIMBlock)
        for module in (block.nonstationary, block.stationary):
            module.register_forward_hook(lambda *_: calls.append(1))
    history, _ = SHAPE.example(1)
    with torch.no_grad():
        model(history)
    steps = SHAPE.in_steps + SHAPE.out_steps - 1
    assert len(calls) == 2 * len(model.blocks) * (steps - 1)


def test_nothing_is_kept_between_calls() -> None:
    model = make()
    history, _ = SHAPE.example(2)
    other, _ = SHAPE.example(5, seed=3)
    state = model.state_dict()
    with torch.no_grad():
        first = model(history)
        model(other)
        model.train().training_forward(other, torch.randn(5, 2, 1, 8, 12), step=1, total_steps=9)
        again = model.eval()(history)
    assert torch.equal(first, again)
    assert model.state_dict().keys() == state.keys()


def test_the_gradient_goes_through_every_memory_of_earlier_steps() -> None:
    model = make()
    frames, _ = SampleShape(5, 1, 1, 8, 12).example(1)
    x = model._patched(frames).requires_grad_()
    state = model.init_state(x[:, 0])
    states = []
    for t in range(5):
        y, state = model.step(x[:, t], state)
        states.append(state)
    # block 1's memories after the second frame, in the forecast after the fifth
    early = states[1].blocks[0]
    gradients = torch.autograd.grad(y.square().sum(), [early.C, early.D, early.N, early.S])
    for gradient in gradients:
        assert gradient.abs().max() > 1e-8


def test_the_size_of_a_patch_and_the_padding_make_the_grid_of_the_peepholes() -> None:
    model = make(SampleShape(2, 2, 1, 7, 13), patch_size=4)
    block = model.blocks[0]
    assert isinstance(block, MIMBlock)
    assert block.stationary.peephole_o.shape == (6, 2, 4)


def test_another_grid_is_refused() -> None:
    other, _ = SampleShape(3, 2, 1, 12, 8).example(1)
    with pytest.raises(DataError, match="12×8 grid, but weights of mim belong to the 8×12 cells"):
        make()(other)
    alone = make(layers=1)
    assert not alone.fixed_grid
    assert alone(other).shape == (1, 2, 1, 12, 8)


@pytest.mark.parametrize("columns", [2, 6, 8, 14])
def test_a_global_field_rolls_with_trained_peepholes(columns: int) -> None:
    shape = SampleShape(3, 3, 1, 6, 20, periodic_x=True)
    model = make(shape)
    history, _ = shape.example(2)
    with torch.no_grad():
        expected = model(history).roll(columns, -1)
        torch.testing.assert_close(model(history.roll(columns, -1)), expected)


def test_widths_must_be_alike() -> None:
    with pytest.raises(ConfigError, match=r"model.hidden is \[4, 6\]; its memory needs layers of"):
        create_model("mim", SHAPE, hidden=[4, 6])


@pytest.mark.parametrize(
    ("in_steps", "out_steps", "without"),
    [
        (1, 1, r"first\.conv_[hm]|blocks\.\d\.((non)?stationary\..*|conv_h)"),
        (
            2,
            1,
            r"blocks\.\d\.nonstationary\.(conv_h|peephole_if)|blocks\.\d\.stationary\.peep.*_if",
        ),
        (
            1,
            2,
            r"blocks\.\d\.nonstationary\.(conv_h|peephole_if)|blocks\.\d\.stationary\.peep.*_if",
        ),
        (2, 2, r"nothing"),
        (1, 3, r"nothing"),
    ],
)
def test_what_samples_of_few_frames_cannot_teach(
    in_steps: int, out_steps: int, without: str
) -> None:
    """What compares with earlier steps has no gradient without them, and all else has one."""
    shape = SampleShape(in_steps, out_steps, 1, 8, 12)
    model = make(shape).train()
    history, _ = shape.example(2)
    target = torch.randn(2, out_steps, 1, 8, 12)
    result = model.training_forward(history, target, step=50, total_steps=100)
    functional.mse_loss(result.prediction, result.target).backward()
    names = [name.removesuffix(".weight") for name, _ in model.named_parameters()]
    gradients = [value.grad for value in model.parameters()]
    untaught = {
        name
        for name, gradient in zip(names, gradients, strict=True)
        if gradient is None or not gradient.any()
    }
    assert untaught == {name for name in names if re.fullmatch(without, name)}


@pytest.mark.parametrize(
    ("shape", "patch", "published"),
    [
        (SampleShape(4, 4, 2, 32, 32), 2, 37.86),
        (SampleShape(12, 12, 1, 32, 64), 4, 37.75),
        (SampleShape(10, 10, 1, 64, 64), 4, 38.04),
    ],
)
def test_the_parameters_are_the_published_ones_without_those_never_used(
    shape: SampleShape, patch: int, published: float
) -> None:
    unused = 3 * 2 * 128 * 128  # the last layer of each MIM-N
    with torch.device("meta"):
        model = create_model("mim", shape, hidden=[128] * 4, patch_size=patch)
    assert round((count_parameters(model) + unused) / 1e6, 2) == published


def as_published(model: MIM) -> dict[str, Tensor]:
    return {_public_name(name): value for name, value in model.state_dict().items()}


def test_the_grid_is_told_by_the_published_peepholes_or_the_spec() -> None:
    model = make()
    weights, history = as_published(model), SHAPE.example(1)[0]
    spec = {"in_steps": 3, "out_steps": 2, "patch_size": 2}
    for given in (spec, {**spec, "height": 8, "width": 12}):
        again = from_published("mim", weights, given)
        assert isinstance(again, MIM)
        assert (again.shape.height, again.shape.width) == (8, 12)
        with torch.no_grad():
            assert torch.equal(again(history), model(history))
    with pytest.raises(DataError, match=r"ct_weight \(12, 4, 6\) for \(12, 4, 5\)"):
        from_published("mim", weights, {**spec, "height": 8, "width": 10})


def test_published_weights_of_one_layer_fit_any_grid() -> None:
    model = make(layers=1)
    again = from_published("mim", as_published(model), {"in_steps": 3, "patch_size": 2})
    other, _ = SampleShape(3, 3, 1, 6, 4).example(1)
    with torch.no_grad():
        assert torch.equal(again(other)[:, :2], model(other))
