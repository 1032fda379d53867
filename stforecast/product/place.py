"""The grid of a dataset that wears its source's own names of dimensions."""

from collections.abc import Hashable, Iterable

import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid, is_latitude, is_longitude

_Y_NAMES = ("y", "rlat", "grid_latitude", "projection_y_coordinate", "row", "south_north", "j")
_X_NAMES = ("x", "rlon", "grid_longitude", "projection_x_coordinate", "column", "west_east", "i")


def grid_of(dataset: xr.Dataset, variable: str, other_dims: Iterable[Hashable]) -> Grid:
    """The grid of a variable, whose dimensions are ``other_dims`` (of time and the like) and two.

    Rows and columns are told apart by their coordinates, whatever the order of the dimensions: the
    grid's ``y_name`` and ``x_name`` are names of dimensions in the dataset. DataError when there
    are not two dimensions left.
    """
    field = dataset[variable]
    others = set(other_dims)
    spatial = [str(dim) for dim in field.dims if dim not in others]
    if len(spatial) != 2:
        listed = " x ".join(spatial) or "no dimension"
        raise DataError(
            f"{variable} has {listed} beside its times, where a field has two; select one value of "
            "each further dimension, such as a level or a member"
        )
    y_name, x_name = _rows_and_columns(dataset, spatial)
    mapping = field.encoding.get("grid_mapping") or field.attrs.get("grid_mapping")
    mapping = mapping if mapping in dataset.variables else None
    wanted: dict[Hashable, xr.Variable] = {}
    for name, item in dataset.variables.items():
        is_coordinate = name in dataset.coords and bool({y_name, x_name} & set(item.dims))
        if is_coordinate and not others & set(item.dims):
            wanted[name] = item
            bounds = item.encoding.get("bounds") or item.attrs.get("bounds")
            if bounds in dataset.variables:
                wanted[bounds] = dataset.variables[bounds]
    if mapping is not None:
        wanted[mapping] = dataset.variables[mapping]
    places = xr.Dataset(
        coords={
            name: (
                [{y_name: names.Y, x_name: names.X}.get(str(dim), dim) for dim in item.dims],
                item.values,
                item.attrs,
                item.encoding,
            )
            for name, item in wanted.items()
            if name not in (names.Y, names.X) or item.dims == (name,)
        }
    )
    height, width = dataset.sizes[y_name], dataset.sizes[x_name]
    shape = xr.DataArray(0, dims=()).expand_dims({names.Y: height, names.X: width})
    return Grid.from_dataset(
        places.assign({"_shape": shape.variable}),
        y_name=y_name,
        x_name=x_name,
        grid_mapping=mapping,
    )


def _rows_and_columns(dataset: xr.Dataset, dims: list[str]) -> tuple[str, str]:
    """The two dimensions as (rows, columns)."""
    first, second = dims
    for one, other in ((first, second), (second, first)):
        if _is_axis(dataset, one, "y") or _is_axis(dataset, other, "x"):
            return one, other
    return first, second


def _is_axis(dataset: xr.Dataset, dim: str, axis: str) -> bool:
    test, known = (is_latitude, _Y_NAMES) if axis == "y" else (is_longitude, _X_NAMES)
    if dim.lower() in known:
        return True
    for name, coordinate in dataset.coords.items():
        if coordinate.dims == (dim,):
            attrs = coordinate.attrs
            if str(attrs.get("axis", "")).lower() == axis or test(name, attrs):
                return True
            if attrs.get("standard_name") in known:
                return True
    return False
