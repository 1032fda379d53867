"""Published settings: every preset of a model is one that the model and its training take."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch

from stforecast.config import model_presets
from stforecast.config.presets import model_preset
from stforecast.models import SampleShape, create_model, variants
from stforecast.models.cost import count_parameters
from stforecast.options import TrainingOptions

SHAPES = {
    "moving_mnist": SampleShape(10, 10, 1, 64, 64),
    "moving_mnist_small": SampleShape(10, 10, 1, 64, 64),
    "taxibj": SampleShape(4, 4, 2, 32, 32),
    "weather": SampleShape(12, 12, 1, 32, 64, periodic_x=True),
    "human": SampleShape(4, 4, 3, 256, 256),
    "kth": SampleShape(10, 10, 1, 128, 128),
    "original": SampleShape(10, 10, 1, 64, 64),
    "small": SampleShape(4, 4, 2, 16, 8),
}

# Of OpenSTL's model zoo. Public recurrent systems hold parameters that they never use.
PARAMETERS = {
    ("simvp", "moving_mnist"): 58.0e6,
    ("simvp", "taxibj"): 13.79e6,
    ("simvp", "weather"): 14.67e6,
    ("simvp", "human"): 41.2e6,
    ("simvp:gsta", "moving_mnist"): 46.8e6,
    ("simvp:gsta", "taxibj"): 9.96e6,
    ("simvp:gsta", "weather"): 12.76e6,
    ("simvp:tau", "moving_mnist"): 44.7e6,
    ("simvp:tau", "taxibj"): 9.55e6,
    ("simvp:tau", "weather"): 12.22e6,
}

PRESETS = [(name, preset) for name in variants() for preset in model_presets(name)]
PUBLISHED = [(name, preset) for name, preset in PRESETS if preset in SHAPES]


def make(name: str, preset: str, settings: dict[str, Any]) -> torch.nn.Module:
    with torch.device("meta"):
        return create_model(name, SHAPES[preset], **settings)


@pytest.mark.parametrize(("name", "preset"), PUBLISHED)
def test_a_preset_is_taken(name: str, preset: str) -> None:
    sections = model_preset(name, preset)
    assert set(sections) == {"model", "training"}
    TrainingOptions.model_validate(sections["training"])
    model = make(name, preset, sections["model"])
    if (name, preset) in PARAMETERS:
        assert count_parameters(model) == pytest.approx(PARAMETERS[name, preset], rel=3e-3)


@pytest.mark.parametrize("name", variants())
def test_every_variant_has_its_presets(name: str) -> None:
    assert {"moving_mnist", "taxibj", "weather", "small"} <= set(model_presets(name))


def test_every_file_is_the_preset_of_a_variant() -> None:
    found = Path(str(files("stforecast") / "presets" / "model")).glob("*/*.yaml")
    known = {
        f"{system}/{variant}_{preset}" if variant else f"{system}/{preset}"
        for name, preset in PUBLISHED
        for system, _, variant in [name.partition(":")]
    }
    assert {f"{path.parent.name}/{path.stem}" for path in found} == known
