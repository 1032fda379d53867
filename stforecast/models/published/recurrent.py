"""OpenSTL's recurrent models, and how the sizes of their family are told."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stforecast.errors import ConfigError
from stforecast.models.base import SampleShape
from stforecast.models.published.weights import count, kernels, load, most_common, size
from stforecast.models.registry import create_model

_RENAMED = [
    (r"^cells\.(\d+)\.conv_last\.", r"cell_list.\1.conv_last."),
    (r"^cells\.(\d+)\.(\w+)\.weight$", r"cell_list.\1.\2.0.weight"),
    (r"^highway\.conv_([xz])\.", r"gradient_highway.\1_concat.0."),
    (r"^readout\.", "conv_last."),
]


def convlstm(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's ConvLSTM_Model; its cells hold an output gate and a last layer they never use."""
    unused = [r"cell_list\.\d+\.(conv_o\.0|conv_last)\.weight"]
    return recurrent("convlstm", weights, spec, public_name, unused)


def predrnn(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's PredRNN_Model."""
    return recurrent("predrnn", weights, spec, public_name)


def predrnn_v2(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's PredRNNv2_Model."""
    return recurrent("predrnn_v2", weights, spec, public_name)


def causal_lstm(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's PredRNNpp_Model; its cells hold PredRNN's output gate, which they never use."""
    unused = [r"cell_list\.\d+\.conv_o\.0\.weight"]
    return recurrent("causal_lstm", weights, spec, public_name, unused)


def recurrent(
    name: str,
    weights: dict[str, Tensor],
    spec: Mapping[str, Any],
    naming: Callable[[str], str],
    unused: Collection[str] = (),
    per_cell: str = r"cell_list\.{}\.conv_h\.0\.weight",
    public_shape: Callable[[str, torch.Size], Collection[int]] = lambda name, shape: shape,
    dims: int = 2,
    grid: tuple[int, int] = (1, 1),
    **settings: Any,
) -> nn.Module:
    """A system of OpenSTL's family, its sizes from the spec or else from the weights.

    unused: patterns of weights that the public code holds but never uses.
    per_cell: pattern of a convolution of layer {} whose second dimension is that layer's width.
    public_shape: see :func:`load`. dims: of its convolutions, 2 or 3.
    grid: rows and columns of patches where the spec does not tell height and width. Most systems
        fit any.
    settings: further ones of the system.

    The spec must say in_steps, and patch_size or channels where the last layer leaves it open.
    """
    in_steps = size(spec, "in_steps", None)
    hidden = _hidden(weights, spec, per_cell, dims)
    cells = kernels(weights, per_cell.format(r"\d+"), dims)
    frame = most_common(c_out for c_out, *_ in kernels(weights, r"conv_last\.weight", dims))
    patch = size(spec, "patch_size", _patch(frame, spec))
    shape = SampleShape(
        in_steps,
        size(spec, "out_steps", in_steps),
        size(spec, "channels", None if frame is None else max(frame // patch**2, 1)),
        size(spec, "height", grid[0] * patch),
        size(spec, "width", grid[1] * patch),
    )
    model = create_model(
        name,
        shape,
        hidden=hidden,
        patch_size=patch,
        filter_size=size(spec, "filter_size", most_common(k for *_, k in cells)),
        **settings,
    )
    load(model, weights, naming, unused, public_shape)
    return model


def _hidden(
    weights: dict[str, Tensor], spec: Mapping[str, Any], per_cell: str, dims: int
) -> list[int]:
    """The width of each layer."""
    hidden = spec.get("hidden")
    if hidden is not None:
        if not isinstance(hidden, list | tuple):
            raise ConfigError(f"hidden of the spec is {hidden!r}; it must list each layer's width")
        return [size({"hidden": width}, "hidden", None) for width in hidden]
    layers = count(weights, per_cell.format(r"(\d+)")) or 1
    found = [kernels(weights, per_cell.format(i), dims) for i in range(layers)]
    widths = [[c_in for _, c_in, *_ in layer] for layer in found]
    # A layer without that weight is taken for one like the others, so that the weight is named.
    others = most_common(width for layer in widths for width in layer)
    return [size({}, "hidden", most_common(layer) or others) for layer in widths]


def _patch(frame: int | None, spec: Mapping[str, Any]) -> int | None:
    """The edge of a patch whose cells' channels are `frame`, if only one edge fits."""
    if frame is None:
        return None
    if "channels" in spec:
        return math.isqrt(frame // size(spec, "channels", None)) or 1
    edges = [edge for edge in range(1, frame + 1) if frame % (edge * edge) == 0]
    return edges[0] if len(edges) == 1 else None


def public_name(name: str) -> str:
    """OpenSTL's name of one of our weights."""
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
