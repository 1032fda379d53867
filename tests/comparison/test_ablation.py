"""The ablation of SimVP: each model is SimVP but for its switch, in its modules too."""

import pytest
from torch import nn

from stforecast.comparison import ABLATION, Contender, ablated_settings, check_groups
from stforecast.errors import ConfigError
from stforecast.models import SampleShape, create_model
from stforecast.models.simvp import SimVP
from stforecast.options import ModelOptions, TrainingOptions

BASE = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 3}
SHAPE = SampleShape(4, 4, 2, 12, 10)
BY_LABEL = {ablated.label: ablated for ablated in ABLATION}


def made(label: str, **base: object) -> SimVP:
    model = create_model("simvp", SHAPE, **ablated_settings(BY_LABEL[label], {**BASE, **base}))
    assert isinstance(model, SimVP)
    return model


def branches(model: nn.Module) -> list[nn.Conv2d]:
    """The grouped convolutions of the translator's units."""
    units = [*model.hid.enc, *model.hid.dec]
    return [next(iter(branch)) for unit in units for branch in unit.branches]


def kernels(model: nn.Module) -> list[int]:
    return [branch[0].kernel_size[0] for branch in model.hid.enc[0].branches]


def norms(model: nn.Module) -> set[type[nn.Module]]:
    kinds = (nn.GroupNorm, nn.BatchNorm2d)
    return {type(module) for module in model.modules() if isinstance(module, kinds)}


def test_the_paper_has_nine_models_and_simvp():
    assert [ablated.label for ablated in ABLATION] == [f"model{n}" for n in range(1, 10)] + [
        "simvp"
    ]


@pytest.mark.parametrize(
    ("label", "changed"),
    [
        ("model1", {"spatial_skip": "none"}),
        ("model2", {"translator_skips": False}),
        ("model3", {"groups": 1}),
        ("model4", {"norm": "batch"}),
        ("model5", {"incep_kernels": [3]}),
        ("model6", {"incep_kernels": [5]}),
        ("model7", {"incep_kernels": [7]}),
        ("model8", {"incep_kernels": [11]}),
        ("model9", {"incep_kernels": [11], "hid_T": 32}),
        ("simvp", {}),
    ],
)
def test_settings_differ_by_the_switch_alone(label, changed):
    simvp = ablated_settings(BY_LABEL["simvp"], BASE)
    settings = ablated_settings(BY_LABEL[label], BASE)
    assert settings.keys() == simvp.keys()
    assert {key: value for key, value in settings.items() if value != simvp[key]} == changed


def test_simvp_has_the_layout_of_the_paper_and_the_sizes_of_the_experiment():
    given = {"groups": 8, "spatial_skip": "add", "upsampling": "pixel_shuffle", "norm": "batch"}
    simvp = made("simvp", activation="silu", incep_kernels=[3], spatio_kernel_enc=5, **given)
    assert simvp.settings["spatial_skip"] == "concatenate"
    assert simvp.settings["upsampling"] == "transposed"
    assert simvp.settings["activation"] == "leaky_relu"
    assert {key: simvp.settings[key] for key in BASE} == BASE
    assert simvp.settings["spatio_kernel_enc"] == 5
    assert kernels(simvp) == [3, 5, 7, 11]
    assert {conv.groups for conv in branches(simvp)} == {4}
    assert norms(simvp) == {nn.GroupNorm}
    assert simvp.dec.layers[-1].conv.in_channels == 2 * BASE["hid_S"]


def test_model_1_has_no_way_around_the_translator():
    assert made("model1").dec.layers[-1].conv.in_channels == BASE["hid_S"]


def test_model_2_has_no_skips_inside_the_translator():
    simvp, without = made("simvp"), made("model2")
    assert [unit.reduce.in_channels for unit in simvp.hid.dec] == [16, 32, 32]
    assert [unit.reduce.in_channels for unit in without.hid.dec] == [16, 16, 16]


def test_model_3_has_no_groups():
    assert {conv.groups for conv in branches(made("model3"))} == {1}


def test_model_4_normalises_over_the_batch():
    assert norms(made("model4")) == {nn.BatchNorm2d}


@pytest.mark.parametrize(
    ("label", "kernel"),
    [("model5", 3), ("model6", 5), ("model7", 7), ("model8", 11), ("model9", 11)],
)
def test_models_5_to_9_have_one_kernel(label, kernel):
    assert kernels(made(label)) == [kernel]


def test_model_9_is_twice_as_wide():
    assert branches(made("model8"))[0].out_channels == 16
    assert branches(made("model9"))[0].out_channels == 32


@pytest.mark.parametrize("sizes", [{"hid_T": 20}, {"hid_S": 6}])
def test_sizes_without_room_for_groups_are_refused(sizes):
    settings = ablated_settings(BY_LABEL["simvp"], {**BASE, **sizes})
    contender = Contender("simvp", ModelOptions(name="simvp", **settings), TrainingOptions())
    three_ahead = SampleShape(4, 3, 2, 12, 10)
    with pytest.raises(ConfigError, match=r"4 groups of channels: model\.hid_T"):
        check_groups(contender, three_ahead)


def test_sizes_with_room_for_groups_pass():
    settings = ablated_settings(BY_LABEL["simvp"], BASE)
    contender = Contender("simvp", ModelOptions(name="simvp", **settings), TrainingOptions())
    check_groups(contender, SHAPE)


def test_settings_that_simvp_does_not_have_are_refused():
    with pytest.raises(ConfigError, match="hidden"):
        ablated_settings(BY_LABEL["simvp"], {"hidden": [8]})
