"""OpenSTL's PhyDNet."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.published.weights import count, kernels, load, most_common, size
from stforecast.models.registry import create_model

_RENAMED = [
    (r"^E\.(\d)\.(\d)\.", r"encoder.encoder_E.c\1.main.\2."),
    (r"^E_([pr])\.(\d)\.(\d)\.", r"encoder.encoder_E\1.c\2.main.\3."),
    (r"^D\.(\d)\.(\d)\.", r"encoder.decoder_D.upc\1.main.\2."),
    (r"^D_([pr])\.(\d)\.(\d)\.", r"encoder.decoder_D\1.upc\2.main.\3."),
    (r"^readout\.", "encoder.decoder_D.upc3."),
    (r"^phycell\.derivatives\.", "phycell.cell_list.0.F.conv1."),
    (r"^phycell\.norm\.", "phycell.cell_list.0.F.bn1."),
    (r"^phycell\.coefficients\.", "phycell.cell_list.0.F.conv2."),
    (r"^phycell\.gain\.", "phycell.cell_list.0.convgate."),
    (r"^cells\.(\d+)\.gates\.", r"convcell.cell_list.\1.conv."),
]

# The two branches are listed a second time inside the encoder; the moments' matrices are constant.
_UNUSED = [r"encoder\.(phycell|convcell)\..*", r"k2m\._(inv)?M[01]"]


def phydnet(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's PhyDNet_Model.

    The spec must say in_steps and patch_size, which no weight tells; a patch_size other than 2 and
    4 is taken as 4, as there.
    """
    in_steps = size(spec, "in_steps", None)
    patch = size(spec, "patch_size", None)
    channels = most_common(
        c_out for _, c_out, *_ in kernels(weights, r"encoder\.decoder_D\.upc3\.weight")
    )
    layers = count(weights, r"convcell\.cell_list\.(\d+)\.") or 3
    gates = [
        most_common(out for out, *_ in kernels(weights, rf"convcell\.cell_list\.{i}\.conv\.weight"))
        for i in range(layers)
    ]
    published = [128] * (layers - 1) + [64]
    hidden = [out // 4 if out else width for out, width in zip(gates, published, strict=True)]
    derivatives = kernels(weights, r"phycell\.cell_list\.0\.F\.conv1\.weight")
    shape = SampleShape(
        in_steps,
        size(spec, "out_steps", in_steps),
        size(spec, "channels", channels),
        # Any size will do where the spec tells none: the parameters do not know the grid.
        size(spec, "height", patch),
        size(spec, "width", patch),
    )
    model = create_model(
        "phydnet",
        shape,
        hidden=hidden,
        patch_size=patch if patch in (2, 4) else 4,
        filter_size=most_common(k for *_, k in derivatives) or 7,
        output="sigmoid",
    )
    load(model, weights, _public_name, _UNUSED)
    return model


def _public_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    # Layers are counted from 1 there.
    return re.sub(r"\.(c|upc)(\d)\.main", lambda m: f".{m[1]}{int(m[2]) + 1}.main", name)
