"""Columns of people's tables as numbers and as times."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.options.covariates import FileCovariate
from stforecast.timeaxis.slots import read_dates
from stforecast.windows.covariates.base import Floats

_TIME_NAMES: Final = ("time", "valid_time", "datetime", "timestamp", "date", "date_time", "dt")


def time_column(frame: pd.DataFrame, options: FileCovariate, where: str) -> str:
    """The name of the column of times: as told, else a usual one; DataError where there is none."""
    if options.time is not None:
        if options.time not in frame.columns:
            raise DataError(
                f"{where} has no column {options.time!r} of times; it has "
                + ", ".join(map(repr, frame.columns))
            )
        return options.time
    by_name = {name.strip().lower(): name for name in reversed(frame.columns)}
    for name in _TIME_NAMES:
        if name in by_name:
            return str(by_name[name])
    raise DataError(
        f"{where} has no column called time or date; say which holds the times with time: NAME "
        f"(it has {', '.join(map(repr, frame.columns))})"
    )


def numbers(column: "pd.Series[Any]", where: str) -> Floats:
    """The values (n,) of a column, NaN where one is missing; DataError where one is no number."""
    if not pd.api.types.is_numeric_dtype(column):
        text = column.astype("string").str.strip().replace("", pd.NA)
        parsed = pd.to_numeric(text, errors="coerce")
        wrong = text[parsed.isna() & text.notna()]
        if len(wrong):
            raise DataError(
                f"column {column.name!r} of {where} holds {str(wrong.iloc[0])!r}, which is no "
                "number; give numbers (0 and 1 for kinds), and nothing where a value is missing"
            )
        column = parsed
    values = np.asarray(column.to_numpy(np.float64, na_value=np.nan), np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def read_times(
    column: "pd.Series[Any]", options: FileCovariate, where: str
) -> tuple[NDArray[Any], bool]:
    """Stamps (n,) of a column, and whether they are in UTC; DataError where one is no time."""
    name = str(column.name)
    if pd.api.types.is_datetime64_any_dtype(column):
        index = pd.DatetimeIndex(column)
        in_utc = index.tz is not None
        if in_utc:
            index = index.tz_convert("UTC").tz_localize(None)
    else:
        text = column.astype("string").str.strip()
        digits = bool(text.str.fullmatch(r"\d{8}|\d{10}|\d{12}").all())
        if digits and options.time_format is None:
            return read_dates(list(text), options.slots, where), False
        in_utc = bool(text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).any())
        in_utc = in_utc and bool(text.str.contains(":").any())
        parsed = pd.to_datetime(
            text, format=options.time_format or "ISO8601", errors="coerce", utc=in_utc
        )
        wrong = text[parsed.isna()]
        if len(wrong):
            shown = "nothing" if wrong.isna().iloc[0] else repr(str(wrong.iloc[0]))
            raise DataError(
                f"column {name!r} of {where} holds {shown}, which is no time; write times as "
                "2012-12-31T05, or say how they are written with time_format: '%d.%m.%Y %H:%M'"
            )
        index = pd.DatetimeIndex(parsed)
        if in_utc:
            index = index.tz_localize(None)
    if index.hasnans:
        raise DataError(f"column {name!r} of {where} lacks some times; remove those rows")
    return np.asarray(index.to_numpy("datetime64[us]")), in_utc
