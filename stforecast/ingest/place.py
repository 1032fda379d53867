"""Where a grid without coordinates lies, as the user says."""

import numpy as np
import pyproj
import xarray as xr
from pyproj.exceptions import CRSError

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.grid import Grid
from stforecast.options import GridOptions
from stforecast.store.schema import plain

_MAPPING = "crs"


def place(grid: Grid, options: GridOptions, notes: list[str]) -> Grid:
    """A bare grid at its place: coordinates of the cells' centres, their bounds and the CRS.

    A grid that has numbers along its rows and columns which agree with the edges given keeps them,
    and gets the CRS. DataError for a grid that has a place of its own; ConfigError for edges in the
    wrong order and a CRS that PROJ does not know.
    """
    if options.west >= options.east or options.south >= options.north:
        raise ConfigError(
            "data.grid needs west < east and south < north, not "
            f"west {options.west:g}, east {options.east:g}, south {options.south:g}, "
            f"north {options.north:g}"
        )
    try:
        crs = pyproj.CRS.from_user_input(options.crs)
    except CRSError:
        raise ConfigError(
            f"data.grid.crs is {options.crs!r}, which PROJ does not know; write it as EPSG:27700"
        ) from None
    if grid.kind != "bare":
        raise DataError(
            f"the data have coordinates of their own ({describe(grid)}), so data.grid must go"
        )
    if _agrees(grid, options):
        return _with_crs(grid, crs)
    if grid.coords.variables:
        given = ", ".join(map(str, grid.coords.variables))
        notes.append(f"data.grid takes the place of the coordinates of the file ({given})")
    return _from_edges(grid, options, crs)


def describe(grid: Grid) -> str:
    """A grid in a few words: its cells and the extent of its coordinates."""
    parts = [f"{grid.height} x {grid.width} cells"]
    for coord in (grid.y_coord, grid.x_coord):
        if coord is not None and coord.size:
            parts.append(f"{coord.name} {coord.values[0]:g} to {coord.values[-1]:g}")
    if grid.kind == "curvilinear":
        for coord in (grid.latitude, grid.longitude):
            if coord is not None:
                low, high = np.nanmin(coord.values), np.nanmax(coord.values)
                parts.append(f"{coord.name} {low:g} to {high:g}")
    return ", ".join(parts)


def _agrees(grid: Grid, options: GridOptions) -> bool:
    """Whether the file's own numbers lie where the edges say, to half a cell."""
    for coord, low, high in (
        (grid.y_coord, options.south, options.north),
        (grid.x_coord, options.west, options.east),
    ):
        if coord is None or coord.size < 2:
            return False
        half = (high - low) / coord.size / 2
        ends = sorted((float(coord[0]), float(coord[-1])))
        if not np.allclose(ends, [low + half, high - half], rtol=0, atol=half):
            return False
    return True


def _with_crs(grid: Grid, crs: pyproj.CRS) -> Grid:
    coords = grid.coords.assign_coords({_MAPPING: _mapping_variable(crs)})
    y, x = grid.y_coord, grid.x_coord
    assert y is not None
    assert x is not None
    for coord, dim in ((y, names.Y), (x, names.X)):
        if "standard_name" not in coord.attrs:
            coords[coord.name].attrs = {**_axis_attrs(crs, dim), **coord.attrs}
    return _rebuilt(grid, coords, grid.y_name, grid.x_name, crs)


def _from_edges(grid: Grid, options: GridOptions, crs: pyproj.CRS) -> Grid:
    rows = np.linspace(options.south, options.north, grid.height + 1)
    if options.first_row == "north":
        rows = rows[::-1]
    columns = np.linspace(options.west, options.east, grid.width + 1)
    y_name, x_name = ("latitude", "longitude") if crs.is_geographic else ("y", "x")
    coords: dict[str, xr.Variable] = {_MAPPING: _mapping_variable(crs)}
    for name, dim, edges in ((y_name, names.Y, rows), (x_name, names.X, columns)):
        bounds = f"{name}_bnds"
        coords[name] = xr.Variable(
            dim, (edges[:-1] + edges[1:]) / 2, _axis_attrs(crs, dim), {"bounds": bounds}
        )
        coords[bounds] = xr.Variable(
            (dim, names.BOUNDS), np.stack([edges[:-1], edges[1:]], axis=-1)
        )
    return _rebuilt(grid, xr.Dataset(coords=coords), y_name, x_name, crs)


def _rebuilt(grid: Grid, coords: xr.Dataset, y_name: str, x_name: str, crs: pyproj.CRS) -> Grid:
    return Grid(
        coords=coords,
        y_name=y_name,
        x_name=x_name,
        height=grid.height,
        width=grid.width,
        kind="geographic" if crs.is_geographic else "projected",
        crs=crs,
        grid_mapping=_MAPPING,
    )


def _mapping_variable(crs: pyproj.CRS) -> xr.Variable:
    attrs = {key: plain(value) for key, value in crs.to_cf().items()}
    return xr.Variable((), np.int32(0), {"long_name": f"CRS {crs.name}", **attrs})


def _axis_attrs(crs: pyproj.CRS, dim: str) -> dict[str, str]:
    word = "y" if dim == names.Y else "x"
    if crs.is_geographic:
        name, units = (
            ("latitude", "degrees_north") if word == "y" else ("longitude", "degrees_east")
        )
        return {"standard_name": name, "long_name": name, "units": units, "axis": word.upper()}
    unit = crs.axis_info[0].unit_name if crs.axis_info else "metre"
    return {
        "standard_name": f"projection_{word}_coordinate",
        "long_name": f"{word} coordinate of projection",
        "units": "m" if unit == "metre" else unit,
        "axis": word.upper(),
    }
