"""PhyDNet: its moments against stencils of numerical analysis, its cell, its losses, its names."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stforecast.errors import ConfigError, DataError
from stforecast.models import SampleShape, create_model, from_published
from stforecast.models.phydnet import PhyCell, PhyDNet, moment_loss, moments
from stforecast.models.published.phydnet import _public_name

SHAPE = SampleShape(3, 2, 2, 8, 12)
SMALL: dict[str, Any] = {"hidden": [8, 16], "filter_size": 3}

# Finite differences of orders 0, 1, 2 ... with as many points as there are orders.
STENCILS = {
    3: [[0, 1, 0], [-1 / 2, 0, 1 / 2], [1, -2, 1]],
    5: [
        [0, 0, 1, 0, 0],
        [1 / 12, -8 / 12, 0, 8 / 12, -1 / 12],
        [-1 / 12, 16 / 12, -30 / 12, 16 / 12, -1 / 12],
        [-1 / 2, 1, 0, -1, 1 / 2],
        [1, -4, 6, -4, 1],
    ],
}


def make(shape: SampleShape = SHAPE, **settings: Any) -> PhyDNet:
    torch.manual_seed(0)
    model = create_model("phydnet", shape, **{**SMALL, **settings})
    assert isinstance(model, PhyDNet)
    return model.eval()


def derivatives(kernel: int, channels: int) -> Tensor:
    """(k², c, k, k): the finite differences in the order of a PhyCell's filters."""
    stencils = torch.tensor(STENCILS[kernel], dtype=torch.float64)
    both = torch.einsum("iu,jv->ijuv", stencils, stencils).flatten(0, 1)
    return both[:, None].expand(-1, channels, -1, -1)


@pytest.mark.parametrize("kernel", [3, 5])
def test_finite_differences_have_the_moments_of_their_derivatives(kernel: int) -> None:
    found = moments(derivatives(kernel, 1)[:, 0]).reshape(kernel**2, kernel**2)
    torch.testing.assert_close(found, torch.eye(kernel**2, dtype=torch.float64))


def test_moments_are_what_a_filter_makes_of_monomials() -> None:
    filters = torch.randn(4, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    found = moments(filters)
    assert found.dtype == torch.float64
    u, v = np.meshgrid(np.arange(-3, 4), np.arange(-3, 4), indexing="ij")
    for i in range(7):
        for j in range(7):
            monomial = u**i * v**j / (math.factorial(i) * math.factorial(j))
            expected = (filters.double().numpy() * monomial).sum((-1, -2))
            np.testing.assert_allclose(found[..., i, j].numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kernel", [3, 5])
def test_filters_that_are_derivatives_lose_nothing(kernel: int) -> None:
    filters = derivatives(kernel, 3).float()
    assert moment_loss(filters) < 1e-10
    assert moment_loss(filters.flip(0)) > 0.01
    assert moment_loss(filters).dtype == torch.float32


def test_the_moment_loss_is_summed_over_inputs_and_shared_among_frames() -> None:
    model = make()
    weight = model.phycell.derivatives.weight.detach()
    assert weight.shape == (9, 16, 3, 3)
    wanted = torch.zeros(9, 3, 3, dtype=torch.float64)
    for index in range(9):
        wanted[index, index // 3, index % 3] = 1
    summed = sum(
        float(((moments(weight[:, channel]) - wanted) ** 2).mean()) for channel in range(16)
    )
    history, _ = SHAPE.example(1)
    losses = model.training_forward(history, torch.zeros(1, 2, 2, 8, 12)).losses
    assert losses["moments"].item() == pytest.approx(summed / 4, rel=1e-6)


def test_the_moment_loss_makes_derivatives_of_filters() -> None:
    random = torch.Generator().manual_seed(0)
    filters = torch.nn.Parameter(torch.randn(9, 2, 3, 3, generator=random))
    optimizer = torch.optim.LBFGS([filters], max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = moment_loss(filters)
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(filters, derivatives(3, 2).float(), rtol=0, atol=0.01)


def test_a_physical_state_is_predicted_and_corrected() -> None:
    torch.manual_seed(0)
    cell = PhyCell(8, 5, periodic_x=False)
    encoded, h = torch.randn(2, 2, 8, 6, 7)
    with torch.no_grad():
        phi = cell.coefficients(cell.norm(cell.derivatives(h)))
        cell.gain.weight.zero_()
        cell.gain.bias.fill_(-100)  # K = 0: the frame is not seen
        torch.testing.assert_close(cell(encoded, h), h + phi)
        cell.gain.bias.fill_(100)  # K = 1: nothing but the frame
        torch.testing.assert_close(cell(encoded, h), encoded)
        cell.gain.bias.fill_(0)
        torch.testing.assert_close(cell(encoded, h), (h + phi + encoded) / 2)


def test_forecasts_are_bounded_where_frames_are() -> None:
    unit = SampleShape(3, 2, 2, 8, 12, unit_range=True)
    history = 20 * SHAPE.example(2)[0]
    bounded = {
        (shape.unit_range, output): bool(((y >= 0) & (y <= 1)).all())
        for shape in (SHAPE, unit)
        for output in ("auto", "sigmoid", "linear")
        for y in [make(shape, output=output)(history)]
    }
    assert bounded == {
        (False, "auto"): False,
        (False, "sigmoid"): True,
        (False, "linear"): False,
        (True, "auto"): True,
        (True, "sigmoid"): True,
        (True, "linear"): False,
    }


def test_true_frames_are_shown_by_the_batch_as_published() -> None:
    sampling = make().sampling
    assert sampling.kind == "sequence"
    for epoch in (0, 1, 100, 333):
        assert sampling.chances(epoch, 2000)[1] == pytest.approx(1 - 0.003 * epoch)
    assert sampling.chances(334, 2000)[1] == 0


def test_a_step_leaves_the_state_it_was_given() -> None:
    model = make()
    x = torch.randn(2, 2, 8, 12)
    _, state = model.step(x, model.init_state(x))
    h, layers = state
    before = h.clone(), [(H.clone(), C.clone()) for H, C in layers]
    with torch.no_grad():
        first, _ = model.step(x, state)
        second, _ = model.step(x, state)
    assert torch.equal(first, second)
    assert torch.equal(h, before[0])
    assert all(
        torch.equal(H, H_) and torch.equal(C, C_)
        for (H, C), (H_, C_) in zip(layers, before[1], strict=True)
    )


def test_settings_that_make_no_model_are_told() -> None:
    with pytest.raises(ConfigError, match="hidden ends with 18; it must be a multiple of 4"):
        make(hidden=[8, 18])
    with pytest.raises(ConfigError, match="patch_size is 3; it must be 2 or 4"):
        make(patch_size=3)
    with pytest.raises(ConfigError, match="filter_size is 4"):
        make(filter_size=4)
    with pytest.raises(ConfigError, match="hidden is empty"):
        make(hidden=[])


@pytest.mark.parametrize("patch_size", [2, 4])
@pytest.mark.parametrize("hidden", [[128, 128, 64], [16], [8, 12, 8, 32]])
def test_public_weights_of_other_sizes_are_taken(hidden: list[int], patch_size: int) -> None:
    ours = make(hidden=hidden, filter_size=5, patch_size=patch_size, output="sigmoid")
    public = {_public_name(name): value for name, value in ours.state_dict().items()}
    branches = {
        f"encoder.{name}": value
        for name, value in public.items()
        if name.startswith(("phycell", "convcell"))
    }
    spec = {"in_steps": 3, "out_steps": 2, "patch_size": patch_size}
    history, _ = SHAPE.example(2)
    with torch.no_grad():
        forecast = from_published("phydnet", public | branches, spec)(history)
        assert torch.equal(forecast, ours(history))
    without = {name: value for name, value in public.items() if "phycell" not in name}
    with pytest.raises(DataError, match=r"missing: phycell\.cell_list\.0\.F\.conv1\.weight"):
        from_published("phydnet", without | branches, spec)


def test_a_patch_size_that_the_public_code_does_not_know_is_4_there() -> None:
    ours = make(patch_size=4, output="sigmoid")
    public = {_public_name(name): value for name, value in ours.state_dict().items()}
    model = from_published("phydnet", public, {"in_steps": 3, "out_steps": 2, "patch_size": 1})
    history, _ = SHAPE.example(1)
    with torch.no_grad():
        assert torch.equal(model(history), ours(history))
