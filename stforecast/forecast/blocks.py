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
Block = tuple[Sequence[int] | None, Positions]
Make = Callable[[Sequence[int] | None, Positions], NDArray[np.float32]]


def blocks_of(sequences: Sequence[int] | None, inits: Positions, size: int) -> list[list[Block]]:
    """Sequences and initial times of blocks, of which each field takes ``size`` bytes.

    Rows of blocks are of initial times; in a row they are of sequences, where one initial time is
    too much.
    """
    count = 1 if sequences is None else len(sequences)
    of_one = size * count
    if of_one <= _BLOCK or sequences is None:
        step = max(1, _BLOCK // of_one)
        return [[(sequences, part)] for part in np.split(inits, range(step, len(inits), step))]
    step = max(1, _BLOCK // size)
    groups = [sequences[first : first + step] for first in range(0, count, step)]
    return [[(group, init) for group in groups] for init in np.split(inits, len(inits))]


def lazily(
    make: Make, rows: list[list[Block]], before: tuple[int, ...], after: tuple[int, ...]
) -> Any:
    """What ``make`` gives of blocks, (I, *before[, S], *after), as a dask array."""

    def block(chosen: Sequence[int] | None, part: Positions) -> Any:
        beside = () if chosen is None else (len(chosen),)
        # neither the model nor the record is to be looked at for a name
        made = dask.delayed(make, pure=False, traverse=False)(chosen, part)
        return dask.array.from_delayed(made, (len(part), *before, *beside, *after), np.float32)

    axis = 1 + len(before)
    joined = [
        parts[0] if len(parts) == 1 else dask.array.concatenate(parts, axis=axis)
        for parts in ([block(*one) for one in row] for row in rows)
    ]
    return dask.array.concatenate(joined)
