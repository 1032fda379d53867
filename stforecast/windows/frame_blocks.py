"""Frames of a record, read in blocks, so that memory stays flat."""

from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from stforecast.generators import SequenceGenerator
from stforecast.windows.samples import SteppedStore

BLOCK_BYTES: Final = 32 * 2**20


class FrameSource(Protocol):
    """Whatever reads frames: a tensor store, or its copy in memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(time, channel, y, x)."""

    def read(self, start: int, stop: int, sequence: int = 0) -> NDArray[np.float32]:
        """Frames ``start`` to ``stop`` (n, C, H, W), NaN where missing."""


class SampleStore(FrameSource, SteppedStore, Protocol):
    """What of a tensor store is asked here."""

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""

    @property
    def generator(self) -> SequenceGenerator | None:
        """What draws the training sequences, where they are not stored."""


def block_length(shape: tuple[int, int, int, int]) -> int:
    """Frames that are read at once."""
    _, channels, height, width = shape
    return max(1, BLOCK_BYTES // (4 * channels * height * width))


def blocks(start: int, stop: int, length: int) -> Iterator[tuple[int, int]]:
    """Half-open ranges of a length that follow each other, the last one perhaps shorter."""
    for first in range(start, stop, length):
        yield first, min(first + length, stop)
