"""The registry: names, settings, and what it says of wrong ones."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from stforecast.errors import ConfigError
from stforecast.models import (
    Covariates,
    Forecaster,
    SampleShape,
    create_model,
    register,
    split_variant,
    variants,
)
from stforecast.models.base import Variants
from stforecast.models.registry import REGISTRY, paper, variant_name
from stforecast.models.settings import checked, suggestion

SHAPE = SampleShape(2, 3, 1, 4, 4)


class Blue:
    paper = "Blue et al."


class Red:
    paper = "Red et al."


class Repeat(Forecaster):
    """The last frame, scaled."""

    variants = Variants("tag", {"blue": Blue, "red": Red})

    def __init__(self, shape: SampleShape, *, scale: float = 1.0, tag: str | None = "red") -> None:
        super().__init__(shape)
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        return self.scale * history[:, -1:].expand(-1, self.shape.out_steps, -1, -1, -1)


@pytest.fixture
def _repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stforecast.models.registry.REGISTRY", registry := dict(REGISTRY))
    register("repeat", paper="none")(Repeat)
    assert "repeat" in registry


@pytest.mark.usefixtures("_repeat")
def test_a_registered_system_is_made_by_name() -> None:
    model = create_model("repeat", SHAPE, scale=2)
    assert (model.name, model.settings) == ("repeat", {"scale": 2.0, "tag": "red"})
    history, _ = SHAPE.example(1)
    result = model.training_forward(history, torch.zeros(1, 3, 1, 4, 4))
    assert torch.equal(result.prediction, model(history))
    assert result.losses == {}


@pytest.mark.usefixtures("_repeat")
def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="two systems"):
        register("repeat", paper="none")(Repeat)


@pytest.mark.usefixtures("_repeat")
def test_a_variant_is_a_setting_by_name() -> None:
    assert split_variant("repeat") == ("repeat", {})
    assert split_variant("repeat:blue") == ("repeat", {"tag": "blue"})
    assert split_variant("repeat:red") == ("repeat", {"tag": "red"})
    model = create_model("repeat:blue", SHAPE, scale=2)
    assert (model.name, model.settings) == ("repeat", {"scale": 2.0, "tag": "blue"})
    assert create_model("repeat:blue", SHAPE, tag="blue").settings["tag"] == "blue"
    assert variants()[-2:] == ["repeat", "repeat:blue"]
    assert variant_name("repeat", {"tag": "blue"}) == "repeat:blue"
    assert variant_name("repeat", {"tag": "red"}) == variant_name("repeat", {}) == "repeat"
    assert variant_name("convlstm", {}) == "convlstm"
    assert [paper(name) for name in ("repeat", "repeat:red", "repeat:blue")] == [
        "none",
        "Red et al.",
        "Blue et al.",
    ]
    assert paper("convlstm").startswith("Shi et al.")
    with pytest.raises(ConfigError, match=r"the model is repeat:blue, but model\.tag is red"):
        create_model("repeat:blue", SHAPE, tag="red")
    with pytest.raises(ConfigError, match=r"model repeat:blue has no setting skale; did you mean"):
        create_model("repeat:blue", SHAPE, skale=1)


@pytest.mark.usefixtures("_repeat")
@pytest.mark.parametrize(
    ("name", "nearest"),
    [("repeat:blu", "repeat:blue"), ("repeat:", "repeat"), ("convlstm:blue", "convlstm")],
)
def test_an_unknown_variant_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=rf"there is no model {name}; did you mean {nearest}\?"):
        create_model(name, SHAPE)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"there is no model simpv; did you mean simvp\?"):
        create_model("simpv", SHAPE)
    assert suggestion("zzz", ["a", "b"]) == "; known are a, b"


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (True, bool, True),
        ("a", Literal["a", "b"], "a"),
        (None, str | None, None),
        ([1, 2], tuple[int, ...], (1, 2)),
        ((), tuple[int, ...], ()),
        (2, float | None, 2.0),
        (4, Literal["auto"] | int, 4),
    ],
)
def test_values_become_what_the_annotation_says(
    value: object, annotation: object, expected: object
) -> None:
    got = checked("model.x", value, annotation)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "told"),
    [
        (3.5, int, "a whole number"),
        (True, int, "a whole number"),
        (1, bool, "true or false"),
        ("3", float, "a number"),
        (1, Literal["a", "b"], "a or b"),
        (1, str | None, "text or null"),
        ([1, "2"], tuple[int, ...], "a list, each item a whole number"),
    ],
)
def test_other_values_are_refused(value: object, annotation: object, told: str) -> None:
    with pytest.raises(ConfigError, match=f"model.x is .*; it must be {told}$"):
        checked("model.x", value, annotation)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [((0, 1, 1, 4, 4), "in_steps"), ((1, 1, 0, 4, 4), "channels"), ((1, 1, 1, 4, 0), "width")],
)
def test_a_sample_without_size_is_refused(sizes: tuple[int, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        SampleShape(*sizes)
    with pytest.raises(ConfigError, match="static_channels"):
        SampleShape(1, 1, 1, 4, 4, static_channels=-1)
