"""Files of a run: written whole or not at all, read without pickle."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from stforecast.errors import RunError, first_line
from stforecast.files import written_whole

STATE_VERSION = 1


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the system says against writing below `path` becomes one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"cannot write {error.filename or path}: {reason}; what was saved before is kept"
        ) from error


def write_weights(path: Path, weights: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Weights as safetensors, with `notes` as its metadata."""
    plain = {
        name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in weights.items()
    }
    content = save(plain, metadata=dict(notes))
    with written_whole(path, "the weights") as beside:
        beside.write_bytes(content)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """What a resumed run needs: tensors and plain values."""
    buffer = io.BytesIO()
    torch.save({**state, "version": STATE_VERSION}, buffer)
    with written_whole(path, "the state of the run") as beside:
        beside.write_bytes(buffer.getbuffer())


def read_state(path: Path, *, lazily: bool = False) -> dict[str, Any]:
    """The state, all tensors on the CPU; nothing in the file is ever executed.

    lazily: tensors are read when they are used, for those who only want the plain values.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=lazily)
    except FileNotFoundError as error:
        raise RunError(
            f"there is nothing to resume in {path.parent}: {path.name} is missing; "
            "train it again with --replace"
        ) from error
    # Whatever is wrong inside (truncated, not a state, forbidden types) ends the same way.
    except Exception as error:
        reason = first_line(error)
        raise RunError(
            f"the state {path} cannot be read ({reason}); train the run again with --replace"
        ) from error
    version = state.get("version") if isinstance(state, dict) else None
    if version != STATE_VERSION:
        raise RunError(
            f"the state {path} has version {version} and this stforecast reads {STATE_VERSION}; "
            "resume with the stforecast that trained the run, or train it again with --replace"
        )
    return state
