"""Dimensions beyond time, rows and columns: levels, members, versions, channels."""

from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from stforecast.errors import ConfigError, DataError
from stforecast.ingest.words import listed, nearest
from stforecast.sources.times import holds_stamps
from stforecast.timeaxis import TimeStep

_CHANNEL_NAMES = ("channel", "channels", "variable", "feature", "features")


def split_channels(dataset: xr.Dataset, selected: Collection[str]) -> xr.Dataset:
    """A dimension that counts quantities, as arrays of tensors have it, made into variables.

    They are named by its coordinate if that is text, else ``channel_0``, ``channel_1``…
    """
    present = [dim for dim in _CHANNEL_NAMES if dim in dataset.dims and dim not in selected]
    for dim in present:
        arrays = {name: array for name, array in dataset.data_vars.items() if dim in array.dims}
        labels = [f"channel_{index}" for index in range(dataset.sizes[dim])]
        if dim in dataset.coords and dataset[dim].dtype.kind in "SUOT":
            labels = [_plain(value) for value in dataset[dim].values]
        split: dict[Hashable, xr.DataArray] = {}
        for name, array in arrays.items():
            for index, label in enumerate(labels):
                own = label if len(arrays) == 1 else f"{name}_{label}"
                split[own] = array.isel({dim: index}, drop=True)
        dataset = dataset.drop_vars([*arrays, dim], errors="ignore").assign(split)
    return dataset


def select(dataset: xr.Dataset, wanted: Mapping[str, Any]) -> xr.Dataset:
    """One value of each dimension named in `wanted`, which stays as a scalar coordinate.

    A dimension is named by itself or by a coordinate along it. DataError for a name or a value that
    is not there, naming those that are.
    """
    for name, value in wanted.items():
        coord = dict(dataset.coords).get(name)  # coords.get makes up labels where there are none
        if coord is None and name not in dataset.dims:
            further = [str(dim) for dim in dataset.dims] + [
                str(known) for known, item in dataset.coords.items() if item.ndim == 0
            ]
            raise DataError(
                f"data.select names {name!r}, which is no dimension of the data; "
                + nearest(name, dict.fromkeys(further))
            )
        if coord is not None and coord.ndim > 1:
            raise DataError(
                f"data.select cannot choose by {name!r}, which has {coord.ndim} dimensions"
            )
        if coord is not None and holds_stamps(coord):
            raise DataError(f"data.select cannot choose a time of {name!r}; use data.period")
        if coord is None or (coord.ndim == 1 and _tells_nothing(coord)):
            position = _position_without_labels(
                name, dataset.sizes[name] if coord is None else coord.size, value
            )
            dataset = dataset.isel({name if coord is None else coord.dims[0]: position})
            continue
        labels = np.atleast_1d(coord.values)
        found = np.flatnonzero(_matches(labels, value))
        if not found.size:
            raise DataError(
                f"{name} has no value {value}; it has " + listed(_plain(label) for label in labels)
            )
        if coord.ndim == 1:
            dataset = dataset.isel({coord.dims[0]: int(found[0])})
    return dataset


def _tells_nothing(coord: xr.DataArray) -> bool:
    """Whether all numbers of a coordinate are missing."""
    return coord.dtype.kind == "f" and bool(np.isnan(coord.values).all())


def _position_without_labels(name: str, size: int, value: Any) -> int:
    try:
        position = int(value)
    except ValueError:
        position = -1
    if not 0 <= position < size or position != float(value):
        raise DataError(
            f"{name} has no values to choose by, so data.select takes a number from 0 to "
            f"{size - 1}, not {value}"
        )
    return position


def _matches(labels: np.ndarray, value: Any) -> np.ndarray:
    if labels.dtype.kind in "fiu":
        try:
            number = float(value)
        except ValueError:
            return np.zeros(labels.shape, dtype=bool)
        return np.isclose(labels.astype(np.float64), number, rtol=1e-5, atol=1e-9)
    if labels.dtype.kind == "m":
        try:
            step = TimeStep.parse(str(value))
        except ConfigError:
            return np.zeros(labels.shape, dtype=bool)
        return np.asarray(labels == np.timedelta64(step.seconds, "s")) & step.is_fixed
    texts = [_plain(label) for label in labels]
    return np.array([text == str(value) or _same_number(text, value) for text in texts])


def _same_number(text: str, value: Any) -> bool:
    """Whether text such as 0001 is the number 1."""
    return text.isdigit() and isinstance(value, int) and int(text) == value


def _plain(label: Any) -> str:
    if isinstance(label, bytes):
        return label.decode(errors="replace").strip()
    if isinstance(label, np.timedelta64):
        return f"{label / np.timedelta64(1, 'h'):g}h"
    if isinstance(label, (float, np.floating)):
        return f"{label:g}"
    return str(label).strip()


def reduce_further(field: xr.DataArray, kept: Collection[str]) -> xr.DataArray:
    """The field on the dimensions `kept` only; others of a single entry go.

    DataError for any with more, naming it, its values, and what to do.
    """
    for dim in [dim for dim in field.dims if dim not in kept]:
        if field.sizes[dim] == 1:
            field = field.isel({dim: 0})
        else:
            values: Any = np.arange(field.sizes[dim])
            if dim in field.coords and not _tells_nothing(field[dim]):
                values = field[dim].values
            texts = [_plain(value) for value in values]
            known = next(text for text in texts if text != "nan")
            raise DataError(
                f"{field.name} has {field.sizes[dim]} values of {dim} ({listed(texts)}); choose "
                f"one with data.select, such as {{{dim}: {known}}}"
            )
    return field
