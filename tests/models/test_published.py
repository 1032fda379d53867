"""Public weights give the public outputs, and what does not fit is named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from stforecast.errors import ConfigError, DataError
from stforecast.models import SampleShape, create_model, from_published
from stforecast.models.published import LAYOUTS
from stforecast.models.published.simvp import _public_name

Reference = tuple[dict[str, Any], dict[str, Tensor], Tensor, Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


every_layout = pytest.mark.parametrize("layout", sorted(LAYOUTS))


@pytest.fixture
def reference(shared: Path, layout: str) -> Reference:
    with safe_open(shared / "reference" / f"{layout}.safetensors", "pt") as file:
        spec = json.loads(file.metadata()["spec"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = {
        name.removeprefix("weights/"): value
        for name, value in tensors.items()
        if name.startswith("weights/")
    }
    return spec, weights, tensors["input"], tensors["output"]


@every_layout
def test_reproduces_the_public_output(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    model = from_published(layout, weights, spec)
    assert not model.training
    with torch.no_grad():
        forecast = model(history)
    assert (forecast - output).abs().max() < 1e-4 * output.std()


@every_layout
def test_what_the_weights_tell_may_be_left_out(layout: str, reference: Reference) -> None:
    _, weights, history, output = reference
    with torch.no_grad():
        forecast = from_published(layout, weights, {})(history)
    assert (forecast - output).abs().max() < 1e-4 * output.std()


@every_layout
def test_prefixes_of_wrappers_are_taken_off(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    wrapped = {f"module.model.{name}": value for name, value in weights.items()}
    with torch.no_grad():
        forecast = from_published(layout, wrapped, spec)(history)
    assert (forecast - output).abs().max() < 1e-4 * output.std()


@every_layout
@pytest.mark.parametrize("out_steps", [1, 3, 6, 11])
def test_other_horizons_are_rolled_out_or_cut_off(
    layout: str, reference: Reference, out_steps: int
) -> None:
    spec, weights, history, output = reference
    once = from_published(layout, weights, spec)
    steps = spec["in_steps"]
    with torch.no_grad():
        forecast = from_published(layout, weights, {**spec, "out_steps": out_steps})(history)
        second = once(output)
    assert forecast.shape[1] == out_steps
    torch.testing.assert_close(forecast[:, :steps], output[:, :out_steps], rtol=1e-4, atol=1e-4)
    if out_steps > steps:
        beyond = forecast[:, steps : 2 * steps]
        torch.testing.assert_close(beyond, second[:, : beyond.shape[1]], rtol=1e-4, atol=1e-4)


@every_layout
def test_weights_that_do_not_fit_are_named(layout: str, reference: Reference) -> None:
    spec, weights, _, _ = reference
    for name in weights:
        without = {key: value for key, value in weights.items() if key != name}
        with pytest.raises(DataError, match=f"missing: {name}"):
            from_published(layout, without, spec)
        wrong = {**weights, name: torch.zeros(*weights[name].shape, 2)}
        with pytest.raises(DataError, match=rf"wrong shape: {name} \("):
            from_published(layout, wrong, spec)
    with pytest.raises(DataError, match=r"unknown: hid\.extra"):
        from_published(layout, {**weights, "hid.extra": torch.zeros(1)}, spec)


@every_layout
def test_no_weights_or_a_bad_spec_is_told(layout: str, reference: Reference) -> None:
    spec, weights, _, _ = reference
    with pytest.raises(ConfigError, match="the spec has no N_S"):
        from_published(layout, {}, {})
    with pytest.raises(DataError, match="missing"):
        from_published(layout, {}, spec)
    with pytest.raises(ConfigError, match="N_T of the spec is 'many'"):
        from_published(layout, weights, {**spec, "N_T": "many"})
    with pytest.raises(DataError, match="missing"):
        from_published(layout, weights, {**spec, "N_T": spec["N_T"] + 1})


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean simvp_v1"):
        from_published("simvp-v1", {}, {})


def test_one_unit_each_way_ignores_what_the_public_code_never_uses() -> None:
    settings = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 1, "groups": 2}
    torch.manual_seed(0)
    ours = create_model("simvp", SampleShape(2, 2, 1, 8, 8), **settings).eval()
    public = {_public_name(name): value for name, value in ours.state_dict().items()}
    unused = {
        re.sub(r"^hid\.(enc|dec)\.0", r"hid.\1.1", name): value for name, value in public.items()
    }
    history, _ = ours.shape.example(1)
    model = from_published("simvp_v1", unused | public, {**settings, "in_steps": 2})
    with torch.no_grad():
        assert torch.equal(model(history), ours(history))
