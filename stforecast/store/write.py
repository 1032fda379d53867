"""Writing a store: block by block, beside the old one, then swapped in."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.errors import ZarrUserWarning

from stforecast import names
from stforecast.errors import StoreError
from stforecast.store.commit import check_target, replaced
from stforecast.store.layout import Cut, encodings
from stforecast.store.manifest import write_manifest
from stforecast.store.open import is_store
from stforecast.store.reading import Block, blocks, read_block
from stforecast.store.schema import StoreMeta, plain
from stforecast.store.tensor import TensorStore
from stforecast.timeaxis import TimeAxis

Progress = Callable[[int, int], None]
# Shown each block as it is read, what it covers and its values; gives the values to write.
Inspect = Callable[[Block, NDArray[np.float32]], NDArray[np.float32]]
WHAT = "a tensor store"


def write_store(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    inspect: Inspect | None = None,
    describe: Callable[[StoreMeta], StoreMeta] | None = None,
) -> None:
    """Write a dataset in the tensor layout as a store, whole or not at all.

    Lazy data is read block by block, each once, so memory stays flat. `progress` is told how many
    steps of how many are written; `inspect` sees each block and gives what is written of it;
    `describe` gives the final description when all are. StoreError if a store is in the way and
    not to be overwritten, or if it cannot be written; DataError if the data cannot be read. In
    either case what was at `path` stays.
    """
    path = Path(path)
    store = TensorStore(dataset)
    with replaced(path, what=WHAT, overwrite=overwrite, ours=is_store) as folder:
        cut = Cut.of(dataset.sizes)
        _create(store, folder, cut)
        group = zarr.open_group(folder, mode="r+", use_consolidated=False)
        counts = np.zeros(_count_shape(store), np.int32)
        lead = names.SEQUENCE in dataset.dims
        done, total = 0, store.shape[0] * store.n_sequences
        target: Any = group[names.DATA]
        for block in blocks(dataset, cut):
            values = read_block(dataset, block)
            if inspect is not None:
                values = inspect(block, values)
            counts[block.index] = np.isfinite(values).sum(axis=(-2, -1), dtype=np.int32)
            target[block.index] = values
            done += values.shape[0] * (values.shape[1] if lead else 1)
            if progress is not None:
                progress(done, total)
        valid: Any = group[names.VALID_CELLS]
        valid[...] = counts
        meta = store.meta if describe is None else describe(store.meta)
        group.attrs[names.META_ATTRIBUTE] = meta.to_json()
        with warnings.catch_warnings():
            # xarray, which is what reads the store, looks for consolidated metadata first
            warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
            zarr.consolidate_metadata(folder)
        write_manifest(folder)
        _verify(folder, counts, store.axis, path)


def check_store_target(path: str | Path, *, overwrite: bool) -> None:
    """StoreError at once, before long work, when a store could not be written at `path`."""
    check_target(Path(path), what=WHAT, overwrite=overwrite, ours=is_store)


def _count_shape(store: TensorStore) -> tuple[int, ...]:
    lead = (store.n_sequences,) if store.meta.sequence_name is not None else ()
    return (*lead, store.shape[0], store.shape[1])


def _create(store: TensorStore, folder: Path, cut: Cut) -> None:
    """Write the metadata of all arrays, and all of them but the data."""
    dataset = store.dataset.drop_vars(names.VALID_CELLS, errors="ignore")
    data = dataset[names.DATA]
    lead = data.dims[:-2]
    attrs = {"long_name": "record, one channel per variable"}
    if store.grid.grid_mapping is not None:
        attrs["grid_mapping"] = store.grid.grid_mapping
    template = da.zeros(data.shape, chunks=-1, dtype=np.float32)
    dataset = dataset.assign(
        {
            names.DATA: (data.dims, template, attrs),
            names.VALID_CELLS: (
                lead,
                np.zeros(_count_shape(store), np.int32),
                {"long_name": "number of cells that are not missing"},
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
    clean.to_zarr(
        folder,
        mode="w",
        zarr_format=3,
        consolidated=False,
        compute=False,
        encoding=encodings(clean, cut, store.axis),
    )


def _verify(folder: Path, counts: NDArray[np.int32], axis: TimeAxis, path: Path) -> None:
    """Read the store as it will be opened: its times are right, no values are without a shard."""
    written = TensorStore.open(folder)
    if not np.array_equal(written.axis.times(), axis.times()):
        raise StoreError(f"the times of {path} do not read back as they were written")
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
