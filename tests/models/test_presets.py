"""Published settings: every preset of a model is one that the model and its training take."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from stforecast.models import REGISTRY, SampleShape, create_model
from stforecast.models.cost import count_parameters
from stforecast.options import TrainingOptions

PRESETS = sorted(Path(str(files("stforecast") / "presets" / "model")).glob("*/*.yaml"))

# Of OpenSTL's model zoo, and of the authors' own code.
SHAPES_AND_PARAMETERS = {
    "simvp/moving_mnist": (SampleShape(10, 10, 1, 64, 64), 58.0e6),
    "simvp/taxibj": (SampleShape(4, 4, 2, 32, 32), 13.79e6),
    "simvp/weather": (SampleShape(12, 12, 1, 32, 64), 14.67e6),
    "simvp/human": (SampleShape(4, 4, 3, 256, 256), 41.2e6),
    "simvp/kth": (SampleShape(10, 10, 1, 128, 128), None),
    "simvp/original": (SampleShape(10, 10, 1, 64, 64), None),
}


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_preset_is_taken(path: Path) -> None:
    name = f"{path.parent.name}/{path.stem}"
    sections = YAML(typ="safe", pure=True).load(path.read_text())
    assert set(sections) == {"model", "training"}
    TrainingOptions.model_validate(sections["training"])
    assert path.parent.name in REGISTRY
    shape, parameters = SHAPES_AND_PARAMETERS[name]
    with torch.device("meta"):
        model = create_model(path.parent.name, shape, **sections["model"])
    if parameters is not None:
        assert count_parameters(model) == pytest.approx(parameters, rel=3e-3)


def test_every_published_size_has_its_preset() -> None:
    assert {f"{path.parent.name}/{path.stem}" for path in PRESETS} == set(SHAPES_AND_PARAMETERS)
