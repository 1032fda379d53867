"""Which settings of an experiment's own model hold for another one."""

from collections.abc import Mapping
from typing import Any

from stforecast.models.registry import REGISTRY, split_variant, variant_name


def carried_over(own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the section `model` of an experiment says of the model `name`, too.

    Everything where it is the same model; of another variant of the same system what both have;
    nothing of another system. The name itself is left out.

    Raises ConfigError for unknown models.
    """
    system, chosen = split_variant(name)
    given = {key: value for key, value in own.items() if key != "name"}
    own_system, own_chosen = split_variant(str(own.get("name", "simvp")))
    if own_system != system:
        return {}
    if variant_name(system, {**given, **own_chosen}) == variant_name(system, chosen):
        return given
    variants = REGISTRY[system].system.variants
    assert variants is not None  # or there were no other one
    kept = {key: value for key, value in given.items() if key != variants.setting}
    known = {"preset", *REGISTRY[system].system.setting_parameters({**kept, **chosen})}
    return {key: value for key, value in kept.items() if key in known}
