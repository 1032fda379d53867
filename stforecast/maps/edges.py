"""Corners of the cells of a grid, wherever it lies and however it goes round the globe."""

import numpy as np
from numpy.typing import NDArray

from stforecast.grid.cells import edges as cell_edges

Array = NDArray[np.float64]

# How far the bounds of neighbouring cells may lie apart, in cells, and still be one edge.
_JOINT = 1e-3


def edge_line(
    centres: NDArray[np.floating], bounds: NDArray[np.floating] | None, period: float | None
) -> Array:
    """The n + 1 edges of n cells in a row, in their order: the bounds where these are continuous.

    With a period (degrees of longitude) the edges go on where the centres jump.
    """
    derived = cell_edges(centres, None, period)
    line = np.append(derived[:, 0], derived[-1, 1])
    if bounds is None or bounds.shape != (centres.size, 2):
        return line
    given = cell_edges(centres, bounds, period)
    if np.sum((given[:, 1] - given[:, 0]) * (derived[:, 1] - derived[:, 0])) < 0:
        given = given[:, ::-1]  # low and high, on an axis that descends
    if period is not None:
        # bounds and centres may be a turn apart
        given = (
            given + period * np.round((derived.mean(axis=1) - given.mean(axis=1)) / period)[:, None]
        )
    size = np.abs(given[:, 1] - given[:, 0]).mean()
    if np.any(np.abs(given[1:, 0] - given[:-1, 1]) > _JOINT * size):
        return line
    return np.append(given[:, 0], given[-1, 1])


def around(line: Array, centre: float) -> tuple[Array, NDArray[np.int64]]:
    """Columns of longitudes laid out from 180 degrees west to 180 east of `centre`.

    A column across the seam is drawn twice, half at either side. Returns edges (n + 1) relative to
    `centre`, ascending, and which column of the grid each of the n is: -1 for a gap.
    """
    low, high = np.minimum(line[:-1], line[1:]), np.maximum(line[:-1], line[1:])
    turns = np.floor(((low + high) / 2 - centre + 180) / 360)
    low, high = low - centre - 360 * turns, high - centre - 360 * turns
    columns = np.arange(low.size)
    left, right = low < -180, high > 180
    starts = np.concatenate([low, low[left] + 360, np.full(right.sum(), -180.0)])
    stops = np.concatenate([high, np.full(left.sum(), 180.0), high[right] - 360])
    numbers = np.concatenate([columns, columns[left], columns[right]])
    starts, stops = np.maximum(starts, -180), np.minimum(stops, 180)
    thick = stops - starts > 1e-9
    order = np.argsort(starts[thick], kind="stable")
    starts, stops, numbers = (item[thick][order] for item in (starts, stops, numbers))
    edges, shown = [starts[0]], []
    for start, stop, number in zip(starts, stops, numbers, strict=True):
        if start - edges[-1] > 1e-6 * max(stop - start, 1e-9) + 1e-9:
            edges.append(start)
            shown.append(-1)
        edges.append(stop)
        shown.append(int(number))
    return np.array(edges), np.array(shown, np.int64)


def corners(latitude: Array, longitude: Array) -> tuple[Array, Array]:
    """Corners (H + 1, W + 1) of cells whose centres are known, as latitude and longitude.

    Middles between neighbours, taken on the sphere, so that neither the pole nor the seam matters.
    """
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    for axis in (1, 2):
        points = _middles(points, axis)
    x, y, z = points / np.linalg.norm(points, axis=0)
    return np.rad2deg(np.arcsin(np.clip(z, -1, 1))), np.rad2deg(np.arctan2(y, x))


def _middles(points: Array, axis: int) -> Array:
    points = np.moveaxis(points, axis, 1)
    if points.shape[1] < 2:
        raise ValueError("a single row of cells has no neighbours to tell its size")
    inner = (points[:, 1:] + points[:, :-1]) / 2
    first = points[:, :1] * 1.5 - points[:, 1:2] * 0.5
    last = points[:, -1:] * 1.5 - points[:, -2:-1] * 0.5
    return np.moveaxis(np.concatenate([first, inner, last], axis=1), 1, axis)
