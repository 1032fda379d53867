"""Observations at the valid times of a forecast."""

from collections.abc import Mapping
from typing import Any

import cf_units
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid
from stforecast.product.conform import forecast_variables
from stforecast.product.place import grid_of
from stforecast.product.sequences import same_sequences
from stforecast.timeaxis import (
    calendar_of,
    counts_frames,
    normalise_stamps,
    span_text,
    time_text,
)


class Observed:
    """Fields of an analysis or of observations, found by the valid times of a forecast.

    `variables` are those that both have. DataError when they share none, when their grids, units or
    calendars differ, when the observations have a time twice, or none of the valid times.
    """

    def __init__(self, forecast: xr.Dataset, observations: xr.Dataset) -> None:
        """`forecast` is in the form of :func:`stforecast.product.conform`."""
        predicted = forecast_variables(forecast)
        self.variables = [name for name in predicted if name in observations.data_vars]
        if not self.variables:
            raise DataError(
                f"forecast and observations share no variable: the forecast has "
                f"{_listed(predicted)}, the observations have "
                f"{_listed([str(name) for name in observations.data_vars])}"
            )
        self._observations = observations
        self.time = _time_dimension(observations, self.variables[0])
        self.grid = self._common_grid(forecast, self.variables[0])
        for name in self.variables:
            check_units(name, forecast[name], observations[name], "forecast", "observations")
        self.index = self._positions(forecast)

    def _common_grid(self, forecast: xr.Dataset, variable: str) -> Grid:
        times = (names.INIT_TIME, names.LEAD_TIME)
        beside = [str(dim) for dim in forecast[variable].dims if dim not in times]
        # sequences, for instance, stand before the rows and columns, and in both
        self.further = tuple(beside[:-2])
        missing = [dim for dim in self.further if dim not in self._observations[variable].dims]
        if missing:
            raise DataError(
                f"the forecast of {variable} has a dimension {missing[0]} that the observations "
                f"lack; select one value of it or average over it"
            )
        for dim in self.further:
            self._observations = same_sequences(self._observations, forecast, dim)
            sizes = forecast.sizes[dim], self._observations.sizes[dim]
            if sizes[0] != sizes[1]:
                raise DataError(
                    f"the forecast has {sizes[0]} of the dimension {dim}, the observations have "
                    f"{sizes[1]}; select the same ones"
                )
        grid = grid_of(forecast, variable, (*times, *self.further))
        field = self._observations[variable]
        single = [
            dim
            for dim, size in field.sizes.items()
            if size == 1 and dim not in (self.time, *self.further, *beside)
        ]
        self._single = single if field.ndim > 3 + len(self.further) else []
        observed = grid_of(self._observations, variable, (self.time, *self.further, *self._single))
        compare_grids(grid, observed, "forecast", "observations")
        self._observed_grid = observed
        return grid

    def _positions(self, forecast: xr.Dataset) -> NDArray[np.int64]:
        """Positions (init, lead) of the valid times among the observations; -1 where none is."""
        times = normalise_stamps(self._observations[self.time].values)
        wanted = normalise_stamps(forecast[names.VALID_TIME].values)
        if times.size and wanted.size and calendar_of(times) != calendar_of(wanted):
            raise DataError(
                f"the forecast follows the calendar {calendar_of(wanted)}, the observations follow "
                f"{calendar_of(times)}"
            )
        if times.dtype.kind == "M":
            times, wanted = (item.astype("datetime64[us]") for item in (times, wanted))
        frames = counts_frames(self._observations[self.time].attrs)
        index = pd.Index(times)
        if not index.is_unique:
            twice = index[index.duplicated()][0]
            stamp = np.datetime64(twice) if times.dtype.kind == "M" else twice
            text = time_text(stamp, frames=frames)
            raise DataError(
                f"the observations have {text} twice; ingest them first, which keeps the fuller one"
            )
        found = np.asarray(index.get_indexer(pd.Index(wanted.ravel())), np.int64)
        if found.size and (found < 0).all():
            raise DataError(
                f"the observations ({_span(times, frames)}) have none of the valid times of the "
                f"forecast ({_span(np.sort(wanted.ravel()), frames)})"
            )
        return found.reshape(wanted.shape)

    def values(
        self,
        variable: str,
        inits: slice | None = None,
        within: Mapping[str, slice] | None = None,
    ) -> NDArray[np.float32]:
        """Observed fields (init, lead, …, y, x) of some initial times; NaN where there is none.

        `within` chooses from further dimensions, such as sequences.
        """
        index = self.index if inits is None else self.index[inits]
        dims = (self.time, *self.further, self._observed_grid.y_name, self._observed_grid.x_name)
        field = self._observations[variable].squeeze(self._single).transpose(*dims)
        field = field.isel(within or {})
        needed = np.unique(index[index >= 0])
        shape = tuple(field.sizes[dim] for dim in dims[1:])
        result = np.full((*index.shape, *shape), np.nan, np.float32)
        if needed.size:
            fields = np.asarray(field.isel({self.time: needed}).values, np.float32)
            known = index >= 0
            result[known] = fields[np.searchsorted(needed, index[known])]
        return result


def check_units(name: str, one: xr.DataArray, other: xr.DataArray, first: str, second: str) -> None:
    """DataError when a variable has different units in two datasets, named `first` and `second`.

    Units that either does not state are taken to be the same; spellings of one unit agree.
    """
    a, b = (str(item.attrs.get("units", "")).strip() for item in (one, other))
    if not a or not b or a == b or _same_unit(a, b):
        return
    raise DataError(
        f"{name} is in {a} in the {first} but in {b} in the {second}; convert one of them"
    )


def _same_unit(a: str, b: str) -> bool:
    try:
        return bool(cf_units.Unit(a) == cf_units.Unit(b))
    except ValueError:
        return a.replace("**", "").split() == b.replace("**", "").split()


def compare_grids(one: Grid, other: Grid, first: str, second: str) -> None:
    """DataError, telling how, when the cells of two grids are not the same in the same order."""
    difference = Grid.difference(one.fingerprint(), other.fingerprint())
    if difference is None:
        return
    remedy = _how_to_turn(one, other, second) or "bring one to the grid of the other first"
    raise DataError(f"the grids of {first} and {second} differ ({difference}); {remedy}")


def _how_to_turn(one: Grid, other: Grid, which: str) -> str | None:
    """What would make the second grid the first, when a turn does it."""
    if one.shape != other.shape:
        return None
    for axis in ("y", "x"):
        a = one.y_coord if axis == "y" else one.x_coord
        b = other.y_coord if axis == "y" else other.x_coord
        if a is None or b is None:
            continue
        step = abs(float(a.values[-1] - a.values[0])) / max(a.size - 1, 1)
        close = 1e-2 * (step or 1.0)
        if np.allclose(a.values, b.values, rtol=0, atol=close):
            continue
        dim = other.y_name if axis == "y" else other.x_name
        if np.allclose(a.values, b.values[::-1], rtol=0, atol=close):
            return f"turn the {which} with .isel({dim}=slice(None, None, -1))"
        turned = np.sort(np.mod(a.values, 360)), np.sort(np.mod(b.values, 360))
        if axis == "x" and np.allclose(*turned, rtol=0, atol=close):
            return (
                f"the longitudes of the {which} follow the other convention: assign "
                f"{dim} % 360 or ({dim} + 180) % 360 - 180 and sort by it"
            )
    return None


def _time_dimension(observations: xr.Dataset, variable: str) -> str:
    """The dimension of a variable whose coordinate holds dates."""
    for dim in observations[variable].dims:
        coordinate = observations.coords.get(str(dim))
        if coordinate is not None and coordinate.size and _is_date(coordinate.values):
            return str(dim)
    raise DataError(f"{variable} of the observations has no dimension of times with dates")


def _is_date(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "M" or (
        values.dtype.kind == "O" and hasattr(values.ravel()[0], "calendar")
    )


def _span(times: NDArray[Any], frames: bool) -> str:
    return span_text(times.ravel()[0], times.ravel()[-1], frames=frames)


def _listed(found: list[str]) -> str:
    return ", ".join(found) or "none"
