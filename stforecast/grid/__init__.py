"""Where the cells of a field lie on earth: coordinates, CRS, cell areas, georeferencing."""

from stforecast.grid.core import Grid, GridKind
from stforecast.grid.recognition import is_latitude, is_longitude, parse_crs

__all__ = ["Grid", "GridKind", "is_latitude", "is_longitude", "parse_crs"]
