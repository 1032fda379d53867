"""What models cost, in words and as lists in JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stforecast.config.presets import model_preset, model_presets
from stforecast.errors import StForecastError
from stforecast.files import written_whole

if TYPE_CHECKING:
    from stforecast.models import SampleShape

NOTHING = "–"


def count_text(count: float) -> str:
    """A number of parameters or operations: ``14.98 M``, ``298.84 G``."""
    number, prefix = float(count), ""
    for larger in ("k", "M", "G", "T"):
        if number < 1000:
            break
        number, prefix = number / 1000, larger
    return f"{number:.2f} {prefix}" if prefix else f"{number:.0f}"


def seconds_text(seconds: float) -> str:
    """A duration of a call, in three digits: ``4.31 ms``, ``12.4 s``."""
    if seconds < 1:
        return f"{_three_digits(1e3 * seconds)} ms"
    return f"{_three_digits(seconds)} s"


def _three_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:#.3g}"


def shape_text(shape: "SampleShape") -> str:
    """The shape of a sample in words: ``10 × 1 × 64 × 64 → 10``, and what else is told."""
    sizes = (shape.in_steps, shape.channels, shape.height, shape.width)
    text = f"{' × '.join(map(str, sizes))} → {shape.out_steps}"
    told = shape.frame_channels - shape.channels
    if told:
        text += f" with {told} channel{'s' if told > 1 else ''} of covariates"
    return f"{text}, round the globe" if shape.periodic_x else text


def published_settings(model: str, preset: str | None) -> dict[str, Any] | None:
    """Settings of a model's preset; None where it has none of this name."""
    if preset is None or preset not in model_presets(model):
        return None
    return model_preset(model, preset)["model"]


def check_writable(path: str) -> Path:
    """The file that a list is to go to; an error before the work, not after it."""
    place = Path(path)
    if place.is_dir():
        raise StForecastError(f"{path} is a folder; name a file to write to")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def write_json(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a list of objects, whole or not at all."""
    with written_whole(path, "the list") as beside:
        beside.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
