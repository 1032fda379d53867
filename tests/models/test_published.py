"""Public weights give the public outputs, and what does not fit is named."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from stforecast.errors import ConfigError, DataError
from stforecast.models import SampleShape, create_model, from_published
from stforecast.models.published import LAYOUTS
from stforecast.models.published.recurrent import public_name
from stforecast.models.published.simvp import _public_name
from stforecast.models.recurrent import RecurrentForecaster

Reference = tuple[dict[str, Any], dict[str, Tensor], Tensor, Tensor]

RECURRENT = ["causal_lstm", "convlstm", "e3d_lstm", "mim", "predrnn", "predrnn_v2"]
SIMVP = ["openstl_simvp_gsta", "openstl_simvp_inception", "openstl_simvp_tau", "simvp_v1"]

# What no weight tells; of a layout without an entry the weights tell all.
NEEDED = {
    **dict.fromkeys([*RECURRENT, "phydnet"], ("in_steps", "patch_size")),
    "crevnet": ("in_steps",),
}

# What the public code holds but never uses; of a layout without an entry it uses all.
UNUSED = {
    "causal_lstm": r"cell_list\.\d\.conv_o\.0\.weight",
    "convlstm": r"cell_list\.\d\.(conv_o\.0|conv_last)\.weight",
    "e3d_lstm": r"cell_list\.\d\.conv_gm\.0\.conv3d\.weight",
    "mim": r"stlstm_layer_diff\.\d\.conv_last\.weight",
    "phydnet": r"encoder\.(phycell|convcell)\..*|k2m\..*",
}

every_layout = pytest.mark.parametrize("layout", sorted(LAYOUTS))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def read(shared: Path, layout: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(shared / "reference" / f"{layout}.safetensors", "pt") as file:
        return json.loads(file.metadata()["spec"]), {
            name: file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118
        }


@pytest.fixture
def reference(shared: Path, layout: str) -> Reference:
    spec, tensors = read(shared, layout)
    weights = {
        name.removeprefix("weights/"): value
        for name, value in tensors.items()
        if name.startswith("weights/")
    }
    return spec, weights, tensors["input"], tensors["output"]


def unused(layout: str, name: str) -> bool:
    return re.fullmatch(UNUSED.get(layout, "none"), name) is not None


def assert_public(forecast: Tensor, output: Tensor) -> None:
    assert forecast.shape == output.shape
    assert (forecast - output).abs().max() < 1e-4 * output.std()


@torch.no_grad()
def computed(layout: str, weights: dict[str, Tensor], spec: Any, history: Tensor) -> Tensor:
    forecast: Tensor = from_published(layout, weights, spec)(history)
    return forecast


def test_every_reference_has_its_layout(shared: Path) -> None:
    index = json.loads((shared / "reference" / "index.json").read_text())
    assert {entry["name"] for entry in index} <= set(LAYOUTS)


@every_layout
def test_reproduces_the_public_output(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    assert not from_published(layout, weights, spec).training
    assert_public(computed(layout, weights, spec, history), output)


@pytest.mark.parametrize("layout", RECURRENT)
def test_reproduces_every_frame_after_the_first(
    layout: str, reference: Reference, shared: Path
) -> None:
    spec, weights, history, _ = reference
    frames = read(shared, layout)[1]["frames_2_to_end"]
    model = from_published(layout, weights, spec)
    assert isinstance(model, RecurrentForecaster)
    with torch.no_grad():
        y, _ = model.unroll(model._patched(history), None, frames.shape[1])
        assert_public(model._unpatched(y, *frames.shape[-2:]), frames)


@every_layout
def test_what_the_weights_tell_may_be_left_out(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    needed = {key: spec[key] for key in NEEDED.get(layout, ())}
    assert_public(computed(layout, weights, needed, history), output)
    for key in needed:
        rest = {name: value for name, value in needed.items() if name != key}
        with pytest.raises(ConfigError, match=f"the spec has no {key}"):
            from_published(layout, weights, rest)


@pytest.mark.parametrize("layout", RECURRENT)
def test_channels_tell_the_patches(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    told = {key: spec[key] for key in ("in_steps", "channels")}
    assert_public(computed(layout, weights, told, history), output)


@pytest.mark.parametrize("kernel", [1, 7])
@pytest.mark.parametrize(("patch", "layers"), [(1, 3), (2, 5), (4, 2)])
@pytest.mark.parametrize("layout", ["causal_lstm", "convlstm", "predrnn", "predrnn_v2"])
def test_other_sizes_are_read_from_the_weights(
    layout: str, patch: int, layers: int, kernel: int
) -> None:
    hidden = [2, 3, 5, 1, 4][:layers] if layout == "convlstm" else [3] * layers
    shape = SampleShape(3, 2, 2, 4 * patch, 3 * patch)
    torch.manual_seed(0)
    ours = create_model(layout, shape, hidden=hidden, patch_size=patch, filter_size=kernel).eval()
    weights = {public_name(name): value for name, value in ours.state_dict().items()}
    history, _ = shape.example(2)
    told = {"in_steps": 3, "out_steps": 2, "channels": 2}
    with torch.no_grad():
        assert torch.equal(computed(layout, weights, told, history), ours(history))


@every_layout
def test_prefixes_of_wrappers_are_taken_off(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    wrapped = {f"module.model.{name}": value for name, value in weights.items()}
    assert_public(computed(layout, wrapped, spec, history), output)


@every_layout
def test_what_the_public_code_never_uses_does_not_matter(layout: str, reference: Reference) -> None:
    spec, weights, history, output = reference
    used = {name: value for name, value in weights.items() if not unused(layout, name)}
    assert (len(used) < len(weights)) == (layout in UNUSED)
    assert_public(computed(layout, used, spec, history), output)
    wild = {name: value * torch.nan for name, value in weights.items() if name not in used}
    assert_public(computed(layout, used | wild, spec, history), output)


@every_layout
@pytest.mark.parametrize("out_steps", [1, 6, 11])
def test_other_horizons(layout: str, reference: Reference, out_steps: int) -> None:
    spec, weights, history, output = reference
    forecast = computed(layout, weights, {**spec, "out_steps": out_steps}, history)
    assert forecast.shape == (*output.shape[:1], out_steps, *output.shape[2:])
    assert forecast.isfinite().all()
    common = min(out_steps, spec["out_steps"])
    torch.testing.assert_close(forecast[:, :common], output[:, :common], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", SIMVP)
def test_systems_of_one_shot_go_on_from_what_they_forecast(
    layout: str, reference: Reference
) -> None:
    spec, weights, history, output = reference
    steps = spec["in_steps"]
    forecast = computed(layout, weights, {**spec, "out_steps": 3 * steps - 1}, history)
    second = computed(layout, weights, spec, output)
    torch.testing.assert_close(forecast[:, steps : 2 * steps], second, rtol=1e-4, atol=1e-4)


@every_layout
def test_weights_that_do_not_fit_are_named(layout: str, reference: Reference) -> None:
    spec, weights, _, _ = reference
    used = [name for name in weights if not unused(layout, name)]
    for name in {re.sub(r"\d+", "", name): name for name in used}.values():  # one of each kind
        without = {key: value for key, value in weights.items() if key != name}
        with pytest.raises(DataError, match=f"missing: {re.escape(name)}"):
            from_published(layout, without, spec)
        wrong = {**weights, name: torch.zeros(*weights[name].shape, 2)}
        with pytest.raises(DataError, match=rf"wrong shape: {re.escape(name)} \("):
            from_published(layout, wrong, spec)
    with pytest.raises(DataError, match=r"unknown: no\.such\.weight"):
        from_published(layout, {**weights, "no.such.weight": torch.zeros(1)}, spec)


@every_layout
def test_no_weights_or_a_bad_spec_is_told(layout: str, reference: Reference) -> None:
    spec, weights, _, _ = reference
    with pytest.raises(ConfigError, match="the spec has no"):
        from_published(layout, {}, {})
    with pytest.raises(DataError, match="missing"):
        from_published(layout, {}, spec)
    for key in ("in_steps", "out_steps", "channels", "height", "width"):
        for bad in ("many", 0, 1.5):
            with pytest.raises(ConfigError, match=f"{key} of the spec is {bad!r}"):
                from_published(layout, weights, {**spec, key: bad})


@pytest.mark.parametrize("layout", RECURRENT)
def test_a_bad_list_of_widths_is_told(layout: str, reference: Reference) -> None:
    spec, weights, _, _ = reference
    for bad in (8, "8,8,8,8", [8, "8"], [8, 0]):
        with pytest.raises(ConfigError, match="hidden of the spec is"):
            from_published(layout, weights, {**spec, "hidden": bad})
    with pytest.raises(DataError, match="missing"):
        from_published(layout, weights, {**spec, "hidden": [*spec["hidden"], 8]})


@pytest.mark.parametrize("layout", SIMVP)
def test_more_units_than_there_are_weights_for_are_told(layout: str, reference: Reference) -> None:
    spec, weights, _, _ = reference
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
    idle = {
        re.sub(r"^hid\.(enc|dec)\.0", r"hid.\1.1", name): value for name, value in public.items()
    }
    history, _ = ours.shape.example(1)
    model = from_published("simvp_v1", idle | public, {**settings, "in_steps": 2})
    with torch.no_grad():
        assert torch.equal(model(history), ours(history))


@pytest.mark.parametrize("layout", ["simvp_v1"])
def test_the_spec_may_be_json_text(reference: Reference) -> None:
    spec, weights, history, _ = reference
    expected = from_published("simvp_v1", weights, spec)
    with torch.no_grad():
        given = from_published("simvp_v1", weights, json.dumps(spec))(history)
        assert torch.equal(given, expected(history))
    with pytest.raises(ConfigError, match="not JSON"):
        from_published("simvp_v1", weights, "{N_S: 2")
    with pytest.raises(ConfigError, match="must be a JSON object"):
        from_published("simvp_v1", weights, "[2]")
