"""Images of digits as their files have them: IDX, NumPy, CSV."""

import gzip
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError, first_line

GZIP = b"\x1f\x8b"
NUMPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
_IDX_IMAGES = b"\x00\x00\x08\x03"  # unsigned bytes in three dimensions
# What is raised for files that are broken.
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_SIDE = 28  # rows and columns of a digit in a table

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class DigitFile:
    """What a file holds: digits (N, h, w), those for testing apart where it has them so.

    `sequences` is the shape (T, N, H, W) of an array of sequences, for a file that is one.
    """

    path: Path
    digits: Images | None = None
    test_digits: Images | None = None
    sequences: tuple[int, int, int, int] | None = None


def holds_digits(path: Path) -> bool:
    """Whether a file surely is one of images: IDX, or an array of sequences in NumPy's format."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head.startswith(GZIP):
            with gzip.open(path) as packed:
                head = packed.read(4)
        if head.startswith(NUMPY):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return bool(array.ndim == 4 and array.dtype == np.uint8)
    except _BROKEN:
        return False
    return head.startswith(_IDX_IMAGES)


def read_digits(path: Path) -> DigitFile:
    """The digits of a file; DataError, naming it, where it holds none or is broken."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head.startswith(NUMPY):
            return _from_array(path)
        if head.startswith(ZIP):
            return _from_archive(path)
        content = _content(path, packed=head.startswith(GZIP))
    except _BROKEN as error:
        reason = first_line(error)[:200]
        raise DataError(f"{path} is broken, perhaps truncated ({reason}); get it again") from None
    if content.startswith(_IDX_IMAGES):
        return DigitFile(path, _from_idx(path, content))
    if content[:3] == _IDX_IMAGES[:3]:
        raise DataError(f"{path} holds no images, perhaps the labels of digits; name the images")
    return DigitFile(path, _from_table(path, content))


def _content(path: Path, *, packed: bool) -> bytes:
    if not packed:
        return path.read_bytes()
    with gzip.open(path) as file:
        return file.read()


def _from_idx(path: Path, content: bytes) -> Images:
    if len(content) < 16:
        raise DataError(f"{path} is truncated; get it again")
    count, height, width = struct.unpack(">3I", content[4:16])
    pixels = np.frombuffer(content, np.uint8, offset=16)
    if pixels.size < count * height * width or count == 0:
        raise DataError(
            f"{path} is truncated: it should hold {count} images of {height} x {width} and has "
            f"{pixels.size} bytes of them; get it again"
        )
    return pixels[: count * height * width].reshape(count, height, width)


def _from_table(path: Path, content: bytes) -> Images:
    """Rows of the 784 values of a digit, perhaps with its label behind them."""
    try:
        table = np.loadtxt(content.decode("ascii").splitlines(), np.float64, delimiter=",", ndmin=2)
    except (UnicodeDecodeError, ValueError):
        table = np.zeros((0, 0))
    pixels = table[:, : _SIDE**2]
    known = table.shape[1] in (_SIDE**2, _SIDE**2 + 1) and len(table) > 0
    if not known or not np.isin(pixels, np.arange(256)).all():
        raise DataError(
            f"{path} holds no digits; give a file in the IDX format of MNIST, a NumPy array "
            f"(N, {_SIDE}, {_SIDE}) of bytes, or a table of {_SIDE**2} values (0 to 255) a row"
        )
    return pixels.astype(np.uint8).reshape(-1, _SIDE, _SIDE)


def _from_array(path: Path) -> DigitFile:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim == 4 and array.dtype == np.uint8 and array.shape[-1] != 1 and array.size:
        frames, count, height, width = array.shape
        return DigitFile(path, sequences=(frames, count, height, width))
    return DigitFile(path, _as_images(path, array))


def _from_archive(path: Path) -> DigitFile:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    images = {name: array for name, array in arrays.items() if array.ndim > 2}
    if not images:
        raise DataError(f"{path} has no array of images, only {', '.join(arrays) or 'nothing'}")
    test = [name for name in images if "test" in name]
    others = [name for name in images if name not in test]
    if len(test) > 1 or len(others) > 1:
        raise DataError(
            f"{path} has several arrays of images ({', '.join(images)}); give one with one, or "
            "with one for training and one with 'test' in its name"
        )
    parts = {name: _as_images(path, array) for name, array in images.items()}
    if not others:
        return DigitFile(path, parts[test[0]])
    return DigitFile(path, parts[others[0]], parts[test[0]] if test else None)


def _as_images(path: Path, array: NDArray[Any]) -> Images:
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3 or array.dtype != np.uint8 or not array.size:
        raise DataError(
            f"{path} holds {array.dtype} {array.shape}, not digits (N, rows, columns) or sequences "
            "(frames, N, rows, columns) of bytes"
        )
    return np.array(array)
