"""Stores that keep their versions: Icechunk repositories, read at one version.

The package icechunk (extra ``icechunk``) is loaded only where there is such a store.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr
from xarray.coders import CFDatetimeCoder

from stforecast import names
from stforecast.errors import StoreError
from stforecast.options import StorageOptions
from stforecast.remote import Location, RemotePath

SUFFIX = ".icechunk"
BRANCH = "main"


@dataclass(frozen=True)
class Version:
    """A state of a store that can be opened again."""

    id: str
    written: datetime
    message: str


def is_repository(path: Location) -> bool:
    """Whether there is an Icechunk repository on this machine, whatever is in it."""
    return isinstance(path, Path) and (path / "refs").is_dir() and (path / "snapshots").is_dir()


def wants_repository(path: Location, storage: StorageOptions) -> bool:
    """Whether a store is, or is to be, a repository: as it is, by its name, or by the options."""
    if is_repository(path):
        return True
    named = path.name.endswith(SUFFIX)
    if named and storage.format == "zarr" and "format" in storage.model_fields_set:
        raise StoreError(f"{path} is named as a store of Icechunk; name a plain one .zarr")
    return named or storage.format == "icechunk"


def repository(path: Location, *, create: bool = False) -> Any:
    """The repository at `path`; StoreError if it cannot be opened."""
    icechunk = package(path)
    if isinstance(path, RemotePath):
        raise StoreError(f"{path} is not on this machine, where alone stores of Icechunk are kept")
    storage = icechunk.local_filesystem_storage(str(path.absolute()))
    try:
        if create:
            return icechunk.Repository.create(storage)
        return icechunk.Repository.open(storage)
    except icechunk.IcechunkError as error:
        raise StoreError(f"{path} cannot be opened by Icechunk: {first_words(error)}") from error


def versions(path: Location) -> list[Version]:
    """The versions of a store, the newest first; StoreError for a store that keeps none."""
    if not is_repository(path):
        raise StoreError(
            f"{path} keeps no versions; a store made with data.storage.format=icechunk does"
        )
    states = list(repository(path).ancestry(branch=BRANCH))
    # the first one is the empty repository
    return [Version(state.id, state.written_at, state.message) for state in states[:-1]]


def open_version(path: Location, version: str | None = None) -> xr.Dataset:
    """The Zarr group at the newest version, or another one, as a lazy dataset; StoreError."""
    repo = repository(path)
    icechunk = package(path)
    try:
        if version is None:
            session = repo.readonly_session(BRANCH)
        else:
            session = repo.readonly_session(snapshot_id=version)
    except (icechunk.IcechunkError, ValueError) as error:
        raise StoreError(
            f"{path} has no version {version!r}; stforecast info {path} --versions lists them"
        ) from error
    try:
        dataset: xr.Dataset = xr.open_zarr(
            session.store,
            chunks=None,
            consolidated=False,
            decode_times=CFDatetimeCoder(time_unit="us"),
        )
    except (OSError, ValueError, KeyError, TypeError, icechunk.IcechunkError) as error:
        raise StoreError(
            f"{path} is a broken tensor store ({first_words(error)}); make it anew with stforecast "
            "ingest --overwrite"
        ) from error
    if names.META_ATTRIBUTE not in dataset.attrs:
        raise StoreError(f"{path} is not a tensor store of stforecast")
    return dataset


def holds_store(path: Location) -> bool:
    """Whether a repository holds a tensor store, be it broken."""
    try:
        open_version(path)
    except StoreError as error:
        return "broken" in str(error)
    return True


def first_words(error: BaseException) -> str:
    """What Icechunk says, without the frames of its own."""
    lines = [line.strip(" \tx×") for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)


def package(path: Location) -> ModuleType:
    """The package icechunk; StoreError, which names what needs it, where it is not installed."""
    try:
        import icechunk
    except ImportError:
        raise StoreError(
            f"{path} is a store of Icechunk, which needs the package icechunk; run pip install "
            "'stforecast[icechunk]'"
        ) from None
    # that a folder is not safe for two writers at once, which the lock takes care of
    icechunk.set_logs_filter("error")
    return icechunk
