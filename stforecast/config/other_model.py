"""What an experiment says of another model than its own."""

import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

from stforecast.config.presets import has_preset, model_presets
from stforecast.errors import StForecastWarning

Carry = Callable[[Mapping[str, Any], str], Mapping[str, Any]]
"""Which settings of one model, named among them, hold for another one by its name.

Only the models know (:func:`stforecast.models.registry.carried_over`), and they load torch.
"""


def nothing(own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings that hold where nobody knows the models: none, but all for the same one."""
    same = own.get("name", "simvp") == name
    return {key: value for key, value in own.items() if same and key != "name"}


def carried_section(own: Mapping[str, Any], name: str, carry: Carry) -> dict[str, Any]:
    """What the section `model` of an experiment says of the model `name`, which is left out.

    The settings that hold for it too, and the preset where it has one of that name.
    """
    preset = own.get("preset")
    kept = dict(carry({key: value for key, value in own.items() if key != "preset"}, name))
    own_name = str(own.get("name", "simvp"))
    # Where nobody has this preset, or there is no such model, that is told by itself.
    wrong = not has_preset(own_name, preset) or not model_presets(name)
    if preset is not None and (wrong or has_preset(name, preset)):
        kept["preset"] = preset
    return kept


def name_other_model(
    model: dict[str, Any], given: Collection[str], name: str, carry: Carry
) -> None:
    """Leave out of the section `model` what does not hold for the model that is named instead.

    given: keys that were said of the other one already, which stay. A warning tells what goes.
    """
    own = {key: value for key, value in model.items() if key not in given}
    kept = carried_section(own, name, carry)
    left_out = [key for key in own if key != "name" and key not in kept]
    for key in left_out:
        del model[key]
    if left_out and model_presets(name):
        warnings.warn(
            f"the model is {name}, so the settings of {own.get('name', 'simvp')} are left out: "
            f"{', '.join(map(str, left_out))}",
            StForecastWarning,
            stacklevel=2,
        )
