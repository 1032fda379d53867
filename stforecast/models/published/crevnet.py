"""The CrevNet that its authors published for Traffic4cast: ``layers.py`` of its repository."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from stforecast.errors import ConfigError
from stforecast.models.base import SampleShape
from stforecast.models.published.weights import count, kernels, load, most_common, size
from stforecast.models.registry import create_model

_GATES = {
    "i": "in_gate",
    "f": "remember_gate",
    "g": "cell_gate",
    "i_": "in_gate1",
    "f_": "remember_gate1",
    "g_": "cell_gate1",
    "o": "out_gate",
    "mix": "w1",
}


def crevnet(weights: dict[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    """``autoencoder`` and ``zig_rev_predictor``, their weights under encoder. and frame_predictor.

    The spec must say in_steps. Its ``reduction``, the grid's size over the latent's, is the squeeze
    before the autoencoder (the public ``init_ds``, 2 unless told) times the strides; ``rnn_size``
    follows from it. A spec that contradicts itself there is a ConfigError.
    """
    in_steps = size(spec, "in_steps", None)
    blocks, strides, mult = _autoencoder(weights, spec)
    half = most_common(
        c_in for _, c_in, *_ in kernels(weights, r"encoder\.stack\.0\.bottleneck_block\.0\.weight")
    )
    patch = _patch(spec, strides, half)
    channels = size(spec, "channels", None if half is None else 2 * half // patch**2)
    shape = SampleShape(
        in_steps,
        size(spec, "out_steps", in_steps),
        channels,
        # Any size will do where the spec tells none: the parameters do not know the grid.
        size(spec, "height", 1),
        size(spec, "width", 1),
    )
    model: Any = create_model(
        "crevnet",
        shape,
        blocks=blocks,
        strides=strides,
        mult=mult,
        layers=size(spec, "layers", count(weights, r"frame_predictor\.convlstm\.(\d+)\.")),
        patch_size=patch,
    )
    told = spec.get("rnn_size", model.rnn_size)
    if told != model.rnn_size:
        raise ConfigError(
            f"rnn_size of the spec is {told!r}; {channels} channels on a grid reduced by "
            f"{model.multiple} make it {model.rnn_size}"
        )
    load(model, weights, _public_name)
    return model  # type: ignore[no-any-return]


def _autoencoder(
    weights: dict[str, Tensor], spec: Mapping[str, Any]
) -> tuple[list[int], list[int], int]:
    """Blocks and strides of each stage, and mult, from the spec or else from the weights."""
    pattern = r"encoder\.stack\.{}\.bottleneck_block\.{}\.weight"
    outputs: list[int] = []  # channels of each block's last convolution, and what goes into it
    inner: list[int] = []
    for block in range(count(weights, r"encoder\.stack\.(\d+)\.") or 0):
        for c_out, c_in, *_ in kernels(weights, pattern.format(block, "7" if block == 0 else "9")):
            outputs.append(c_out)
            inner.append(c_in)
    # Only a stride changes the channels, and the first stage has none.
    depths = Counter(outputs)
    blocks = _stages(spec, "blocks") or list(depths.values())
    strides = _stages(spec, "strides") or [1] + [2] * (len(blocks) - 1)
    fitting = (
        mult
        for mult in range(1, max(outputs, default=0) + 1)
        if all(max(c_out // mult, 1) == c for c_out, c in zip(outputs, inner, strict=True))
    )
    if not blocks:
        raise ConfigError("the spec has no blocks, and the weights do not tell them")
    return blocks, strides, size(spec, "mult", next(fitting, None))


def _stages(spec: Mapping[str, Any], key: str) -> list[int] | None:
    value = spec.get(key)
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{key} of the spec is {value!r}; it must be a list of whole numbers")
    return [size({key: item}, key, None) for item in value]


def _patch(spec: Mapping[str, Any], strides: Sequence[int], half: int | None) -> int:
    """The squeeze before the autoencoder, which its strides leave of the reduction."""
    if half is not None and "reduction" not in spec and "channels" in spec:
        return max(math.isqrt(2 * half // size(spec, "channels", None)), 1)
    latent: int = 2 ** list(strides).count(2)
    reduction = size(spec, "reduction", 2 * latent)
    if reduction % latent:
        raise ConfigError(
            f"reduction of the spec is {reduction}; strides {list(strides)} make it a multiple of "
            f"{latent}"
        )
    return reduction // latent


def _public_name(name: str) -> str:
    if match := re.fullmatch(
        r"autoencoder\.couplings\.(\d+)\.F\.(body\.(\d)|readout)\.(\w+)", name
    ):
        block, part, layer, kind = match.groups()
        # A dropout stands between the public layers, and the first block lacks its first two.
        first = block == "0"
        index = (7 if first else 9) if part == "readout" else int(layer)
        if part != "readout" and index > (3 if first else 5):
            index += 1
        return f"encoder.stack.{block}.bottleneck_block.{index}.{kind}"
    if match := re.fullmatch(r"layers\.(\d+)\.cell\.(\w+)\.(\w+)", name):
        layer, gate, kind = match.groups()
        return f"frame_predictor.convlstm.{layer}.{_GATES[gate]}.{kind}"
    return re.sub(r"^layers\.(\d+)\.attention\.", r"frame_predictor.att.\1.", name)
