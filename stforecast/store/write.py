"""Writing a store: block by block, beside the old one, then swapped in."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.errors import ZarrUserWarning

from stforecast import names
from stforecast._version import __version__
from stforecast.errors import ClusterError, StForecastError, StoreError
from stforecast.options import StorageOptions
from stforecast.remote import Location, RemotePath, location
from stforecast.store.block import BlockDone
from stforecast.store.commit import check_target, replaced
from stforecast.store.counts import Counts
from stforecast.store.journal import Journal
from stforecast.store.layout import Cut, encodings
from stforecast.store.manifest import Entry, write_manifest
from stforecast.store.open import is_store
from stforecast.store.reading import ReadError, blocks
from stforecast.store.repository import is_repository, wants_repository
from stforecast.store.schema import SCHEMA_VERSION, StoreMeta, plain
from stforecast.store.tensor import TensorStore
from stforecast.store.transaction import WHAT, Transaction, transaction
from stforecast.store.upload import Upload, check_address, uploaded
from stforecast.store.work import SPILLED, do_blocks
from stforecast.timeaxis import TimeAxis

Progress = Callable[[int, int], None]
# Gives the final description, from the first one and what was counted.
Describe = Callable[[StoreMeta, Counts], StoreMeta]


def write_store(
    dataset: xr.Dataset,
    path: str | Location,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    describe: Describe | None = None,
    storage: StorageOptions | None = None,
    made_of: Any = None,
) -> None:
    """Write a dataset in the tensor layout as a store, whole or not at all.

    Lazy data is read block by block, each once, so memory stays flat. `progress` is told how many
    steps of how many are written; `describe` gives the final description when all are, and sees
    what was counted, absent times left out. `made_of` is all that the values depend on (files,
    options), as JSON: where it is given, a write that is cut off or fails leaves the blocks that
    are written beside `path`, and the next one of the same goes on from them. StoreError if a
    store is in the way and not to be overwritten, or if it cannot be written; DataError if the
    data cannot be read. In either case what was at `path` stays. At an address only a new store is
    written, see :mod:`stforecast.store.upload`.
    """
    path, storage = location(path), storage or StorageOptions()
    store = TensorStore(dataset)
    cut = Cut.of(dataset.sizes, storage)
    if wants_repository(path, storage):
        written = _Written(store, progress)
        with transaction(path, overwrite=overwrite) as begun:
            _write_elsewhere(store, begun, cut, storage, describe, written)
            begun.finish(summary("ingest", store.axis))
        verify_times(TensorStore.open(path), store.axis, path)
        return
    if isinstance(path, RemotePath):
        with uploaded(path, overwrite=overwrite) as upload:
            _write_elsewhere(store, upload, cut, storage, describe, _Written(store, progress))
        verify_times(TensorStore.open(path), store.axis, path)
        return
    mark = None if made_of is None else _fingerprint(dataset, cut, storage, made_of)

    def resume(folder: Path) -> bool:
        return mark is not None and Journal.fits(folder, mark)

    with (
        replaced(
            path,
            what=WHAT,
            overwrite=overwrite,
            ours=is_store,
            resume=resume,
            last=Journal.clear,
        ) as folder,
        ThreadPoolExecutor(1, thread_name_prefix="sync") as background,
    ):
        journal = Journal(folder, mark)
        try:
            record = list(blocks(dataset, cut))
            kept = journal.resume(record, dataset[names.DATA].shape)
            create_arrays(store, folder, cut, storage)
            written = _Written(store, progress)
            for done in kept:
                written.add(done)
            known = {done.block.name for done in kept}
            remaining = [block for block in record if block.name not in known]
            for done in do_blocks(dataset, folder, remaining, storage.memory_limit):
                journal.add(done)
                background.submit(_to_disk, folder, list(done.files))
                written.add(done)
            _finish(store, folder, describe, written)
            verify_store(folder, written.valid, store.axis, path)
        except StForecastError as error:
            if not isinstance(error, (ReadError, ClusterError)):  # it would come again
                journal.forget()
            raise
        background.shutdown(wait=True)
        (folder / SPILLED).unlink(missing_ok=True)


def _write_elsewhere(
    store: TensorStore,
    upload: Upload | Transaction,
    cut: Cut,
    storage: StorageOptions,
    describe: Describe | None,
    written: "_Written",
) -> None:
    create_arrays(store, upload.folder, cut, storage)
    record = list(blocks(store.dataset, cut))
    for done in do_blocks(store.dataset, upload.folder, record, storage.memory_limit):
        upload.ship(list(done.files))
        written.add(done)
    _finish(store, upload.folder, describe, written)


def _finish(
    store: TensorStore, folder: Path, describe: Describe | None, written: "_Written"
) -> None:
    counts = written.counts.without(int((~store.present).sum()) * store.n_sequences)
    meta = store.meta if describe is None else describe(store.meta, counts)
    finish_store(folder, meta, written.valid, counts.missing, written.files)


def check_store_target(path: str | Location, *, overwrite: bool) -> None:
    """StoreError at once, before long work, when a store could not be written at `path`."""
    path = location(path)
    if is_repository(path):
        if not overwrite:
            raise StoreError(
                f"{path} exists already; overwrite it with --overwrite or name another"
            )
    elif isinstance(path, RemotePath):
        check_address(path, overwrite=overwrite)
    else:
        check_target(path, what=WHAT, overwrite=overwrite, ours=is_store)


def summary(what: str, axis: TimeAxis) -> str:
    """What a version of a store is, for the list of its versions."""
    return f"{what}: {axis.size} times, {axis.span_text(0, axis.size - 1)}"


class _Written:
    """What is written so far, put together from blocks in any order."""

    def __init__(self, store: TensorStore, progress: Progress | None) -> None:
        self.valid = np.zeros(_count_shape(store), np.int32)
        self.counts = Counts.of_none(store.dataset[names.DATA].shape[-3:])
        self.files: dict[str, Entry] = {}
        self._progress = progress
        self._done, self._total = 0, store.shape[0] * store.n_sequences

    def add(self, done: BlockDone) -> None:
        self.valid[done.block.index] = done.valid
        self.counts.merge(done.counts)
        self.files |= done.files
        self._done += done.block.frames
        if self._progress is not None:
            self._progress(self._done, self._total)


def _fingerprint(dataset: xr.Dataset, cut: Cut, storage: StorageOptions, made_of: Any) -> str:
    """Stands for all that the shards of a store depend on."""
    parts = {
        "made_of": made_of,
        "version": __version__,
        "schema": SCHEMA_VERSION,
        "shape": dataset[names.DATA].shape,
        "channels": dataset[names.CHANNEL].values.tolist(),
        "cut": [dict(cut.chunks), dict(cut.shards)],
        "storage": storage.model_dump(exclude={"memory_limit"}),
    }
    return hashlib.sha256(json.dumps(plain(parts), sort_keys=True).encode()).hexdigest()


def _to_disk(folder: Path, keys: list[str]) -> None:
    """Put finished files on the disk while others are made; the swap would else wait for it."""
    for key in keys:
        with suppress(OSError):
            descriptor = os.open(folder / key, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _count_shape(store: TensorStore) -> tuple[int, ...]:
    lead = (store.n_sequences,) if store.meta.sequence_name is not None else ()
    return (*lead, store.shape[0], store.shape[1])


def create_arrays(store: TensorStore, folder: Path, cut: Cut, storage: StorageOptions) -> None:
    """Write the metadata of all arrays, and all of them but the data; shards there may be stay."""
    dataset = store.dataset.drop_vars([names.VALID_CELLS, names.MISSING], errors="ignore")
    data = dataset[names.DATA]
    lead, field = data.dims[:-2], data.dims[-3:]
    attrs = {"long_name": "record, one channel per variable"}
    if store.grid.grid_mapping is not None:
        attrs["grid_mapping"] = store.grid.grid_mapping
    # what is never computed stands in for the values
    dataset = dataset.assign(
        {
            names.DATA: (data.dims, da.zeros(data.shape, chunks=-1, dtype=np.float32), attrs),
            names.VALID_CELLS: (
                lead,
                np.zeros(_count_shape(store), np.int32),
                {"long_name": "number of cells that are not missing"},
            ),
            names.MISSING: (
                field,
                np.zeros(data.shape[-3:], np.int32),
                {"long_name": "number of times, those absent left out, without a value"},
            ),
        }
    )
    variables = {}
    for name, variable in dataset.variables.items():
        copy = variable if name == names.DATA else variable.compute()
        copy = copy.copy(deep=False)
        related = {key: copy.encoding[key] for key in ("bounds",) if key in copy.encoding}
        copy.attrs = {str(key): plain(value) for key, value in {**copy.attrs, **related}.items()}
        copy.encoding = {}
        if copy.dtype.kind in "UT":
            copy = copy.astype(object)
        variables[name] = copy
    coords = {name: variables[name] for name in dataset.coords}
    clean = xr.Dataset(
        {name: variables[name] for name in dataset.data_vars}, coords=coords, attrs=dataset.attrs
    )
    made = folder / ".arrays"
    _write_arrays(clean, made, encodings(clean, cut, store.axis, storage))
    for file in [path for path in made.rglob("*") if path.is_file()]:
        target = folder / file.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    _remove_folders(made)


def _write_arrays(dataset: xr.Dataset, folder: Path, encoding: dict[str, dict[str, Any]]) -> None:
    """Write all arrays but the data, and of those the metadata, as xarray does.

    xarray itself would write the data later by dask, for which dask loads all that it has for
    clusters: more than is read at once.
    """
    own = encoding.pop(names.DATA)
    to_zarr: dict[str, Any] = {"zarr_format": 3, "consolidated": False}
    dataset.drop_vars(names.DATA).to_zarr(folder, mode="w", encoding=encoding, **to_zarr)
    variables, attrs = xr.conventions.encode_dataset_coordinates(dataset)
    data = variables[names.DATA]
    lead = data.ndim - 3
    none = np.empty((*(0,) * lead, *data.shape[lead:]), np.float32)
    empty = xr.Dataset({names.DATA: (data.dims, none, data.attrs)}, attrs=attrs)
    empty.to_zarr(folder, mode="a", encoding={names.DATA: own}, **to_zarr)
    array: Any = zarr.open_array(folder / names.DATA, mode="r+")
    array.resize(data.shape)


def _remove_folders(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    folder.rmdir()


def finish_store(
    folder: Path,
    meta: StoreMeta,
    valid: NDArray[np.int32],
    missing: NDArray[np.int32],
    files: dict[str, Entry],
) -> None:
    """Write what is known when all blocks are written: description, counts, manifest.

    `valid` are the cells with a value, ``([sequence,] time, channel)``, `missing` the times without
    one, ``(channel, y, x)``; `files` are those whose checksums are known already.
    """
    group: Any = zarr.open_group(folder, mode="r+", use_consolidated=False)
    group[names.VALID_CELLS][...] = valid
    group[names.MISSING][...] = missing
    group.attrs[names.META_ATTRIBUTE] = meta.to_json()
    with warnings.catch_warnings():
        # xarray, which is what reads the store, looks for consolidated metadata first
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        zarr.consolidate_metadata(folder)
    write_manifest(folder, known=files)


def verify_times(written: TensorStore, axis: TimeAxis, path: Location) -> None:
    if not np.array_equal(written.axis.times(), axis.times()):
        raise StoreError(f"the times of {path} do not read back as they were written")


def verify_store(folder: Path, counts: NDArray[np.int32], axis: TimeAxis, path: Path) -> None:
    """Read the store as it will be opened: its times are right, no values are without a shard.

    `counts` are the valid cells. StoreError, which names `path`, if it is not so.
    """
    verify_times(TensorStore.open(folder), axis, path)
    array: Any = zarr.open_group(folder, mode="r")[names.DATA]
    lead = counts.ndim - 1  # sequences and times
    for index in np.ndindex(
        *(-(-n // m) for n, m in zip(counts.shape, array.shards, strict=False))
    ):
        part = tuple(
            slice(i * size, (i + 1) * size)
            for i, size in zip(index, array.shards[:lead], strict=False)
        )
        key = array.metadata.encode_chunk_key((*index[:lead], *(0,) * (array.ndim - lead)))
        if counts[part].any() and not (folder / names.DATA / key).is_file():
            raise StoreError(f"the shard {key} of {path} was not written")
