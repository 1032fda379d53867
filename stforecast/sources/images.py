"""One image as numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stforecast.errors import DataError, first_line

# What Pillow raises for files that are broken or no images.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16L", "I;16B", "I;16N")
_DEEP = 65535  # the largest value of 16 bits


@dataclass(frozen=True)
class Picture:
    """What an image is, or is to be.

    Without ``resize`` an image of another size is an error.
    """

    height: int
    width: int
    colour: bool
    resize: bool = False


def look_at(path: Path) -> Picture:
    """Size and colour of an image; DataError, naming it, if it is none."""
    try:
        with Image.open(path) as image:
            return Picture(image.height, image.width, colour=image.mode not in _GREY_MODES)
    except _BROKEN as error:
        raise _broken(path, error) from None


def read_image(path: Path, picture: Picture, first: Path) -> NDArray[np.float32]:
    """The values (C, H, W) of an image, from 0 to 1: red, green and blue, or their intensity.

    Intensity weighs the colours as ITU-R BT.601 does; transparency is left out. Resizing averages
    over what a new pixel covers (bilinear, with antialiasing). DataError, naming the image, where
    it is broken or has another size than the `first`.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "F":
                raise DataError(f"{path} holds floating-point numbers, which have no range")
            if not picture.resize and image.size != (picture.width, picture.height):
                raise DataError(
                    f"{path} has {image.height} x {image.width} pixels and {first} "
                    f"{picture.height} x {picture.width}; bring all to one size with "
                    "data.frames.resize"
                )
            values = _values(image, picture)
    except _BROKEN as error:
        raise _broken(path, error) from None
    return values


def _values(image: Image.Image, picture: Picture) -> NDArray[np.float32]:
    size = (picture.width, picture.height)
    if image.mode.startswith("I"):
        deep = np.asarray(image, np.float32) / np.float32(_DEEP)
        if picture.resize:
            grey = Image.fromarray(deep).resize(size, Image.Resampling.BILINEAR)
            deep = np.asarray(grey, np.float32)
        return np.repeat(deep[np.newaxis], 3 if picture.colour else 1, axis=0)
    plain = image.convert("RGB" if picture.colour else "L")
    if picture.resize:
        plain = plain.resize(size, Image.Resampling.BILINEAR)
    values = np.divide(np.asarray(plain), np.float32(255), dtype=np.float32)
    return np.moveaxis(values, -1, 0) if picture.colour else values[np.newaxis]


def _broken(path: Path, error: Exception) -> DataError:
    reason = first_line(error)[:200]
    return DataError(f"{path} is broken or no image ({reason}); get it again")
