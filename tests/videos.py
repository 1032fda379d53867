"""Digits and videos for the tests."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.ingest import prepare
from stforecast.options import DataOptions
from stforecast.sources import open_source
from stforecast.store import TensorStore


def make_digits(count: int, side: int = 8) -> NDArray[np.uint8]:
    """Images (count, side, side) that all differ; whole numbers alone, so the same everywhere."""
    k, y, x = np.ogrid[:count, :side, :side]
    return ((37 * k + 53 * y * (k % 7 + 1) + 29 * x * (k % 5 + 1)) % 256).astype(np.uint8)


def write_idx(path: Path, images: NDArray[np.uint8], packed: bool = False) -> Path:
    content = struct.pack(">I3I", 0x0803, *images.shape) + images.tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def moving_store(folder: Path, digits: int = 60, **options: Any) -> TensorStore:
    """Sequences of 6 frames of 16 x 16: 3 for validation, 4 for test, 10 drawn for an epoch."""
    path = write_idx(folder / "digits.idx", make_digits(digits))
    sizes = {"train": 10, "validation": 3, "test": 4, "frames": 6, "size": 16}
    data = DataOptions(reader="moving-mnist", moving_mnist={**sizes, **options})
    return prepare(open_source([path], data), data).store()
