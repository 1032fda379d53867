"""Fields of another file on the grid of a record."""

from collections.abc import Hashable

import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid, matching_cells
from stforecast.grid.axes import spatial_dims


def spatial(variable: xr.DataArray, row: Hashable | None) -> tuple[str, str] | None:
    """The dimensions of rows and columns of a variable that has them."""
    if sum(dim != row for dim in variable.dims) < 2:
        return None
    return spatial_dims(variable, () if row is None else (row,))


def on_grid(
    dataset: xr.Dataset, name: str, row: Hashable | None, grid: Grid, where: str
) -> xr.Variable:
    """A variable on ``(row, y, x)``, cut out of its own grid if that holds the record's.

    DataError where it does not.
    """
    field = dataset[name]
    pair = spatial(field, row)
    assert pair is not None  # the caller asked
    others = [dim for dim in field.dims if dim not in (row, *pair)]
    long = [str(dim) for dim in others if field.sizes[dim] > 1]
    if long:
        raise DataError(
            f"{name!r} in {where} lies along {', '.join(long)} too; take one value of it first"
        )
    field = field.isel(dict.fromkeys(others, 0), drop=True)
    found = Grid.of_field(field.to_dataset(name=name), name, *pair)
    variable = field.variable
    variable = variable.set_dims({"row": 1, **variable.sizes}) if row is None else variable
    renamed = {pair[0]: names.Y, pair[1]: names.X, row: "row"}
    variable = variable.to_base_variable().copy(deep=False)
    variable.dims = tuple(renamed.get(dim, dim) for dim in variable.dims)
    variable = variable.transpose("row", names.Y, names.X)
    variable.attrs, variable.encoding = {}, {}
    if found.shape == grid.shape:
        unplaced = "bare" in (found.kind, grid.kind)
        if unplaced or Grid.difference(found.fingerprint(), grid.fingerprint()) is None:
            return variable
    rows, columns = (
        matching_cells(found.y_coord, grid.y_coord),
        matching_cells(found.x_coord, grid.x_coord),
    )
    if "bare" in (found.kind, grid.kind) or rows is None or columns is None:
        sizes = ["{}×{}".format(*each.shape) for each in (found, grid)]
        raise DataError(
            f"{name!r} in {where} is on another grid than the record ({sizes[0]} cells, the record "
            f"has {sizes[1]}), and does not hold its cells; regrid it first"
        )
    return variable.isel({names.Y: rows, names.X: columns})
