"""The coordinates of a grid: cleaned of traces of the file, and told apart."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal

import pyproj
import xarray as xr

from stforecast import names
from stforecast.grid.recognition import is_latitude, is_longitude
from stforecast.grid.references import referred

GridKind = Literal["geographic", "projected", "curvilinear", "bare"]


def cleaned(variables: Mapping[Hashable, xr.Variable]) -> xr.Dataset:
    """Coordinates in memory, without traces of the file but the names of their bounds."""
    coords: dict[Hashable, xr.Variable] = {}
    for name, variable in variables.items():
        bounds = next(iter(referred(variable, "bounds")), None)
        attrs = {key: value for key, value in variable.attrs.items() if key != "bounds"}
        encoding = {"bounds": bounds} if bounds in variables else {}
        coords[name] = xr.Variable(variable.dims, variable.values, attrs, encoding)
    return xr.Dataset(coords=coords)


def kind_of(coords: xr.Dataset, crs: pyproj.CRS | None) -> GridKind:
    """See :class:`stforecast.grid.Grid`."""
    latitude = true_coordinate(coords, is_latitude)
    longitude = true_coordinate(coords, is_longitude)
    per_row_and_column = per_cell = False
    if latitude is not None and longitude is not None:
        per_row_and_column = latitude.dims == (names.Y,) and longitude.dims == (names.X,)
        per_cell = latitude.ndim == longitude.ndim == 2
    if per_row_and_column:
        return "geographic"
    has_axes = all(axis_coordinate(coords, dim, dim) is not None for dim in (names.Y, names.X))
    if has_axes and crs is not None and (crs.is_projected or crs.is_derived):
        return "projected"
    if per_cell:
        return "curvilinear"
    return "bare"


def _bounds_names(coords: xr.Dataset) -> set[Hashable]:
    return {v.encoding["bounds"] for v in coords.variables.values() if "bounds" in v.encoding}


def true_coordinate(
    coords: xr.Dataset, test: Callable[[Hashable, Mapping[str, Any]], bool]
) -> xr.DataArray | None:
    """The coordinate that the test takes for true latitude or longitude, 1-D before 2-D."""
    bounds = _bounds_names(coords)
    found = [
        coords[name]
        for name, variable in coords.variables.items()
        if name not in bounds
        and variable.ndim in (1, 2)
        and set(variable.dims) <= {names.Y, names.X}
        and variable.dtype.kind in "fiu"
        and test(name, variable.attrs)
    ]
    return min(found, key=lambda coord: coord.ndim, default=None)


def axis_coordinate(coords: xr.Dataset, dim: str, source_name: str) -> xr.DataArray | None:
    """The 1-D numeric coordinate of a dimension: its namesake, else one with ``axis``, else any."""
    found = [
        coords[name]
        for name, variable in coords.variables.items()
        if variable.dims == (dim,) and variable.dtype.kind in "fiu"
    ]
    test = is_latitude if dim == names.Y else is_longitude
    return min(
        found,
        key=lambda coord: (
            coord.name != source_name,
            str(coord.attrs.get("axis", "")).upper() != dim.upper(),
            not test(coord.name, coord.attrs),
        ),
        default=None,
    )
