"""Counting what is missing, and the range of values, while a record goes by once."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# Frames that are summed in 8 bits.
_FRAMES = 255


@dataclass
class Counts:
    """What was seen of some frames of a record, per channel; memory is that of one frame.

    Those of two parts of a record merge into those of both, in any order.
    """

    frames: int
    """How many frames were seen: times, in each of the sequences."""
    missing: NDArray[np.int32]
    """Frames without a value, for each cell: ``(channel, y, x)``."""
    whole: NDArray[np.int64]
    """Frames without any value: ``(channel)``."""
    infinite: NDArray[np.int64]
    """Infinite values, which count as missing: ``(channel)``."""
    minimum: NDArray[np.float64]
    """Of the values; infinity where there are none: ``(channel)``."""
    maximum: NDArray[np.float64]

    @classmethod
    def of_none(cls, shape: tuple[int, ...]) -> "Counts":
        """Before anything was seen of fields of `shape`, ``(channel, y, x)``."""
        channels = shape[0]
        return cls(
            frames=0,
            missing=np.zeros(shape, np.int32),
            whole=np.zeros(channels, np.int64),
            infinite=np.zeros(channels, np.int64),
            minimum=np.full(channels, np.inf),
            maximum=np.full(channels, -np.inf),
        )

    def add(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Take in frames ``(…, channel, y, x)``.

        Gives them without infinities (the same array where there are none), and how many cells of
        each have a value, ``(…, channel)``.
        """
        frames = values.reshape(-1, *values.shape[-3:])
        fields = frames.reshape(*frames.shape[:2], -1)
        lowest, highest = np.fmin.reduce(fields, axis=-1), np.fmax.reduce(fields, axis=-1)
        if np.isinf(lowest).any() or np.isinf(highest).any():
            infinite = np.isinf(fields)
            self.infinite += np.count_nonzero(infinite, axis=(0, 2))
            fields = np.where(infinite, np.float32(np.nan), fields)
            lowest, highest = np.fmin.reduce(fields, axis=-1), np.fmax.reduce(fields, axis=-1)
            values = fields.reshape(values.shape)
        counts = np.full(fields.shape[:2], fields.shape[2], np.int32)
        missing = np.isnan(fields)
        if missing.any():
            for frame, channel in np.ndindex(counts.shape):
                counts[frame, channel] -= np.count_nonzero(missing[frame, channel])
            cells = missing.view(np.uint8)
            total = self.missing.reshape(self.missing.shape[0], -1)
            for first in range(0, len(cells), _FRAMES):
                total += np.add.reduce(cells[first : first + _FRAMES], axis=0, dtype=np.uint8)
        self.frames += len(frames)
        self.whole += np.count_nonzero(counts == 0, axis=0)
        self.minimum = np.fmin(self.minimum, np.fmin.reduce(lowest, axis=0))
        self.maximum = np.fmax(self.maximum, np.fmax.reduce(highest, axis=0))
        return values, counts.reshape(values.shape[:-2])

    def fill(self, channel: int, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in fields ``(n, y, x)`` of a channel that were counted as wholly missing before.

        Gives them without infinities.
        """
        infinite = np.isinf(fields)
        self.infinite[channel] += np.count_nonzero(infinite)
        if infinite.any():
            fields = np.where(infinite, np.float32(np.nan), fields)
        there = ~np.isnan(fields)
        self.missing[channel] -= np.count_nonzero(there, axis=0).astype(np.int32)
        self.whole[channel] -= np.count_nonzero(there.any(axis=(1, 2)))
        self.minimum[channel] = np.fmin(self.minimum[channel], np.fmin.reduce(fields, axis=None))
        self.maximum[channel] = np.fmax(self.maximum[channel], np.fmax.reduce(fields, axis=None))
        return fields

    def merge(self, other: "Counts") -> None:
        """Take in what was seen of another part."""
        self.frames += other.frames
        self.missing += other.missing
        self.whole += other.whole
        self.infinite += other.infinite
        self.minimum = np.fmin(self.minimum, other.minimum)
        self.maximum = np.fmax(self.maximum, other.maximum)

    def without(self, frames: int) -> "Counts":
        """The same but for frames that are all missing because there is no such time."""
        return replace(
            self,
            frames=self.frames - frames,
            missing=self.missing - np.int32(frames),
            whole=self.whole - frames,
        )
