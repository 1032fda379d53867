"""How sure a forecast is: its members, and the bounds of intervals beside its variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.errors import DataError

# Bytes of members that are averaged at once.
_HELD = 64 * 2**20
_SIDES = (("lower", names.LOWER), ("upper", names.UPPER))


@dataclass(frozen=True)
class Interval:
    """Bounds between which a stated share of the observations is to lie.

    lower, upper: (I, L[, S], C, H, W) physical values, numpy or dask, NaN where missing. coverage:
    the share, in (0, 1). method: how they came about, in a few words.
    """

    lower: Any
    upper: Any
    coverage: float
    method: str


def member_coordinate(members: int) -> xr.Variable:
    """Numbers of the members, from 0."""
    attrs = {
        "standard_name": "realization",
        "long_name": "number of the ensemble member",
        "units": "1",
    }
    return xr.Variable(names.MEMBER, np.arange(members, dtype=np.int32), attrs)


def bounds_names(variables: Sequence[str], side: int) -> list[str]:
    """What the lower (side 0) or upper (side 1) bounds of variables are called.

    DataError where another variable is called so.
    """
    called = [f"{name}{_SIDES[side][1]}" for name in variables]
    for name in called:
        if name in variables:
            raise DataError(
                f"{name} is a variable of the data, and what the {_SIDES[side][0]} bound of an "
                "interval would be called; give it another name with data.variables"
            )
    return called


def bounds_attrs(attrs: Mapping[str, Any], interval: Interval, side: int) -> dict[str, Any]:
    """Attributes of a bound, from those of its variable.

    No standard name: a bound is not the quantity, and none of the modifiers of CF means it.
    """
    share = f"{100 * interval.coverage:g} %"
    told: dict[str, Any] = {
        "long_name": f"{_SIDES[side][0]} bound of the {share} interval of {attrs['long_name']}"
    }
    if "units" in attrs:
        told["units"] = attrs["units"]
    return {**told, names.COVERAGE: float(interval.coverage), "comment": interval.method}


def is_bound(variable: xr.DataArray | xr.Variable) -> bool:
    """Whether a variable is a bound of an interval."""
    return names.COVERAGE in variable.attrs


def interval_of(forecast: xr.Dataset, variable: str) -> tuple[xr.DataArray, xr.DataArray] | None:
    """The lower and the upper bound of a variable; None for a forecast without."""
    found = [
        forecast[f"{variable}{ending}"]
        for _, ending in _SIDES
        if f"{variable}{ending}" in forecast.data_vars
    ]
    return (found[0], found[1]) if len(found) == 2 and all(map(is_bound, found)) else None


def ensemble_mean(forecast: xr.Dataset) -> xr.Dataset:
    """The forecast without members: their mean, NaN where one is; as it is where it has none."""
    if names.MEMBER not in forecast.dims:
        return forecast
    if forecast.nbytes > _HELD:  # only what is then read of it is to be read
        forecast = forecast.chunk({names.INIT_TIME: 1})
    with xr.set_options(keep_attrs=True):
        return forecast.mean(names.MEMBER, skipna=False)
