"""What every registered system must do. A new system is tested here as soon as it is registered."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from stforecast.errors import ConfigError, DataError
from stforecast.models import Covariates, Forecaster, SampleShape, create_model, variants

# Small enough to be quick; a system without an entry is tested as it is by default.
SMALL: dict[str, dict[str, Any]] = {
    "causal_lstm": {"hidden": [8, 8]},
    "convlstm": {"hidden": [8, 8]},
    "crevnet": {"blocks": [2, 2], "strides": [1, 2], "layers": 2},
    "e3d_lstm": {"hidden": [8, 8]},
    "mim": {"hidden": [8, 8, 8]},
    "phydnet": {"hidden": [8, 16], "filter_size": 3},
    "predrnn": {"hidden": [8, 8]},
    "predrnn_v2": {"hidden": [8, 8]},
    "simvp": {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2, "incep_kernels": [3, 5]},
    "simvp:gsta": {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2, "mlp_ratio": 2},
    "simvp:tau": {"hid_S": 16, "hid_T": 16, "N_S": 2, "N_T": 2, "mlp_ratio": 2},
}

SHAPES = {
    "plain": SampleShape(4, 4, 2, 16, 16),
    "wide": SampleShape(3, 3, 1, 8, 20),
    "one to many": SampleShape(1, 5, 2, 8, 8),
    "many to one": SampleShape(5, 1, 2, 8, 12),
    "odd": SampleShape(3, 2, 3, 7, 13),
    "tiny": SampleShape(2, 2, 1, 1, 3),
    "globe": SampleShape(3, 3, 1, 8, 16, periodic_x=True),
    "odd globe": SampleShape(2, 3, 1, 9, 15, periodic_x=True),
    "all covariates": SampleShape(
        3, 4, 2, 9, 8, past_channels=1, future_channels=3, static_channels=2
    ),
}

every_system = pytest.mark.parametrize("name", sorted(variants()))
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(name: str, shape: SampleShape, **settings: Any) -> Forecaster:
    torch.manual_seed(0)
    return create_model(name, shape, **{**SMALL.get(name, {}), **settings}).eval()


def target_for(shape: SampleShape, batch: int) -> Tensor:
    random = torch.Generator().manual_seed(1)
    size = (batch, shape.out_steps, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=random)


def training_loss(
    model: Forecaster,
    shape: SampleShape,
    batch: int = 2,
    *,
    step: int = 50,
    total_steps: int | None = 100,
) -> Tensor:
    """The whole loss, in the middle of a training if no other time is given."""
    history, covariates = shape.example(batch)
    result = model.training_forward(
        history, target_for(shape, batch), covariates, step=step, total_steps=total_steps
    )
    assert result.prediction.shape == result.target.shape
    loss = nn.functional.mse_loss(result.prediction, result.target)
    return loss + sum(result.losses.values())


@every_shape
@every_system
def test_gives_the_shape_asked_for(name: str, shape: SampleShape) -> None:
    model = make(name, shape)
    history, covariates = shape.example(2)
    with torch.no_grad():
        forecast = model(history, covariates)
    assert forecast.shape == (2, shape.out_steps, shape.channels, shape.height, shape.width)
    assert forecast.dtype == torch.float32
    assert forecast.isfinite().all()


@every_shape
@every_system
def test_a_gradient_reaches_every_parameter(name: str, shape: SampleShape) -> None:
    model = make(name, shape).train()
    training_loss(model, shape).backward()
    dead = [
        key
        for key, value in model.named_parameters()
        if value.grad is None or not value.grad.isfinite().all() or not value.grad.any()
    ]
    assert not dead


@every_system
def test_a_sample_does_not_change_another(name: str) -> None:
    shape = SHAPES["all covariates"]
    model = make(name, shape)
    history, covariates = shape.example(3)
    other, _ = shape.example(3, seed=9)
    with torch.no_grad():
        before = model(history, covariates)
        after = model(torch.cat((other[:1], history[1:2], other[2:])), covariates)
    torch.testing.assert_close(after[1], before[1])
    assert not torch.allclose(after[0], before[0])


@every_system
def test_the_same_call_gives_the_same(name: str) -> None:
    shape = SHAPES["odd"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    kept = history.clone()
    with torch.no_grad():
        first = model(history, covariates)
        model(torch.randn_like(history), covariates)
        second = model(history, covariates)
    assert torch.equal(first, second)
    assert torch.equal(history, kept)


@every_system
def test_settings_and_state_make_the_same_model(name: str) -> None:
    shape = SHAPES["all covariates"]
    model = make(name, shape)
    torch.manual_seed(7)
    again = create_model(model.name, shape, **model.settings).eval()
    assert again.settings == model.settings
    again.load_state_dict(model.state_dict())
    history, covariates = shape.example(2)
    with torch.no_grad():
        assert torch.equal(model(history, covariates), again(history, covariates))


@every_system
def test_the_seed_makes_the_same_model(name: str) -> None:
    shape = SHAPES["plain"]
    first, second = make(name, shape).state_dict(), make(name, shape).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_system
@pytest.mark.parametrize(
    ("step", "total_steps"), [(0, 100), (20, 100), (99, 100), (0, None), (10**6, None)]
)
def test_trains_at_any_time_of_its_schedule(name: str, step: int, total_steps: int | None) -> None:
    shape = SHAPES["all covariates"]
    model = make(name, shape).train()
    loss = training_loss(model, shape, step=step, total_steps=total_steps)
    assert loss.isfinite()
    loss.backward()
    gradients = [value.grad for value in model.parameters() if value.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)


@every_system
def test_learns_one_batch(name: str) -> None:
    shape = SampleShape(3, 3, 1, 8, 8)
    model = make(name, shape).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = training_loss(model, shape).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss = training_loss(model, shape)
        loss.backward()
        optimizer.step()
        if loss.item() < 0.1 * first:
            return
    pytest.fail(f"the loss fell from {first:.3g} to {loss.item():.3g}")


@every_system
def test_runs_in_bf16_and_ends_in_float32(name: str) -> None:
    shape = SHAPES["all covariates"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    with torch.no_grad():
        full = model(history, covariates)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(history, covariates)
    assert half.dtype == torch.float32
    assert (half - full).abs().max() < 0.1 * full.std() + 0.05
    with torch.autocast("cpu", torch.bfloat16):
        loss = training_loss(model.train(), shape)
    loss.backward()
    assert all(value.grad.isfinite().all() for value in model.parameters())


@every_system
def test_the_memory_format_does_not_matter(name: str) -> None:
    shape = SHAPES["odd"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    with torch.no_grad():
        plain = model(history, covariates)
        channels_last = model.to(memory_format=torch.channels_last)(history, covariates)
    torch.testing.assert_close(channels_last, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["past", "future", "static"])
@every_system
def test_covariates_matter_and_are_demanded(name: str, kind: str) -> None:
    shape = SHAPES["all covariates"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    assert covariates is not None
    changed = Covariates(**{**vars(covariates), kind: getattr(covariates, kind) + 1})
    absent = Covariates(**{**vars(covariates), kind: None})
    with torch.no_grad():
        before, after = model(history, covariates), model(history, changed)
        assert not torch.allclose(before, after, atol=1e-5)
        with pytest.raises(DataError, match=kind):
            model(history, absent)
        wrong = Covariates(**{**vars(covariates), kind: getattr(covariates, kind)[:, :1, :1]})
        with pytest.raises(DataError, match=kind):
            model(history, wrong)


@every_system
def test_the_future_may_differ_from_cell_to_cell(name: str) -> None:
    shape = SHAPES["all covariates"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    assert covariates is not None
    assert covariates.future is not None
    fields = covariates.future[..., None, None].expand(-1, -1, -1, shape.height, shape.width)
    with torch.no_grad():
        same = model(history, Covariates(covariates.past, fields, covariates.static))
        torch.testing.assert_close(same, model(history, covariates))
        changed = fields.clone()
        changed[..., 0, 0] += 5
        other = model(history, Covariates(covariates.past, changed, covariates.static))
    assert not torch.allclose(same, other, atol=1e-5)


@every_system
def test_what_is_known_of_the_future_reaches_the_forecast(name: str) -> None:
    """The part of the covariates beyond the initial time, and not the history's alone."""
    shape = SHAPES["all covariates"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    assert covariates is not None
    assert covariates.future is not None
    later = covariates.future.clone()
    later[:, shape.in_steps :] += 1
    with torch.no_grad():
        before = model(history, covariates)
        after = model(history, Covariates(covariates.past, later, covariates.static))
    assert not torch.allclose(before, after, atol=1e-5)


@every_system
def test_goes_round_the_globe(name: str) -> None:
    """Rolling a global field by half its width rolls the forecast."""
    shape = SampleShape(
        3, 4, 1, 8, 16, future_channels=2, static_channels=1, past_channels=1, periodic_x=True
    )
    model = make(name, shape)
    history, covariates = shape.example(2)
    assert covariates is not None
    assert covariates.past is not None
    assert covariates.static is not None
    rolled = Covariates(
        covariates.past.roll(8, -1), covariates.future, covariates.static.roll(8, -1)
    )
    with torch.no_grad():
        expected = model(history, covariates).roll(8, -1)
        torch.testing.assert_close(
            model(history.roll(8, -1), rolled), expected, rtol=1e-4, atol=1e-5
        )
    flat = SampleShape(**{**vars(shape), "periodic_x": False})
    regional = make(name, flat)
    weights, own = model.state_dict(), regional.state_dict()
    assert own.keys() == weights.keys()
    # what belongs to the rows of the globe's grid belongs to the cells of the other's
    regional.load_state_dict({key: value.expand_as(own[key]) for key, value in weights.items()})
    with torch.no_grad():
        assert not torch.allclose(regional(history, covariates), expected.roll(-8, -1), atol=1e-4)


@every_system
def test_another_grid_works_or_is_refused(name: str) -> None:
    shape = SHAPES["plain"]
    model = make(name, shape)
    other, _ = SampleShape(4, 4, 2, 13, 22).example(1)
    with torch.no_grad():
        if model.fixed_grid:
            with pytest.raises(DataError):
                model(other)
        else:
            assert model(other).shape == other.shape


@every_system
def test_a_wrong_history_is_refused(name: str) -> None:
    model = make(name, SHAPES["plain"])
    for wrong in (SampleShape(3, 4, 2, 16, 16), SampleShape(4, 4, 1, 16, 16)):
        history, _ = wrong.example(1)
        with pytest.raises(DataError, match="history"):
            model(history)


@every_system
def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="has no setting colour"):
        make(name, SHAPES["plain"], colour=1)


# Few steps in time: a loop is compiled and exported unrolled.
SHORT = {
    "short": SampleShape(2, 2, 1, 5, 8, past_channels=1, future_channels=2, static_channels=1),
    "short globe": SampleShape(2, 2, 2, 5, 7, periodic_x=True),
}

# torch's compiler imports parts of torch that torch has deprecated
torch_itself = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


@pytest.mark.slow
@torch_itself
@every_system
def test_compiles(name: str) -> None:
    shape = SHORT["short"]
    model = make(name, shape)
    history, covariates = shape.example(2)
    torch._dynamo.reset()
    with torch.no_grad():
        expected = model(history, covariates)
        compiled = torch.compile(model, fullgraph=True, dynamic=False)(history, covariates)
    torch.testing.assert_close(compiled, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@torch_itself
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # which torch hides itself
@every_system
def test_trains_compiled(name: str) -> None:
    """As `training.compile` does it; without the generation of code, which takes minutes."""
    shape = SHAPES["odd"]
    model = make(name, shape).train()
    losses, gradients = [], []
    for compiled in (False, True):
        if compiled:
            torch._dynamo.reset()
            counters.clear()
            model.compile(dynamic=False, backend="aot_eager")
        torch.manual_seed(1)
        model.zero_grad()
        loss = training_loss(model, shape)
        loss.backward()
        losses.append(loss.detach())
        gradients.append([value.grad for value in model.parameters()])
    assert counters["stats"]["unique_graphs"] > 0
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@torch_itself
@pytest.mark.parametrize("shape", SHORT.values(), ids=SHORT.keys())
@every_system
def test_exports(name: str, shape: SampleShape) -> None:
    model = make(name, shape)
    history, covariates = shape.example(2)
    arguments = (history,) if covariates is None else (history, covariates)
    with torch.no_grad():
        exported = torch.export.export(model, arguments).module()
        torch.testing.assert_close(exported(*arguments), model(*arguments), rtol=1e-3, atol=1e-4)
