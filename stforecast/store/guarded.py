"""Values of a store that say so when they cannot be read, or are there no longer."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from stforecast import names
from stforecast.errors import StoreError
from stforecast.folders import identity
from stforecast.remote import Location
from stforecast.store.manifest import SHARDS, Manifest
from stforecast.store.schema import StoreMeta
from stforecast.store.shards import first_sentence


class _Guarded(BackendArray):
    """An array that is read when it is indexed; what its codecs raise becomes a StoreError."""

    def __init__(self, variable: xr.Variable, where: Location, made: str | None) -> None:
        self.shape = variable.shape
        self.dtype = variable.dtype
        self._variable = variable
        self._where = where
        self._shards: tuple[int, ...] | None = None
        self._keys: frozenset[str] = frozenset()
        if isinstance(where, Path):
            # for a process that has another working directory
            self._folder = where.absolute()
            encoding = variable.encoding
            self._shards = encoding.get("shards") or encoding.get("chunks")
            files = Manifest.read(where).files
            self._keys = frozenset(key for key in files if key.startswith(SHARDS))
            self._made = made
            self._state = identity(self._folder)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        try:
            values = np.asarray(self._variable[key].values)
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            raise StoreError(
                f"values of the store {self._where} cannot be read ({first_sentence(error)}); "
                f"stforecast check {self._where} names what is broken"
            ) from error
        if isinstance(self._where, Path):
            self._check_folder()
        for name in self._files(key):
            if not (self._folder / name).exists():  # Zarr takes it for one without values
                raise StoreError(
                    f"the store {self._where} has lost {name} since it was opened; stforecast "
                    f"check {self._where} names what is broken"
                )
        return values

    def _check_folder(self) -> None:
        """StoreError if another store has taken the place of the one that was opened.

        One that grew is the same: the times that this one knows of are where they were.
        """
        state = identity(self._folder)
        if state == self._state:
            return
        if _made(self._folder) != self._made:
            raise StoreError(
                f"the store {self._where} was made anew since it was opened; open it again"
            )
        self._state = state

    def _files(self, key: tuple[Any, ...]) -> Iterator[str]:
        """The shards that values were read from, as far as they have files."""
        if self._shards is None:
            return
        numbers = (
            _numbers(part, size, shard)
            for part, size, shard in zip(key, self.shape, self._shards, strict=True)
        )
        for index in product(*numbers):
            name = SHARDS + "/".join(map(str, index))
            if name in self._keys:
                yield name


def _made(folder: Path) -> str | None:
    """When the store in a folder was made, whether it grew since or not."""
    try:
        described = json.loads((folder / "zarr.json").read_text())
        return StoreMeta.from_json(described["attributes"].get(names.META_ATTRIBUTE)).created
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return "nothing that can be read"


def _numbers(part: Any, size: int, shard: int) -> list[int]:
    """The shards along a dimension that an index of it, a slice or an array, falls into."""
    if isinstance(part, slice):
        taken = range(*part.indices(size))
        if not taken:
            return []
        first, last = sorted((taken[0], taken[-1]))
        return list(range(first // shard, last // shard + 1))
    positions = np.atleast_1d(np.asarray(part))
    return [int(number) for number in np.unique(positions % size // shard)]


def guarded(dataset: xr.Dataset, where: Location) -> xr.Dataset:
    """A dataset in the tensor layout whose values are still to be read from `where`.

    Reading them raises StoreError where they are damaged, where a shard of the manifest is gone,
    or when another store has taken the place of this one.
    """
    if names.DATA not in dataset:
        return dataset
    variable = dataset.variables[names.DATA]
    made = StoreMeta.from_json(dataset.attrs.get(names.META_ATTRIBUTE), str(where)).created
    values = indexing.LazilyIndexedArray(_Guarded(variable, where, made))
    return dataset.assign(
        {names.DATA: xr.Variable(variable.dims, values, variable.attrs, variable.encoding)}
    )
