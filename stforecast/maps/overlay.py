"""The user's own lines on a map: districts, rivers, roads, from GeoJSON or a shapefile."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from cartopy.io import shapereader
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from stforecast.errors import MapError

Geometries = tuple[BaseGeometry, ...]

_WGS84 = pyproj.CRS.from_epsg(4326)
_GEOJSON = (".geojson", ".json")


def read_overlay(path: str | Path) -> Geometries:
    """Geometries in degrees of longitude and latitude.

    GeoJSON (RFC 7946, and the older ``crs`` member), or a shapefile with its ``.prj``. MapError, in
    a sentence, when the file is missing, broken, empty, or does not say where it lies.
    """
    path = Path(path)
    if not path.exists():
        raise MapError(f"there is no overlay {path}; name a GeoJSON file or a shapefile")
    suffix = path.suffix.lower()
    crs: pyproj.CRS | None
    if suffix in _GEOJSON:
        geometries, crs = _read_geojson(path)
    elif suffix == ".shp":
        geometries, crs = _read_shapefile(path)
    else:
        raise MapError(f"the overlay {path} is neither GeoJSON (.geojson) nor a shapefile (.shp)")
    kept = [
        shapely.force_2d(geometry)
        for geometry in geometries
        if geometry is not None and not geometry.is_empty
    ]
    if not kept:
        raise MapError(f"the overlay {path} has no geometries")
    return _in_degrees(kept, crs, path)


def _read_geojson(path: Path) -> tuple[list[BaseGeometry], pyproj.CRS]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise MapError(f"the overlay {path} cannot be read as GeoJSON: {error}") from error
    try:
        return [shape(item) for item in _geometries(content)], _declared_crs(content)
    except CRSError as error:
        raise MapError(f"the overlay {path} names a CRS that PROJ does not know") from error
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise MapError(f"the overlay {path} is JSON, but not GeoJSON") from error


def _geometries(content: Any) -> list[Any]:
    kind = content["type"]
    if kind == "FeatureCollection":
        return [item for feature in content["features"] for item in _geometries(feature)]
    if kind == "Feature":
        return [] if content["geometry"] is None else _geometries(content["geometry"])
    if kind == "GeometryCollection":
        return [item for part in content["geometries"] for item in _geometries(part)]
    return [content]


def _declared_crs(content: Any) -> pyproj.CRS:
    declared = content.get("crs")
    if not declared:
        return _WGS84
    return pyproj.CRS.from_user_input(declared["properties"]["name"])


def _read_shapefile(path: Path) -> tuple[list[BaseGeometry], pyproj.CRS | None]:
    definition = path.with_suffix(".prj")
    crs = None
    if definition.exists():
        try:
            crs = pyproj.CRS.from_wkt(definition.read_text("utf-8", errors="replace"))
        except (OSError, CRSError) as error:
            raise MapError(f"{definition} does not name a CRS that PROJ knows") from error
    try:
        with closing(shapereader.BasicReader(str(path))) as reader:
            return list(reader.geometries()), crs
    except Exception as error:  # pyshp lets struct errors, assertions and its own out
        raise MapError(
            f"the overlay {path} cannot be read; a shapefile needs its .shx and .dbf beside it"
        ) from error


def _in_degrees(geometries: list[BaseGeometry], crs: pyproj.CRS | None, path: Path) -> Geometries:
    if crs is None:
        bounds = shapely.total_bounds(geometries)
        if abs(bounds[[0, 2]]).max() > 360 or abs(bounds[[1, 3]]).max() > 90:
            raise MapError(
                f"the overlay {path} is not in degrees and has no .prj beside it that says what "
                "it is in"
            )
        return tuple(geometries)
    if crs == _WGS84:
        return tuple(geometries)
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, _WGS84, always_xy=True)
        moved = shapely.transform(
            geometries, lambda points: np.column_stack(to_degrees.transform(*points.T))
        )
    except ProjError as error:
        raise MapError(f"the overlay {path} cannot be brought to degrees: {error}") from error
    return tuple(moved)
