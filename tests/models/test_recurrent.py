"""The loop that unrolls recurrent systems, and what ConvLSTM and the PredRNN family do in it."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from stforecast.errors import ConfigError
from stforecast.models import Covariates, SampleShape, create_model
from stforecast.models.causal_lstm import GradientHighwayUnit
from stforecast.models.cost import count_parameters
from stforecast.models.predrnn_v2 import overlap
from stforecast.models.recurrent import Losses, RecurrentForecaster

FAMILY = ["causal_lstm", "convlstm", "predrnn", "predrnn_v2"]
ALL_SHOWN: dict[str, Any] = {"sampling": "scheduled", "sampling_begin": 0.0}  # at the first step
NONE_SHOWN: dict[str, Any] = {"sampling": "none"}

every_system = pytest.mark.parametrize("name", FAMILY)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(name: str, shape: SampleShape, **settings: Any) -> RecurrentForecaster:
    torch.manual_seed(0)
    model = create_model(name, shape, **{"hidden": [4, 4], "filter_size": 3, **settings})
    assert isinstance(model, RecurrentForecaster)
    return model.eval()


def noise(*size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(3))


class Counting(RecurrentForecaster):
    """Adds 100 to the frame that it sees, and remembers for the test what it was shown."""

    def __init__(self, shape: SampleShape, patch: int = 1, **loop: Any) -> None:
        super().__init__(shape, patch, **loop)
        self.seen: list[Tensor] = []
        self.begun: list[Tensor] = []

    def init_state(self, x: Tensor) -> Any:
        self.begun.append(x)
        return 0

    def step(self, x: Tensor, state: Any, losses: Losses | None = None) -> tuple[Tensor, Any]:
        self.seen.append(x)
        if losses is not None:
            losses.setdefault("count", []).append(torch.tensor(float(state)))
        return x[:, : self.output_channels] + 100, state + 1

    def final_losses(self) -> dict[str, Tensor]:
        return {"last": torch.tensor(7.0)}


def numbered(steps: int, first: int = 0) -> Tensor:
    """Frames 1 x 1 x 1 that hold their number, for a batch of 1."""
    return torch.arange(first, first + steps, dtype=torch.float32).reshape(1, steps, 1, 1, 1)


# --- the loop ---


@pytest.mark.parametrize(("in_steps", "out_steps"), [(1, 1), (1, 3), (3, 1)])
def test_the_shortest_samples_are_trained_with_missing_cells(in_steps: int, out_steps: int) -> None:
    model = make("convlstm", SampleShape(in_steps, out_steps, 1, 3, 5))
    target = noise(2, out_steps, 1, 3, 5)
    result = model.training_forward(noise(2, in_steps, 1, 3, 5), target, valid=target > 0)
    assert result.prediction.shape == (2, in_steps + out_steps - 1, 1, 3, 5)
    assert result.prediction.isfinite().all()


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_patches_become_channels_in_the_public_order(patch: int) -> None:
    model = Counting(SampleShape(2, 1, 3, 6, 12), patch)
    frames = noise(2, 4, 3, 6, 12)
    x = model._patched(frames)
    assert x.shape == (2, 4, patch**2 * 3, 6 // patch, 12 // patch)
    assert x.shape[2:] == (model.input_channels, *model.grid)
    for row in range(patch):
        for column in range(patch):
            for channel in range(3):
                number = (row * patch + column) * 3 + channel
                cells = frames[:, :, channel, row::patch, column::patch]
                assert torch.equal(x[:, :, number], cells)
    assert torch.equal(model._unpatched(x, 6, 12), frames)


@pytest.mark.parametrize("periodic_x", [False, True])
@pytest.mark.parametrize(("height", "width"), [(7, 13), (1, 3), (8, 9)])
@pytest.mark.parametrize(("patch", "multiple"), [(2, 2), (4, 4), (1, 4), (2, 8)])
def test_any_grid_is_padded_and_cropped(
    patch: int, multiple: int, height: int, width: int, periodic_x: bool
) -> None:
    shape = SampleShape(2, 1, 2, height, width, periodic_x=periodic_x)
    model = Counting(shape, patch)
    model.multiple = multiple
    frames = noise(1, 3, 2, height, width)
    x = model._patched(frames)
    assert x.shape[-2:] == model.grid
    assert all(size * patch % multiple == 0 for size in model.grid)
    assert torch.equal(model._unpatched(x, height, width), frames)


def test_parameters_that_know_the_grid_have_one_column_on_the_globe() -> None:
    assert Counting(SampleShape(2, 1, 2, 7, 12), 2).parameter_grid == (4, 6)
    globe = SampleShape(2, 1, 2, 7, 12, periodic_x=True)
    assert Counting(globe, 2).parameter_grid == (4, 1)
    assert Counting(globe, 2, padding="zeros").parameter_grid == (4, 6)


def test_a_forecast_goes_on_from_itself() -> None:
    model = Counting(SampleShape(3, 4, 1, 1, 1))
    forecast = model(numbered(3))
    assert [x.item() for x in model.seen] == [0, 1, 2, 102, 202, 302]
    assert forecast.flatten().tolist() == [102, 202, 302, 402]
    assert [x.item() for x in model.begun] == [0]


def test_training_learns_every_frame_after_the_first() -> None:
    model = Counting(SampleShape(3, 4, 1, 1, 1), **ALL_SHOWN)
    result = model.training_forward(numbered(3), numbered(4, first=3), step=0, total_steps=10)
    assert [x.item() for x in model.seen] == [0, 1, 2, 3, 4, 5]
    assert result.prediction.flatten().tolist() == [100, 101, 102, 103, 104, 105]
    assert result.target.flatten().tolist() == [1, 2, 3, 4, 5, 6]
    # the mean over steps, and what is added once
    assert {name: loss.item() for name, loss in result.losses.items()} == {"count": 2.5, "last": 7}


def test_each_sample_is_shown_its_own() -> None:
    model = Counting(SampleShape(2, 3, 1, 1, 1))
    frames = torch.cat((numbered(4), numbered(4, first=10)))
    shown = torch.tensor([[False, True, False], [True, False, False]])
    model.unroll(frames, None, 4, shown[..., None, None, None])
    seen = torch.stack(model.seen, dim=1).flatten(1)
    assert seen.tolist() == [[0, 100, 2, 102], [10, 11, 111, 211]]


def test_where_a_shown_frame_lacks_a_cell_the_forecast_goes_on() -> None:
    model = Counting(SampleShape(2, 3, 1, 1, 3), 2, **ALL_SHOWN)  # padded to 2 x 4
    frames = noise(1, 5, 1, 1, 3)
    valid = torch.tensor([[True, True, False], [False, True, True], [True, True, True]])
    model.training_forward(
        frames[:, :2], frames[:, 2:], valid=valid.reshape(1, 3, 1, 1, 3), step=0, total_steps=9
    )
    seen = model._unpatched(torch.stack(model.seen, dim=1), 1, 3)[0, :, 0, 0]
    cells = frames[0, :, 0, 0]
    torch.testing.assert_close(seen[:2], cells[:2])
    assert seen[2].tolist() == [cells[2, 0], cells[2, 1], cells[1, 2] + 100]
    assert seen[3].tolist() == [seen[2, 0] + 100, cells[3, 1], cells[3, 2]]


def test_the_schedule_decides_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Counting(SampleShape(2, 3, 1, 1, 1), sampling="reverse", sampling_end=100.0)
    asked = []

    def shown(self: Any, step: int, total_steps: int, size: Any, device: Any) -> Tensor:
        asked.append((step, total_steps, size, device.type))
        return torch.tensor([[False, True, False]])

    monkeypatch.setattr(type(model.sampling), "shown", shown)
    model.training_forward(numbered(2), numbered(3, first=2), step=40, total_steps=90)
    assert asked == [(40, 90, (1, 2, 3), "cpu")]
    assert [x.item() for x in model.seen] == [0, 100, 2, 102]


def test_covariates_are_told_at_their_times() -> None:
    """Past with the frame that is there, the future of the frame to come, static always."""
    shape = SampleShape(3, 2, 1, 1, 1, past_channels=1, future_channels=1, static_channels=1)
    covariates = Covariates(
        past=numbered(3, first=10),
        future=numbered(5, first=20).reshape(1, 5, 1),
        static=torch.full((1, 1, 1, 1), 30.0),
    )
    expected = [[0, 10, 21, 30], [1, 11, 22, 30], [2, 12, 23, 30]]
    model = Counting(shape, **NONE_SHOWN)
    model(numbered(3), covariates)
    assert [x.flatten().tolist() for x in model.seen] == [*expected, [102, 0, 24, 30]]
    model = Counting(shape, **ALL_SHOWN)
    model.training_forward(numbered(3), numbered(2, first=3), covariates)
    assert [x.flatten().tolist() for x in model.seen] == [*expected, [3, 0, 24, 30]]


def test_settings_of_the_loop_are_settings_of_every_system() -> None:
    shape = SampleShape(2, 2, 1, 4, 4)
    settings = create_model("convlstm", shape, hidden=[2], sampling="none").settings
    assert list(settings)[:3] == ["hidden", "patch_size", "filter_size"]
    assert settings["sampling"] == "none"
    assert settings["sampling_end"] == 0.4
    own = create_model("predrnn_v2", shape, hidden=[2]).settings
    assert (own["sampling"], own["sampling_begin"], own["sampling_end"]) == ("reverse", 0.2, 0.4)


# --- ConvLSTM and the PredRNN family ---


@every_system
def test_shown_everything_it_makes_one_step_forecasts(name: str) -> None:
    shape = SampleShape(3, 3, 2, 6, 8)
    model = make(name, shape, **ALL_SHOWN)
    frames = noise(2, 6, 2, 6, 8)
    with torch.no_grad():
        result = model.training_forward(frames[:, :3], frames[:, 3:], step=0, total_steps=100)
        for n in range(1, 6):
            one_step = make(name, SampleShape(n, 1, 2, 6, 8))
            one_step.load_state_dict(model.state_dict())
            torch.testing.assert_close(result.prediction[:, n - 1 : n], one_step(frames[:, :n]))


@every_system
def test_shown_nothing_it_makes_its_forecast(name: str) -> None:
    model = make(name, SampleShape(3, 4, 2, 6, 8), **NONE_SHOWN)
    history, target = noise(2, 3, 2, 6, 8), noise(2, 4, 2, 6, 8)
    with torch.no_grad():
        result = model.training_forward(history, target, step=0, total_steps=100)
        torch.testing.assert_close(result.prediction[:, 2:], model(history))


def test_a_copy_of_a_compiled_system_has_weights_of_its_own() -> None:
    model = make("convlstm", SampleShape(2, 2, 1, 4, 4))
    history = noise(1, 2, 1, 4, 4)
    with torch.no_grad():
        before = model(history)
        model.compile(backend="eager")
        twin = copy.deepcopy(model)
        model.readout.weight.zero_()
        assert torch.equal(twin(history), before)
        assert not model(history).any()


@every_system
def test_the_state_is_returned_and_never_kept(name: str) -> None:
    model = make(name, SampleShape(3, 4, 2, 6, 8))
    kept = {module: set(vars(part)) for module, part in model.named_modules()}
    frames = model._patched(noise(2, 3, 2, 6, 8))
    with torch.no_grad():
        whole, _ = model.unroll(frames, None, 6)
        x, outputs = frames[:, 0], []
        state = model.init_state(x)
        for t in range(6):
            y, state = model.step(frames[:, t] if t < 3 else outputs[-1], state)
            outputs.append(y)
            model.unroll(noise(*frames.shape), None, 3)  # another forecast between two steps
    torch.testing.assert_close(torch.stack(outputs, dim=1), whole)
    assert {module: set(vars(part)) for module, part in model.named_modules()} == kept
    assert not list(model.buffers())


# Published sizes of OpenSTL's systems, with the weights there that nothing uses: per layer an
# output gate of 5 x 5 and, in ConvLSTM, a last layer, both of 256 -> 128 channels.
PUBLISHED = {"hidden": [128, 128, 128, 128], "patch_size": 2, "filter_size": 5}
IDLE = {"convlstm": 26, "predrnn": 0, "predrnn_v2": 0, "causal_lstm": 25}
TAXIBJ = {"convlstm": 14.98, "predrnn": 23.66, "predrnn_v2": 23.67, "causal_lstm": 38.40}


@every_system
def test_has_the_published_parameters_but_for_the_unused(name: str) -> None:
    with torch.device("meta"):
        model = make(name, SampleShape(4, 4, 2, 32, 32), **PUBLISHED)
    idle = 4 * IDLE[name] * 256 * 128
    assert round((count_parameters(model) + idle) / 1e6, 2) == TAXIBJ[name]


@pytest.mark.parametrize("name", ["causal_lstm", "predrnn", "predrnn_v2"])
def test_a_shared_memory_needs_layers_of_one_width(name: str) -> None:
    with pytest.raises(ConfigError, match=r"hidden is \[4, 8\]; its memory needs .* one width"):
        make(name, SampleShape(2, 2, 1, 4, 4), hidden=[4, 8])


def test_layers_of_convlstm_have_widths_of_their_own() -> None:
    shape = SampleShape(2, 2, 1, 4, 6)
    history, _ = shape.example(2)
    assert make("convlstm", shape, hidden=[4, 8, 3])(history).shape == (2, 2, 1, 4, 6)


@every_system
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": []}, "hidden is empty"),
        ({"hidden": [0, 0]}, "hidden has a layer of 0"),
        ({"patch_size": 0}, "patch_size is 0"),
        ({"filter_size": 4}, "filter_size is 4; a kernel must be odd"),
    ],
)
def test_sizes_that_cannot_be_are_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, SampleShape(2, 2, 1, 4, 4), **settings)


def test_the_highway_needs_two_layers() -> None:
    with pytest.raises(ConfigError, match="give two layers or more"):
        make("causal_lstm", SampleShape(2, 2, 1, 4, 4), hidden=[8])


def test_the_highway_begins_half_open() -> None:
    torch.manual_seed(0)
    highway = GradientHighwayUnit(8, 3, periodic_x=False)
    for weight in highway.parameters():
        assert 0.0009 < weight.abs().max() <= 0.001
        assert abs(weight.mean()) < 0.0001
    before = noise(1, 8, 4, 4)
    with torch.no_grad():
        after = highway(torch.zeros_like(before), before)
    torch.testing.assert_close(after, before / 2, rtol=0.1, atol=0.01)


def test_the_highway_joins_the_first_layer_to_the_second() -> None:
    model = make("causal_lstm", SampleShape(2, 2, 1, 4, 4), hidden=[4, 4, 4])
    calls: dict[str, list[tuple[Any, Any]]] = {"highway": [], "cells.1": [], "cells.2": []}
    for name, list_of in calls.items():
        model.get_submodule(name).register_forward_hook(
            lambda _, inputs, outputs, list_of=list_of: list_of.append((inputs, outputs))
        )
    first: list[Tensor] = []
    model.cells[0].register_forward_hook(lambda _, inputs, outputs: first.append(outputs[0]))
    with torch.no_grad():
        model(noise(1, 2, 1, 4, 4))
    assert len(first) == 3
    for t, ((seen, before), after) in enumerate(calls["highway"]):
        assert seen is first[t]
        assert before is calls["highway"][t - 1][1] if t else not before.any()
        (second_seen, *_), (second, *_) = calls["cells.1"][t]
        assert second_seen is after
        assert calls["cells.2"][t][0][0] is second


def test_overlap_of_fields() -> None:
    torch.manual_seed(0)
    field = torch.randn(2, 3, 4, 5)
    assert overlap(field, 1e-6 * field).item() == pytest.approx(1)
    assert overlap(field, -7 * field).item() == pytest.approx(1)
    left, right = field.clone(), field.clone()
    left[..., :2], right[..., 2:] = 0, 0
    assert overlap(left, right).item() == 0
    other = torch.randn(2, 3, 4, 5)
    expected = torch.cosine_similarity(field.flatten(2), other.flatten(2), dim=2).abs().mean()
    torch.testing.assert_close(overlap(field, other), expected)
    assert overlap(field, torch.zeros_like(field)).item() == 0


def test_the_decoupling_loss_is_the_mean_over_layers_and_steps() -> None:
    model = make("predrnn_v2", SampleShape(2, 3, 1, 6, 8), hidden=[4, 4, 4], decoupling=0.3)
    grown: list[tuple[Tensor, Tensor]] = []
    for cell in model.cells:
        cell.register_forward_hook(lambda _, inputs, outputs: grown.append(outputs[3:]))
    with torch.no_grad():
        result = model.training_forward(noise(2, 2, 1, 6, 8), noise(2, 3, 1, 6, 8))
        assert len(grown) == 3 * 4
        similar = [
            torch.cosine_similarity(
                model.adapter(delta_C).flatten(2), model.adapter(delta_M).flatten(2), dim=2
            )
            for delta_C, delta_M in grown
        ]
    expected = 0.3 * torch.stack(similar).abs().mean()
    assert set(result.losses) == {"decoupling"}
    torch.testing.assert_close(result.losses["decoupling"], expected)


def test_the_decoupling_loss_is_left_to_training() -> None:
    shape = SampleShape(2, 3, 1, 6, 8)
    model = make("predrnn_v2", shape)
    calls = []
    model.adapter.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        forecast = model(noise(2, 2, 1, 6, 8))
        assert not calls
        model.training_forward(noise(2, 2, 1, 6, 8), noise(2, 3, 1, 6, 8))
    assert len(calls) == 2 * 2 * 4  # memories, layers, steps
    plain = make("predrnn", shape)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "adapter" not in k})
    with torch.no_grad():
        assert torch.equal(plain(noise(2, 2, 1, 6, 8)), forecast)


def test_without_decoupling_there_is_nothing_to_learn_for_it() -> None:
    model = make("predrnn_v2", SampleShape(2, 3, 1, 6, 8), decoupling=0.0)
    assert not [name for name in model.state_dict() if "adapter" in name]
    assert not model.training_forward(noise(2, 2, 1, 6, 8), noise(2, 3, 1, 6, 8)).losses
    with pytest.raises(ConfigError, match="decoupling is -1; it cannot be negative"):
        make("predrnn_v2", SampleShape(2, 3, 1, 6, 8), decoupling=-1.0)
