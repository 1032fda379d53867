"""The grid of larger cells: coordinates, bounds, and what becomes of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.grid import Grid, is_longitude
from stforecast.grid.cells import FULL_CIRCLE, edges


@dataclass(frozen=True)
class Blocks:
    """Rows, or columns, that become one: `size` of them by `step`, and what is left at the end."""

    size: int
    step: int
    left: int
    pad: bool

    @classmethod
    def of(cls, size: int, step: int, pad: bool) -> "Blocks":
        """All that there are; those left over are used only if they are to be padded."""
        return cls(size, step, size % step, pad)

    @property
    def used(self) -> int:
        """How many of the source's are in some block."""
        return self.size if self.pad else self.size - self.left

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where each block begins."""
        return np.arange(0, self.used, self.step)

    def counts(self, length: int) -> int:
        """How many blocks a part of the source that begins with one holds."""
        return -(-length // self.step)

    def aligned(self, chunks: Sequence[int]) -> tuple[int, ...]:
        """Chunks that end where a block ends, near those given."""
        ends = np.cumsum(chunks)
        ends[:-1] = ends[:-1] // self.step * self.step
        kept = np.unique(ends[ends > 0])
        return tuple(int(size) for size in np.diff(np.concatenate([[0], kept])))


def larger_cells(grid: Grid, rows: Blocks, columns: Blocks, notes: list[str]) -> Grid:
    """The grid whose cells are blocks of those of another.

    Centres are the mean of the centres, in the convention of longitude that they have; bounds are
    the outer edges, also where the source has none. What has no mean, and bounds of cells with
    latitude and longitude of their own, are left out and noted.
    """
    blocks = {names.Y: rows, names.X: columns}
    bounds = {
        str(coord.encoding["bounds"]): name
        for name, coord in grid.coords.variables.items()
        if coord.encoding.get("bounds") in grid.coords.variables
    }
    made: dict[Any, xr.Variable] = {}
    for name, coord in grid.coords.variables.items():
        along = [dim for dim in coord.dims if dim in blocks]
        if not along:
            made[name] = coord
        elif name in bounds and coord.ndim == 2 and len(along) == 1:
            continue  # made of the edges, below
        elif set(coord.dims) - set(blocks) or coord.dtype.kind not in "fiu":
            notes.append(f"left out: {name}, which has no mean over larger cells")
        else:
            made[name] = _centres(coord, blocks, is_longitude(name, coord.attrs))
    placed = grid.kind in ("geographic", "projected")
    for axis in (grid.y_coord, grid.x_coord) if placed else ():
        if axis is None:
            continue
        name, dim = axis.name, str(axis.dims[0])
        given = axis.encoding.get("bounds")
        period = FULL_CIRCLE if is_longitude(str(name), axis.attrs) else None
        known = grid.coords[given].values if given in grid.coords.variables else None
        outer = _outer_edges(axis.values, known, period, blocks[dim])
        if period is not None:  # on the side of the seam on which the centre is
            middle = outer.mean(axis=1)
            outer -= np.rint((middle - made[name].values) / period)[:, None] * period
        if given is None:
            given = f"{name}_bnds"
        made[given] = xr.Variable((dim, names.BOUNDS), outer)
        made[name].encoding["bounds"] = given
    for coord in made.values():
        if coord.encoding.get("bounds") not in made:
            coord.encoding.pop("bounds", None)
    return Grid(
        coords=_with_encodings(made),
        y_name=grid.y_name,
        x_name=grid.x_name,
        height=rows.starts.size,
        width=columns.starts.size,
        kind=grid.kind,
        crs=grid.crs,
        grid_mapping=grid.grid_mapping,
    )


def _with_encodings(variables: dict[Any, xr.Variable]) -> xr.Dataset:
    coords = xr.Dataset(coords=variables)
    for name, variable in variables.items():
        coords[name].encoding = dict(variable.encoding)
    return coords


def _centres(coord: xr.Variable, blocks: dict[str, Blocks], longitude: bool) -> xr.Variable:
    values = coord.values.astype(np.float64)
    low, high = np.nanmin(values), np.nanmax(values)
    if longitude:
        for axis in range(values.ndim):
            values = np.unwrap(values, period=FULL_CIRCLE, axis=axis)
    for axis, dim in enumerate(coord.dims):
        cut = blocks[str(dim)]
        taken = values.take(np.arange(cut.used), axis=axis)
        sums = np.add.reduceat(taken, cut.starts, axis=axis)
        counts = np.diff(np.append(cut.starts, cut.used))
        values = sums / counts.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    if longitude:  # back into the numbers of the source
        values = np.where(
            values > high, values - FULL_CIRCLE * np.ceil((values - high) / FULL_CIRCLE), values
        )
        values = np.where(
            values < low, values + FULL_CIRCLE * np.ceil((low - values) / FULL_CIRCLE), values
        )
    kept = coord.dtype if coord.dtype.kind == "f" else np.dtype(np.float64)
    return xr.Variable(coord.dims, values.astype(kept), dict(coord.attrs), dict(coord.encoding))


def _outer_edges(
    centres: NDArray[Any], bounds: NDArray[Any] | None, period: float | None, cut: Blocks
) -> NDArray[np.float64]:
    """Edges ``(n, 2)`` of blocks, in the order in which those of single cells are."""
    lines = edges(centres, bounds, period)
    if period is not None:  # neighbours across the seam are next to each other
        middle = lines.mean(axis=1)
        lines = lines + (np.unwrap(middle, period=period) - middle)[:, None]
    lines = lines[: cut.used]
    low = np.minimum.reduceat(lines.min(axis=1), cut.starts)
    high = np.maximum.reduceat(lines.max(axis=1), cut.starts)
    ascending = lines[0, 1] >= lines[0, 0]
    return np.stack([low, high] if ascending else [high, low], axis=-1)
