"""E3D-LSTM computes its equations and its attention, and looks back at all that it was."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn import functional

from stforecast.errors import ConfigError, DataError
from stforecast.models import SampleShape, create_model, e3d_lstm, from_published
from stforecast.models.cost import count_parameters
from stforecast.models.e3d_lstm import E3DLSTM, EideticLSTMCell, WindowConv, attend, records
from stforecast.models.published.e3d_lstm import _public_name, _public_shape

SHAPE = SampleShape(3, 2, 1, 8, 12)
both = pytest.mark.parametrize("global_memory", [False, True])
training_or_not = pytest.mark.parametrize("training", [False, True])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def scatter(module: nn.Module) -> None:
    """Make weights random and not small, those of the normalisation too."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter[0].numel() ** 0.5)


def make(shape: SampleShape = SHAPE, layers: int = 2, **settings: Any) -> E3DLSTM:
    torch.manual_seed(0)
    model = create_model("e3d_lstm", shape, hidden=[6] * layers, filter_size=3, **settings)
    assert isinstance(model, E3DLSTM)
    scatter(model)
    return model.eval()


def make_cell(hidden: int = 4, c_in: int = 3, *, global_memory: bool = False) -> EideticLSTMCell:
    torch.manual_seed(0)
    cell = EideticLSTMCell(c_in, hidden, 3, False, (5, 7), global_memory)
    scatter(cell)
    return cell


def convolve(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 3D convolution of a window, and its nearest interpolation back to the window's depth."""
    kernel = convolution.weight.unflatten(1, (-1, x.shape[2]))
    y = functional.conv3d(x, kernel, padding=(0, *(size // 2 for size in kernel.shape[-2:])))
    return functional.interpolate(y, size=x.shape[-3:], mode="nearest")


def attend_by_hand(query: Tensor, past: Tensor) -> Tensor:
    found = torch.zeros_like(query)
    for b in range(query.shape[0]):
        for q in range(query.shape[1]):
            weights = torch.tensor([float(query[b, q] @ key) for key in past[b]]).exp()
            for weight, value in zip(weights / weights.sum(), past[b], strict=True):
                found[b, q] += weight * value
    return found


@training_or_not
def test_attention_is_what_a_loop_computes(training: bool) -> None:
    torch.manual_seed(0)
    query, past = torch.rand(2, 6, 5), torch.randn(2, 18, 5)
    torch.testing.assert_close(attend(query, past, training), attend_by_hand(query, past))


def test_attention_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    query, past = torch.rand(2, 7, 5), torch.randn(2, 18, 5)
    whole = attend(query, past, training=False)
    monkeypatch.setattr(e3d_lstm, "_LARGEST", 3 * 18)
    torch.testing.assert_close(attend(query, past, training=False), whole)
    monkeypatch.setattr(e3d_lstm, "_LARGEST", 1)
    torch.testing.assert_close(attend(query, past, training=False), whole)


def test_records_are_places_on_the_globe_and_runs_of_one_channel_elsewhere() -> None:
    C = torch.arange(2 * 3 * 2 * 2 * 3).reshape(2, 3, 2, 2, 3)  # (B, hidden, window, h, w)
    places, runs = records(C, True), records(C, False)
    assert places.shape == runs.shape == (2, 12, 3)
    # the second frame's first row, third column
    assert places[1, 6 + 2].tolist() == C[1, :, 1, 0, 2].tolist()
    # the second channel's second frame, second row
    assert runs[1, 4 + 2 + 1].tolist() == C[1, 1, 1, 1, :].tolist()


@pytest.mark.parametrize("periodic_x", [False, True])
@training_or_not
def test_what_is_recalled_lies_where_it_was_asked_for(training: bool, periodic_x: bool) -> None:
    torch.manual_seed(0)
    cell = EideticLSTMCell(3, 4, 3, periodic_x, (5, 7), False).train(training)
    R, C = torch.rand(2, 4, 1, 5, 7), torch.randn(2, 4, 2, 5, 7)
    history = torch.cat((records(torch.zeros_like(C), periodic_x), records(C, periodic_x)), dim=1)
    expected = torch.zeros_like(C)
    if periodic_x:
        keys = [torch.zeros(2, 4)] * 70 + [C[..., t, y, x] for t, y, x in positions()]
        for t, y, x in positions():
            logits = torch.stack([(R[:, :, 0, y, x] * key).sum(1) for key in keys], dim=1)
            weights = logits.softmax(1)
            expected[..., t, y, x] = sum(weights[:, k, None] * key for k, key in enumerate(keys))
    else:
        query = R.expand(-1, -1, 2, -1, -1).reshape(2, -1, 4)
        past = torch.stack((torch.zeros_like(C), C), dim=1).reshape(2, -1, 4)
        expected = attend_by_hand(query, past).reshape(2, 4, 2, 5, 7)
    torch.testing.assert_close(cell.recall(R, history), expected)


def positions() -> Iterator[tuple[int, int, int]]:
    return ((t, y, x) for t in range(2) for y in range(5) for x in range(7))


def test_a_window_is_convolved_in_3d_and_repeated() -> None:
    torch.manual_seed(0)
    layer = WindowConv(3, 4, 5, periodic_x=False)
    x = torch.randn(2, 3, 2, 5, 7)
    torch.testing.assert_close(layer(x).expand(-1, -1, 2, -1, -1), convolve(layer, x))
    around = WindowConv(3, 4, 5, periodic_x=True)
    around.load_state_dict(layer.state_dict())
    wrapped = functional.pad(x, (2, 2, 0, 0, 0, 0), mode="circular")
    torch.testing.assert_close(
        around(x).expand(-1, -1, 2, -1, -1), convolve(layer, wrapped)[..., 2:-2]
    )


@both
def test_a_cell_follows_its_equations(global_memory: bool) -> None:
    cell = make_cell(global_memory=global_memory).eval()
    X = torch.randn(2, 3, 2, 5, 7)
    H, C, before = torch.randn(3, 2, 4, 2, 5, 7)
    M = torch.randn(2, 4, 1, 5, 7).expand(-1, -1, 2, -1, -1)
    history = torch.cat((records(before, False), records(C, False)), dim=1)
    with torch.no_grad():
        found = cell(X, H, C, M[:, :, :1], history)
        i_x, g_x, r_x, o_x, i_x_, g_x_, *f_x_ = convolve(cell.conv_x, X).split(4, dim=1)
        i_h, g_h, r_h, o_h = convolve(cell.conv_h, H).split(4, dim=1)
        r = torch.sigmoid(r_x + r_h).reshape(2, -1, 4)
        C = C + attend_by_hand(r, history).reshape(C.shape)
        mean, deviation = C.mean((1, 2, 3, 4), keepdim=True), C.var((1, 2, 3, 4), correction=0)
        C = (C - mean) / (deviation + 1e-5).sqrt()[:, None, None, None, None]
        C = C * cell.norm.weight + cell.norm.bias + torch.sigmoid(i_x + i_h) * (g_x + g_h).tanh()
        if global_memory:
            assert cell.conv_m is not None
            i_m, g_m, f_m = convolve(cell.conv_m, M).split(4, dim=1)
            M = torch.sigmoid(f_x_[0] + f_m + 1) * M
            M = M + torch.sigmoid(i_x_ + i_m) * torch.tanh(g_x_ + g_m)
        else:
            M = torch.sigmoid(i_x_) * torch.tanh(g_x_)
        o = o_x + o_h + convolve(cell.conv_oc, C) + convolve(cell.conv_om, M)
        CM = torch.einsum("nm,bmtyx->bntyx", cell.conv_last.weight[..., 0, 0], torch.cat((C, M), 1))
        H = torch.sigmoid(o.tanh()) * CM.tanh()
    torch.testing.assert_close(found[0], H)
    torch.testing.assert_close(found[1], C)
    torch.testing.assert_close(found[2].expand_as(M), M)


@both
@pytest.mark.parametrize("periodic_x", [False, True])
def test_training_and_forecast_compute_the_same(global_memory: bool, periodic_x: bool) -> None:
    shape = SampleShape(3, 4, 1, 8, 12, periodic_x=periodic_x)
    model = make(shape, global_memory=global_memory)
    history, _ = shape.example(2)
    with torch.no_grad():
        expected = model(history)
        torch.testing.assert_close(model.train()(history), expected, rtol=1e-4, atol=1e-5)


def test_every_step_remembers_one_more() -> None:
    model = make()
    x = torch.randn(2, 4, 4, 4, 6)
    state = model.init_state(x[:, 0])
    kept = []
    with torch.no_grad():
        for t in range(4):
            _, state = model.step(x[:, t], state)
            kept.append(records(state.layers[1].C, False))
    history = state.layers[1].history
    assert torch.equal(history[:, : kept[0].shape[1]], torch.zeros_like(kept[0]))
    assert torch.equal(history[:, kept[0].shape[1] :], torch.cat(kept, dim=1))


def test_the_gradient_reaches_what_is_recalled_from_long_ago() -> None:
    model = make()
    x = torch.randn(1, 5, 4, 4, 6)
    state = model.init_state(x[:, 0])
    _, state = model.step(x[:, 0], state)
    first = state.layers[0].history
    later = state
    for t in range(1, 5):
        cut = [layer._replace(C=layer.C.detach(), H=layer.H.detach()) for layer in later.layers]
        y, later = model.step(x[:, t], later._replace(layers=cut))
    (gradient,) = torch.autograd.grad(y.square().sum(), first)
    assert gradient.abs().max() > 1e-8


def test_a_step_sees_the_frame_before_it() -> None:
    model = make()
    x = torch.randn(2, 4, 4, 6)
    with torch.no_grad():
        state = model.init_state(x)
        assert torch.equal(state.x, torch.zeros_like(x))
        y, after = model.step(x, state)
        assert torch.equal(after.x, x)
        other, _ = model.step(x, state._replace(x=torch.ones_like(x)))
    assert not torch.allclose(y, other, atol=1e-3)


def test_what_was_told_of_the_frame_before_is_in_the_window() -> None:
    shape = SampleShape(1, 1, 1, 8, 12, future_channels=1)
    model = make(shape, patch_size=1)
    x, told = torch.randn(2, 1, 1, 8, 12)
    with torch.no_grad():
        state = model.init_state(torch.cat((x, told), dim=1))
        forecasts = [
            model.step(torch.cat((x, told), dim=1), state._replace(x=torch.cat((x, was), dim=1)))[0]
            for was in (told, told + 1)
        ]
    assert not torch.allclose(*forecasts, atol=1e-3)


def test_at_the_first_step_there_is_nothing_to_recall() -> None:
    shape = SampleShape(1, 1, 1, 8, 12)
    model = make(shape)
    history, _ = shape.example(1)
    longer = make(SampleShape(2, 1, 1, 8, 12))
    two, _ = longer.shape.example(1)
    changed = []
    for system, frames in ((model, history), (longer, two)):
        with torch.no_grad():
            before = system(frames)
            for cell in system.cells:
                assert isinstance(cell, EideticLSTMCell)
                cell.conv_x.weight[12:18] += 1  # of the recall gate r
            changed.append(not torch.allclose(before, system(frames), atol=1e-4))
    assert changed == [False, True]


def test_the_global_memory_goes_on_from_layer_to_layer() -> None:
    model = make(global_memory=True)
    x = torch.randn(1, 4, 4, 6)
    with torch.no_grad():
        _, state = model.step(x, model.init_state(x))
        y, _ = model.step(x, state)
        other, _ = model.step(x, state._replace(M=state.M + 1))
    assert not torch.allclose(y, other, atol=1e-3)
    plain = make()
    with torch.no_grad():
        _, state = plain.step(x, plain.init_state(x))
        y, _ = plain.step(x, state)
        other, _ = plain.step(x, state._replace(M=state.M + 1))
    assert torch.equal(y, other)
    assert not any("conv_m." in name for name, _ in plain.named_parameters())


@pytest.mark.parametrize(
    ("shape", "untaught"),
    [
        (SampleShape(1, 1, 1, 8, 12), {"conv_h.weight", "norm.weight"}),
        (SampleShape(2, 1, 1, 8, 12), set()),
        (SampleShape(1, 2, 1, 8, 12), set()),
    ],
)
def test_what_samples_of_few_frames_cannot_teach(shape: SampleShape, untaught: set[str]) -> None:
    """A single step has no state before it; two steps teach everything."""
    model = make(shape).train()
    history, _ = shape.example(2)
    target = torch.randn(2, shape.out_steps, 1, 8, 12)
    result = model.training_forward(history, target, step=50, total_steps=100)
    functional.mse_loss(result.prediction, result.target).backward()
    found = {
        name.split(".", 2)[2]
        for name, value in model.named_parameters()
        if value.grad is None or not value.grad.any()
    }
    assert found == untaught


@pytest.mark.parametrize("shape", [SHAPE, SampleShape(2, 2, 1, 1, 3), SampleShape(1, 3, 1, 8, 12)])
def test_a_gradient_reaches_the_global_memory(shape: SampleShape) -> None:
    model = make(shape, layers=3, global_memory=True).train()
    history, _ = shape.example(2)
    target = torch.randn(2, *history.shape[1:])[:, :1].expand(-1, shape.out_steps, -1, -1, -1)
    result = model.training_forward(history, target, step=50, total_steps=100)
    functional.mse_loss(result.prediction, result.target).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()


def test_only_the_global_memory_needs_layers_alike() -> None:
    history, _ = SHAPE.example(1)
    model = create_model("e3d_lstm", SHAPE, hidden=[4, 6]).eval()
    with torch.no_grad():
        assert model(history).shape == (1, 2, 1, 8, 12)
    with pytest.raises(ConfigError, match=r"model.hidden is \[4, 6\]; its memory needs layers of"):
        create_model("e3d_lstm", SHAPE, hidden=[4, 6], global_memory=True)


def test_the_published_loss_is_squared_and_absolute() -> None:
    assert E3DLSTM.loss == "mse+mae"


def test_another_grid_is_refused() -> None:
    other, _ = SampleShape(3, 2, 1, 12, 8).example(1)
    with pytest.raises(DataError, match="weights of e3d_lstm belong to the 8×12 cells"):
        make()(other)


@both
@pytest.mark.parametrize("columns", [2, 6, 10, 12])
def test_a_global_field_rolls_with_trained_weights(columns: int, global_memory: bool) -> None:
    """Also where the width of a layer does not divide the grid's."""
    shape = SampleShape(3, 3, 1, 6, 20, periodic_x=True)
    model = make(shape, global_memory=global_memory)
    history, _ = shape.example(2)
    with torch.no_grad():
        expected = model(history).roll(columns, -1)
        rolled = model(history.roll(columns, -1))
    torch.testing.assert_close(rolled, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "patch", "published"),
    [(SampleShape(4, 4, 2, 32, 32), 2, 50.99), (SampleShape(12, 12, 1, 32, 64), 4, 51.09)],
)
def test_the_parameters_are_the_published_ones_without_those_that_never_matter(
    shape: SampleShape, patch: int, published: float
) -> None:
    n, frame = 128, patch**2 * shape.channels
    memory = 4 * (4 * n) * (2 * n * 25)  # conv_gm
    gates = n * (2 * 25) * (frame + 3 * n)  # of conv_x for f'
    with torch.device("meta"):
        model = create_model("e3d_lstm", shape, hidden=[n] * 4, patch_size=patch)
    assert round((count_parameters(model) + memory + gates) / 1e6, 2) == published


def as_published(model: E3DLSTM) -> dict[str, Tensor]:
    """Our weights under public names and in public shapes; what never matters is noise."""
    public = {}
    for name, value in model.state_dict().items():
        shape = _public_shape(_public_name(name), value.shape)
        values = torch.randn(shape).flatten()
        values[: value.numel()] = value.flatten()
        public[_public_name(name)] = values.reshape(shape)
    for layer, n in enumerate(model.hidden):
        public[f"cell_list.{layer}.conv_gm.0.conv3d.weight"] = torch.randn(4 * n, n, 2, 3, 3)
    return public


@pytest.mark.parametrize("filter_size", [None, 3, 5, 7])
def test_the_published_kernel_is_that_of_the_weights(filter_size: int | None) -> None:
    model = make()
    spec: dict[str, Any] = {"in_steps": 3, "out_steps": 2, "patch_size": 2}
    if filter_size is not None:
        spec["filter_size"] = filter_size
    again = from_published("e3d_lstm", as_published(model), spec)
    history, _ = SHAPE.example(2)
    with torch.no_grad():
        assert torch.equal(again(history), model(history))


def test_published_weights_that_do_not_fit_are_named_in_their_own_shapes() -> None:
    weights = as_published(make())
    spec = {"in_steps": 3, "patch_size": 2, "hidden": [6, 6], "filter_size": 3}
    name = "cell_list.1.conv_x.0.conv3d.weight"
    with pytest.raises(
        DataError, match=rf"{name} \(42, 5, 2, 3, 3\) for \(42, 6, 2, 3, 3\)".replace(".", r"\.")
    ):
        from_published("e3d_lstm", {**weights, name: torch.zeros(42, 5, 2, 3, 3)}, spec)
    with pytest.raises(DataError, match=r"_norm_c_t.weight \(6, 2, 4, 6\) for \(6, 2, 4, 5\)"):
        from_published("e3d_lstm", weights, {**spec, "height": 8, "width": 10})
    with pytest.raises(ConfigError, match="filter_size of the spec is 'five'"):
        from_published("e3d_lstm", weights, {**spec, "filter_size": "five"})


# torch's compiler imports parts of torch that torch has deprecated
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_compiled_step_serves_histories_of_any_length() -> None:
    shape = SampleShape(4, 9, 1, 8, 12)
    model = make(shape)
    history, _ = shape.example(1)
    torch._dynamo.reset()
    counters.clear()
    with torch.no_grad():
        expected = model(history)
        model.compile(dynamic=False, backend="aot_eager")
        torch.testing.assert_close(model(history), expected, rtol=1e-4, atol=1e-5)
    assert 0 < counters["stats"]["unique_graphs"] < 6
    torch._dynamo.reset()
