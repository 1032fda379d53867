"""NetCDF, Zarr and GRIB: whatever ``xr.open_dataset`` opens, one file or many."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.options import DataOptions
from stforecast.sources.base import Location
from stforecast.sources.classic import missing_bytes
from stforecast.sources.combine import combine
from stforecast.sources.decode import decode_arguments, quietly, tidy
from stforecast.sources.files import is_zarr_array
from stforecast.sources.grib import open_grib
from stforecast.sources.sniff import kind_of, why_not

# What the libraries raise for a file that is broken.
_BROKEN = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, IndexError)


class NetCDF:
    """Everything that xarray opens. Several files are combined along time."""

    name = "netcdf"

    def recognises(self, location: Location) -> bool:
        """NetCDF, HDF5, Zarr and GRIB by their first bytes, and what lies on another machine."""
        return kind_of(location) is not None

    def open(self, locations: Sequence[Location], options: DataOptions) -> xr.Dataset:
        """See :class:`stforecast.sources.base.Source`."""
        return combine([(str(location), _open(location)) for location in locations])


def _open(location: Location) -> xr.Dataset:
    kind = kind_of(location)
    if kind is None:
        raise DataError(why_not(Path(location)))
    if kind == "grib":
        return open_grib(Path(location))
    if kind == "netcdf3":
        _check_whole(Path(location))
    if kind == "zarr" and is_zarr_array(Path(location)):
        raise DataError(f"{location} is a single Zarr array; name the group that it lies in")
    remote_zarr = kind == "remote" and str(location).rstrip("/").endswith(".zarr")
    engine = "zarr" if kind == "zarr" or remote_zarr else "netcdf4"
    dataset = _read(location, engine)
    if names.META_ATTRIBUTE in dataset.attrs and engine == "zarr" and isinstance(location, Path):
        return _from_store(location)
    if not dataset.data_vars and engine == "netcdf4" and isinstance(location, Path):
        dataset = _only_group(location, dataset)
    if not dataset.variables:
        raise DataError(f"{location} holds no variables")
    return tidy(dataset)


def _read(location: Location, engine: str, **arguments: Any) -> xr.Dataset:
    arguments = {**decode_arguments(), "engine": engine, **arguments}
    with quietly():
        try:
            try:
                return xr.open_dataset(location, **arguments)
            except (ValueError, OverflowError) as error:
                if "time" not in str(error):
                    raise
                # units that only our own reader knows, such as months since 1960-01-01
                return xr.open_dataset(location, **{**arguments, "decode_times": False})
        except ImportError as error:  # a package for that kind of address
            raise DataError(f"{location} cannot be read: {_reason(error)}") from None
        except _BROKEN as error:
            if isinstance(location, str):
                raise DataError(f"{location} cannot be read: {_reason(error)}") from None
            raise DataError(
                f"{location} is broken, perhaps truncated ({_reason(error)}); get it again"
            ) from None


def _check_whole(path: Path) -> None:
    """DataError if the end of a NetCDF3 file is not there."""
    try:
        missing = missing_bytes(path)
    except ValueError as error:
        raise DataError(f"{path} is broken, perhaps truncated ({error}); get it again") from None
    if missing:
        raise DataError(
            f"{path} is broken, perhaps truncated (its last {missing} bytes are not there); get it "
            "again"
        )


def _reason(error: BaseException) -> str:
    """The first line of what a library said."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _only_group(location: Path, root: xr.Dataset) -> xr.Dataset:
    """The one group of a file whose root has no variables; DataError if there are several."""
    import netCDF4

    with netCDF4.Dataset(location) as file:
        groups = [name for name, group in file.groups.items() if group.variables]
    if not groups:
        return root
    if len(groups) > 1:
        raise DataError(
            f"{location} keeps its variables in the groups {', '.join(groups)}; extract one of "
            "them first, for example with ncks -G : -g"
        )
    group = _read(location, "netcdf4", group=groups[0])
    return group.assign_attrs({**root.attrs, **group.attrs})


def _from_store(location: Path) -> xr.Dataset:
    """A tensor store as the files that it was made from."""
    from stforecast.store import open_store

    return open_store(location)
