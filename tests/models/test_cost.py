"""Costs are those of the operations that there are, and no more than the public codes need."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from stforecast.config.presets import model_preset
from stforecast.models import Covariates, Forecaster, SampleShape, create_model, variants
from stforecast.models.cost import count_costs, count_multiply_adds, count_parameters
from stforecast.profiling.shapes import PRESET_SHAPES

# Multiply-adds (G) of one sample that the public implementations need, counted in the same way.
PUBLIC = {
    "moving_mnist": {
        "convlstm": 56.79,
        "predrnn": 115.95,
        "predrnn_v2": 116.59,
        "causal_lstm": 171.74,
        "mim": 181.70,
        "e3d_lstm": 298.84,
        "phydnet": 15.85,
        "simvp": 19.34,
        "simvp:gsta": 16.47,
        "simvp:tau": 15.89,
    },
    "taxibj": {
        "convlstm": 20.74,
        "predrnn": 42.40,
        "predrnn_v2": 42.63,
        "causal_lstm": 62.95,
        "mim": 66.62,
        "e3d_lstm": 98.18,
        "phydnet": 5.80,
        "simvp": 3.59,
        "simvp:gsta": 2.61,
        "simvp:tau": 2.49,
    },
}
ROUNDING = 0.005e9


@pytest.mark.parametrize(
    ("preset", "name"), [(preset, name) for preset in PUBLIC for name in PUBLIC[preset]]
)
def test_no_more_multiply_adds_than_the_public_code(preset: str, name: str) -> None:
    shape = PRESET_SHAPES[preset]
    costs = count_costs(name, shape, **model_preset(name, preset)["model"])
    public = 1e9 * PUBLIC[preset][name]
    assert costs.multiply_adds <= public + ROUNDING
    # far fewer would mean that some were not counted
    assert costs.multiply_adds > 0.7 * public
    assert costs.multiply_adds_per_frame == costs.multiply_adds / shape.out_steps


def test_every_system_but_crevnet_has_a_public_number() -> None:
    for numbers in PUBLIC.values():
        assert set(numbers) | {"crevnet"} == set(variants())


class Squares(torch.autograd.Function):
    """A product of matrices inside a function with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x @ x.mT

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> None:
        raise NotImplementedError


class OneOfEach(Forecaster):
    """Every way of multiplying and adding that systems use."""

    def __init__(self, shape: SampleShape) -> None:
        super().__init__(shape)
        self.grouped = nn.Conv2d(4, 8, 3, padding=1, groups=2)
        self.transposed = nn.ConvTranspose2d(8, 2, 3, stride=2, padding=1, output_padding=1)
        self.volume = nn.Conv3d(1, 2, (2, 5, 5), padding=(0, 2, 2))
        self.linear = nn.Linear(6, 5)
        self.frozen = nn.Parameter(torch.zeros(7), requires_grad=False)

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        x = history.flatten(1, 2)  # (B, 4, 6, 6)
        self.transposed(self.grouped(x))
        self.volume(x[:, None])
        self.linear(x)
        torch.einsum("bchw,bdhw->bcd", x, x)
        nn.functional.scaled_dot_product_attention(x, x, x)
        Squares.apply(x)
        return history[:, -1:]


def test_every_kind_of_operation_is_counted() -> None:
    shape = SampleShape(2, 1, 2, 6, 6)
    model = OneOfEach(shape)
    cells = 6 * 6
    expected = (
        cells * 8 * (4 // 2) * 9  # grouped
        + cells * 8 * 2 * 9  # transposed: each cell that comes in meets every weight
        + 3 * cells * 1 * 2 * 50  # volume: three of its four levels are left
        + 4 * 6 * 6 * 5  # linear
        + 4 * 4 * cells  # einsum
        + 2 * 4 * 6 * 6 * 6  # attention: scores and what they weigh, for four heads
        + 4 * 6 * 6 * 6  # inside the function
    )
    assert count_multiply_adds(model) == expected
    weights = 8 * 2 * 9 + 8 + 8 * 2 * 9 + 2 + 2 * 50 + 2 + 6 * 5 + 5
    assert count_parameters(model) == weights


class Operations(TorchDispatchMode):
    """Takes note of every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(func.overloadpacket)
        return func(*args, **(kwargs or {}))


# Products with sums that torch does not count.
aten = torch.ops.aten
UNCOUNTED = {aten.mv, aten.addmv, aten.dot, aten.vdot, aten.addbmm, aten.addr, aten._trilinear}


@pytest.mark.parametrize("name", variants())
def test_no_system_multiplies_uncounted(name: str) -> None:
    shape = PRESET_SHAPES["small"]
    with torch.device("meta"):
        model = create_model(name, shape, **model_preset(name, "small")["model"]).eval()
    history, _ = shape.example(1)
    with torch.no_grad(), Operations() as operations:
        model(history.to("meta"))
    assert operations.seen & set(flop_registry)
    assert not operations.seen & UNCOUNTED


def test_counting_leaves_the_model_as_it_was() -> None:
    shape = SampleShape(2, 2, 1, 8, 8)
    model = create_model("simvp", shape, hid_S=4, hid_T=8, N_T=2).train()
    assert count_multiply_adds(model) == count_multiply_adds(model) > 0
    assert model.training
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())


def test_what_is_told_beside_the_history_costs_too() -> None:
    settings = {"hid_S": 4, "hid_T": 8, "N_T": 2}
    plain = count_costs("simvp", SampleShape(2, 2, 1, 8, 8), **settings)
    told = SampleShape(2, 2, 1, 8, 8, past_channels=1, future_channels=2, static_channels=1)
    assert count_costs("simvp", told, **settings).multiply_adds > plain.multiply_adds
