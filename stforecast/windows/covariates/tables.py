"""The user's own files as tables: a column of times, and for each time a row of numbers or fields.

CSV, NetCDF (Zarr, GRIB), HDF5 as DeepST has its meteorology, and the same from memory.
"""

import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.grid import Grid
from stforecast.options import DataOptions
from stforecast.options.covariates import FileCovariate
from stforecast.sources import find_files, open_source
from stforecast.sources.base import Location
from stforecast.sources.times import time_coordinate
from stforecast.windows.covariates.base import Floats, Given
from stforecast.windows.covariates.column_files import frame_of
from stforecast.windows.covariates.columns import numbers, read_times, time_column
from stforecast.windows.covariates.fields import on_grid, spatial

# Fields are held in memory up to this size, and beyond it read when they are asked for.
_HELD_BYTES: Final = 512 * 2**20
# Tables that someone holds, by their files and how they are read: training and validation share.
_IN_USE: "WeakValueDictionary[str, Table]" = WeakValueDictionary()


class NotInFileError(DataError):
    """A file has not the columns that are asked for."""


@dataclass(frozen=True, eq=False)
class Table:
    """Values of some columns at some times.

    Attributes
    ----------
    where:
        The file, for messages.
    names:
        Of the K columns.
    times:
        (n,) datetime64 or cftime objects, ascending and each once; None for static values.
    in_utc:
        Whether the times were written with an offset from UTC, and so are in UTC.
    values:
        (n, K) or (n, K, H, W); (1, K, H, W) or (1, K) without times. Read when asked for if large.
    files:
        The SHA-256 of each file.
    """

    where: str
    names: tuple[str, ...]
    times: NDArray[Any] | None
    in_utc: bool
    values: xr.Variable
    files: dict[str, str]

    def take(self, rows: NDArray[np.int64]) -> Floats:
        """Values (m, K) or (m, K, H, W) of rows, in any order and perhaps twice."""
        unique, inverse = np.unique(rows, return_inverse=True)
        found = np.asarray(self.values.isel({self.values.dims[0]: unique}).values, np.float32)
        taken: Floats = found[inverse]
        return taken


def read_table(
    given: Given, options: FileCovariate, grid: Grid, columns: tuple[str, ...] | None = None
) -> Table:
    """The columns that are asked for, from a file or from memory.

    Args:
        given: a path or pattern, a dataset or a frame of columns.
        options: how it is to be read; `columns` are taken instead of its own, if they are given.
        grid: that of the record, which fields are brought to.

    Raises:
        NotInFileError: a column is not there. DataError: the file is missing or broken, its times
        cannot be read, or its fields are on another grid.
    """
    wanted = columns or (tuple(options.columns) if options.columns else None)
    files: dict[str, str] = {}
    if isinstance(given, pd.DataFrame):
        return _of_frame(given, options, wanted, "the frame given", files)
    if isinstance(given, xr.Dataset):
        return _of_dataset(given, options, wanted, grid, "the dataset given", files)
    paths = find_files([given])
    state = [(path.stat().st_mtime_ns, path.stat().st_size) for path in _local(paths)]
    key = f"{given} {state} {options.model_dump_json()} {wanted} {json.dumps(grid.fingerprint())}"
    table = _IN_USE.get(key)
    if table is None:
        table = _IN_USE[key] = _of_files(paths, options, wanted, grid, str(given))
    return table


def _of_files(
    paths: list[Location],
    options: FileCovariate,
    wanted: tuple[str, ...] | None,
    grid: Grid,
    where: str,
) -> Table:
    local = _local(paths)
    files = {str(path): _sha256(path) for path in local if path.is_file()}
    frame = frame_of(local) if len(local) == len(paths) else None
    if frame is not None:
        return _of_frame(frame, options, wanted, where, files)
    dataset = open_source(paths, DataOptions(), Path())
    return _of_dataset(dataset, options, wanted, grid, where, files)


def _local(paths: list[Location]) -> list[Path]:
    return [path for path in paths if isinstance(path, Path)]


def _of_frame(
    frame: pd.DataFrame,
    options: FileCovariate,
    wanted: tuple[str, ...] | None,
    where: str,
    files: dict[str, str],
) -> Table:
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.reset_index(names=str(frame.index.name or "time"))
    frame = frame.rename(columns=str)
    if wanted is not None:
        _check_there(wanted, list(frame.columns), where)
    time = time_column(frame, options, where)
    names = wanted
    if names is None:
        names = tuple(
            name
            for name in frame.columns
            if name != time and pd.api.types.is_numeric_dtype(frame[name])
        )
        if not names:
            raise DataError(f"{where} has no column of numbers; name the columns to take")
    values = np.stack([numbers(frame[name], where) for name in names], axis=1)
    if frame.empty:
        raise DataError(f"{where} has no rows")
    times, in_utc = read_times(frame[time], options, where)
    return _sorted(where, names, times, in_utc, xr.Variable(("row", "column"), values), files)


def _of_dataset(
    dataset: xr.Dataset,
    options: FileCovariate,
    wanted: tuple[str, ...] | None,
    grid: Grid,
    where: str,
    files: dict[str, str],
) -> Table:
    names = wanted
    if names is None:
        names = tuple(
            str(name)
            for name, variable in dataset.data_vars.items()
            if variable.dtype.kind in "fiub" and variable.ndim
        )
        if not names:
            raise DataError(f"{where} has no variable of numbers; name the columns to take")
    _check_there(names, [str(name) for name in dataset.data_vars], where)
    time = options.time or time_coordinate(dataset[list(names)])
    if options.time is not None and options.time not in dataset.coords:
        raise DataError(f"{where} has no coordinate {options.time!r} of times")
    variables = [dataset[name] for name in names]
    row = None
    if time is not None and dataset[time].ndim == 1:
        row = dataset[time].dims[0]
        if not all(row in variable.dims for variable in variables):
            raise DataError(
                f"{where} has variables with a time ({time}) and others without; take them apart "
                "by columns, as two covariates"
            )
    are_fields = [spatial(variable, row) is not None for variable in variables]
    if any(are_fields) and not all(are_fields):
        raise DataError(
            f"{where} has fields and series; take them apart by columns, as two covariates"
        )
    if all(are_fields):
        values = _fields(dataset, names, row, grid, where)
    else:
        values = _series(variables, row, where)
    if row is None:
        return Table(where, names, None, False, values, files)
    stamps = dataset[time]
    if stamps.dtype.kind in "MO":
        times, in_utc = np.asarray(stamps.values), False
        if stamps.dtype.kind == "M":
            times = times.astype("datetime64[us]")
    else:
        times, in_utc = read_times(pd.Series(stamps.values, name=str(time)), options, where)
    return _sorted(where, names, times, in_utc, values, files)


def _fields(
    dataset: xr.Dataset, names: tuple[str, ...], row: Hashable | None, grid: Grid, where: str
) -> xr.Variable:
    """Fields (n, K, H, W) on the grid, in memory where they are small."""
    parts = [on_grid(dataset, name, row, grid, where) for name in names]
    held = sum(4 * part.size for part in parts) <= _HELD_BYTES
    parts = [part.astype(np.float32) for part in parts]
    stacked: xr.Variable = xr.Variable.concat(parts, "column")
    stacked = stacked.transpose(parts[0].dims[0], "column", ...)
    return stacked.load() if held else stacked


def _series(variables: list[xr.DataArray], row: Hashable | None, where: str) -> xr.Variable:
    """Values (n, K) of variables along one dimension at most."""
    for variable in variables:
        others = [dim for dim in variable.dims if dim != row and variable.sizes[dim] > 1]
        if others:
            raise DataError(
                f"{variable.name!r} in {where} lies along {', '.join(map(str, others))}, which "
                "is neither time nor a grid; take one value of it first"
            )
    squeezed = [np.asarray(variable.values, np.float32).ravel() for variable in variables]
    return xr.Variable(("row", "column"), np.stack(squeezed, axis=1))


def _check_there(names: tuple[str, ...], there: list[str], where: str) -> None:
    missing = [name for name in names if name not in there]
    if missing:
        raise NotInFileError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has "
            + (", ".join(map(repr, there)) or "none")
        )


def _sorted(
    where: str,
    names: tuple[str, ...],
    times: NDArray[Any],
    in_utc: bool,
    values: xr.Variable,
    files: dict[str, str],
) -> Table:
    """The table in the order of its times; of rows with the same time the last one counts."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    rows = order[last]
    if not np.array_equal(rows, np.arange(len(times))):
        values = values.isel({values.dims[0]: rows})
    return Table(where, names, times[rows], in_utc, values, files)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
