"""Fields without a time that several files have, which should be the same in all of them."""

from collections.abc import Collection, Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.sources.axis import time_of
from stforecast.sources.times import time_coordinate
from stforecast.store.reading import ReadError, reading

# In the encoding of a dataset: of each such field that differs, the two files and that whose field
# is taken.
DIFFERING = "differing_fields"
# What packing in 16 bits may change, as a share of the largest value.
_PACKING = 5e-5


def same_field(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two fields are the same but for rounding; both miss a value where one does."""
    if one.shape != other.shape:
        return False
    one, other = (np.where(np.isfinite(values), values, np.nan) for values in (one, other))
    largest = float(np.nanmax(np.abs(one), initial=0))
    return np.allclose(one, other, rtol=0, atol=_PACKING * largest, equal_nan=True)


class Timeless:
    """The fields without a time of files, each held against that of the first that has it.

    ``differing`` names the first two files in which one is not the same.
    """

    def __init__(self, wanted: Collection[str] | None = None) -> None:
        """`wanted` are the names of those that count; all by default."""
        self.differing: dict[Hashable, tuple[str, str]] = {}
        self._wanted = wanted
        self._first: dict[Hashable, tuple[str, NDArray[Any]]] = {}

    def add(self, label: str, part: xr.Dataset) -> None:
        """Look at the fields of a file; DataError where they cannot be read."""
        time = time_of(part)
        if time is None and time_coordinate(part, ndim=0) is not None:
            return  # all that it has is of that time
        for name, item in part.data_vars.items():
            chosen = self._wanted is None or name in self._wanted
            if not chosen or name in self.differing or not _is_fixed(item, part, time):
                continue
            try:
                with reading():
                    values = np.asarray(item.transpose(*sorted(item.dims, key=str)).values)
            except ReadError as error:
                raise DataError(f"{label}: {name}: {error}; get the file again") from error
            first, known = self._first.setdefault(name, (label, values))
            if known is not values and not same_field(known, values):
                self.differing[name] = first, label


def _is_fixed(item: xr.DataArray, part: xr.Dataset, time: str | None) -> bool:
    """Whether a variable has numbers on rows and columns, and no time."""
    if item.dtype.kind not in "fiu" or (time is not None and part[time].dims[0] in item.dims):
        return False
    return sum(size > 1 for size in item.sizes.values()) == 2
