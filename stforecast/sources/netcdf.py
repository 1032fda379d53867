"""NetCDF, Zarr and GRIB: whatever ``xr.open_dataset`` opens, one file or many."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.options import DataOptions
from stforecast.readcache import keep_little
from stforecast.remote import Location, RemotePath, is_failure, told, zarr_store
from stforecast.sources.classic import missing_bytes
from stforecast.sources.combine import combine
from stforecast.sources.decode import decode_arguments, quietly, tidy
from stforecast.sources.files import is_zarr_array, on_this_machine
from stforecast.sources.grib import open_grib
from stforecast.sources.heaps import check_heaps
from stforecast.sources.light import Reopened, SourceFile
from stforecast.sources.runs import Opened, in_runs
from stforecast.sources.sniff import kind_of, why_not
from stforecast.sources.timeless import Timeless

# Files that may be kept open, and how they are decoded in memory.
_FEW = 16


class NetCDF:
    """Everything that xarray opens. Several files are combined along time."""

    name = "netcdf"

    def recognises(self, location: Location) -> bool:
        """NetCDF, HDF5, Zarr and GRIB by their first bytes, and what lies on another machine."""
        return kind_of(location) is not None

    def open(self, locations: Sequence[Location], options: DataOptions) -> xr.Dataset:
        """See :class:`stforecast.sources.base.Source`."""
        if len(locations) == 1:
            return _open(locations[0])
        wanted = None
        if options.variables is not None:
            wanted = {chosen.source or name for name, chosen in options.variables.items()}
        timeless = Timeless(wanted)
        if len(locations) <= _FEW:
            opened = _seen(((str(at), _open(at), None) for at in locations), timeless)
            return combine([(label, part) for label, part, _ in opened], timeless)
        opened = _seen(map(_open_lightly, locations), timeless)
        return combine(in_runs(opened, Reopened(_open_again)), timeless)


def _seen(parts: Iterable[Opened], timeless: Timeless) -> Iterator[Opened]:
    """The same files, whose fields without a time are looked at while they are open."""
    for label, part, file in parts:
        timeless.add(label, part)
        yield label, part, file


def _open_lightly(location: Location) -> Opened:
    """The same as `_open`, and the file itself where it can be read again when it is closed."""
    dataset = _open(location)
    if isinstance(location, Path) and kind_of(location) in ("netcdf3", "hdf5"):
        file = SourceFile.of(location)
        return file.path, dataset, file
    return str(location), dataset, None


def _open_again(path: Path) -> xr.Dataset:
    """The variables of a NetCDF file, read when they are asked for and not by dask."""
    dataset = _read(path, path, "netcdf4")
    return dataset if dataset.data_vars else _only_group(path, path, dataset)


def _open(location: Location) -> xr.Dataset:
    kind = kind_of(location)
    if kind is None:
        raise DataError(why_not(location))
    if kind == "zarr":
        return _open_zarr(location)
    if kind == "opendap":
        return _checked(location, _read(location, _url(location), "netcdf4"))
    if kind == "hdf5" and isinstance(location, RemotePath):
        dataset = _open_piecewise(location)
        if dataset is not None:
            return _checked(location, dataset)
    path = on_this_machine(location)
    if kind == "grib":
        return open_grib(path, str(location))
    if kind == "netcdf3":
        _check_whole(path, location)
    if kind == "hdf5":
        check_heaps(path, str(location))
    dataset = _read(location, path, "netcdf4")
    if not dataset.data_vars:
        dataset = _only_group(location, path, dataset)
    return _checked(location, dataset)


def _checked(location: Location, dataset: xr.Dataset) -> xr.Dataset:
    if not dataset.variables:
        raise DataError(f"{location} holds no variables")
    return tidy(dataset)


def _open_zarr(location: Location) -> xr.Dataset:
    try:
        store = zarr_store(location)
    except OSError as error:
        raise DataError(f"{location} cannot be read: {error.strerror}") from None
    if is_zarr_array(location):
        raise DataError(f"{location} is a single Zarr array; name the group that it lies in")
    dataset = _read(location, store, "zarr")
    if names.META_ATTRIBUTE in dataset.attrs:
        return _from_store(location)
    if not dataset.variables and isinstance(location, RemotePath) and location.is_http:
        raise DataError(
            f"{location} holds no variables, or its server lists none; consolidate its metadata "
            "with zarr.consolidate_metadata"
        )
    return _checked(location, dataset)


def _open_piecewise(location: RemotePath) -> xr.Dataset | None:
    """A file of HDF5 of which only what is asked for is fetched; None where that is not possible.

    It is not where the server sends whole files only, where the variables lie in groups, and for
    what only the NetCDF library can read.
    """
    try:
        if not location.told.parts:
            return None
        with h5py.File(location.open(), "r") as file:
            if not _has_known_filters(file):
                return None
    except OSError:
        return None  # the copy will tell whether it is broken
    try:
        # dimensions without coordinates are named as the NetCDF library names them
        dataset = _read(location, location.open(), "h5netcdf", phony_dims="sort")
    except DataError:
        return None
    return dataset if dataset.data_vars else None


def _has_known_filters(file: h5py.File) -> bool:
    """Whether the values of all variables at the root can be decompressed by h5py."""
    for item in file.values():
        if isinstance(item, h5py.Dataset):
            filters = item.id.get_create_plist()
            for index in range(filters.get_nfilters()):
                if not h5py.h5z.filter_avail(filters.get_filter(index)[0]):
                    return False
    return True


def _url(location: Location) -> str:
    return location.url if isinstance(location, RemotePath) else str(location)


def _read(location: Location, place: Any, engine: str, **arguments: Any) -> xr.Dataset:
    """What `location` names, which xarray opens at `place`."""
    arguments = {**decode_arguments(), "engine": engine, **arguments}
    keep_little()
    with quietly():
        try:
            try:
                return xr.open_dataset(place, **arguments)
            except (ValueError, OverflowError) as error:
                if "time" not in str(error):
                    raise
                # units that only our own reader knows, such as months since 1960-01-01
                return xr.open_dataset(place, **{**arguments, "decode_times": False})
        except Exception as error:
            if isinstance(location, RemotePath) and is_failure(error):
                reason = _reason(told(error, location.protocol))
                raise DataError(f"{location} cannot be read: {reason}") from None
            if isinstance(error, ImportError):  # a package that decompresses its values
                raise DataError(f"{location} cannot be read: {_reason(error)}") from None
            # whatever else a library raises says that the file is none it can read
            raise DataError(
                f"{location} is broken, perhaps truncated ({_reason(error)}); get it again"
            ) from None


def _check_whole(path: Path, location: Location) -> None:
    """DataError if the end of a NetCDF3 file is not there."""
    try:
        missing = missing_bytes(path)
    except ValueError as error:
        raise DataError(
            f"{location} is broken, perhaps truncated ({error}); get it again"
        ) from None
    if missing:
        raise DataError(
            f"{location} is broken, perhaps truncated (its last {missing} bytes are not there); "
            "get it again"
        )


def _reason(error: BaseException) -> str:
    """The first line of what a library said."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _only_group(location: Location, path: Path, root: xr.Dataset) -> xr.Dataset:
    """The one group of a file whose root has no variables; DataError if there are several."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        groups = [name for name, group in file.groups.items() if group.variables]
    if not groups:
        return root
    if len(groups) > 1:
        raise DataError(
            f"{location} keeps its variables in the groups {', '.join(groups)}; extract one of "
            "them first, for example with ncks -G : -g"
        )
    group = _read(location, path, "netcdf4", group=groups[0])
    return group.assign_attrs({**root.attrs, **group.attrs})


def _from_store(location: Location) -> xr.Dataset:
    """A tensor store as the files that it was made from."""
    from stforecast.store import open_store

    return open_store(location)
