"""SimVP: every switch does what it says, and the parts have the sizes of the paper."""

from typing import Any

import pytest
import torch

from stforecast.errors import ConfigError
from stforecast.models import SampleShape, create_model
from stforecast.models.cost import count_multiply_adds, count_parameters
from stforecast.models.simvp import SimVP

SHAPE = SampleShape(3, 3, 2, 8, 12)
SMALL: dict[str, Any] = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 3, "incep_kernels": [3, 5]}


def make(shape: SampleShape = SHAPE, **settings: Any) -> SimVP:
    torch.manual_seed(0)
    model = create_model("simvp", shape, **{**SMALL, **settings})
    assert isinstance(model, SimVP)
    return model.eval()


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


SWITCHES = [
    {"groups": 1},
    {"groups": 8},
    {"norm": "batch"},
    {"norm": "layer"},
    {"spatial_skip": "add"},
    {"spatial_skip": "none"},
    {"translator_skips": False},
    {"spatio_kernel_enc": 5},
    {"spatio_kernel_dec": 1},
    {"upsampling": "pixel_shuffle"},
    {"activation": "silu"},
    {"incep_kernels": [11]},
    {"N_S": 1},
    {"N_S": 3},
    {"N_S": 4},
    {"N_T": 1},
    {"N_T": 4},
    {"hid_S": 4},
    {"hid_T": 24},
]


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_every_switch_changes_the_model_and_trains(switch: dict[str, Any]) -> None:
    model, plain = make(**switch), make()
    history, _ = SHAPE.example(2)
    with torch.no_grad():
        assert not torch.equal(model(history), plain(history))
    model.train()
    forecast = model(history)
    assert forecast.shape == history.shape
    forecast.square().mean().backward()
    dead = [
        key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()
    ]
    assert not dead


def test_drop_path_drops_branches_of_whole_samples_in_training_only() -> None:
    model, plain = make(drop_path=0.5), make()
    history, _ = SHAPE.example(4)
    with torch.no_grad():
        assert torch.equal(model(history), plain(history))
        model.train()
        torch.manual_seed(0)
        first, second = model(history), model(history)
    changed = (first != second).flatten(1).any(1)
    assert changed.any()


@pytest.mark.parametrize("skip", ["concatenate", "add", "none"])
@pytest.mark.parametrize("upsampling", ["transposed", "pixel_shuffle"])
def test_the_decoder_goes_back_to_the_grid_whatever_the_depth(skip: str, upsampling: str) -> None:
    for depth in (1, 2, 3, 4, 5):
        shape = SampleShape(2, 2, 1, 9, 14)
        model = make(shape, N_S=depth, N_T=1, spatial_skip=skip, upsampling=upsampling)
        history, _ = shape.example(1)
        assert model(history).shape == history.shape


def test_the_latest_frames_are_paired_with_the_forecast() -> None:
    fewer = make(SampleShape(4, 2, 1, 8, 8)).skip_mix
    assert fewer.tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    more = make(SampleShape(2, 4, 1, 8, 8)).skip_mix
    assert more.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]
    assert not hasattr(make(), "skip_mix")


def test_padding_inside_changes_nothing_where_sizes_divide() -> None:
    model = make(N_S=4)
    small, _ = SampleShape(3, 3, 2, 7, 12).example(1)
    padded = torch.cat((small, small[..., -1:, :]), dim=-2)  # the last row repeated
    with torch.no_grad():
        torch.testing.assert_close(model(small), model(padded)[..., :7, :])


def test_zeros_can_be_asked_for_on_the_globe() -> None:
    globe = SampleShape(3, 3, 2, 8, 12, periodic_x=True)
    history, _ = globe.example(1)
    with torch.no_grad():
        zeros = make(globe, padding="zeros")(history)
        assert torch.equal(zeros, make()(history))
        assert not torch.equal(zeros, make(globe)(history))


def test_the_settings_tell_everything_and_are_plain() -> None:
    model = make()
    assert model.name == "simvp"
    assert model.settings["hid_S"] == 8
    assert model.settings["incep_kernels"] == [3, 5]
    assert model.settings["groups"] == 4
    assert all(isinstance(value, (int, float, str, list)) for value in model.settings.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hid_S": 0}, "hid_S is 0"),
        ({"hid_S": 7}, "hid_S is 7"),
        ({"hid_S": "8"}, "hid_S is '8'; it must be a whole number"),
        ({"hid_T": 1}, "hid_T is 1"),
        ({"N_S": 0}, "N_S is 0"),
        ({"N_T": 2.5}, "N_T is 2.5"),
        ({"N_T": True}, "N_T is True"),
        ({"groups": 0}, "groups is 0"),
        ({"incep_kernels": []}, "incep_kernels is empty"),
        ({"incep_kernels": [3, 4]}, "incep_kernels is 4"),
        ({"incep_kernels": 3}, "incep_kernels is 3; it must be a list"),
        ({"incep_kernels": "357"}, "incep_kernels is '357'"),
        ({"spatio_kernel_enc": 2}, "spatio_kernel_enc is 2"),
        ({"spatio_kernel_dec": 4}, "spatio_kernel_dec is 4"),
        ({"drop_path": 1}, "drop_path is 1"),
        ({"norm": "instance"}, "must be group or batch or layer"),
        ({"spatial_skip": True}, "spatial_skip is True; it must be concatenate or add or none"),
        ({"translator_skips": "yes"}, "translator_skips is 'yes'; it must be true or false"),
        ({"translator": "inceptoin"}, "did you mean inception"),
        ({"grups": 4}, "has no setting grups; did you mean groups"),
    ],
    ids=str,
)
def test_a_bad_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        make(**settings)


OPENSTL = {
    "groups": 8,
    "spatial_skip": "add",
    "upsampling": "pixel_shuffle",
    "activation": "silu",
}


@pytest.mark.parametrize(
    ("shape", "settings", "parameters", "multiply_adds"),
    [
        (
            SampleShape(10, 10, 1, 64, 64),
            {"hid_S": 64, "hid_T": 512, "N_S": 4, "N_T": 8},
            58.0e6,
            19.4e9,
        ),
        (
            SampleShape(4, 4, 2, 32, 32),
            {"hid_S": 32, "hid_T": 256, "N_S": 2, "N_T": 8},
            13.79e6,
            3.61e9,
        ),
        (
            SampleShape(12, 12, 1, 32, 64, periodic_x=True),
            {"hid_S": 32, "hid_T": 256, "N_S": 2, "N_T": 8},
            14.67e6,
            8.03e9,
        ),
    ],
    ids=["moving_mnist", "taxibj", "weather"],
)
def test_costs_what_is_published(
    shape: SampleShape, settings: dict[str, int], parameters: float, multiply_adds: float
) -> None:
    """OpenSTL's model zoo, Inception translator; its counter sees a little more than torch's."""
    with torch.device("meta"):
        model = create_model("simvp", shape, **settings, **OPENSTL)
    assert count_parameters(model) == pytest.approx(parameters, rel=2e-3)
    assert count_multiply_adds(model) == pytest.approx(multiply_adds, rel=1e-2)
    assert count_multiply_adds(model) <= multiply_adds


def test_skips_of_the_translator_cost_only_bottlenecks() -> None:
    with_skips, without = make(), make(translator_skips=False)
    assert count_parameters(with_skips) - count_parameters(without) == 2 * 16 * 8
