"""Counting what is missing while the values go by, once."""

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.ingest.findings import Cells
from stforecast.store.reading import Block


class Survey:
    """Counts over the blocks of a record, each seen once: memory is that of one field.

    `present` tells which times are there: an absent one is not a missing value.
    """

    def __init__(
        self, channels: list[str], present: NDArray[np.bool_], shape: tuple[int, ...]
    ) -> None:
        """`shape` is that of the record, ``([sequences,] time, channel, y, x)``."""
        self.valid_cells = np.zeros(shape[:-2], np.int32)
        self._channels = channels
        self._present = present
        shape = shape[-3:]
        self._fields = 0
        self._missing = np.zeros(shape, np.int64)
        self._whole = np.zeros(len(channels), np.int64)
        self._infinite = np.zeros(len(channels), np.int64)
        self._minimum = np.full(len(channels), np.inf)
        self._maximum = np.full(len(channels), -np.inf)

    def inspect(self, block: Block, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in a block ``([sequences,] time, channel, y, x)``; give it without infinities."""
        lead = tuple(range(values.ndim - 3))
        axes = (*lead, values.ndim - 2, values.ndim - 1)
        infinite = np.isinf(values)
        if infinite.any():
            self._infinite += infinite.sum(axis=axes)
            values = np.where(infinite, np.float32(np.nan), values)
        missing = np.isnan(values)
        cells = values.shape[-2] * values.shape[-1]
        counts = cells - missing.sum(axis=(-2, -1), dtype=np.int32)
        self.valid_cells[block.index] = counts
        # Absent times are there as fields without a value, which must not count.
        present = self._present[block.start : block.stop]
        sequences = values.shape[0] if values.ndim == 5 else 1
        absent = int((~present).sum()) * sequences
        self._fields += int(present.sum()) * sequences
        self._missing += missing.sum(axis=lead) - absent
        self._whole += (counts == 0).sum(axis=lead) - absent
        self._minimum = np.fmin(self._minimum, np.fmin.reduce(values, axis=axes))
        self._maximum = np.fmax(self._maximum, np.fmax.reduce(values, axis=axes))
        return values

    def cells(self) -> list[Cells]:
        """What was seen of each channel; DataError when one has no value at all."""
        found = []
        for index, name in enumerate(self._channels):
            missing, whole = self._missing[index], int(self._whole[index])
            never = missing == self._fields
            if never.all():
                raise DataError(
                    f"all values of {name} are missing; leave it out of data.variables or check "
                    "the files"
                )
            sometimes = ~never & (missing > whole)
            lacking = int((missing[sometimes] - whole).sum())
            total = int(sometimes.sum()) * self._fields
            found.append(
                Cells(
                    name=name,
                    size=missing.size,
                    never=int(never.sum()),
                    sometimes=int(sometimes.sum()),
                    share=lacking / total if total else 0.0,
                    whole=whole,
                    infinite=int(self._infinite[index]),
                    minimum=float(self._minimum[index]),
                    maximum=float(self._maximum[index]),
                )
            )
        return found
