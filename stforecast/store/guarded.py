"""Values of a store that say whose they are when they cannot be read."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from stforecast import names
from stforecast.errors import StoreError
from stforecast.store.shards import first_line


class _Guarded(BackendArray):
    """An array that is read when it is indexed; what its codecs raise becomes a StoreError."""

    def __init__(self, variable: xr.Variable, where: str) -> None:
        self.shape = variable.shape
        self.dtype = variable.dtype
        self._variable = variable
        self._where = where

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        try:
            return np.asarray(self._variable[key].values)
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            raise StoreError(
                f"values of the store {self._where} cannot be read ({first_line(error)}); "
                f"stforecast check {self._where} names what is broken"
            ) from error


def guarded(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """A dataset in the tensor layout whose values are still to be read from `where`."""
    if names.DATA not in dataset:
        return dataset
    variable = dataset.variables[names.DATA]
    values = indexing.LazilyIndexedArray(_Guarded(variable, where))
    return dataset.assign(
        {names.DATA: xr.Variable(variable.dims, values, variable.attrs, variable.encoding)}
    )
