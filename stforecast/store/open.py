"""Opening a store on disk."""

import json
from pathlib import Path

import xarray as xr
from xarray.coders import CFDatetimeCoder

from stforecast import names
from stforecast.errors import StoreError
from stforecast.store.commit import repair
from stforecast.store.manifest import check_manifest


def is_store(folder: Path) -> bool:
    """Whether a directory is a tensor store, be it broken."""
    try:
        described = json.loads((folder / "zarr.json").read_text())
        return names.META_ATTRIBUTE in described["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_group(path: Path) -> xr.Dataset:
    """The Zarr group at `path` as a lazy dataset in the tensor layout.

    StoreError, naming the path and the remedy, when there is none or it is not whole.
    """
    repair(path)
    if not path.exists():
        raise StoreError(f"there is no tensor store at {path}; make one with stforecast ingest")
    if not is_store(path):
        raise StoreError(f"{path} is not a tensor store of stforecast")
    check_manifest(path)
    return read_group(path)


def read_group(path: Path) -> xr.Dataset:
    """The same of a folder that is known to be a store, whether all of its files are whole or not.

    StoreError if its description cannot be read.
    """
    try:
        dataset: xr.Dataset = xr.open_zarr(
            path,
            chunks=None,
            consolidated=True,
            decode_times=CFDatetimeCoder(time_unit="us"),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(
            f"{path} is a broken tensor store ({reason}); make it anew with stforecast ingest "
            "--overwrite"
        ) from error
    return dataset
