"""Data laid out by the time a forecast was made and how far it reaches: GRIB's time × step.

Accumulations of a reanalysis come so. What counts for a record is the valid time.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.sources.times import holds_stamps

_REFERENCE = ("forecast_reference_time",)
_PERIOD = ("forecast_period",)
_PERIOD_NAMES = ("step", "forecast_period", "prediction_timedelta", "lead_time")
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
VALID_TIME = "valid_time"
# In the encoding of a dataset along valid times: when the forecast of each began.
REFERENCES = "reference_times"


def to_valid_time(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset along one axis of valid times, where reference times and steps make one.

    Nothing changes where there are no such coordinates, where the valid times of different
    forecasts overlap (one step has to be selected then), or where only some of the variables have
    both dimensions.
    """
    reference = _find(dataset, _REFERENCE, ())
    period = _find(dataset, _PERIOD, _PERIOD_NAMES)
    if reference is None or period is None or _has_time(dataset):
        return dataset
    if VALID_TIME not in dataset.variables:
        duration = _duration(dataset[period])
        if duration is None or dataset[reference].dtype.kind != "M":
            return dataset
        dataset = dataset.assign_coords({VALID_TIME: dataset[reference] + duration})
        dataset[VALID_TIME].attrs = {"standard_name": "time", "long_name": "time"}
    dims = dataset[VALID_TIME].dims
    if len(dims) != 2:
        return dataset
    if any(0 < len(set(dims) & set(item.dims)) < 2 for item in dataset.data_vars.values()):
        return dataset
    ordered = tuple(dim for dim in dataset[reference].dims if dim in dims)
    ordered += tuple(dim for dim in dims if dim not in ordered)
    valid = dataset[VALID_TIME].transpose(*ordered).values.reshape(-1)
    if np.unique(valid).size != valid.size:
        return dataset
    began = dataset[reference].broadcast_like(dataset[VALID_TIME]).transpose(*ordered)
    kept = dataset.drop_vars([reference, period])
    stacked = kept.stack({"_valid": ordered}, create_index=False)
    name = "time" if reference == "time" or "time" not in dataset.variables else VALID_TIME
    renamed = stacked.rename({"_valid": name, **({VALID_TIME: name} if name != VALID_TIME else {})})
    renamed = renamed.set_xindex(name) if name not in renamed.indexes else renamed
    renamed.encoding = {**dataset.encoding, REFERENCES: began.values.reshape(-1)}
    return renamed


def began_at(dataset: xr.Dataset) -> NDArray[Any] | None:
    """When the one forecast of a dataset began, as an array of one date; None where none is."""
    for coord in dataset.coords.values():
        told = coord.attrs.get("standard_name") in _REFERENCE
        if told and coord.ndim == 0 and holds_stamps(coord) and coord.dtype.kind in "MO":
            return np.atleast_1d(coord.values)
    return None


def references_of(dataset: xr.Dataset, dim: Hashable) -> NDArray[Any] | None:
    """When the forecast of each row along a dimension began, None where nothing tells it."""
    known: NDArray[Any] | None = dataset.encoding.get(REFERENCES)
    if known is not None:
        return known if known.size == dataset.sizes[dim] else None
    began = began_at(dataset)
    return None if began is None else np.repeat(began, dataset.sizes[dim])


def _has_time(dataset: xr.Dataset) -> bool:
    """Whether a coordinate other than ``valid_time`` says that it is the time of the data."""
    return any(
        coord.attrs.get("standard_name") == "time" and name != VALID_TIME and coord.ndim > 0
        for name, coord in dataset.coords.items()
    )


def _find(
    dataset: xr.Dataset, standard_names: tuple[str, ...], known: tuple[str, ...]
) -> Hashable | None:
    for name, coord in dataset.coords.items():
        if coord.attrs.get("standard_name") in standard_names and coord.ndim <= 1:
            return name
    return next((name for name in known if name in dataset.coords), None)


def _duration(coord: xr.DataArray) -> xr.DataArray | None:
    if coord.dtype.kind == "m":
        return coord
    seconds = _SECONDS.get(str(coord.attrs.get("units", "")).lower())
    if seconds is None or coord.dtype.kind not in "fiu":
        return None
    whole = np.rint(coord.astype(np.float64) * seconds).astype("timedelta64[s]")
    return xr.DataArray(whole, dims=coord.dims)
