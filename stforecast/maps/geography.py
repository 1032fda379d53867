"""Coastlines and borders, from files inside the package: nothing is ever fetched."""

from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Literal

import cartopy.crs as ccrs
import numpy as np
import shapely
from cartopy.io import shapereader
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Resolution = Literal["110m", "50m"]
Lines = list[NDArray[np.float64]]

FOLDER = Path(__file__).parent / "natural_earth"
_FILES = {
    "coastline": "physical/ne_{}_coastline.shp",
    "borders": "cultural/ne_{}_admin_0_boundary_lines_land.shp",
}


@cache
def natural_earth(what: str, resolution: Resolution) -> tuple[BaseGeometry, ...]:
    """Geometries in degrees: ``coastline`` or ``borders``."""
    path = FOLDER / "shapefiles" / "natural_earth" / _FILES[what].format(resolution)
    with closing(shapereader.BasicReader(str(path))) as reader:
        return tuple(reader.geometries())


def lines(
    geometries: tuple[BaseGeometry, ...],
    projection: ccrs.Projection,
    region: tuple[float, float, float, float] | None,
) -> Lines:
    """The lines, and outlines of areas, on a projection: arrays (n, 2).

    `region` is (west, east, south, north) in degrees, west < east, perhaps beyond 180: only what
    meets it is projected. None is the whole globe.
    """
    source = ccrs.PlateCarree()
    result: Lines = []
    for geometry in geometries:
        if region is not None and not _meets(geometry.bounds, region):
            continue
        result += _coordinates(projection.project_geometry(_as_lines(geometry), source))
    return result


def _as_lines(geometry: BaseGeometry) -> BaseGeometry:
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry.boundary
    return geometry


def _coordinates(geometry: BaseGeometry) -> Lines:
    parts = shapely.get_parts(geometry)
    return [shapely.get_coordinates(part) for part in parts if not part.is_empty]


def _meets(
    bounds: tuple[float, float, float, float], region: tuple[float, float, float, float]
) -> bool:
    west, south, east, north = bounds
    if north < region[2] or south > region[3]:
        return False
    return any(
        west + turn <= region[1] and east + turn >= region[0] for turn in (-360.0, 0.0, 360.0)
    )
