"""A store that grows: a copy of it with other times, in which only what changed is written anew."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import folders, names
from stforecast._version import __version__
from stforecast.errors import ClusterError, StForecastError, StoreError
from stforecast.options import StorageOptions
from stforecast.remote import Location, RemotePath
from stforecast.store.block import BlockDone
from stforecast.store.commit import replaced
from stforecast.store.journal import Journal
from stforecast.store.layout import Cut
from stforecast.store.manifest import MANIFEST, SHARDS, Entry, Manifest, sha256
from stforecast.store.open import is_store
from stforecast.store.reading import Block, ReadError
from stforecast.store.repository import is_repository
from stforecast.store.schema import SCHEMA_VERSION, StoreMeta, plain
from stforecast.store.tensor import TensorStore
from stforecast.store.transaction import WHAT, Transaction, transaction
from stforecast.store.upload import refuse_address
from stforecast.store.work import SPILLED, do_blocks
from stforecast.store.write import (
    create_arrays,
    finish_store,
    summary,
    verify_store,
    verify_times,
)
from stforecast.timeaxis import stamp_text

_METADATA = "zarr.json"


class Growing(Protocol):
    """The grown store while it is written, which nobody sees yet."""

    def write(self, values: da.Array, memory_limit: int) -> Iterator[BlockDone]:
        """Write the blocks that change and give each when it is there, in any order.

        `values` are those of the grown record, ``(time, channel, y, x)``, of which nothing but
        these blocks is read; see :func:`stforecast.store.work.do_blocks`.
        """

    def finish(self, meta: StoreMeta, valid: NDArray[np.int32], missing: NDArray[np.int32]) -> None:
        """Write its description and what was counted, when all blocks are written."""


def shard_steps(store: TensorStore) -> int:
    """How many steps of the record a shard of a store on disk holds."""
    encoding = store.dataset[names.DATA].encoding
    return int((encoding.get("shards") or encoding["chunks"])[0])


@contextmanager
def grown(
    store: TensorStore, dataset: xr.Dataset, changed: Sequence[Block], *, made_of: Any = None
) -> Iterator[Growing]:
    """What takes the place of a store when the block ends well.

    `dataset` has all arrays of the grown record but the data and what is counted of them. `changed`
    are the shards along time, each as a block, that are not those of the store: they are missing
    until they are written. The data are cut and encoded as they were. When the block raises, or the
    process dies, the store is as it was. `made_of` is all that the values depend on beside the
    store (files, options), as JSON: where it is given, a store on this machine goes on from the
    blocks that an earlier try of the very same has written. StoreError if the system refuses to
    write.
    """
    path = store.path
    if path is None:
        raise StoreError("a record in memory cannot grow; write it first")
    whole = with_template(dataset, store)
    steps = shard_steps(store)
    written = {block.start // steps for block in changed}
    if is_repository(path):
        with transaction(path, overwrite=True, anew=False) as begun:
            folder = begun.folder
            create_arrays(whole, folder, Cut.of(whole.dataset.sizes), StorageOptions())
            described = begun.get(f"{names.DATA}/{_METADATA}").decode()
            _keep_encoding(described, folder, whole.shape[0])
            # written anew, or empty now
            gone = [key for key in begun.shards() if _number(key) in written]
            yield _Version(begun, path, whole, changed, gone)
        return
    if isinstance(path, RemotePath):
        refuse_address(path)
    mark = None if made_of is None else _fingerprint(path, whole, changed, made_of)
    with replaced(
        path,
        what=WHAT,
        overwrite=True,
        ours=is_store,
        resume=None if mark is None else lambda left: Journal.fits(left, mark),
        last=Journal.clear,
    ) as folder:
        journal = Journal(folder, mark)
        try:
            done = journal.resume(changed, whole.dataset[names.DATA].shape)
            create_arrays(whole, folder, Cut.of(whole.dataset.sizes), StorageOptions())
            described = (path / names.DATA / _METADATA).read_text()
            _keep_encoding(described, folder, whole.shape[0])
            linked = _link_shards(Path(os.path.realpath(path)), folder, written)
            yield _Folder(folder, path, whole, changed, linked, journal, done)
        except StForecastError as error:
            if not isinstance(error, (ReadError, ClusterError)):  # it would come again
                journal.forget()
            raise


def with_template(dataset: xr.Dataset, store: TensorStore) -> TensorStore:
    """The grown record with ``data`` of the right shape, without values."""
    dims = store.dataset[names.DATA].dims
    shape = (dataset.sizes[names.TIME], *store.shape[1:])
    template = da.zeros(shape, chunks=-1, dtype=np.float32)
    return TensorStore(dataset.assign({names.DATA: (dims, template)}))


class _Folder:
    """The copy of a store on this machine that will take its place."""

    def __init__(
        self,
        folder: Path,
        path: Path,
        store: TensorStore,
        changed: Sequence[Block],
        files: dict[str, Entry],
        journal: Journal,
        done: Sequence[BlockDone],
    ) -> None:
        self._folder, self._path, self._store = folder, path, store
        self._changed, self._files = changed, files
        self._journal, self._done = journal, done

    def write(self, values: da.Array, memory_limit: int) -> Iterator[BlockDone]:
        for found in self._done:
            self._files |= found.files
            yield found
        known = {found.block.name for found in self._done}
        remaining = [block for block in self._changed if block.name not in known]
        for found in do_blocks(_record(values), self._folder, remaining, memory_limit):
            self._journal.add(found)
            self._files |= found.files
            yield found
        (self._folder / SPILLED).unlink(missing_ok=True)

    def finish(self, meta: StoreMeta, valid: NDArray[np.int32], missing: NDArray[np.int32]) -> None:
        finish_store(self._folder, meta, valid, missing, self._files)
        verify_store(self._folder, valid, self._store.axis, self._path)


class _Version:
    """A version of a store that keeps them."""

    def __init__(
        self,
        begun: Transaction,
        path: Location,
        store: TensorStore,
        changed: Sequence[Block],
        gone: Sequence[str],
    ) -> None:
        self._begun, self._path, self._store = begun, path, store
        self._changed, self._gone = changed, list(gone)
        self._files: dict[str, Entry] = {}

    def write(self, values: da.Array, memory_limit: int) -> Iterator[BlockDone]:
        self._clear()
        folder = self._begun.folder
        for found in do_blocks(_record(values), folder, self._changed, memory_limit):
            self._begun.ship(list(found.files))
            self._files |= found.files
            yield found
        (folder / SPILLED).unlink(missing_ok=True)

    def finish(self, meta: StoreMeta, valid: NDArray[np.int32], missing: NDArray[np.int32]) -> None:
        self._clear()
        finish_store(self._begun.folder, meta, valid, missing, self._files)
        self._begun.finish(summary("append", self._store.axis))
        verify_times(TensorStore.open(self._path), self._store.axis, self._path)

    def _clear(self) -> None:
        """Remove the shards of the old version that are written anew, or are empty now."""
        self._begun.remove(self._gone)
        self._gone.clear()


def _record(values: da.Array) -> xr.Dataset:
    """Values as a record without anything else."""
    return xr.Dataset({names.DATA: ((names.TIME, names.CHANNEL, names.Y, names.X), values)})


def _fingerprint(path: Path, whole: TensorStore, changed: Sequence[Block], made_of: Any) -> str:
    """Stands for all that the shards of a store depend on that is to grow."""
    parts = {
        "made_of": made_of,
        "version": __version__,
        "schema": SCHEMA_VERSION,
        # tells of every byte of the store, its description with it
        "store": sha256(path / MANIFEST),
        "shape": whole.dataset[names.DATA].shape,
        "first": stamp_text(whole.axis.times_at(0)[()]),
        "changed": [[block.start, block.stop] for block in changed],
    }
    return hashlib.sha256(json.dumps(plain(parts), sort_keys=True).encode()).hexdigest()


def _keep_encoding(described_as: str, new: Path, steps: int) -> None:
    """Let ``data`` be cut and encoded as in the old store, with another number of steps."""
    described = json.loads(described_as)
    made = json.loads((new / names.DATA / _METADATA).read_text())
    described["shape"][0] = steps
    described["attributes"] = made["attributes"]
    (new / names.DATA / _METADATA).write_text(json.dumps(described, indent=2))


def _link_shards(old: Path, new: Path, written: Collection[int]) -> dict[str, Entry]:
    """The shards that stay as they are, by hard links where there are such; and their checksums."""
    linked = {}
    for key, entry in Manifest.read(old).files.items():
        if key.startswith(SHARDS) and _number(key) not in written:
            (new / key).parent.mkdir(parents=True, exist_ok=True)
            folders.link(old / key, new / key)
            linked[key] = entry
    return linked


def _number(key: str) -> int:
    """The number of a shard along time."""
    return int(key.removeprefix(SHARDS).split("/")[0])
