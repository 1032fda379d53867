"""Finding the rows and columns of a field among its dimensions."""

import re
from collections.abc import Collection, Hashable, Sequence

import xarray as xr

from stforecast.errors import DataError
from stforecast.grid.recognition import is_latitude, is_longitude

# Names of dimensions, as models and archives have them; NCL's GRIB names are such as g0_lat_1.
_ROWS = re.compile(
    r"(g\d+_)?(y|yc|yt|y_c|yaxis|lat|lats|latitude|nlat|nav_lat|rlat|grid_latitude|ygrid|gridlat|"
    r"projection_y_coordinate|south_north|north_south|northing|j|jc|nj|row|rows|ny)(_?\d+)?"
)
_COLUMNS = re.compile(
    r"(g\d+_)?(x|xc|xt|x_c|xaxis|lon|lons|longitude|nlon|nav_lon|rlon|grid_longitude|xgrid|gridlon|"
    r"projection_x_coordinate|west_east|east_west|easting|i|ic|ni|col|cols|column|columns|nx)(_?\d+)?"
)
# Dimensions that are never rows or columns, whatever is left over.
_OTHERS = re.compile(
    r"(time|times|valid_time|xtime|t|date|datetime|init_time|lead_time|forecast_.*|step|period|"
    r"prediction_timedelta|lev|level|levels|plev|pressure|pressure_level|model_level.*|isobaric.*|"
    r"hybrid.*|sigma.*|z|depth.*|altitude|height(above.*|_.*)?|soil.*|layer|bottom_top.*|number|"
    r"member|ensemble|realization|sample|sequence|expver|channel|channels|variable|band|bnds|"
    r"bounds|nv|nbnd|nvertex|vertices)(_?\d+)?"
)

Pair = tuple[Hashable | None, Hashable | None]


def spatial_dims(field: xr.DataArray, others: Collection[Hashable] = ()) -> tuple[str, str] | None:
    """The dimensions of the rows and of the columns, whatever their order; None if there are none.

    By the CF attributes of the coordinates (cf-xarray), then by well-known names, then by latitudes
    per cell, then by elimination. ``others`` are dimensions known to be something else. DataError
    for an unstructured grid, which has latitude and longitude along one dimension.
    """
    free = [dim for dim in field.dims if dim not in others]
    pair = _by_coordinates(field, free)
    pair = _completed(pair, _by_names(free))
    if pair == (None, None):
        if {"height", "width"} <= set(free):  # pictures; a height alone is a level
            return "height", "width"
        pair = _by_cells(field, free)
    pair = _completed(pair, _by_elimination(field, free, pair))
    rows, columns = pair
    return None if rows is None or columns is None else (str(rows), str(columns))


def _completed(pair: Pair, other: Pair) -> Pair:
    rows, columns = pair
    if rows is None and other[0] != columns:
        rows = other[0]
    if columns is None and other[1] != rows:
        columns = other[1]
    return rows, columns


def _by_coordinates(field: xr.DataArray, free: Sequence[Hashable]) -> Pair:
    import cf_xarray  # noqa: F401  registers the accessor `cf`

    axes, coordinates = field.cf.axes, field.cf.coordinates
    true_rows, true_columns = set(), set()
    along_rows, along_columns = set(), set()
    for name, coord in field.coords.items():
        if coord.ndim != 1 or coord.dims[0] not in free:
            continue
        dim = coord.dims[0]
        if name in coordinates.get("latitude", ()) or is_latitude(name, coord.attrs):
            true_rows.add(dim)
        elif name in coordinates.get("longitude", ()) or is_longitude(name, coord.attrs):
            true_columns.add(dim)
        elif name in axes.get("Y", ()):
            along_rows.add(dim)
        elif name in axes.get("X", ()):
            along_columns.add(dim)
    # distances or angles along the grid tell its rows; latitudes along them may be a copy
    rows = along_rows or true_rows
    columns = along_columns or true_columns
    if rows & columns:
        dim = (rows & columns).pop()
        raise DataError(
            f"{field.name} lies on an unstructured grid: its latitude and longitude run "
            f"along one dimension, {dim!r} ({field.sizes[dim]} points); regrid it to rows and "
            "columns first"
        )
    return (
        rows.pop() if len(rows) == 1 else None,
        columns.pop() if len(columns) == 1 else None,
    )


def _by_names(free: Sequence[Hashable]) -> Pair:
    rows = [dim for dim in free if _ROWS.fullmatch(str(dim).lower())]
    columns = [dim for dim in free if _COLUMNS.fullmatch(str(dim).lower())]
    return rows[0] if len(rows) == 1 else None, columns[0] if len(columns) == 1 else None


def _by_cells(field: xr.DataArray, free: Sequence[Hashable]) -> Pair:
    """Latitude per cell: its dimensions, rows first as is the custom."""
    for name, coord in field.coords.items():
        dims = [dim for dim in coord.dims if dim in free]
        if len(dims) == 2 and is_latitude(name, coord.attrs):
            return dims[0], dims[1]
    return None, None


def _by_elimination(field: xr.DataArray, free: Sequence[Hashable], pair: Pair) -> Pair:
    left = [dim for dim in free if dim not in pair and not _is_other(field, dim)]
    missing = pair.count(None)
    if len(left) > missing:
        left = [dim for dim in left if field.sizes[dim] > 1]
    if not missing or len(left) != missing:
        return None, None
    if missing == 2:
        return left[0], left[1]
    return (left[0], None) if pair[0] is None else (None, left[0])


def _is_other(field: xr.DataArray, dim: Hashable) -> bool:
    if _OTHERS.fullmatch(str(dim).lower()):
        return True
    if dim not in field.coords:
        return False
    coord = field.coords[dim]
    attrs = coord.attrs
    return coord.dtype.kind not in "fiu" or "positive" in attrs or attrs.get("axis") in ("T", "Z")
