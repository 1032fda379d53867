"""OpenSTL's E3DLSTM_Model."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stforecast.models.e3d_lstm import WINDOW
from stforecast.models.published.recurrent import recurrent
from stforecast.models.published.weights import kernels, most_common, position_grid, size

_RENAMED = [
    (r"^readout\.", "conv_last."),
    (r"\.conv_oc\.", ".conv_new_cell."),
    (r"\.conv_om\.", ".conv_new_gm."),
    (r"^cells\.(\d+)\.norm\.", r"cell_list.\1._norm_c_t."),
    (r"^cells\.(\d+)\.conv_last\.", r"cell_list.\1.conv_last.conv3d."),
    (r"^cells\.(\d+)\.(\w+)\.", r"cell_list.\1.\2.0.conv3d."),
]
_PER_CELL = r"cell_list\.{}\.conv_(?:h|gm|new_cell|new_gm)\.0\.conv3d\.weight"


def e3d_lstm(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's E3DLSTM_Model.

    It hands the global memory on as it was, zero: what convolves it (conv_gm) and the gate that
    forgets it (the last part of conv_x) make no difference, and are not taken. Its kernel is 5
    whatever its filter_size is said to be: the weights tell it, and the spec only without them.
    """
    kernel = most_common(k for *_, k in kernels(weights, _PER_CELL.format(r"\d+"), dims=3))
    if "filter_size" in spec and kernel is not None:
        size(spec, "filter_size", None)
        spec = {**spec, "filter_size": kernel}
    return recurrent(
        "e3d_lstm",
        weights,
        spec,
        _public_name,
        unused=[r"cell_list\.\d+\.conv_gm\.0\.conv3d\.weight"],
        per_cell=_PER_CELL,
        public_shape=_public_shape,
        dims=3,
        grid=position_grid(weights, r"cell_list\.\d+\._norm_c_t\.(weight|bias)", ndim=4),
    )


def _public_name(name: str) -> str:
    """OpenSTL's name of one of our weights."""
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _public_shape(name: str, shape: torch.Size) -> tuple[int, ...]:
    """Ours have the frames of a window among the channels, and no gate f' in conv_x."""
    if "_norm_c_t" in name:
        return tuple(shape)
    c_out, c_in, *kernel = shape
    depth = 1 if name.startswith("cell_list") and ".conv_last." in name else WINDOW
    if ".conv_x." in name:
        c_out = c_out // 6 * 7
    return (c_out, c_in // depth, depth, *kernel)
