"""Reducing a lazy array along time, period by period, in memory that does not grow with periods."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

# Cells of the source that one task takes in: 16 MiB of float32.
_TASK_CELLS = 2**22
# Shares are of numbers of times.
_ROUNDING = 1e-9

State = tuple[NDArray[np.float64], NDArray[np.int32]]


def reduce_periods(
    values: da.Array,
    members: NDArray[np.int64],
    expected: NDArray[np.int64],
    *,
    method: str,
    missing: float,
) -> da.Array:
    """Values ``(…, time, y, x)`` as one ``(…, periods, y, x)`` float32 for each period.

    Args:
        values: NaN where missing.
        members: the period of each time, from 0 on and never falling; -1 before the first and as
            many as there are periods after the last.
        expected: how many times each period has.
        method: mean, sum, max or min of the values there are.
        missing: the share of its times at which a cell may be missing and still have a value.

    Times are taken in one by one, in double precision and always in their order, so that the
    result does not depend on how files are cut.
    """
    axis = values.ndim - 3
    blocks = values.to_delayed(optimize_graph=False)
    time_ends = np.concatenate([[0], np.cumsum(values.chunks[axis])])
    others = [range(len(chunks)) for dim, chunks in enumerate(values.chunks) if dim != axis]
    widest = int(np.prod([max(chunks) for dim, chunks in enumerate(values.chunks) if dim != axis]))
    frames = max(1, _TASK_CELLS // widest)
    cuts = _cuts(members, expected.size, frames)
    made = np.empty((*(len(one) for one in others), len(cuts)), dtype=object)
    fold_, finish_ = dask.delayed(fold, pure=True), dask.delayed(finish, pure=True)
    for at in product(*others):
        index: list[Any] = [*at[:axis], 0, *at[axis:]]
        shape = [values.chunks[dim][i] for dim, i in enumerate(index)]
        for number, (first, last) in enumerate(cuts):
            begin, end = np.searchsorted(members, [first, last])
            state = None
            for parts in _parts(time_ends, int(begin), int(end), frames):
                taken = []
                for block, start, stop in parts:
                    index[axis] = block
                    within = slice(start - int(time_ends[block]), stop - int(time_ends[block]))
                    taken.append((blocks[tuple(index)], within))
                span = slice(parts[0][1], parts[-1][2])
                state = fold_(state, taken, members[span] - first, last - first, method, axis)
            shape[axis] = last - first
            done = finish_(state, tuple(shape), expected[first:last], method, missing, axis)
            made[(*at, number)] = da.from_delayed(
                done, tuple(shape), dtype=np.float32, meta=np.empty((0,) * values.ndim, np.float32)
            )
    # the periods were last, where it is simple to count them
    whole: da.Array = da.block(np.moveaxis(made, -1, axis).tolist())
    return whole


def _cuts(members: NDArray[np.int64], n: int, frames: int) -> list[tuple[int, int]]:
    """Periods that are made together: about as many times as one task takes in."""
    ends = np.searchsorted(members, np.arange(1, n + 1))
    cuts, first, begin = [], 0, int(np.searchsorted(members, 0))
    for number, end in enumerate(ends, start=1):
        if end - begin >= frames or number == n:
            cuts.append((first, number))
            first, begin = number, int(end)
    return cuts


def _parts(
    ends: NDArray[np.int64], begin: int, end: int, frames: int
) -> list[list[tuple[int, int, int]]]:
    """Times ``begin … end - 1`` as parts of blocks (block, start, stop), grouped for one task."""
    groups: list[list[tuple[int, int, int]]] = []
    held = frames
    block = int(np.searchsorted(ends, begin, side="right")) - 1
    while begin < end:
        stop = min(end, int(ends[block + 1]))
        if held + stop - begin > frames:
            groups.append([])
            held = 0
        groups[-1].append((block, begin, stop))
        held += stop - begin
        begin, block = stop, block + 1
    return groups


def fold(
    state: State | None,
    parts: Sequence[tuple[NDArray[Any], slice]],
    members: NDArray[np.int64],
    periods: int,
    method: str,
    axis: int,
) -> State:
    """Take further times into totals ``(periods, …)`` and numbers of values, new arrays."""
    extreme = method in ("max", "min")
    if state is None:
        first = np.moveaxis(parts[0][0], axis, 0)
        shape = (periods, *first.shape[1:])
        state = np.full(shape, np.nan if extreme else 0.0), np.zeros(shape, np.int32)
    else:
        state = state[0].copy(), state[1].copy()
    total, known = state
    row = 0
    for values, within in parts:
        for frame in np.moveaxis(values, axis, 0)[within]:
            member = members[row]
            row += 1
            there = ~np.isnan(frame)
            known[member] += there
            if extreme:
                pick = np.fmax if method == "max" else np.fmin
                pick(total[member], frame, out=total[member])
            else:
                np.add(total[member], frame, out=total[member], where=there)
    return state


def finish(
    state: State | None,
    shape: tuple[int, ...],
    expected: NDArray[np.int64],
    method: str,
    missing: float,
    axis: int,
) -> NDArray[np.float32]:
    """What the totals come to, missing where too few values are there."""
    if state is None:
        return np.full(shape, np.nan, np.float32)
    total, known = state
    if method == "mean":
        with np.errstate(invalid="ignore"):
            total = total / known
    wanted = (1 - missing - _ROUNDING) * expected.reshape(-1, *[1] * (total.ndim - 1))
    enough = (known > 0) & (known >= wanted)
    result = np.where(enough, total, np.nan).astype(np.float32)
    return np.moveaxis(result, 0, axis)
