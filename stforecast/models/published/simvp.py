"""SimVP's public layouts: the authors' first repository, and OpenSTL's SimVP_Model."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.published.weights import Rolled, count, kernels, load, most_common, size
from stforecast.models.registry import create_model

_RENAMED = [
    (r"^(enc|dec)\.layers\.(\d+)\.", r"\1.\1.\2.conv."),
    (r"^readout\.", "dec.readout."),
    (r"^(hid\.\w+\.\d+)\.reduce\.", r"\1.conv1."),
    (r"^(hid\.\w+\.\d+)\.branches\.(\d+)\.0\.", r"\1.layers.\2.conv."),
    (r"^(hid\.\w+\.\d+)\.branches\.(\d+)\.1\.", r"\1.layers.\2.norm."),
]


def simvp_v1(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """The authors' first repository: ``model.py`` of A4Bio/SimVP."""
    return _simvp(
        weights,
        spec,
        N_S=size(spec, "N_S", count(weights, r"enc\.enc\.(\d+)\.")),
        spatial_skip="concatenate",
        upsampling="transposed",
        activation="leaky_relu",
    )


def openstl_simvp_inception(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's SimVP_Model with model_type incepu."""
    N_S = size(spec, "N_S", count(weights, r"enc\.enc\.(\d+)\."))
    return _simvp(
        weights,
        spec,
        N_S=N_S - N_S % 2,  # its layers come in pairs: of an odd number the last is not made
        spatial_skip="add",
        upsampling="pixel_shuffle",
        activation="silu",
    )


def _simvp(weights: dict[str, Tensor], spec: Mapping[str, Any], **variant: Any) -> nn.Module:
    enc = kernels(weights, r"enc\.enc\.\d+\.conv\.conv\.weight")
    dec = kernels(weights, r"dec\.dec\.\d+\.conv\.conv(\.0)?\.weight")
    first = kernels(weights, r"hid\.enc\.0\.conv1\.weight")
    reduce = kernels(weights, r"hid\.\w+\.\d+\.conv1\.weight")
    branches = kernels(weights, r"hid\.\w+\.\d+\.layers\.\d+\.conv\.weight")
    readout = kernels(weights, r"dec\.readout\.weight")

    hid_S = size(spec, "hid_S", most_common(out for out, *_ in enc))
    hid_T = size(spec, "hid_T", most_common(out for out, *_ in branches))
    N_T = size(spec, "N_T", count(weights, r"hid\.enc\.(\d+)\."))
    in_steps = size(spec, "in_steps", most_common(c_in // hid_S for _, c_in, *_ in first))
    out_steps = size(spec, "out_steps", in_steps)
    channels = size(spec, "channels", most_common(out for out, *_ in readout))
    # Any size will do where the spec tells none: the parameters do not know the grid.
    grid = size(spec, "height", 1), size(spec, "width", 1)

    per_group = most_common(c_in for _, c_in, *_ in branches)
    reduced = most_common(out for out, *_ in reduce)
    groups = reduced // per_group if reduced and per_group else None
    incep_kernels = [
        most_common(k for *_, k in kernels(weights, rf"hid\.\w+\.\d+\.layers\.{i}\.conv\.weight"))
        for i in range(count(weights, r"hid\.\w+\.\d+\.layers\.(\d+)\.") or 0)
    ]
    model = create_model(
        "simvp",
        SampleShape(in_steps, in_steps, channels, *grid),
        hid_S=hid_S,
        hid_T=hid_T,
        N_T=N_T,
        spatio_kernel_enc=size(spec, "spatio_kernel_enc", most_common(k for *_, k in enc) or 3),
        spatio_kernel_dec=size(spec, "spatio_kernel_dec", most_common(k for *_, k in dec) or 3),
        incep_kernels=[kernel or 3 for kernel in incep_kernels] or [3, 5, 7, 11],
        groups=groups or size(spec, "groups", 8),
        **variant,
    )
    # With N_T = 1 the public code makes two units each way and uses the first.
    ignored = [r"hid\.(enc|dec)\.1\..*"] if N_T == 1 else []
    load(model, weights, _public_name, ignored)
    return model if out_steps == in_steps else Rolled(model, out_steps)


def _public_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
