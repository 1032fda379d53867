"""Settings of the experiment's model that hold for others, and which contenders go together."""

import pytest

from stforecast.comparison import Contender
from stforecast.comparison.contenders import check_contenders, run_name
from stforecast.config import carried_section
from stforecast.errors import ConfigError
from stforecast.models.registry import carried_over
from stforecast.options import ModelOptions, TrainingOptions

OWN = {"name": "simvp", "hid_S": 8, "groups": 2, "preset": "small"}


def contender(label: str, **training: object) -> Contender:
    return Contender(label, ModelOptions(name="simvp"), TrainingOptions(**training))


def test_the_same_model_keeps_all():
    assert carried_section(OWN, "simvp", carried_over) == {
        "hid_S": 8,
        "groups": 2,
        "preset": "small",
    }


def test_without_a_model_the_default_is_meant():
    assert carried_over({"hid_S": 8}, "simvp") == {"hid_S": 8}
    assert carried_over({}, "simvp") == {}


def test_another_system_keeps_only_a_preset_that_it_has_too():
    assert carried_section(OWN, "convlstm", carried_over) == {"preset": "small"}
    assert carried_section({**OWN, "preset": "original"}, "convlstm", carried_over) == {}
    # One that nobody has is refused by its name.
    unknown = {**OWN, "preset": "tiny"}
    assert carried_section(unknown, "convlstm", carried_over) == {"preset": "tiny"}


def test_a_variant_keeps_what_it_has_too():
    assert carried_section(OWN, "simvp:tau", carried_over) == {"hid_S": 8, "preset": "small"}
    tau = {"name": "simvp", "preset": "tau_small"}
    assert carried_section(tau, "simvp:tau", carried_over) == {"preset": "tau_small"}
    assert carried_section(tau, "simvp:gsta", carried_over) == {}


@pytest.mark.parametrize("own", [{"name": "simvp:tau"}, {"name": "simvp", "translator": "tau"}])
def test_the_name_says_which_variant(own):
    assert carried_over({**own, "hid_S": 8}, "simvp") == {"hid_S": 8}
    kept = carried_over({**own, "hid_S": 8}, "simvp:tau")
    assert kept.pop("translator", "tau") == "tau"
    assert kept == {"hid_S": 8}


def test_unknown_models_are_named():
    with pytest.raises(ConfigError, match="there is no model simvq"):
        carried_over(OWN, "simvq")


def test_names_of_folders():
    assert run_name("simvp:tau", 3) == "simvp-tau-seed3"
    assert run_name("../x", 0) == "x-seed0"


def test_labels_with_one_folder_are_refused():
    with pytest.raises(ConfigError, match="a:b and a-b would have the same folder"):
        check_contenders([contender("a:b"), contender("a-b")], [0])


def test_a_label_twice_is_refused():
    with pytest.raises(ConfigError, match="named twice"):
        check_contenders([contender("a"), contender("a")], [0])


def test_a_seed_twice_is_refused():
    with pytest.raises(ConfigError, match="have one of them twice"):
        check_contenders([contender("a")], [0, 1, 0])


def test_nothing_to_compare_is_refused():
    with pytest.raises(ConfigError, match="there is no model to compare"):
        check_contenders([], [0])
    with pytest.raises(ConfigError, match="there is no seed to compare"):
        check_contenders([contender("a")], [])


def test_unlike_budgets_are_refused():
    with pytest.raises(ConfigError, match="a would train for max_steps 3 and b for max_epochs 2"):
        check_contenders([contender("a", max_steps=3), contender("b", max_epochs=2)], [0])
    with pytest.raises(ConfigError, match="the epochs that are the default"):
        check_contenders([contender("a", max_steps=3), contender("b")], [0])
    check_contenders([contender("a", max_steps=3), contender("b", max_steps=3)], [0])
