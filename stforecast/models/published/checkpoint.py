"""Files of public weights, read without running anything that is in them.

A ``.pth`` or ``.ckpt`` file is a pickle: a program that may import and call anything. torch's own
reader of weights refuses whatever is no tensor, and so most checkpoints: these hold the arguments
of a training, states of callbacks, or whole modules. Here the few functions that make tensors are
known by name, and everything else that the file names is taken for a placeholder, which imports
nothing and does nothing.
"""

import collections
import json
import pickle
import tarfile
import types
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stforecast.errors import DataError
from stforecast.models.published.weights import without_prefix

# Under which names trainers keep the weights in a checkpoint, the likeliest first.
_ENTRIES = ("state_dict", "model_state_dict", "model", "network", "net", "module", "weights")
_NESTING = 4


@dataclass(frozen=True)
class Checkpoint:
    """Weights under their public names, and what the file says of their sizes."""

    weights: dict[str, Tensor]
    spec: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The weights in a safetensors file, or in one that ``torch.save`` wrote (``.pth``, ``.ckpt``).

    Of a safetensors file with names that begin with ``weights/``, it is these; a ``spec`` in its
    metadata is JSON. In a file of torch's the weights may lie below ``state_dict``, ``model`` and
    the like, or in parts by name, and parts may be whole modules. Nothing in the file is executed.

    Raises
    ------
    DataError
        There is no such file, it is something else, or it holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        words = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"the weights {path} cannot be read: it {words}")
    try:
        if path.suffix == ".safetensors":
            return _safetensors(path)
        return Checkpoint(_weights_in(_loaded(path), path))
    except OSError as error:
        raise DataError(f"the weights {path} cannot be read: {error.strerror or error}") from error
    except RecursionError as error:
        raise DataError(f"{path} is no file of weights: what it holds contains itself") from error


def _safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            names = list(file.keys())
            chosen = [name for name in names if name.startswith("weights/")] or names
            weights = {name.removeprefix("weights/"): file.get_tensor(name) for name in chosen}
    except SafetensorError as error:
        raise DataError(f"{path} is not a whole safetensors file: {error}") from error
    try:
        spec = json.loads(notes.get("spec", "{}"))
    except ValueError as error:
        raise DataError(f"the spec in the metadata of {path} is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise DataError(f"the spec in the metadata of {path} is not a JSON object")
    return Checkpoint(weights, spec)


# --- files of torch's -----------------------------------------------------------------------------


def _loaded(path: Path) -> Any:
    """What a file of torch's holds, with placeholders for what is neither tensors nor plain."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise DataError(f"{path} is a TorchScript program; save the module's state_dict()")
    elif tarfile.is_tarfile(path):
        raise DataError(
            f"{path} is of a version of torch before 0.2; save it anew with a later one"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about the sources of old modules
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError:
                return torch.load(
                    path, map_location="cpu", weights_only=False, pickle_module=_without_code()
                )
    except OSError:
        raise
    # A damaged file fails in any way; it is the same for the user.
    except Exception as error:
        raise DataError(
            f"{path} is damaged, or no file of weights; give one that torch.save or safetensors "
            "wrote"
        ) from error


class _Placeholder:
    """Stands for an object, a class or a function that a file names; knows what it was given."""

    state: Any
    entries: dict[Any, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> "_Placeholder":
        made = super().__new__(cls)
        made.state, made.entries = None, {}
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Arguments are nothing to us."""

    def __call__(self, *args: Any, **kwargs: Any) -> "_Placeholder":
        return type(self)()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, value: Any) -> None:
        """Items of lists and sets are nothing to us."""

    extend = add = update = append


def _without_code() -> types.ModuleType:
    """What torch takes for the module pickle: an unpickler that knows tensors and nothing else.

    Made anew for each file, so that a file cannot leave anything behind.
    """
    rebuild = torch._utils
    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch", "Size"): tuple,
        ("torch._utils", "_rebuild_tensor"): _apart(rebuild._rebuild_tensor),
        ("torch._utils", "_rebuild_tensor_v2"): _apart(rebuild._rebuild_tensor_v2),
        ("torch._utils", "_rebuild_parameter"): _apart(rebuild._rebuild_parameter),
    }
    placeholder = type("Placeholder", (_Placeholder,), {})

    class Unpickler(pickle.Unpickler):
        def find_class(self, module_name: str, global_name: str, /) -> Any:
            return known.get((module_name, global_name), placeholder)

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    module = types.ModuleType("pickle_without_code")
    vars(module).update(Unpickler=Unpickler, load=load)
    return module


def _apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that a file can call and not change."""

    def call(*args: Any) -> Any:
        return function(*args)

    return call


# --- where the weights are ------------------------------------------------------------------------


def _weights_in(tree: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(_NESTING):
        below = _entry(tree)
        if below is None:
            break
        tree = below
    weights = _state_dict(tree)
    if not weights:
        for part, inner in _entries(tree).items():
            plain = without_prefix(_state_dict(inner))
            weights |= {f"{part}.{name}": value for name, value in plain.items()}
    if not weights:
        names = ", ".join(map(str, _entries(tree))) or "something without names"
        raise DataError(f"{path} holds no weights, but {names}")
    return weights


def _entry(tree: Any) -> Any:
    """What lies in a mapping under the name of weights, if there is that."""
    entries = _entries(tree)
    found = (entries[name] for name in _ENTRIES if name in entries)
    return next((below for below in found if _entries(below) or _is_module(below)), None)


def _state_dict(tree: Any) -> dict[str, Tensor]:
    """The tensors of a mapping or a module, by name; none if it is something else."""
    if _is_module(tree):
        return dict(_tensors_of(tree, ""))
    return {
        name: value
        for name, value in _entries(tree).items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _entries(tree: Any) -> Mapping[Any, Any]:
    if isinstance(tree, _Placeholder):
        return tree.entries
    return tree if isinstance(tree, Mapping) else {}


def _is_module(tree: Any) -> bool:
    return (
        isinstance(tree, _Placeholder)
        and isinstance(tree.state, Mapping)
        and {"_parameters", "_buffers", "_modules"} <= tree.state.keys()
    )


def _tensors_of(module: _Placeholder, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a module that was saved whole, named as its state_dict would."""
    for kind in ("_parameters", "_buffers"):
        for name, value in _entries(module.state[kind]).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
    for name, inner in _entries(module.state["_modules"]).items():
        if _is_module(inner):
            yield from _tensors_of(inner, f"{prefix}{name}.")
