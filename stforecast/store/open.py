"""Opening a store, on this machine or at an address."""

import json
import warnings

import xarray as xr
from xarray.coders import CFDatetimeCoder

from stforecast import names
from stforecast.errors import StoreError, first_line
from stforecast.folders import identity
from stforecast.remote import Location, RemotePath, is_failure, told, zarr_store
from stforecast.store.codecs import fast_codecs
from stforecast.store.commit import repair
from stforecast.store.manifest import check_manifest
from stforecast.store.repository import holds_store, is_repository


def is_store(folder: Location) -> bool:
    """Whether a directory, or what is at an address, is a tensor store, be it broken."""
    if is_repository(folder):
        return holds_store(folder)
    try:
        described = json.loads((folder / "zarr.json").read_text())
        return names.META_ATTRIBUTE in described["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_group(path: Location) -> xr.Dataset:
    """The Zarr group at `path` as a lazy dataset in the tensor layout.

    StoreError, naming the path and the remedy, when there is none or it is not whole.
    """
    if isinstance(path, RemotePath):
        check_address(path)
        return _open(path)
    while True:
        repair(path)
        before = identity(path)
        if before is None:
            raise StoreError(f"there is no tensor store at {path}; make one with stforecast ingest")
        try:
            dataset = _open(path)
        except StoreError:
            if identity(path) == before:
                raise
        else:
            if identity(path) == before:
                return dataset
        # another one took its place meanwhile, of which the first half may have been seen


def _open(path: Location) -> xr.Dataset:
    if not is_store(path):
        raise StoreError(
            f"{path} is not a tensor store of stforecast; name one that stforecast ingest made"
        )
    check_manifest(path)
    return read_group(path)


def check_address(path: RemotePath) -> None:
    """StoreError if there is no store at an address, or its server cannot be read from."""
    try:
        description = (path / "zarr.json").told
    except FileNotFoundError:
        raise StoreError(
            f"there is no tensor store at {path}; check the address, or make one with stforecast "
            "ingest"
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    if not description.parts:
        raise StoreError(
            f"{path} cannot be read where it is, as its server sends whole files only; copy the "
            "store to this machine"
        )


def read_group(path: Location) -> xr.Dataset:
    """The same of a folder that is known to be a store, whether all of its files are whole or not.

    StoreError if its description cannot be read.
    """
    try:
        with fast_codecs(path), warnings.catch_warnings():
            # of dates before the reform of the calendar, which numpy has none for
            warnings.simplefilter("ignore", xr.SerializationWarning)
            dataset: xr.Dataset = xr.open_zarr(
                zarr_store(path),
                chunks=None,
                consolidated=True,
                decode_times=CFDatetimeCoder(time_unit="us"),
            )
            for coord in dataset.coords.values():
                if coord.dtype.kind == "O":
                    coord.load()
    except Exception as error:
        if isinstance(path, RemotePath) and is_failure(error):
            reason = told(error, path.protocol).strerror
            raise StoreError(f"{path} cannot be read: {reason}") from None
        if not isinstance(error, (OSError, ValueError, KeyError, TypeError)):
            raise
        raise StoreError(
            f"{path} is a broken tensor store ({first_line(error)}); make it anew with stforecast "
            "ingest --overwrite"
        ) from error
    return dataset
