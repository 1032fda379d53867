"""OpenSTL's MIM_Model, as it computes when its memories begin with zeros."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.models.published.recurrent import recurrent
from stforecast.models.published.weights import position_grid

_MODULE = {  # MIM-N and MIM-S
    "conv_x.weight": "conv_x_concat.0.weight",
    "conv_h.weight": "conv_h_concat.0.weight",
    "peephole_if": "ct_weight",
    "peephole_o": "oc_weight",
}
_BLOCK = {  # the weights of a MIM block beside those
    "conv_x.weight": "conv_x_cc.0.weight",
    "conv_h.weight": "conv_t_cc.0.weight",
    "conv_m.weight": "conv_s_cc.0.weight",
}


def mim(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's MIM_Model; its MIM-N hold a last layer that they never use."""
    return recurrent(
        "mim",
        weights,
        spec,
        _public_name,
        unused=[r"stlstm_layer_diff\.\d+\.conv_last\.weight"],
        per_cell=r"stlstm_layer\.{}\.conv_(?:h|[ts]_cc|[hx]_concat)\.0\.weight",
        grid=position_grid(weights, r"stlstm_layer(_diff)?\.\d+\.(ct|oc)_weight", ndim=3),
    )


def _public_name(name: str) -> str:
    """OpenSTL's name of one of our weights."""
    match name.split(".", 3):
        case ["first", "conv_last", _]:
            return "stlstm_layer.0.conv_last.weight"
        case ["first", convolution, _]:
            return f"stlstm_layer.0.{convolution}.0.weight"
        case ["blocks", i, "nonstationary", rest]:
            return f"stlstm_layer_diff.{i}.{_MODULE[rest]}"
        case ["blocks", i, "stationary", rest]:
            return f"stlstm_layer.{int(i) + 1}.{_MODULE[rest]}"
        case ["blocks", i, *rest]:
            weight = ".".join(rest)
            return f"stlstm_layer.{int(i) + 1}.{_BLOCK.get(weight, weight)}"
    return "conv_last.weight"
