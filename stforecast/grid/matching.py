"""Finding the cells of one grid among those of another."""

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

# Cells are the same if their centres are no further apart than this part of their size.
_SAME: Final = 0.01


def matching_cells(
    have: xr.DataArray | None, want: xr.DataArray | None
) -> NDArray[np.int64] | None:
    """Where along a coordinate the wanted centres are; None unless all are there.

    Either direction of latitude and either convention of longitude will do.
    """
    if have is None or want is None or have.ndim != 1 or want.ndim != 1 or not have.size:
        return None
    apart = np.asarray(have.values[None, :] - want.values[:, None], np.float64)
    if "degree" in str(want.attrs.get("units", "")):
        apart = np.mod(apart + 180, 360) - 180  # either convention of longitude
    nearest = np.abs(apart).argmin(axis=1)
    size = np.abs(np.diff(want.values.astype(np.float64))).min() if want.size > 1 else 1.0
    if (np.abs(apart[np.arange(len(nearest)), nearest]) > _SAME * size).any():
        return None
    return np.asarray(nearest, np.int64)
