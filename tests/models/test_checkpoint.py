"""Weights are found in files as trainers leave them, and nothing in a file is executed."""

import argparse
import collections
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stforecast.errors import DataError
from stforecast.models.published.checkpoint import read_checkpoint
from stforecast.models.published.weights import without_prefix

every_format = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))


def saved(path: Path, content: Any, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


class Settings(dict[str, Any]):
    """A class of some trainer's, unknown here."""


def lightning(net: nn.Module) -> dict[str, Any]:
    """What a training with Lightning leaves, and a little more."""
    return {
        "epoch": 49,
        "global_step": 1000,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.3), "dirpath": "x"}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}],
        "hyper_parameters": {
            "args": argparse.Namespace(lr=1e-3, path=Path("data")),
            "test_mean": np.zeros((1, 2)),
            "lengths": {10, 20},
            "more": Settings(depth=4),
            "counts": collections.defaultdict(list, {"a": [1]}),
            "type": torch.float32,
            "activation": nn.functional.relu,
            "large": 2**80,
            "bytes": b"abc",
        },
        "state_dict": {f"model.{name}": value for name, value in net.state_dict().items()},
    }


@every_format
@pytest.mark.parametrize("key", [None, "state_dict", "model", "module", "net"])
def test_weights_are_found_where_trainers_put_them(
    tmp_path: Path, net: nn.Module, zipped: bool, key: str | None
) -> None:
    weights = net.state_dict()
    content = weights if key is None else {"epoch": 3, "best": torch.tensor(1.0), key: weights}
    assert_same(read_checkpoint(saved(tmp_path / "x.pth", content, zipped)).weights, weights)


@every_format
def test_objects_of_a_trainer_are_passed_over(tmp_path: Path, net: nn.Module, zipped: bool) -> None:
    path = saved(tmp_path / "best.ckpt", lightning(net), zipped)
    with pytest.raises(pickle.UnpicklingError):  # what is tested is not torch's own reader
        torch.load(path, weights_only=True)
    assert_same(without_prefix(read_checkpoint(path).weights), net.state_dict())


@every_format
def test_modules_that_were_saved_whole_are_read(
    tmp_path: Path, net: nn.Module, zipped: bool
) -> None:
    path = saved(tmp_path / "whole.pth", net, zipped)
    assert_same(read_checkpoint(path).weights, dict(net.state_dict()))
    content = {"encoder": net, "predictor": nn.DataParallel(net), "opt": argparse.Namespace(lr=1)}
    parts = read_checkpoint(saved(tmp_path / "parts.pth", content, zipped)).weights
    expected = {
        f"{part}.{name}": value
        for part in ("encoder", "predictor")
        for name, value in net.state_dict().items()
    }
    assert_same(parts, expected)


def test_parameters_are_read_as_weights(tmp_path: Path, net: nn.Module) -> None:
    path = saved(tmp_path / "x.pth", dict(net.named_parameters()))
    assert_same(read_checkpoint(path).weights, dict(net.named_parameters()))


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "model.module._orig_mod."])
def test_prefixes_of_wrappers_are_taken_off(net: nn.Module, prefix: str) -> None:
    wrapped = {f"{prefix}{name}": value for name, value in net.state_dict().items()}
    assert_same(without_prefix(wrapped), dict(net.state_dict()))
    mixed = {**wrapped, "other": torch.zeros(1)}
    assert without_prefix(mixed).keys() == mixed.keys()
    assert without_prefix({}) == {}


def test_safetensors_bring_their_spec(tmp_path: Path, net: nn.Module) -> None:
    weights = dict(net.state_dict())
    path = tmp_path / "x.safetensors"
    save_file(weights, path, {"spec": json.dumps({"hid_S": 8})})
    found = read_checkpoint(path)
    assert_same(found.weights, weights)
    assert found.spec == {"hid_S": 8}
    beside = {f"weights/{name}": value for name, value in weights.items()}
    save_file({**beside, "input": torch.zeros(1)}, path)
    found = read_checkpoint(path)
    assert_same(found.weights, weights)
    assert found.spec == {}


# --- files that would do harm ---------------------------------------------------------------------


class Harm:
    """Pickled, it is a call of any function with any arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Path]:
    """A file that only a call in a checkpoint would make."""
    path = tmp_path / "trap"
    yield path
    assert not path.exists(), "code in a checkpoint was executed"


@every_format
def test_nothing_in_a_checkpoint_is_executed(
    tmp_path: Path, net: nn.Module, trap: Path, zipped: bool
) -> None:
    harms = [
        Harm(os.system, f"mkdir {trap}"),
        Harm(exec, f"import os; os.mkdir({str(trap)!r})"),
        Harm(os.mkdir, str(trap)),
        Harm(Path.mkdir, trap),
    ]
    for harm in harms:
        pickle.loads(pickle.dumps(harm))  # pickle itself does what it says
        trap.rmdir()
        content = {"state_dict": net.state_dict(), "callbacks": [harm]}
        found = read_checkpoint(saved(tmp_path / "harm.ckpt", content, zipped))
        assert_same(found.weights, dict(net.state_dict()))


def test_a_bare_pickle_is_not_executed(tmp_path: Path, trap: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(pickle.dumps(Harm(os.mkdir, str(trap))))
    with pytest.raises(DataError, match="is damaged, or no file of weights"):
        read_checkpoint(path)


def test_a_file_leaves_nothing_behind(tmp_path: Path, net: nn.Module, trap: Path) -> None:
    """A pickle may set attributes of what it names; this must not reach the next file."""
    rebuild, plain = torch._utils._rebuild_tensor_v2, dict(torch._utils._rebuild_tensor_v2.__dict__)
    program = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x04\x00\x00\x00codeK\x01sb"  # BUILD: set it
        b"0cposix\nsystem\n(X\x01\x00\x00\x00xtR."
    )
    path = saved(tmp_path / "x.pth", {"a": 1})
    other = tmp_path / "y.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            is_program = name.endswith("data.pkl")
            target.writestr(name, program if is_program else source.read(name))
    with pytest.raises(DataError, match="holds no weights"):
        read_checkpoint(other)
    assert rebuild.__dict__ == plain
    path = saved(tmp_path / "z.pth", {"state_dict": net.state_dict(), "x": Harm(os.getcwd)})
    assert_same(read_checkpoint(path).weights, dict(net.state_dict()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_what_is_no_file_of_weights_is_told(tmp_path: Path, net: nn.Module) -> None:
    whole = saved(tmp_path / "whole.pth", net.state_dict()).read_bytes()
    script = tmp_path / "script.pt"
    torch.jit.script(net).save(script)
    itself: dict[str, Any] = {"opt": argparse.Namespace()}
    itself["model"] = itself
    wrong: dict[str, tuple[Any, str]] = {
        "none.pth": (None, "does not exist"),
        "text.pth": (b"weights\n" * 50, "is damaged, or no file of weights"),
        "empty.pth": (b"", "is damaged, or no file of weights"),
        "cut.pth": (whole[: len(whole) // 2], "is damaged, or no file of weights"),
        "cut.safetensors": (b"\x08", "is not a whole safetensors file"),
        "script.pt": (script.read_bytes(), "is a TorchScript program"),
        "numbers.pth": ({"epoch": 3, "loss": 0.1}, "holds no weights, but epoch, loss"),
        "tensor.pth": (torch.zeros(3), "holds no weights, but something without names"),
        "itself.pth": (itself, "holds no weights, but opt, model"),
    }
    for name, (content, sentence) in wrong.items():
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            saved(path, content)
        with pytest.raises(DataError, match=sentence) as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    with pytest.raises(DataError, match="is a folder"):
        read_checkpoint(tmp_path)
    for spec, sentence in (("{", "is not JSON"), ("[1]", "is not a JSON object")):
        save_file(net.state_dict(), tmp_path / "x.safetensors", {"spec": spec})
        with pytest.raises(DataError, match=sentence):
            read_checkpoint(tmp_path / "x.safetensors")


def test_a_module_within_itself_is_told(tmp_path: Path, net: nn.Module) -> None:
    net._modules["again"] = net
    with pytest.raises(DataError, match="what it holds contains itself"):
        read_checkpoint(saved(tmp_path / "x.pth", net))
