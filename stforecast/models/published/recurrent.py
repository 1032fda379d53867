"""OpenSTL's recurrent models, and the cells that they share."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.published.weights import count, kernels, load, most_common, size
from stforecast.models.registry import create_model

_RENAMED = [
    (r"^cells\.(\d+)\.(\w+)\.weight$", r"cell_list.\1.\2.0.weight"),
    (r"^readout\.", "conv_last."),
]


def convlstm(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's ConvLSTM_Model; its cells hold an output gate and a last layer they never use."""
    unused = [r"cell_list\.\d+\.(conv_o\.0|conv_last)\.weight"]
    return recurrent("convlstm", weights, spec, public_name, unused)


def recurrent(
    name: str,
    weights: dict[str, Tensor],
    spec: Mapping[str, Any],
    naming: Callable[[str], str],
    unused: Collection[str] = (),
    per_cell: str = r"cell_list\.{}\.conv_h\.0\.weight",
    **settings: Any,
) -> nn.Module:
    """A system of OpenSTL's family, its sizes from the spec or else from the weights.

    per_cell: pattern of a convolution of layer {} whose second dimension is that layer's width.
    """
    layers = count(weights, per_cell.format(r"(\d+)")) or len(spec.get("hidden", ())) or 1
    hidden = spec.get("hidden")
    if hidden is None:
        hidden = [
            most_common(c_in for _, c_in, *_ in kernels(weights, per_cell.format(layer)))
            for layer in range(layers)
        ]
        hidden = [width if width is not None else size(spec, "hidden", None) for width in hidden]
    frame = most_common(c_out for c_out, *_ in kernels(weights, r"conv_last\.weight"))
    patch = spec.get("patch_size")
    if patch is None and frame is not None and "channels" in spec:
        patch = round((frame / size(spec, "channels", None)) ** 0.5)
    patch = size(spec, "patch_size", patch)
    filter_size = size(
        spec, "filter_size", most_common(k for *_, k in kernels(weights, per_cell.format(r"\d+")))
    )
    in_steps = size(spec, "in_steps", None)
    shape = SampleShape(
        in_steps,
        size(spec, "out_steps", in_steps),
        size(spec, "channels", None if frame is None else frame // patch**2),
        size(spec, "height", patch),
        size(spec, "width", patch),
    )
    model = create_model(
        name, shape, hidden=list(hidden), patch_size=patch, filter_size=filter_size, **settings
    )
    load(model, weights, naming, unused)
    return model


def public_name(name: str) -> str:
    """OpenSTL's name of one of our weights."""
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
