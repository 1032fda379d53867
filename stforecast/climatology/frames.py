"""Fields of a record by their positions."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stforecast.store import TensorStore

# Fields that are read at once: 32 MiB of float32.
_CELLS_AT_ONCE = 2**23
# Positions so near each other are read in one go, with what lies between them.
_BRIDGE = 8

Fields = NDArray[np.float32]
Positions = NDArray[np.int64]


class Frames:
    """Reads fields ``(C, H, W)`` of one sequence of a store."""

    def __init__(self, store: TensorStore, sequence: int = 0) -> None:
        self.store = store
        self.sequence = sequence
        self.size = store.shape[0]
        self.shape = store.shape[1:]
        self._held: Fields | None = None

    def hold(self, fields: Fields | None) -> None:
        """Take fields from these ``(time, C, H, W)``, all of the sequence; None reads again."""
        self._held = fields

    @property
    def chunk(self) -> int:
        """Number of fields that are read at once."""
        return max(1, _CELLS_AT_ONCE // int(np.prod(self.shape)))

    def take(self, positions: Positions) -> Fields:
        """Fields ``(*positions.shape, C, H, W)``; missing where there is no such position."""
        result = np.full((*positions.shape, *self.shape), np.nan, np.float32)
        needed = np.unique(positions[(positions >= 0) & (positions < self.size)])
        if needed.size == 0:
            return result
        for run in np.split(needed, np.flatnonzero(np.diff(needed) > _BRIDGE) + 1):
            for first in range(int(run[0]), int(run[-1]) + 1, self.chunk):
                stop = min(first + self.chunk, int(run[-1]) + 1)
                fields = self._read(first, stop)
                wanted = (positions >= first) & (positions < stop)
                result[wanted] = fields[positions[wanted] - first]
        return result

    def period(self, first: int, stop: int) -> Iterator[tuple[Positions, Fields]]:
        """The fields of a period in pieces: positions (n,) and fields (n, C, H, W)."""
        for start in range(first, stop, self.chunk):
            end = min(start + self.chunk, stop)
            yield np.arange(start, end), self._read(start, end)

    def _read(self, first: int, stop: int) -> Fields:
        if self._held is not None:
            return self._held[first:stop]
        return self.store.read(first, stop, self.sequence)
