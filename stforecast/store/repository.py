"""Stores that keep their versions: Icechunk repositories, read at one version.

The package icechunk (extra ``icechunk``) is loaded only where there is such a store.
"""

import os
from dataclasses import dataclass
from datetime import datetime
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
    """Whether there is an Icechunk repository, whatever is in it; at an address, by its name."""
    if isinstance(path, RemotePath):
        if not path.name.endswith(SUFFIX):
            return False
        icechunk = package(path)
        try:
            return bool(icechunk.Repository.exists(_elsewhere(path, icechunk)))
        except icechunk.IcechunkError as error:
            raise StoreError(
                f"{path} cannot be reached ({first_words(error)}); check the name of the bucket, "
                "the keys and the server in the environment"
            ) from error
    return (path / "refs").is_dir() and (path / "snapshots").is_dir()


def size_of(path: Location) -> tuple[int, int]:
    """How many files a repository has, of all its versions, and their bytes."""
    if isinstance(path, RemotePath):
        sizes = path.fs.du(path.path, total=False, withdirs=False)
        return len(sizes), sum(sizes.values())
    files = [file for file in path.rglob("*") if file.is_file()]
    return len(files), sum(file.stat().st_size for file in files)


def wants_repository(path: Location, storage: StorageOptions) -> bool:
    """Whether a store is, or is to be, a repository: as it is, by its name, or by the options."""
    if is_repository(path):
        return True
    if isinstance(path, RemotePath) and storage.format == "icechunk":
        _check_name(path)
    named = path.name.endswith(SUFFIX)
    if named and storage.format == "zarr" and "format" in storage.model_fields_set:
        raise StoreError(f"{path} is named as a store of Icechunk; name a plain one .zarr")
    return named or storage.format == "icechunk"


def _check_name(path: RemotePath) -> None:
    if not path.name.endswith(SUFFIX):
        raise StoreError(
            f"a store of Icechunk at an address is known by its name; call it {path}{SUFFIX}"
        )


def repository(path: Location, *, create: bool = False) -> Any:
    """The repository at `path`; StoreError if it cannot be opened."""
    icechunk = package(path)
    if isinstance(path, RemotePath):
        storage = _elsewhere(path, icechunk)
    else:
        storage = icechunk.local_filesystem_storage(str(path.absolute()))
    try:
        if create:
            return icechunk.Repository.create(storage)
        return icechunk.Repository.open(storage)
    except icechunk.IcechunkError as error:
        raise StoreError(f"{path} cannot be opened by Icechunk: {first_words(error)}") from error


def _elsewhere(path: RemotePath, icechunk: ModuleType) -> Any:
    """Where an address leads, with the keys and the server that the environment names."""
    bucket, _, prefix = path.url.partition("?")[0].partition("://")[2].partition("/")
    bucket = bucket.rpartition("@")[2]
    if path.protocol in ("gs", "gcs"):
        return icechunk.gcs_storage(bucket=bucket, prefix=prefix, from_env=True)
    if path.protocol not in ("s3", "s3a"):
        raise StoreError(
            f"{path} cannot be a store of Icechunk; these lie on this machine, at s3:// or at gs://"
        )
    server = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return icechunk.s3_storage(
        bucket=bucket,
        prefix=prefix,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        endpoint_url=server,
        allow_http=server is not None and server.startswith("http://"),
        force_path_style=server is not None,
        from_env=True,
    )


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
        raise StoreError(
            f"{path} is not a tensor store of stforecast; name one that stforecast ingest made"
        )
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
