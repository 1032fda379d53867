"""Cutting a part out of a grid, by the centres of its cells."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.grid import Grid
from stforecast.ingest.place import describe
from stforecast.options import RegionOptions

_FULL_CIRCLE = 360.0
Index = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Cut:
    """Which rows and columns, in which order, and the grid that is left."""

    rows: Index
    columns: Index
    grid: Grid

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """The part of a dataset on ``y`` and ``x``."""
        return dataset.isel({names.Y: self.rows, names.X: self.columns}, missing_dims="ignore")


def cut(grid: Grid, region: RegionOptions, notes: list[str]) -> Cut:
    """The part of a grid in a region given in the source's own coordinates.

    Longitudes are compared round the globe, whatever the convention of the file, whose numbers
    stay as they are; a region across its seam keeps neighbours next to each other. Of a grid with
    latitude and longitude per cell the smallest block of rows and columns around the region is
    taken. ConfigError for an impossible region, DataError for one that has no cells of the grid.
    """
    if region.south > region.north:
        raise ConfigError(
            f"data.region has south {region.south:g} above north {region.north:g}; exchange them"
        )
    if grid.kind == "curvilinear":
        rows, columns = _block(grid, region)
        notes.append(
            "the region is cut along rows and columns; cells of that block beyond the region stay"
        )
    else:
        y, x = grid.y_coord, grid.x_coord
        if y is None or x is None:
            raise DataError(
                "the grid has no coordinates, so no region can be cut from it; give its place with "
                "data.grid"
            )
        rows = _within(y.values, region.south, region.north)
        on_sphere = grid.kind == "geographic" or (grid.crs is not None and grid.crs.is_geographic)
        if on_sphere:
            columns = _round_the_globe(x.values, region, notes)
        elif region.west > region.east:
            raise ConfigError(
                f"data.region has west {region.west:g} beyond east {region.east:g}, and this grid "
                "has no longitude that goes round; exchange them"
            )
        else:
            columns = _within(x.values, region.west, region.east)
    if _is_empty(rows) or _is_empty(columns):
        raise DataError(
            f"no cell of the grid lies in the region {region.west:g} to {region.east:g}, "
            f"{region.south:g} to {region.north:g}; the grid is {describe(grid)}"
        )
    coords = grid.coords.isel({names.Y: rows, names.X: columns}, missing_dims="ignore")
    for name, variable in coords.variables.items():
        variable.encoding = dict(grid.coords[name].encoding)
    height = np.arange(grid.height)[rows].size
    width = np.arange(grid.width)[columns].size
    left = Grid(
        coords=coords,
        y_name=grid.y_name,
        x_name=grid.x_name,
        height=height,
        width=width,
        kind=grid.kind,
        crs=grid.crs,
        grid_mapping=grid.grid_mapping,
    )
    return Cut(rows, columns, left)


def _within(values: NDArray[np.floating], low: float, high: float) -> Index:
    slack = _slack(values)
    numbers = values.astype(np.float64)
    return _as_index(np.flatnonzero((numbers >= low - slack) & (numbers <= high + slack)))


def _slack(values: NDArray[np.floating]) -> float:
    """A thousandth of a cell, so that rounding does not lose the cells on the edge."""
    steps = np.abs(np.diff(values.astype(np.float64)))
    return 1e-3 * float(np.median(steps)) if steps.size else 1e-6


def _is_east_of(
    longitude: NDArray[np.floating], region: RegionOptions, slack: float
) -> NDArray[np.bool_]:
    """Which longitudes lie from west eastwards to east."""
    width = region.east - region.west
    if width < 0 or width > _FULL_CIRCLE:
        width %= _FULL_CIRCLE
    offset = np.mod(longitude.astype(np.float64) - region.west + slack, _FULL_CIRCLE) - slack
    return np.asarray(offset <= width + slack)


def _round_the_globe(
    longitude: NDArray[np.floating], region: RegionOptions, notes: list[str]
) -> Index:
    inside = _is_east_of(longitude, region, _slack(longitude))
    chosen = np.flatnonzero(inside)
    breaks = np.flatnonzero(np.diff(chosen) > 1)
    if breaks.size == 0:
        return _as_index(chosen)
    # two pieces, one at each end of the file: they meet where the globe closes
    first, last = chosen[: breaks[0] + 1], chosen[breaks[0] + 1 :]
    step = float(np.median(np.abs(np.diff(longitude.astype(np.float64)))))
    gap = abs(float(longitude[0]) - float(longitude[-1])) % _FULL_CIRCLE
    gap = min(gap, _FULL_CIRCLE - gap)
    meets = first[0] == 0 and last[-1] == longitude.size - 1 and abs(gap - step) < 0.5 * step
    if breaks.size > 1 or not meets:
        raise DataError(
            f"the region {region.west:g} to {region.east:g} crosses the seam of the longitudes of "
            f"the file ({longitude[0]:g} to {longitude[-1]:g}), which do not go round the globe; "
            "choose a region on one side of it"
        )
    notes.append(
        f"the region crosses the seam of the file's longitudes, which keep their numbers: they run "
        f"from {longitude[last[0]]:g} to {longitude[last[-1]]:g} and on from {longitude[0]:g} to "
        f"{longitude[first[-1]]:g}"
    )
    return np.concatenate([last, first])


def _block(grid: Grid, region: RegionOptions) -> tuple[Index, Index]:
    latitude, longitude = grid.latitude, grid.longitude
    assert latitude is not None
    assert longitude is not None
    order = (names.Y, names.X)
    lat = latitude.transpose(*order).values.astype(np.float64)
    inside = (lat >= region.south) & (lat <= region.north)
    inside &= _is_east_of(longitude.transpose(*order).values, region, 1e-9)
    return tuple(  # type: ignore[return-value]
        _as_index(_span(np.flatnonzero(inside.any(axis=axis)))) for axis in (1, 0)
    )


def _span(chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.arange(chosen[0], chosen[-1] + 1) if chosen.size else chosen


def _as_index(chosen: NDArray[np.intp]) -> Index:
    if chosen.size and chosen[-1] - chosen[0] + 1 == chosen.size:
        return slice(int(chosen[0]), int(chosen[-1]) + 1)
    return chosen


def _is_empty(index: Index) -> bool:
    return not isinstance(index, slice) and index.size == 0
