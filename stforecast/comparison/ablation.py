"""The ablation of SimVP's paper: models 1 to 9 and SimVP, each one switch away from it.

Gao, Tan, Wu, Li: SimVP: Simpler yet Better Video Prediction, CVPR 2022, arXiv:2206.05099, the table
of the ablation study.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stforecast.comparison.contenders import Contender
from stforecast.errors import ConfigError
from stforecast.models import SampleShape
from stforecast.models.registry import complete_settings

# SimVP of the paper but for its sizes: what the switches are turned from.
LAYOUT: dict[str, Any] = {
    "translator": "inception",
    "spatial_skip": "concatenate",
    "translator_skips": True,
    "upsampling": "transposed",
    "activation": "leaky_relu",
    "norm": "group",
    "groups": 4,
    "incep_kernels": [3, 5, 7, 11],
}


@dataclass(frozen=True)
class Ablated:
    """One model of the ablation: what it lacks, and the settings that take it away."""

    label: str
    words: str
    switches: Mapping[str, Any]
    widening: int = 1
    """By how much the translator is wider (c or 2c)."""


ABLATION: tuple[Ablated, ...] = (
    Ablated("model1", "without S-UNet (encoder to decoder)", {"spatial_skip": "none"}),
    Ablated("model2", "without T-UNet (inside the translator)", {"translator_skips": False}),
    Ablated("model3", "without groups in convolutions", {"groups": 1}),
    Ablated("model4", "batch norm for group norm", {"norm": "batch"}),
    Ablated("model5", "kernel 3", {"incep_kernels": [3]}),
    Ablated("model6", "kernel 5", {"incep_kernels": [5]}),
    Ablated("model7", "kernel 7", {"incep_kernels": [7]}),
    Ablated("model8", "kernel 11", {"incep_kernels": [11]}),
    Ablated("model9", "kernel 11, twice as wide", {"incep_kernels": [11]}, widening=2),
    Ablated("simvp", "kernels 3, 5, 7, 11", {}),
)


def ablated_settings(ablated: Ablated, base: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of one model of the ablation.

    base: those of the experiment's SimVP, of which the sizes are kept; the layout is the paper's.
    Raises ConfigError for a setting that SimVP with its Inception translator does not have.
    """
    _, complete = complete_settings("simvp", {**base, **LAYOUT})
    plain = {key: list(item) if isinstance(item, tuple) else item for key, item in complete.items()}
    return {**plain, "hid_T": ablated.widening * complete["hid_T"], **ablated.switches}


def check_groups(contender: Contender, shape: SampleShape) -> None:
    """ConfigError where the sizes leave no room for the paper's groups: model 3 would be SimVP."""
    settings, groups = contender.model.settings, LAYOUT["groups"]
    translator, spatial = settings["hid_T"], settings["hid_S"]
    if translator % (2 * groups) or shape.out_steps * spatial % groups:
        raise ConfigError(
            f"the ablation has {groups} groups of channels: model.hid_T ({translator}) must be a "
            f"multiple of {2 * groups}, and model.hid_S ({spatial}) times the horizon "
            f"({shape.out_steps}) one of {groups}"
        )
