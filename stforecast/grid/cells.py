"""Edges of cells, their areas on the sphere, and whether they go round the globe."""

import numpy as np

FULL_CIRCLE = 360.0


def edges(centres: np.ndarray, bounds: np.ndarray | None, period: float | None) -> np.ndarray:
    """Lower and upper edge of each cell, ``(n, 2)``: its bounds, else the middle to its neighbours.

    With a period (degrees of longitude) neighbours across the seam are next to each other.
    """
    if bounds is not None and bounds.shape == (centres.size, 2):
        given = bounds.astype(np.float64)
        return given if period is None else np.unwrap(given, period=period, axis=-1)
    centres = centres.astype(np.float64)
    if period is not None:
        centres = np.unwrap(centres, period=period)
    if centres.size < 2:  # one row or column: all cells are equal, whatever their width
        return np.stack([centres - 0.5, centres + 0.5], axis=-1)
    middles = (centres[:-1] + centres[1:]) / 2
    first = 2 * centres[0] - middles[0]
    last = 2 * centres[-1] - middles[-1]
    line = np.concatenate([[first], middles, [last]])
    return np.stack([line[:-1], line[1:]], axis=-1)


def strip_areas(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Areas ``(y, x)`` between parallels and meridians: Δlon (sin φ₂ − sin φ₁), any unit.

    ``rows`` and ``columns`` are edges ``(n, 2)`` in degrees of latitude and longitude.
    """
    sines = np.sin(np.deg2rad(np.clip(rows, -90, 90)))
    return np.outer(np.abs(sines[:, 1] - sines[:, 0]), np.abs(columns[:, 1] - columns[:, 0]))


def goes_round(longitude: np.ndarray) -> bool:
    """Whether evenly spaced longitudes go once round the globe, without repeating the first."""
    if longitude.size < 2:
        return False
    unwrapped = np.unwrap(longitude.astype(np.float64), period=FULL_CIRCLE)
    step = float(unwrapped[-1] - unwrapped[0]) / (longitude.size - 1)
    if not np.isfinite(step) or step == 0:
        return False
    even = bool(np.all(np.abs(np.diff(unwrapped) - step) < 0.05 * abs(step)))
    return even and abs(abs(step) * longitude.size - FULL_CIRCLE) < 0.05 * abs(step)
