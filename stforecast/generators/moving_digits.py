"""Digits that move in a square and bounce off its edges: Moving MNIST.

The motion is that of Srivastava, Mansimov & Salakhutdinov, "Unsupervised Learning of Video
Representations using LSTMs" (ICML 2015), as the field has used it since: each digit starts
anywhere, goes a tenth of the room it has in each frame, in a direction of its own, and where
digits overlap the brighter one shows.

A sequence depends on its seed, stream and number alone, and is the same to the bit everywhere:
randomness is the plain output of Philox 4×64 (Salmon et al. 2011), and positions come from sums,
products, quotients and square roots of float64, which IEEE 754 rounds alike on every machine.
numpy promises no such thing of its distributions, nor the C library of sines and cosines.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEP = 0.1  # of the room that a digit has, in one frame
_WORDS = 32  # random numbers that are made at once


class MovingDigits:
    """Sequences of digits that move.

    Parameters
    ----------
    images:
        (N, h, w) uint8: what is drawn, each as likely as any other.
    frames, digits, size:
        Frames of a sequence, digits in it, rows and columns of a frame.
    seed, stream:
        Sequences of another seed, or of another stream of a seed, have nothing in common.
    """

    name: ClassVar[str] = "moving-digits"
    array: ClassVar[str] = "digits"

    def __init__(
        self,
        images: NDArray[np.uint8],
        *,
        frames: int,
        digits: int,
        size: int,
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        self.images = images
        self.frames = frames
        self.digits = digits
        self.size = size
        self.seed = seed
        self.stream = stream

    @classmethod
    def restore(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> "MovingDigits":
        """The generator that :attr:`settings` and its images describe."""
        return cls(np.asarray(arrays[cls.array], np.uint8), **settings)

    @property
    def settings(self) -> dict[str, int]:
        """All but the images, as plain values."""
        return {
            "frames": self.frames,
            "digits": self.digits,
            "size": self.size,
            "seed": self.seed,
            "stream": self.stream,
        }

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of each sequence."""
        return self.frames, 1, self.size, self.size

    def draw(self, numbers: ArrayLike) -> NDArray[np.float32]:
        """Sequences (n, T, 1, H, W) in [0, 1] by their numbers (n,)."""
        chosen = np.asarray(numbers, np.uint64).ravel()
        video = np.zeros((len(chosen), self.frames, self.size, self.size), np.uint8)
        height, width = self.images.shape[1:]
        for frames, number in zip(video, chosen.tolist(), strict=True):
            which, corners = self._paths(number)
            for image, path in zip(self.images[which], corners, strict=True):
                for frame, (top, left) in zip(frames, path, strict=True):
                    covered = frame[top : top + height, left : left + width]
                    np.maximum(covered, image, out=covered)
        return np.divide(video[:, :, np.newaxis], np.float32(255), dtype=np.float32)

    def _paths(self, number: int) -> tuple[list[int], list[list[tuple[int, int]]]]:
        """Which digits a sequence has, and the upper left corners of each, frame by frame."""
        words = self._words(number)
        height, width = self.images.shape[1:]
        rooms = (self.size - height, self.size - width)
        which, corners = [], []
        for _ in range(self.digits):
            which.append(next(words) % len(self.images))
            place = [_unit(next(words)), _unit(next(words))]
            velocity = [STEP * part for part in _direction(words)]
            path = []
            for _ in range(self.frames):
                for axis in (0, 1):
                    moved = place[axis] + velocity[axis]
                    place[axis], velocity[axis] = _bounce(moved, velocity[axis])
                path.append((int(rooms[0] * place[0]), int(rooms[1] * place[1])))
            corners.append(path)
        return which, corners

    def _words(self, number: int) -> Iterator[int]:
        """Random whole numbers below 2⁶⁴ without end."""
        bits = random_bits(self.seed, self.stream, number)
        while True:
            yield from bits.random_raw(_WORDS).tolist()


def random_bits(seed: int, stream: int, number: int) -> np.random.Philox:
    """Random bits of their own for each seed, stream and number."""
    key = np.array([seed, number], np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, 0, 0, stream], np.uint64))


def shuffled(size: int, seed: int, stream: int) -> NDArray[np.int64]:
    """A permutation of ``size`` numbers, the same everywhere."""
    words = random_bits(seed, stream, 0).random_raw(size)
    return np.argsort(words, kind="stable").astype(np.int64)


def _bounce(place: float, velocity: float) -> tuple[float, float]:
    """Kept within [0, 1]; at an edge the velocity turns round."""
    if place <= 0.0:
        return 0.0, -velocity
    if place >= 1.0:
        return 1.0, -velocity
    return place, velocity


def _unit(word: int) -> float:
    """A number in [0, 1) of 53 random bits."""
    return (word >> 11) * 2.0**-53


def _direction(words: Iterator[int]) -> tuple[float, float]:
    """A unit vector, every direction as likely: a point of the disc, moved to its edge."""
    while True:
        y, x = 2.0 * _unit(next(words)) - 1.0, 2.0 * _unit(next(words)) - 1.0
        square = y * y + x * x
        if 0.0 < square <= 1.0:
            length = math.sqrt(square)
            return y / length, x / length
