"""Where the cells of a field lie on earth: coordinates, CRS, cell areas, georeferencing."""

from stforecast.grid.axes import spatial_dims
from stforecast.grid.coordinates import GridKind
from stforecast.grid.core import Grid
from stforecast.grid.matching import matching_cells
from stforecast.grid.recognition import is_latitude, is_longitude, parse_crs
from stforecast.grid.references import promote_references, rename_dims

__all__ = [
    "Grid",
    "GridKind",
    "is_latitude",
    "is_longitude",
    "matching_cells",
    "parse_crs",
    "promote_references",
    "rename_dims",
    "spatial_dims",
]
