"""The grid of a dataset that wears its source's own names of dimensions."""

from collections.abc import Hashable, Iterable

import xarray as xr

from stforecast.errors import DataError
from stforecast.grid import Grid, spatial_dims


def grid_of(dataset: xr.Dataset, variable: str, other_dims: Iterable[Hashable]) -> Grid:
    """The grid of a variable, whose dimensions are ``other_dims`` (of time and the like) and two.

    Rows and columns are told apart whatever the order of the dimensions: the grid's ``y_name`` and
    ``x_name`` are names of dimensions in the dataset. DataError when there are not two left.
    """
    field = dataset[variable]
    others = set(other_dims)
    beside = [str(dim) for dim in field.dims if dim not in others]
    dims = spatial_dims(field, others) if len(beside) == 2 else None
    if dims is None:
        listed = " x ".join(f"{dim}: {field.sizes[dim]}" for dim in beside) or "no dimension"
        raise DataError(
            f"{variable} has {listed} beside its times, where a field has rows and columns; select "
            "one value of each further dimension, such as a level or a member"
        )
    return Grid.of_field(dataset, variable, *dims)
