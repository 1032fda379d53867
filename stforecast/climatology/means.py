"""Statistics of a training period, cell by cell: means of classes of times, and linear trends.

The fields of the period are read once, piece by piece. What is kept is one field per class, in
memory, or beyond :data:`IN_MEMORY` bytes in a temporary file that the system pages in and out.
"""

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stforecast.climatology.frames import Fields, Positions

IN_MEMORY = 512 * 2**20


class Fieldwise(Protocol):
    """Whatever gives the fields of a period, such as :class:`stforecast.climatology.Frames`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""

    def period(self, first: int, stop: int) -> Iterator[tuple[Positions, Fields]]:
        """The fields of a period in pieces: positions (n,) and fields (n, C, H, W)."""


class ClassMeans:
    """The mean field of each class of times; missing where a class has no value of a cell."""

    def __init__(
        self, sequences: Sequence[Fieldwise], train: tuple[int, int], classes: Positions, n: int
    ) -> None:
        """`classes`: of each position of the training period, 0 … n - 1, or -1 to leave it out.

        Of several sequences, the means are over all of them together.
        """
        shape = sequences[0].shape
        self.sums = zeros((n, *shape), np.float64)
        # counts differ between cells only when some are missing
        self._common = np.zeros((n, *(1 for _ in shape)), np.int64)
        self._each: NDArray[Any] | None = None
        for frames in sequences:
            for positions, fields in frames.period(*train):
                self._add(fields, classes[positions - train[0]])

    @property
    def counts(self) -> NDArray[Any]:
        """Values in each class: (n, C, H, W), or (n, 1, 1, 1) when no cell is ever missing."""
        return self._common if self._each is None else self._each

    def _add(self, fields: Fields, classes: Positions) -> None:
        kept = classes >= 0
        if not kept.any():
            return
        order = np.argsort(classes[kept], kind="stable")
        fields, classes = fields[kept][order], classes[kept][order]
        found, starts = np.unique(classes, return_index=True)
        there = np.isfinite(fields)
        if not there.all():
            # absent times are wholly missing; a cell that is missing alone needs counts of its own
            if self._each is None and not (there.all(axis=(1, 2, 3)) | ~there.any((1, 2, 3))).all():
                self._each = zeros(self.sums.shape, np.int32)
                self._each += self._common
            fields = np.where(there, fields, np.float32(0))
        self.sums[found] += np.add.reduceat(fields, starts, axis=0, dtype=np.float64)
        if self._each is None:
            there = there[:, :1, :1, :1]
        counted = np.add.reduceat(there, starts, axis=0, dtype=np.int64)
        if self._each is None:
            self._common[found] += counted
        else:
            self._each[found] += counted

    def means(self) -> Fields:
        """Mean fields (n, C, H, W)."""
        result = zeros(self.sums.shape, np.float32)
        for index in range(len(result)):
            result[index] = ratio(self.sums[index], self.counts[index])
        return result

    def window_means(self, n_days: int, half_width: int) -> Fields:
        """Means over the classes of the same hour on all dates within ±half_width days.

        The classes are numbered date by date: ``date * hours + hour``. Dates go round: those at the
        end of the year are near those at its beginning.
        """
        return window_means(self.sums, self.counts, n_days, half_width)


def window_means(sums: NDArray[Any], counts: NDArray[Any], n_days: int, half_width: int) -> Fields:
    """Means (n, C, H, W) from sums and counts of classes, see :meth:`ClassMeans.window_means`."""
    shape, hours = sums.shape, len(sums) // n_days
    sums = sums.reshape(n_days, hours, *sums.shape[1:])
    counts = counts.reshape(n_days, hours, *counts.shape[1:])
    width = min(2 * half_width + 1, n_days)
    first = -(width // 2)
    total = np.zeros(sums.shape[1:])
    number = np.zeros(counts.shape[1:], np.int64)
    for day in range(first, first + width):
        total += sums[day % n_days]
        number += counts[day % n_days]
    result = zeros(sums.shape, np.float32)
    for day in range(n_days):
        result[day] = ratio(total, number)
        leaving, entering = (day + first) % n_days, (day + first + width) % n_days
        total += sums[entering] - sums[leaving]
        number += counts[entering] - counts[leaving]
    return result.reshape(shape)


class LinearTrend:
    """Mean and linear trend of each cell over a training period, by least squares."""

    def __init__(self, sequences: Sequence[Fieldwise], train: tuple[int, int]) -> None:
        self.origin = (train[0] + train[1] - 1) / 2
        n, t, tt, v, tv = (np.zeros(sequences[0].shape) for _ in range(5))
        for positions, fields in (part for frames in sequences for part in frames.period(*train)):
            there = np.isfinite(fields)
            values = np.where(there, fields, 0).astype(np.float64)
            time = (positions - self.origin).reshape(-1, 1, 1, 1)
            n += there.sum(axis=0)
            t += (there * time).sum(axis=0)
            tt += (there * time**2).sum(axis=0)
            v += values.sum(axis=0)
            tv += (values * time).sum(axis=0)
        spread = n * tt - t**2
        with np.errstate(invalid="ignore", divide="ignore"):
            # two points always lie on a line, which says nothing of a trend
            self.slope = np.where((n >= 3) & (spread > 0), (n * tv - t * v) / spread, 0.0)
            self.level = (v - self.slope * t) / n  # 0 / 0, missing, where a cell has no value

    def at(self, positions: Positions) -> Fields:
        """The line's fields (*positions.shape, C, H, W)."""
        time = (positions - self.origin)[..., None, None, None]
        fields: Fields = (self.level + self.slope * time).astype(np.float32)
        return fields


def ratio(total: NDArray[Any], number: NDArray[Any]) -> NDArray[Any]:
    """Means from sums and counts; missing where there is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))


def zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros in memory, or in a file without a name when they are too many."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="stforecast-") as file:
        file.truncate(size)
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
