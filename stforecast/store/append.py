"""A store that grows: a copy of it with other times, in which only what changed is written anew."""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import folders, names
from stforecast.errors import StoreError
from stforecast.options import StorageOptions
from stforecast.remote import Location, RemotePath
from stforecast.store.block import write_block
from stforecast.store.commit import replaced
from stforecast.store.layout import Cut
from stforecast.store.manifest import SHARDS, Entry, Manifest
from stforecast.store.open import is_store
from stforecast.store.reading import Block, Values
from stforecast.store.repository import is_repository
from stforecast.store.schema import StoreMeta
from stforecast.store.tensor import TensorStore
from stforecast.store.transaction import WHAT, Transaction, transaction
from stforecast.store.upload import refuse_address
from stforecast.store.write import (
    create_arrays,
    finish_store,
    summary,
    verify_store,
    verify_times,
)

_METADATA = "zarr.json"


class Growing(Protocol):
    """The grown store while it is written, which nobody sees yet."""

    def write(self, values: Values, block: Block) -> None:
        """Write the shards of a block; see :func:`stforecast.store.block.write_block`."""

    def finish(self, meta: StoreMeta, valid: NDArray[np.int32], missing: NDArray[np.int32]) -> None:
        """Write its description and what was counted, when all blocks are written."""


def shard_steps(store: TensorStore) -> int:
    """How many steps of the record a shard of a store on disk holds."""
    encoding = store.dataset[names.DATA].encoding
    return int((encoding.get("shards") or encoding["chunks"])[0])


@contextmanager
def grown(store: TensorStore, dataset: xr.Dataset, kept: Collection[int]) -> Iterator[Growing]:
    """What takes the place of a store on this machine when the block ends well.

    `dataset` has all arrays of the grown record but the data and what is counted of them. Shards
    whose number along time is in `kept` are those of the store; all others are missing until they
    are written. The data are cut and encoded as they were. When the block raises, or the process
    dies, the store is as it was. StoreError if the system refuses to write.
    """
    path = store.path
    if path is None:
        raise StoreError("a record in memory cannot grow; write it first")
    whole = with_template(dataset, store)
    if is_repository(path):
        with transaction(path, overwrite=True, anew=False) as begun:
            folder = begun.folder
            create_arrays(whole, folder, Cut.of(whole.dataset.sizes), StorageOptions())
            described = begun.get(f"{names.DATA}/{_METADATA}").decode()
            _keep_encoding(described, folder, whole.shape[0])
            gone = [key for key in begun.shards() if _number(key) not in kept]
            yield _Version(begun, path, whole, gone)
        return
    if isinstance(path, RemotePath):
        refuse_address(path)
    with replaced(path, what=WHAT, overwrite=True, ours=is_store) as folder:
        create_arrays(whole, folder, Cut.of(whole.dataset.sizes), StorageOptions())
        described = (path / names.DATA / _METADATA).read_text()
        _keep_encoding(described, folder, whole.shape[0])
        linked = _link_shards(Path(os.path.realpath(path)), folder, kept)
        yield _Folder(folder, path, whole, linked)


def with_template(dataset: xr.Dataset, store: TensorStore) -> TensorStore:
    """The grown record with ``data`` of the right shape, without values."""
    dims = store.dataset[names.DATA].dims
    shape = (dataset.sizes[names.TIME], *store.shape[1:])
    template = da.zeros(shape, chunks=-1, dtype=np.float32)
    return TensorStore(dataset.assign({names.DATA: (dims, template)}))


class _Folder:
    def __init__(
        self, folder: Path, path: Path, store: TensorStore, files: dict[str, Entry]
    ) -> None:
        self._folder, self._path, self._store, self._files = folder, path, store, files

    def write(self, values: Values, block: Block) -> None:
        self._files |= write_block(values, self._folder, block).files

    def finish(self, meta: StoreMeta, valid: NDArray[np.int32], missing: NDArray[np.int32]) -> None:
        finish_store(self._folder, meta, valid, missing, self._files)
        verify_store(self._folder, valid, self._store.axis, self._path)


class _Version:
    """A version of a store that keeps them."""

    def __init__(
        self, begun: Transaction, path: Location, store: TensorStore, gone: Sequence[str]
    ) -> None:
        self._begun, self._path, self._store, self._gone = begun, path, store, list(gone)
        self._files: dict[str, Entry] = {}

    def write(self, values: Values, block: Block) -> None:
        self._clear()
        done = write_block(values, self._begun.folder, block).files
        self._begun.ship(list(done))
        self._files |= done

    def finish(self, meta: StoreMeta, valid: NDArray[np.int32], missing: NDArray[np.int32]) -> None:
        self._clear()
        finish_store(self._begun.folder, meta, valid, missing, self._files)
        self._begun.finish(summary("append", self._store.axis))
        verify_times(TensorStore.open(self._path), self._store.axis, self._path)

    def _clear(self) -> None:
        """Remove the shards of the old version that are written anew, or are empty now."""
        self._begun.remove(self._gone)
        self._gone.clear()


def _keep_encoding(described_as: str, new: Path, steps: int) -> None:
    """Let ``data`` be cut and encoded as in the old store, with another number of steps."""
    described = json.loads(described_as)
    made = json.loads((new / names.DATA / _METADATA).read_text())
    described["shape"][0] = steps
    described["attributes"] = made["attributes"]
    (new / names.DATA / _METADATA).write_text(json.dumps(described, indent=2))


def _link_shards(old: Path, new: Path, kept: Collection[int]) -> dict[str, Entry]:
    """The shards that stay as they are, by hard links where there are such; and their checksums."""
    linked = {}
    for key, entry in Manifest.read(old).files.items():
        if key.startswith(SHARDS) and _number(key) in kept:
            (new / key).parent.mkdir(parents=True, exist_ok=True)
            folders.link(old / key, new / key)
            linked[key] = entry
    return linked


def _number(key: str) -> int:
    """The number of a shard along time."""
    return int(key.removeprefix(SHARDS).split("/")[0])
