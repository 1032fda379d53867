"""Errors summed over cells and initial times, per system, variable and group of valid times.

Sums of squares are summed and divided at the very end, so that the root is taken of the mean over
all cells and initial times, and is never a mean of roots.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.verification.systems import Fields

Floats = NDArray[np.float64]
# Cells of the fields whose errors are held at once: 4 MiB of float64, which stay in the cache.
_CELLS_AT_ONCE = 2**19


class CellSums:
    """Weighted sums of errors.

    ``errors[name]`` (systems, variables, *groups) for ``squares``, ``absolute`` and ``signed``
    errors, ``weight`` and ``count`` (variables, *groups).

    Args:
        systems, variables: how many.
        groups: number of labels of each group.
        weights: (H, W) of the cells.
    """

    def __init__(
        self, systems: int, variables: int, groups: tuple[int, ...], weights: Floats
    ) -> None:
        names = ("squares", "absolute", "signed")
        self.errors = {name: np.zeros((systems, variables, *groups)) for name in names}
        self.weight = np.zeros((variables, *groups))
        self.count = np.zeros((variables, *groups), np.int64)
        self._weights = weights.ravel()

    def add(
        self, variable: int, truth: Fields, fields: list[Fields], codes: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Take in fields (init, lead, …, y, x) of one variable, by all systems.

        A value counts where the truth and every system have it. ``codes`` (init, lead) say which
        group each field belongs to. Gives (init, lead), True where any value counted.
        """
        shape = truth.shape[:2]
        beside = int(np.prod(truth.shape[2:-2]))
        of_fields = np.repeat(codes.ravel(), beside)
        flat = [array.reshape(-1, self._weights.size) for array in (truth, *fields)]
        used = np.zeros(len(of_fields), np.bool_)
        step = max(1, _CELLS_AT_ONCE // self._weights.size)
        for first in range(0, len(of_fields), step):
            part = slice(first, first + step)
            used[part] = self._add(variable, [array[part] for array in flat], of_fields[part])
        return np.asarray(used.reshape(*shape, beside).any(axis=2))

    def _add(
        self, variable: int, arrays: list[Fields], codes: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        truth, *fields = arrays
        common = np.isfinite(truth)
        for field in fields:
            common &= np.isfinite(field)
        missing = None if common.all() else ~common
        weight = common @ self._weights
        collect(self.weight, (variable,), codes, weight)
        collect(self.count, (variable,), codes, common.sum(axis=1))
        for system, field in enumerate(fields):
            # in float64, as sums of many float32 squares lose digits
            error = np.subtract(field, truth, dtype=np.float64)
            if missing is not None:
                error[missing] = 0.0
            place = (system, variable)
            collect(self.errors["signed"], place, codes, error @ self._weights)
            np.abs(error, out=error)
            collect(self.errors["absolute"], place, codes, error @ self._weights)
            np.square(error, out=error)
            collect(self.errors["squares"], place, codes, error @ self._weights)
        return weight > 0

    def scores(self) -> Mapping[str, Floats]:
        """All metrics of cells (systems, variables, *groups); NaN where nothing was compared."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mse = self.errors["squares"] / self.weight
            return {
                "rmse": np.sqrt(mse),
                "mae": self.errors["absolute"] / self.weight,
                "bias": self.errors["signed"] / self.weight,
                "mse": mse,
            }


def collect(
    totals: NDArray[Any], place: tuple[int, ...], codes: NDArray[np.int64], values: NDArray[Any]
) -> None:
    """Add values to the groups they belong to, in the part of the totals at `place`."""
    shape = totals.shape[len(place) :]
    summed = np.bincount(codes.ravel(), weights=values.ravel(), minlength=int(np.prod(shape)))
    totals[place] += summed.reshape(shape).astype(totals.dtype)
