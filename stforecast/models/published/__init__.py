"""Weights of the systems' public implementations, run by the systems here.

A layout is the naming and structure of one public code base. Each has a function
``(weights, spec) -> nn.Module``; a further layout is one more entry of LAYOUTS.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.errors import ConfigError
from stforecast.models.published import crevnet, e3d_lstm, mim, phydnet, recurrent, simvp
from stforecast.models.published.weights import without_prefix
from stforecast.models.settings import suggestion

Layout = Callable[[dict[str, Tensor], Mapping[str, Any]], nn.Module]

LAYOUTS: dict[str, Layout] = {
    "simvp_v1": simvp.simvp_v1,
    "openstl_simvp_inception": simvp.openstl_simvp_inception,
    "openstl_simvp_gsta": simvp.openstl_simvp_gsta,
    "openstl_simvp_tau": simvp.openstl_simvp_tau,
    "convlstm": recurrent.convlstm,
    "predrnn": recurrent.predrnn,
    "predrnn_v2": recurrent.predrnn_v2,
    "causal_lstm": recurrent.causal_lstm,
    "mim": mim.mim,
    "e3d_lstm": e3d_lstm.e3d_lstm,
    "phydnet": phydnet.phydnet,
    "crevnet": crevnet.crevnet,
}


def check_layout(layout: str) -> None:
    """ConfigError, naming the nearest one, unless a layout is known."""
    if layout not in LAYOUTS:
        raise ConfigError(f"there is no layout {layout}{suggestion(layout, LAYOUTS)}")


def from_published(
    layout: str, weights: Mapping[str, Tensor], spec: Mapping[str, Any] | str
) -> nn.Module:
    """Make a module that computes what a public implementation does with these weights.

    layout: a name in LAYOUTS.
    weights: the parameters under their public names, in any precision; ``module.``, ``model.`` and
        ``_orig_mod.`` in front of every name are taken off.
    spec: sizes; in_steps, out_steps, and what the layout's public constructor was given. What the
        weights' shapes tell may be left out. A mapping, or one as JSON text.

    Returns a module in eval mode: (B, T, C, H, W) -> (B, T', C, H, W). Raises ConfigError for an
    unknown layout and DataError naming weights that are missing, unknown or of a wrong shape.
    """
    check_layout(layout)
    if isinstance(spec, str):
        spec = _read(spec)
    return LAYOUTS[layout](without_prefix(weights), spec).eval()


def _read(text: str) -> dict[str, Any]:
    try:
        spec = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"the spec is not JSON: {error}") from None
    if not isinstance(spec, dict):
        raise ConfigError(f"the spec is {text}; it must be a JSON object, such as {{}}")
    return spec
