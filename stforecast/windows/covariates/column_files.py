"""Files that are tables of columns, as frames: CSV, and HDF5 as DeepST has its meteorology."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from stforecast.errors import DataError, first_line
from stforecast.sources.sniff import kind_of


def frame_of(paths: Sequence[Path]) -> pd.DataFrame | None:
    """All rows of some files of columns; None where they are of another kind.

    DataError where one cannot be read, or is no table.
    """
    if all(_is_deepst(path) for path in paths):
        return pd.concat([_deepst_frame(path) for path in paths])
    if all(kind_of(path) is None for path in paths):
        return pd.concat([_csv_frame(path) for path in paths])
    return None


def _csv_frame(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = next((line for line in file if line.strip() and line[0] != "#"), "")
        separator = max(",;\t", key=first.count)
        frame = pd.read_csv(
            path,
            sep=separator,
            encoding="utf-8-sig",
            comment="#",
            skipinitialspace=True,
            low_memory=False,
        )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = first_line(error)[:200]
        raise DataError(f"{path} cannot be read as a table of columns ({reason})") from None
    if len(frame.columns) < 2:
        raise DataError(
            f"{path} has a single column, {frame.columns[0]!r}; give a table with a header, a "
            "column of times and others of numbers, or a list of holidays as {holidays: {file: …}}"
        )
    frame = frame.rename(columns=lambda name: str(name).strip())
    if separator == ",":
        return frame
    return frame.apply(_with_points)


def _with_points(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of numbers with decimal commas as numbers."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    text = column.astype("string").str.strip()
    if not text.dropna().str.fullmatch(r"[+-]?\d+(,\d+)?").all():
        return column
    return pd.to_numeric(text.str.replace(",", "."))


def _is_deepst(path: Path) -> bool:
    """HDF5 with the array ``date`` at its root, and not written by NetCDF's library."""
    if kind_of(path) != "hdf5":
        return False
    try:
        with h5py.File(path, "r") as file:
            return isinstance(file.get("date"), h5py.Dataset) and "_NCProperties" not in file.attrs
    except OSError:
        return False


def _deepst_frame(path: Path) -> pd.DataFrame:
    """Arrays (n,) as columns of their names, arrays (n, k) as ``name_0`` to ``name_k-1``."""
    columns: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        dates = [_text(date) for date in file["date"][()]]
        for name, array in file.items():
            if name == "date" or not isinstance(array, h5py.Dataset):
                continue
            if array.ndim not in (1, 2) or array.shape[0] != len(dates):
                raise DataError(
                    f"{name!r} in {path} has the shape {array.shape}, which is not one row for "
                    f"each of its {len(dates)} dates"
                )
            if array.ndim == 1:
                columns[name] = array[()]
            else:
                columns |= {f"{name}_{k}": array[:, k] for k in range(array.shape[1])}
    return pd.DataFrame({"date": dates, **columns})


def _text(date: Any) -> str:
    return date.decode() if isinstance(date, bytes) else str(date)
