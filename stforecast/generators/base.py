"""What draws sequences as they are needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SequenceGenerator(Protocol):
    """Draws sequences without end; the same number always gives the same sequence."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of each sequence."""

    def draw(self, numbers: ArrayLike) -> NDArray[np.float32]:
        """Sequences (n, T, C, H, W) by their numbers (n,), which are 0 or more."""


@dataclass(frozen=True)
class Generation:
    """How a record's training sequences are drawn, as its store keeps it.

    Attributes
    ----------
    name:
        One of ``GENERATORS``.
    settings:
        Its settings, plain values.
    arrays:
        What it draws from: dimensions and values by name.
    sequences:
        How many are drawn for one epoch.
    stored:
        Half-open ranges of the sequences that the record itself holds, for validation and test.
    """

    name: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, tuple[tuple[str, ...], NDArray[Any]]]
    sequences: int
    stored: Mapping[str, tuple[int, int]]
