"""SimVP's public layouts: the authors' first repository, and OpenSTL's SimVP_Model."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.published.weights import Rolled, count, kernels, load, most_common, size
from stforecast.models.registry import create_model

Sizes = Callable[[Mapping[str, Tensor], Mapping[str, Any]], dict[str, Any]]

_RENAMED = [
    (r"^(enc|dec)\.layers\.(\d+)\.", r"\1.\1.\2.conv."),
    (r"^readout\.", "dec.readout."),
    # Inception
    (r"^(hid\.\w+\.\d+)\.reduce\.", r"\1.conv1."),
    (r"^(hid\.\w+\.\d+)\.branches\.(\d+)\.0\.", r"\1.layers.\2.conv."),
    (r"^(hid\.\w+\.\d+)\.branches\.(\d+)\.1\.", r"\1.layers.\2.norm."),
    # gSTA and TAU
    (r"^hid\.blocks\.(\d+)\.resize\.", r"hid.enc.\1.reduction."),
    (r"^hid\.blocks\.(\d+)\.norm_(\d)\.", r"hid.enc.\1.block.norm\2."),
    (r"^hid\.blocks\.(\d+)\.scale_(\d)$", r"hid.enc.\1.block.layer_scale_\2"),
    (r"^hid\.blocks\.(\d+)\.", r"hid.enc.\1.block."),
    (r"\.attn\.proj_in\.", ".attn.proj_1."),
    (r"\.attn\.proj_out\.", ".attn.proj_2."),
    (r"\.attn\.attention\.", ".attn.spatial_gating_unit."),
    (r"\.spatial_gating_unit\.large_kernel\.near\.", ".spatial_gating_unit.conv0."),
    (r"\.spatial_gating_unit\.large_kernel\.far\.", ".spatial_gating_unit.conv_spatial."),
    (r"\.spatial_gating_unit\.mix\.", ".spatial_gating_unit.conv1."),
    (r"\.spatial_gating_unit\.squeeze\.", ".spatial_gating_unit.fc.0."),
    (r"\.spatial_gating_unit\.excite\.", ".spatial_gating_unit.fc.2."),
    (r"\.mlp\.expand\.", ".mlp.fc1."),
    (r"\.mlp\.depthwise\.", ".mlp.dwconv.dwconv."),
    (r"\.mlp\.contract\.", ".mlp.fc2."),
]


def simvp_v1(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """The authors' first repository: ``model.py`` of A4Bio/SimVP."""
    return _simvp(
        weights,
        spec,
        _inception,
        spatial_skip="concatenate",
        upsampling="transposed",
        activation="leaky_relu",
    )


def openstl_simvp_inception(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's SimVP_Model with model_type incepu."""
    return _openstl(weights, spec, _inception)


def openstl_simvp_gsta(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's SimVP_Model with model_type gsta."""
    return _openstl(weights, spec, _attention, translator="gsta")


def openstl_simvp_tau(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """OpenSTL's SimVP_Model with model_type tau."""
    return _openstl(weights, spec, _attention, translator="tau")


def _openstl(
    weights: dict[str, Tensor], spec: Mapping[str, Any], sizes: Sizes, **variant: Any
) -> nn.Module:
    return _simvp(
        weights,
        spec,
        sizes,
        pairs=True,
        spatial_skip="add",
        upsampling="pixel_shuffle",
        activation="silu",
        **variant,
    )


def _inception(weights: Mapping[str, Tensor], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an Inception translator, and its width as the weights tell it."""
    reduce = kernels(weights, r"hid\.\w+\.\d+\.conv1\.weight")
    branches = kernels(weights, r"hid\.\w+\.\d+\.layers\.\d+\.conv\.weight")
    per_group = most_common(c_in for _, c_in, *_ in branches)
    reduced = most_common(out for out, *_ in reduce)
    groups = reduced // per_group if reduced and per_group else None
    incep_kernels = [
        most_common(k for *_, k in kernels(weights, rf"hid\.\w+\.\d+\.layers\.{i}\.conv\.weight"))
        for i in range(count(weights, r"hid\.\w+\.\d+\.layers\.(\d+)\.") or 0)
    ]
    return {
        "hid_T": size(spec, "hid_T", most_common(out for out, *_ in branches)),
        "incep_kernels": [kernel or 3 for kernel in incep_kernels] or [3, 5, 7, 11],
        "groups": groups or size(spec, "groups", 8),
    }


def _attention(weights: Mapping[str, Tensor], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a gSTA or TAU translator, and its width as the weights tell it."""
    block = r"hid\.enc\.\d+\.block\."
    last = (count(weights, r"hid\.enc\.(\d+)\.") or 1) - 1
    of_last = kernels(weights, rf"hid\.enc\.{last}\.block\.attn\.proj_[12]\.weight")
    far = kernels(weights, block + r"attn\.spatial_gating_unit\.conv_spatial\.weight")
    widths = [(dim, out) for out, dim, *_ in kernels(weights, block + r"mlp\.fc1\.weight")]
    widths += [(dim, out) for dim, out, *_ in kernels(weights, block + r"mlp\.fc2\.weight")]
    return {
        "hid_T": size(spec, "hid_T", most_common(out for out, *_ in of_last)),
        "attention_kernel": 3 * (most_common(k for *_, k in far) or 7),
        "mlp_ratio": spec.get("mlp_ratio", _mlp_ratio(widths)),
    }


def _mlp_ratio(widths: list[tuple[int, int]]) -> float:
    """The ratio that gives most of the widths (block, feed-forward), which are rounded down."""
    ratios = [hidden / dim for dim, hidden in widths]
    ratios += [math.nextafter(ratio, math.inf) for ratio in ratios]  # what rounds down to one less
    return max(
        ratios,
        key=lambda ratio: sum(int(dim * ratio) == hidden for dim, hidden in widths),
        default=8.0,
    )


def _simvp(
    weights: dict[str, Tensor],
    spec: Mapping[str, Any],
    sizes: Sizes,
    *,
    pairs: bool = False,
    **variant: Any,
) -> nn.Module:
    """SimVP of some variant.

    sizes: settings of the translator, read from weights and spec.
    pairs: whether the layers of encoder and decoder come in pairs.
    """
    enc = kernels(weights, r"enc\.enc\.\d+\.conv\.conv\.weight")
    dec = kernels(weights, r"dec\.dec\.\d+\.conv\.conv(\.0)?\.weight")
    first = kernels(weights, r"hid\.enc\.0\.(conv1|block\.attn\.proj_[12])\.weight")
    readout = kernels(weights, r"dec\.readout\.weight")

    N_S = size(spec, "N_S", count(weights, r"enc\.enc\.(\d+)\."))
    N_T = size(spec, "N_T", count(weights, r"hid\.enc\.(\d+)\."))
    hid_S = size(spec, "hid_S", most_common(out for out, *_ in enc))
    in_steps = size(spec, "in_steps", most_common(c_in // hid_S for _, c_in, *_ in first))
    out_steps = size(spec, "out_steps", in_steps)
    channels = size(spec, "channels", most_common(out for out, *_ in readout))
    # Any size will do where the spec tells none: the parameters do not know the grid.
    grid = size(spec, "height", 1), size(spec, "width", 1)
    model = create_model(
        "simvp",
        SampleShape(in_steps, in_steps, channels, *grid),
        hid_S=hid_S,
        N_S=N_S - N_S % 2 if pairs else N_S,  # of an odd number the last layer is not made
        N_T=N_T,
        spatio_kernel_enc=size(spec, "spatio_kernel_enc", most_common(k for *_, k in enc) or 3),
        spatio_kernel_dec=size(spec, "spatio_kernel_dec", most_common(k for *_, k in dec) or 3),
        **sizes(weights, spec),
        **variant,
    )
    # With N_T = 1 the public code makes two Inception units each way and uses the first.
    ignored = [r"hid\.(enc|dec)\.1\..*"] if N_T == 1 else []
    load(model, weights, _public_name, ignored)
    return model if out_steps == in_steps else Rolled(model, out_steps)


def _public_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
