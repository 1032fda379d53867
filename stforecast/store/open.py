"""Opening a store on disk."""

from pathlib import Path

import xarray as xr
from xarray.coders import CFDatetimeCoder

from stforecast import names
from stforecast.errors import StoreError


def open_group(path: Path) -> xr.Dataset:
    """The Zarr group at `path` as a lazy dataset in the tensor layout.

    StoreError, naming the path and the remedy, when there is none or it cannot be read.
    """
    if not path.exists():
        raise StoreError(f"there is no tensor store at {path}; make one with stforecast ingest")
    if not (path / "zarr.json").is_file():
        raise StoreError(f"{path} is not a tensor store")
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
    if names.META_ATTRIBUTE not in dataset.attrs:
        raise StoreError(f"{path} is a Zarr group but not a tensor store of stforecast")
    return dataset
