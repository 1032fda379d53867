"""SimVP's public layouts: the authors' first repository, and OpenSTL's SimVP_Model."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from stforecast.models.base import SampleShape
from stforecast.models.published.weights import Rolled, count, load, most_common, shapes, size
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
    # widths and depths
    hid_S = size(
        spec,
        "hid_S",
        most_common(s[0] for s in shapes(weights, r"enc\.enc\.\d+\.conv\.conv\.weight")),
    )
    reduced = most_common(s[0] for s in shapes(weights, r"hid\.enc\.\d+\.conv1\.weight"))
    outer = most_common(s[0] for s in shapes(weights, r"hid\.enc\.\d+\.layers\.\d+\.norm\.weight"))
    hid_T = size(spec, "hid_T", outer)
    N_T = size(spec, "N_T", count(weights, r"hid\.enc\.(\d+)\."))
    in_steps = size(
        spec,
        "in_steps",
        most_common(s[1] // hid_S for s in shapes(weights, r"hid\.enc\.0\.conv1\.weight")),
    )
    channels = size(
        spec, "channels", most_common(s[0] for s in shapes(weights, r"dec\.readout\.weight"))
    )

    # kernels and groups, which a spec need not tell
    def kernel(pattern: str, default: int) -> int:
        return most_common(s[-1] for s in shapes(weights, pattern)) or default

    branches = count(weights, r"hid\.enc\.\d+\.layers\.(\d+)\.") or 0
    per_group = most_common(
        s[1] for s in shapes(weights, r"hid\.\w+\.\d+\.layers\.\d+\.conv\.weight")
    )
    shape = SampleShape(
        in_steps,
        in_steps,
        channels,
        size(spec, "height", 1),
        size(spec, "width", 1),
    )
    model = create_model(
        "simvp",
        shape,
        hid_S=hid_S,
        hid_T=hid_T,
        N_T=N_T,
        spatio_kernel_enc=kernel(r"enc\.enc\.\d+\.conv\.conv\.weight", 3),
        spatio_kernel_dec=kernel(r"dec\.dec\.\d+\.conv\.conv(\.0)?\.weight", 3),
        incep_kernels=[
            kernel(rf"hid\.\w+\.\d+\.layers\.{i}\.conv\.weight", 3) for i in range(branches)
        ]
        or [3, 5, 7, 11],
        groups=reduced // per_group if reduced and per_group else spec.get("groups", 8),
        **variant,
    )
    # With N_T = 1 both make two units each way and use the first.
    ignored = [r"hid\.(enc|dec)\.1\..*"] if N_T == 1 else []
    load(model, weights, _public_name, ignored)
    out_steps = size(spec, "out_steps", in_steps)
    return model if out_steps == in_steps else Rolled(model, out_steps)


def _public_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
