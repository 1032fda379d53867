"""Where Zarr finds the arrays of a location."""

from pathlib import Path
from typing import Any

from stforecast.remote.path import Location


def zarr_store(location: Location) -> Any:
    """What ``xarray.open_zarr`` and ``zarr.open_group`` take, for reading only where it is remote.

    OSError for an address whose kind needs a package that is missing.
    """
    if isinstance(location, Path):
        return location
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from zarr.storage import FsspecStore

    # Wrapped even where it is asynchronous itself: its connections then belong to fsspec, which
    # closes them in the end, and not to Zarr's event loop, where nobody would.
    fs = AsyncFileSystemWrapper(location.fs, asynchronous=True)
    return FsspecStore(fs, read_only=True, path=location.path.rstrip("/"))
