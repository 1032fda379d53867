"""CrevNet: nothing is lost between frames and latents, and nothing is kept of what is between."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stforecast.errors import ConfigError, DataError
from stforecast.models import Covariates, SampleShape, create_model, from_published
from stforecast.models.crevnet import CrevNet
from stforecast.models.published.crevnet import _public_name
from tests.models.test_invertible import kept_bytes

SHAPE = SampleShape(3, 2, 2, 8, 12)
TOLD = SampleShape(3, 2, 2, 7, 10, past_channels=1, future_channels=2, static_channels=1)
SMALL: dict[str, Any] = {"blocks": [2, 2], "strides": [1, 2], "layers": 2}


def make(shape: SampleShape = SHAPE, **settings: Any) -> CrevNet:
    torch.manual_seed(0)
    model = create_model("crevnet", shape, **{**SMALL, **settings})
    assert isinstance(model, CrevNet)
    return model.eval()


def loss(model: CrevNet, shape: SampleShape) -> Tensor:
    dtype = next(model.parameters()).dtype
    history, covariates = shape.example(2)
    history = history.to(dtype)
    if covariates is not None:
        told = {kind: value.to(dtype) for kind, value in vars(covariates).items()}
        covariates = Covariates(**told)
    size = (2, shape.out_steps, shape.channels, shape.height, shape.width)
    target = torch.randn(size, generator=torch.Generator().manual_seed(1)).to(dtype)
    # late enough to go on from its own frames, through which gradients flow too
    result = model.training_forward(history, target, covariates, step=100, total_steps=100)
    return ((result.prediction - result.target) ** 2).mean()


@pytest.mark.parametrize("shape", [SHAPE, TOLD], ids=["frames", "with covariates"])
@pytest.mark.parametrize("strides", [[1, 1], [1, 2], [2, 2]])
def test_no_frame_loses_anything(shape: SampleShape, strides: list[int]) -> None:
    model = make(shape, strides=strides)
    history, _ = shape.example(2)
    frames = model._patched(history)[:, 0]
    with torch.no_grad():
        latent = model.autoencoder(*frames.chunk(2, dim=1))
        again = torch.cat(model.autoencoder.inverse(*latent), dim=1)
    assert latent[0].shape[1] == model.rnn_size
    assert sum(half.numel() for half in latent) == frames.numel()
    torch.testing.assert_close(again, frames, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "settings", "width"),
    [
        (1, {"blocks": [4, 5, 3], "strides": [1, 2, 2], "patch_size": 2}, 32),  # Moving MNIST
        (
            4,
            {"blocks": [2, 2, 2, 2], "strides": [1, 2, 2, 2], "patch_size": 2},
            512,
        ),  # Traffic4cast
        (2, {"blocks": [1], "strides": [1], "patch_size": 1}, 1),
        (3, {"blocks": [1, 2], "strides": [2, 2], "patch_size": 4}, 384),
    ],
)
def test_the_width_follows_from_frame_and_reduction(
    channels: int, settings: dict[str, Any], width: int
) -> None:
    with torch.device("meta"):
        model = make(SampleShape(2, 2, channels, 64, 64), **settings)
    assert model.rnn_size == channels * model.multiple**2 // 2 == width


@pytest.mark.parametrize("shape", [SHAPE, TOLD], ids=["frames", "with covariates"])
def test_training_has_the_gradients_of_plain_autograd(shape: SampleShape) -> None:
    model = make(shape).double()
    weights = list(model.parameters())
    plain = torch.autograd.grad(loss(model.eval(), shape), weights)
    recomputed = torch.autograd.grad(loss(model.train(), shape), weights)
    for found, expected in zip(recomputed, plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_training_keeps_no_more_of_a_deeper_autoencoder() -> None:
    kept = {}
    for depth in (1, 3, 6):
        model = make(blocks=[depth, depth])
        for training in (True, False):
            model.train(training)
            kept[depth, training] = kept_bytes(lambda: loss(model, SHAPE), model)  # noqa: B023
    assert kept[1, True] == kept[3, True] == kept[6, True]
    # plainly, it grows with every block
    per_block = (kept[3, False] - kept[1, False]) / 2
    assert per_block > 0.2 * kept[1, True]
    assert kept[6, False] - kept[3, False] == pytest.approx(3 * per_block, rel=0.1)


def test_true_frames_are_shown_to_the_end_of_the_training() -> None:
    sampling = make().sampling
    assert [sampling.chances(step, 100) for step in (0, 50, 99)] == [(1, 1)] * 3
    assert sampling.chances(5, None) == (1, 1)


def test_a_step_leaves_the_state_it_was_given() -> None:
    model = make()
    x = torch.randn(2, model.input_channels, 4, 6)
    with torch.no_grad():
        _, state = model.step(x, model.init_state(x))
        layers, memory = state
        before = [half.clone() for pair in layers for half in pair] + [memory.clone()]
        first, _ = model.step(x, state)
        second, _ = model.step(x, state)
    assert torch.equal(first, second)
    after = [half for pair in layers for half in pair] + [memory]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_what_is_told_stays_out_of_the_autoencoder() -> None:
    bare = SampleShape(3, 2, 2, 7, 10)
    with_all, without = (
        {name: value.shape for name, value in make(shape).autoencoder.state_dict().items()}
        for shape in (TOLD, bare)
    )
    assert with_all == without
    told = {name for name in make(TOLD).state_dict() if name.startswith("tell")}
    assert told == {"tell.weight", "tell.bias"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": [2], "strides": [1, 2]}, r"blocks is \[2\] and model.strides is \[1, 2\]"),
        ({"blocks": [], "strides": []}, "each stage needs one of both"),
        ({"blocks": [2, 0]}, "a stage has 1 block or more"),
        ({"strides": [1, 3]}, "a stride is 1 or 2"),
        ({"mult": 0}, "mult is 0"),
        ({"layers": 0}, "layers is 0"),
        ({"patch_size": 0}, "patch_size is 0"),
    ],
)
def test_settings_that_make_no_model_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)


def test_a_frame_that_cannot_be_halved_is_told() -> None:
    with pytest.raises(ConfigError, match="3 channels of a frame; two halves need an even number"):
        make(SampleShape(2, 2, 3, 8, 8), patch_size=1)


def public_weights(model: CrevNet) -> dict[str, Tensor]:
    return {_public_name(name): value for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("channels", "settings"),
    [
        (1, {"blocks": [1], "strides": [1], "mult": 1, "layers": 1}),
        (1, {"blocks": [4, 5, 3], "strides": [1, 2, 2], "mult": 2, "layers": 8}),
        (2, {"blocks": [2, 1], "strides": [1, 2], "mult": 3, "layers": 3, "patch_size": 1}),
        (3, {"blocks": [1, 3], "strides": [1, 2], "mult": 7, "layers": 2, "patch_size": 4}),
    ],
)
def test_public_weights_of_other_sizes_are_taken(channels: int, settings: dict[str, Any]) -> None:
    shape = SampleShape(2, 3, channels, 8, 16)
    ours = make(shape, **settings)
    spec = {
        **{key: settings[key] for key in ("blocks", "strides", "mult", "layers")},
        "in_steps": 2,
        "out_steps": 3,
        "channels": channels,
        "reduction": ours.multiple,
        "rnn_size": ours.rnn_size,
    }
    told = {key: spec[key] for key in ("in_steps", "out_steps", "channels")}
    history, _ = shape.example(2)
    with torch.no_grad():
        expected = ours(history)
        for given in (spec, told):
            model = from_published("crevnet", public_weights(ours), given)
            assert torch.equal(model(history), expected)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"rnn_size": 20},
            "rnn_size of the spec is 20; 2 channels on a grid reduced by 4 make it 16",
        ),
        ({"reduction": 5}, r"reduction of the spec is 5; strides \[1, 2\] make it a multiple of 2"),
        ({"blocks": 2}, "blocks of the spec is 2; it must be a list of whole numbers"),
        ({"blocks": [2, "2"]}, "blocks of the spec is '2'"),
        ({"blocks": [2, 2, 2]}, r"model.blocks is \[2, 2, 2\] and model.strides is \[1, 2\]"),
        ({"strides": [1, 4]}, "a stride is 1 or 2"),
        ({"mult": "two"}, "mult of the spec is 'two'"),
    ],
)
def test_a_spec_that_contradicts_itself_is_told(changed: dict[str, Any], message: str) -> None:
    ours = make()
    spec = {
        "in_steps": 3,
        "channels": 2,
        "blocks": [2, 2],
        "strides": [1, 2],
        "mult": 2,
        "layers": 2,
        "reduction": 4,
        "rnn_size": 16,
    }
    from_published("crevnet", public_weights(ours), spec)
    with pytest.raises(ConfigError, match=message):
        from_published("crevnet", public_weights(ours), {**spec, **changed})


def test_more_layers_than_there_are_weights_for_are_told() -> None:
    weights = public_weights(make())
    with pytest.raises(DataError, match=r"missing: frame_predictor\.convlstm\.2\.in_gate\.weight"):
        from_published("crevnet", weights, {"in_steps": 3, "layers": 3})
    with pytest.raises(DataError, match=r"missing: encoder\.stack\.4\.bottleneck_block"):
        from_published("crevnet", weights, {"in_steps": 3, "blocks": [2, 3]})
    with pytest.raises(DataError, match=r"unknown: encoder\.stack\.3\.bottleneck_block"):
        from_published("crevnet", weights, {"in_steps": 3, "blocks": [2, 1]})
