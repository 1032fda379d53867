"""gSTA and TAU: their settings, their depth, and TAU's divergence."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stforecast.errors import ConfigError
from stforecast.models import SampleShape, create_model
from stforecast.models.cost import count_multiply_adds
from stforecast.models.layers import DropPath
from stforecast.models.simvp import SimVP
from stforecast.models.translators.tau import differential_divergence

SHAPE = SampleShape(3, 3, 2, 8, 12)
SMALL: dict[str, Any] = {"hid_S": 8, "hid_T": 32, "N_S": 2, "N_T": 3, "mlp_ratio": 2}

both = pytest.mark.parametrize("translator", ["gsta", "tau"])


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(translator: str, shape: SampleShape = SHAPE, **settings: Any) -> SimVP:
    torch.manual_seed(0)
    model = create_model(f"simvp:{translator}", shape, **{**SMALL, **settings})
    assert isinstance(model, SimVP)
    return model.eval()


def scales(model: SimVP, value: float) -> SimVP:
    """The model with layer scales so large that what the blocks do is seen."""
    for name, parameter in model.named_parameters():
        if name.endswith(("scale_1", "scale_2")):
            nn.init.constant_(parameter, value)
    return model


@both
@pytest.mark.parametrize(
    "switch",
    [{"attention_kernel": 9}, {"mlp_ratio": 3.5}, {"N_T": 2}, {"N_T": 5}, {"hid_T": 12}],
    ids=str,
)
def test_every_switch_changes_the_model_and_trains(translator: str, switch: dict[str, Any]) -> None:
    model, plain = make(translator, **switch), make(translator)
    history, _ = SHAPE.example(2)
    with torch.no_grad():
        assert not torch.equal(model(history), plain(history))
    forecast = model.train()(history)
    assert forecast.shape == history.shape
    forecast.square().mean().backward()
    dead = [
        key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()
    ]
    assert not dead


@both
def test_the_attention_reaches_as_far_as_its_kernel(translator: str) -> None:
    shape = SampleShape(1, 1, 1, 60, 60)
    model = scales(make(translator, shape, attention_kernel=21, N_S=1, N_T=2, hid_T=8), 1.0)
    attention = model.hid.blocks[0].attn.attention.large_kernel
    x = torch.zeros(1, 8, 60, 60, requires_grad=True)
    attention(x)[0, 0, 30, 30].backward()
    assert x.grad is not None
    reached = x.grad[0, 0].nonzero()
    assert (reached.min(), reached.max()) == (30 - 11, 30 + 11)  # 2 of the near, 9 of the far


@both
def test_drop_path_grows_with_the_depth(translator: str) -> None:
    def rates(**settings: Any) -> list[float]:
        blocks = make(translator, N_T=4, **settings).hid.blocks
        dropped = [block.drop_path for block in blocks]
        assert all(isinstance(layer, DropPath) for layer in dropped)
        return [layer.probability for layer in dropped]

    assert rates(drop_path=0.1) == pytest.approx([0.01, 0.04, 0.07, 0.1])
    assert rates(drop_path=0.005) == [0.005] * 4
    assert rates() == [0.0] * 4


@both
@pytest.mark.parametrize("switch", [{"drop": 0.5}, {"drop_path": 0.5}], ids=str)
def test_what_is_dropped_is_dropped_in_training_only(
    translator: str, switch: dict[str, float]
) -> None:
    model = scales(make(translator, **switch), 1.0)
    plain = scales(make(translator), 1.0)
    history, _ = SHAPE.example(4)
    with torch.no_grad():
        assert torch.equal(model(history), plain(history))
        model.train()
        torch.manual_seed(0)
        assert not torch.equal(model(history), model(history))


@both
def test_batch_norm_learns_in_training_and_is_kept_in_a_forecast(translator: str) -> None:
    model = make(translator)
    history, _ = SHAPE.example(4)
    before = {key: value.clone() for key, value in model.named_buffers()}
    assert any(key.endswith("running_mean") for key in before)
    with torch.no_grad():
        model(history)
        assert all(torch.equal(before[key], value) for key, value in model.named_buffers())
        model.train()(5 * history)
    assert not any(torch.equal(before[key], value) for key, value in model.named_buffers())


@both
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"N_T": 1}, "N_T is 1"),
        ({"attention_kernel": 2}, "attention_kernel is 2; it must be 3 or more"),
        ({"mlp_ratio": 0.5}, "mlp_ratio is 0.5"),
        ({"mlp_ratio": "wide"}, "mlp_ratio is 'wide'; it must be a number"),
        ({"drop": 1}, "drop is 1; it must be in"),
        ({"groups": 4}, "has no setting groups"),
    ],
    ids=str,
)
def test_a_bad_setting_is_named(translator: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(translator, **settings)


def test_a_bad_setting_of_the_divergence_is_named() -> None:
    with pytest.raises(ConfigError, match="alpha is -1; it cannot be negative"):
        make("tau", alpha=-1)
    with pytest.raises(ConfigError, match="tau is 0; it must be above 0"):
        make("tau", tau=0)
    with pytest.raises(ConfigError, match="model simvp:gsta has no setting alpha"):
        make("gsta", alpha=1)


# --- the differential divergence -----------------------------------------------------------------


def published(prediction: Tensor, target: Tensor, tau: float) -> float:
    """The formula number by number, in double precision; all of (B, T', C, H, W)."""
    parts = []
    for sample in range(len(target)):
        for t in range(target.shape[1] - 1):
            ahead = [
                ((frames[sample, t + 1] - frames[sample, t]).double().flatten() / tau).tolist()
                for frames in (prediction, target)
            ]
            p, q = ([math.exp(value) for value in values] for values in ahead)
            p, q = [value / sum(p) for value in p], [value / sum(q) for value in q]
            parts += [a * math.log(a / (b + 1e-12) + 1e-12) for a, b in zip(p, q, strict=True)]
    return sum(parts) / len(parts)


def frames(seed: int, *size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_the_divergence_is_as_published(tau: float) -> None:
    prediction, target = frames(0, 2, 4, 2, 5, 3), frames(1, 2, 4, 2, 5, 3)
    found = differential_divergence(prediction, target, None, tau)
    assert found.item() == pytest.approx(published(prediction, target, tau), rel=1e-5)
    known = torch.ones_like(target, dtype=torch.bool)
    torch.testing.assert_close(differential_divergence(prediction, target, known, tau), found)
    assert differential_divergence(target, target, None, tau).item() == pytest.approx(0, abs=1e-6)


def test_the_divergence_knows_changes_and_not_values() -> None:
    prediction, target = frames(0, 1, 4, 1, 4, 4), frames(1, 1, 4, 1, 4, 4)
    moved = prediction + frames(2, 1, 1, 1, 4, 4)
    torch.testing.assert_close(
        differential_divergence(moved, target, None, 1.0),
        differential_divergence(prediction, target, None, 1.0),
    )


def test_missing_cells_take_no_part_in_the_divergence() -> None:
    prediction, target = frames(0, 2, 4, 1, 4, 6), frames(1, 2, 4, 1, 4, 6)
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[..., 4:] = False  # the same as without these columns
    part = differential_divergence(prediction[..., :4], target[..., :4], None, 0.5)
    torch.testing.assert_close(differential_divergence(prediction, target, valid, 0.5), part)
    valid[0, 2] = False  # both differences of this frame are unknown
    valid[1] = False
    prediction.requires_grad_()
    found = differential_divergence(prediction, target, valid, 0.5)
    first = differential_divergence(prediction[:1, :2, ..., :4], target[:1, :2, ..., :4], None, 0.5)
    torch.testing.assert_close(found, first)
    found.backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert prediction.grad[0, :2, ..., :4].all()
    assert not prediction.grad[0, 2:].any()
    assert not prediction.grad[1].any()
    nothing = differential_divergence(prediction, target, torch.zeros_like(valid), 0.5)
    assert nothing == 0


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_the_divergence_is_finite_however_large_the_changes(size: float) -> None:
    prediction, target = frames(0, 1, 3, 1, 8, 8) * size, frames(1, 1, 3, 1, 8, 8) * size
    prediction.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        half = differential_divergence(prediction.bfloat16(), target, None, 0.1)
        found = differential_divergence(prediction, target, None, 0.1)
    assert found.dtype == torch.float32
    assert half.isfinite()
    found.backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_tau_adds_its_divergence_to_the_loss() -> None:
    model = make("tau", alpha=0.3, tau=0.2)
    history, _ = SHAPE.example(2)
    target = frames(3, *history.shape)
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[..., 0] = False
    with torch.no_grad():
        result = model.training_forward(history, target, valid=valid)
        expected = 0.3 * differential_divergence(result.prediction, target, valid, 0.2)
        everywhere = model.training_forward(history, target)
    assert set(result.losses) == {"divergence"}
    torch.testing.assert_close(result.losses["divergence"], expected)
    assert result.losses != everywhere.losses
    assert make("tau", alpha=0).training_forward(history, target).losses == {}
    assert make("gsta").training_forward(history, target).losses == {}


@pytest.mark.parametrize("out_steps", [1, 2])
def test_two_frames_have_no_divergence(out_steps: int) -> None:
    shape = SampleShape(3, out_steps, 1, 8, 8)
    history, _ = shape.example(2)
    target = frames(0, 2, out_steps, 1, 8, 8)
    assert make("tau", shape).training_forward(history, target).losses == {}


# --- costs ---------------------------------------------------------------------------------------

MNIST, TAXI = SampleShape(10, 10, 1, 64, 64), SampleShape(4, 4, 2, 32, 32)
OPENSTL = {"spatial_skip": "add", "upsampling": "pixel_shuffle", "activation": "silu"}


@pytest.mark.parametrize(
    ("translator", "shape", "sizes", "multiply_adds"),
    [
        ("gsta", MNIST, {"hid_S": 64, "hid_T": 512, "N_S": 4}, 16_468_475_904),
        ("tau", MNIST, {"hid_S": 64, "hid_T": 512, "N_S": 4}, 15_893_991_424),
        ("gsta", TAXI, {"hid_S": 32, "hid_T": 256, "N_S": 2}, 2_608_791_552),
        ("tau", TAXI, {"hid_S": 32, "hid_T": 256, "N_S": 2}, 2_487_218_176),
    ],
)
def test_costs_what_the_public_code_does(
    translator: str, shape: SampleShape, sizes: dict[str, int], multiply_adds: int
) -> None:
    """Multiply-adds of one sample in OpenSTL's code, counted by torch as here."""
    with torch.device("meta"):
        model = create_model(f"simvp:{translator}", shape, N_T=8, **sizes, **OPENSTL)
    assert count_multiply_adds(model) == multiply_adds
