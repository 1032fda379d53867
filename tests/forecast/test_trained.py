"""A run's folder as a model, and what can be wrong with it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from stforecast.errors import RunError
from stforecast.forecast import load_trained
from tests.forecast.runs import make_run
from tests.helpers import make_store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", make_store(80))


def edit_card(run: Path, **changes: object) -> None:
    card = json.loads((run / "card.json").read_text())
    card.update(changes)
    (run / "card.json").write_text(json.dumps(card))


def test_a_run_is_its_card_and_its_weights(run: Path) -> None:
    model = load_trained(run)
    assert not model.module.training
    assert not any(weight.requires_grad for weight in model.module.parameters())
    saved = load_file(run / "model.safetensors")
    for name, tensor in model.module.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), saved[name], rtol=0, atol=0)


def test_the_state_for_resuming_is_never_read(run: Path) -> None:
    (run / "state.pt").write_bytes(b"not even a pickle")
    load_trained(run)


def test_what_is_no_run(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a trained run"):
        load_trained(tmp_path / "nowhere")
    with pytest.raises(RunError, match="is not a trained run"):
        load_trained(tmp_path)


def test_missing_or_damaged_weights(run: Path) -> None:
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match=r"model\.safetensors cannot be read"):
        load_trained(run)
    path.unlink()
    with pytest.raises(RunError, match=r"has lost its weights: model\.safetensors is missing"):
        load_trained(run)


def test_weights_of_another_model(run: Path) -> None:
    path = run / "model.safetensors"
    weights = load_file(path)
    first = next(iter(weights))
    shapes = weights[first].shape
    save_file({**weights, first: torch.zeros(2, *shapes)}, path)
    with pytest.raises(RunError, match=r"has the size 2 × .* where the model has"):
        load_trained(run)
    save_file({name: value for name, value in weights.items() if name != first}, path)
    with pytest.raises(RunError, match=f"{first} is missing"):
        load_trained(run)
    save_file({**weights, "extra": torch.zeros(1)}, path)
    with pytest.raises(RunError, match="the model has no extra"):
        load_trained(run)


def test_a_model_that_is_not_known(run: Path) -> None:
    edit_card(run, model={"name": "simvp9", "settings": {}})
    with pytest.raises(RunError, match=r"cannot be made .*simvp9"):
        load_trained(run)


def test_settings_that_are_not_known(run: Path) -> None:
    edit_card(run, model={"name": "simvp", "settings": {"hid_Z": 3}})
    with pytest.raises(RunError, match=r"cannot be made .*hid_Z"):
        load_trained(run)


def test_a_damaged_shape(run: Path) -> None:
    edit_card(run, shape={"in_steps": 4})
    with pytest.raises(RunError, match="cannot be made"):
        load_trained(run)


def test_devices_that_are_not_there(run: Path) -> None:
    with pytest.raises(RunError, match="there is no device 'tpu'"):
        load_trained(run, device="tpu")  # type: ignore[arg-type]
    if not torch.cuda.is_available():
        with pytest.raises(RunError, match="no NVIDIA GPU"):
            load_trained(run, device="cuda")
