"""DeepST's HDF5 files of city flows: ``data (T, C, H, W)`` and ``date (T,)``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.utils import SerializableLock

from stforecast import names
from stforecast.errors import DataError
from stforecast.options import DataOptions
from stforecast.remote import Location
from stforecast.sources.heaps import check_heaps
from stforecast.sources.sniff import kind_of
from stforecast.timeaxis.slots import read_dates

_DATA, _DATE = "data", "date"
# Cells of a block: 32 MiB of float64.
_BLOCK_CELLS = 2**22
_LOCK = SerializableLock("stforecast-h5py")


class DeepST:
    """TaxiBJ, BikeNYC, TaxiNYC and all that is written like them.

    Channels have no names in such files: they are called ``channel_0``, ``channel_1``…, and get
    their names from ``data.variables``. Files are put one after another in the order given.
    """

    name = "deepst"

    def recognises(self, location: Location) -> bool:
        """An HDF5 file with the arrays ``data`` and ``date`` at its root."""
        if kind_of(location) != "hdf5":
            return False
        try:
            with _opened(location) as file:
                return all(isinstance(file.get(name), h5py.Dataset) for name in (_DATA, _DATE))
        except (OSError, KeyError, RuntimeError):
            return False

    def open(self, locations: Sequence[Location], options: DataOptions) -> xr.Dataset:
        """See :class:`stforecast.sources.base.Source`."""
        files = [_look(location) for location in locations]
        for file in files[1:]:
            if file.shape[1:] != files[0].shape[1:]:
                raise DataError(
                    f"{files[0].path} and {file.path} are on two grids: "
                    f"{_size(files[0].shape)} and {_size(file.shape)}; ingest them by themselves"
                )
        dates = [text for file in files for text in file.dates]
        where = str(files[0].path)
        if len(files) > 1:
            where += f" and the {len(files) - 1} files beside it"
        stamps = read_dates(dates, options.slots, where)
        values = da.concatenate([_lazy(file) for file in files])
        return xr.Dataset(
            {
                f"channel_{index}": ((names.TIME, names.Y, names.X), values[:, index])
                for index in range(values.shape[1])
            },
            coords={names.TIME: (names.TIME, stamps, {"standard_name": "time"})},
        )


@dataclass(frozen=True)
class _File:
    path: Location
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dates: list[str]


@dataclass(frozen=True)
class _Array:
    """The array ``data`` of a file, which is open only while it is read from.

    So the graph of a record can be sent to other processes.
    """

    path: Location
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        with _opened(self.path) as file:
            return np.asarray(file[_DATA][key])


@contextmanager
def _opened(location: Location) -> Iterator[h5py.File]:
    if isinstance(location, Path):
        with h5py.File(location, "r") as file:
            yield file
    else:
        with location.open() as content, h5py.File(content, "r") as file:
            yield file


def _look(path: Location) -> _File:
    try:
        if isinstance(path, Path):
            check_heaps(path, str(path))
        with _opened(path) as file:
            data, date = file.get(_DATA), file.get(_DATE)
            if not isinstance(data, h5py.Dataset) or not isinstance(date, h5py.Dataset):
                raise DataError(
                    f"{path} has no arrays {_DATA!r} and {_DATE!r} as DeepST's files do; it has "
                    + (", ".join(file) or "none")
                )
            if data.ndim != 4 or data.dtype.kind not in "fiu":
                raise DataError(
                    f"{_DATA!r} in {path} is {data.dtype} {data.shape}, not numbers of times x "
                    "channels x rows x columns"
                )
            if date.shape != data.shape[:1]:
                raise DataError(
                    f"{path} has {data.shape[0]} frames and {date.size} dates; there must be one "
                    "for each"
                )
            if not data.size:
                raise DataError(f"{path} holds no frames")
            return _File(path, data.shape, data.dtype, [_text(item) for item in date[()]])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        lines = str(getattr(error, "strerror", None) or error).splitlines()
        reason = lines[0][:200] if lines else type(error).__name__
        raise DataError(
            f"{path} is broken, perhaps truncated, or no HDF5 file ({reason}); get it again"
        ) from None


def _text(date: Any) -> str:
    if isinstance(date, bytes):
        return date.decode(errors="replace").strip().strip("\0")
    if isinstance(date, (float, np.floating)) and float(date).is_integer():
        return str(int(date))
    return str(date).strip()


def _lazy(file: _File) -> da.Array:
    frame = int(np.prod(file.shape[1:]))
    rows = max(1, _BLOCK_CELLS // frame)
    array: da.Array = da.from_array(
        _Array(file.path, file.shape, file.dtype),
        chunks=(rows, *file.shape[1:]),
        lock=_LOCK,
        name=f"deepst-{tokenize(*_version(file.path))}",
        meta=np.empty((0,) * 4, file.dtype),
    )
    return array


def _version(path: Location) -> tuple[Any, ...]:
    """What is another once a file has changed."""
    if isinstance(path, Path):
        return str(path), path.stat().st_mtime_ns
    return path.url, path.told


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape[1:]
    return f"{channels} channel{'' if channels == 1 else 's'} of {height} x {width}"
