"""Forecasts that are made when they are read, block by block."""

from collections.abc import Callable, Sequence
from typing import Any

import dask
import dask.array
import numpy as np
from numpy.typing import NDArray

# Bytes of forecasts that are made at once. As many are scored at once.
_BLOCK = 32 * 2**20

Positions = NDArray[np.int64]
Make = Callable[[Sequence[int] | None, Positions], NDArray[np.float32]]


def lazily(
    make: Make,
    sequences: Sequence[int] | None,
    inits: Positions,
    before: tuple[int, ...],
    after: tuple[int, ...],
) -> Any:
    """What ``make(sequences, inits)`` gives, (I, *before[, S], *after), as a dask array.

    Blocks are of initial times, or of sequences, where one initial time is too much.
    """

    def block(chosen: Sequence[int] | None, part: Positions) -> Any:
        beside = () if chosen is None else (len(chosen),)
        # neither the model nor the record is to be looked at for a name
        made = dask.delayed(make, pure=False, traverse=False)(chosen, part)
        return dask.array.from_delayed(made, (len(part), *before, *beside, *after), np.float32)

    count = 1 if sequences is None else len(sequences)
    of_one = 4 * count * int(np.prod((*before, *after)))
    if of_one <= _BLOCK or sequences is None:
        step = max(1, _BLOCK // of_one)
        parts = np.split(inits, range(step, len(inits), step))
        return dask.array.concatenate([block(sequences, part) for part in parts])
    step = max(1, _BLOCK // (of_one // count))
    groups = [sequences[first : first + step] for first in range(0, count, step)]
    axis = 1 + len(before)
    rows = [
        dask.array.concatenate([block(group, init) for group in groups], axis=axis)
        for init in np.split(inits, len(inits))
    ]
    return dask.array.concatenate(rows)
