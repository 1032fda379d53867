"""Marks of missing values that files do not declare: where they stand, values are missing."""

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.errors import ConfigError
from stforecast.ingest.variables import source_name
from stforecast.ingest.words import listed
from stforecast.options import VariableOptions

# From here on no quantity has values, and marks are often known by the six digits that tools show.
NO_QUANTITY = 1e30
_SIX_DIGITS = 5e-6
# Units in the last place by which unpacked numbers may be off.
_UNITS = 4

Bounds = Sequence[tuple[np.generic, np.generic]]


def without_marks(dataset: xr.Dataset, wanted: Mapping[str, VariableOptions]) -> xr.Dataset:
    """The dataset with NaN where a variable has a value that ``missing`` names, lazily.

    Whole numbers become floats. DataError for a variable that is not there; ConfigError where two
    are made of one variable of the files and say otherwise of its marks.
    """
    if not any(options.missing for options in wanted.values()):
        return dataset
    marks: dict[str, tuple[str, list[float]]] = {}
    for name, options in wanted.items():
        source = source_name(dataset, name, options)
        first, known = marks.setdefault(source, (name, options.missing))
        if known != options.missing:
            raise ConfigError(
                f"data.variables: {first} and {name} are both made of {source} and differ in "
                "missing; name the same values in both"
            )
    changed = {
        source: _masked(dataset[source].variable, values)
        for source, (_, values) in marks.items()
        if values and dataset[source].dtype.kind in "fiu"
    }
    return dataset.assign(changed)


def marks_text(wanted: Mapping[str, VariableOptions]) -> str | None:
    """``sst is -1000; ice is -9999 or 1e+36``; None where nothing is marked."""
    texts = [
        f"{name} is {listed(options.missing, 'or')}"
        for name, options in wanted.items()
        if options.missing
    ]
    return "; ".join(texts) or None


def _masked(variable: xr.Variable, marks: Sequence[float]) -> xr.Variable:
    stored = variable.dtype
    kept = stored
    if stored.kind in "iu":  # floats that hold them all
        kept = np.dtype(np.float32 if stored.itemsize <= 2 else np.float64)
    bounds = [_bounds(mark, stored) for mark in marks]
    if variable.chunks is None and not variable._in_memory:
        variable = variable.chunk("auto")
    values: Any = variable.data
    if isinstance(values, da.Array):
        meta = np.empty((0,) * values.ndim, kept)
        made: Any = da.map_blocks(missing_at, values, bounds=bounds, kept=kept, meta=meta)
    else:
        made = missing_at(np.asarray(values), bounds=bounds, kept=kept)
    masked = variable.copy(data=made)
    masked.encoding.setdefault("dtype", stored)
    return masked


def missing_at(values: NDArray[Any], *, bounds: Bounds, kept: np.dtype[Any]) -> NDArray[Any]:
    """Numbers with NaN where they lie within one of some bounds, as floats of the type `kept`."""
    found = values.astype(kept)
    for low, high in bounds:
        found[(values >= low) & (values <= high)] = np.nan
    return found


def _bounds(mark: float, dtype: np.dtype[Any]) -> tuple[np.generic, np.generic]:
    """Between which values numbers of a type are the mark, but for rounding."""
    if dtype.kind in "iu":
        return np.float64(mark), np.float64(mark)
    with np.errstate(over="ignore"):
        near = _UNITS * float(np.spacing(np.abs(dtype.type(mark))))
        if abs(mark) >= NO_QUANTITY:
            near = _SIX_DIGITS * abs(mark)
        return dtype.type(mark - near), dtype.type(mark + near)
