"""Recognising latitude, longitude and the CRS by CF attributes, else by well-known names."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pyproj
from pyproj.exceptions import CRSError

# Units that CF gives to true latitude and longitude, and names that people give them without units.
_LATITUDE_UNITS = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
_LONGITUDE_UNITS = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
_LATITUDE_NAMES = {"lat", "latitude", "lats", "latitudes", "nav_lat", "xlat", "xlat_m", "yc_lat"}
_LONGITUDE_NAMES = {"lon", "longitude", "lons", "longitudes", "nav_lon", "xlong", "xlong_m", "long"}
# Standard names of coordinates that are measured along a rotated or projected grid.
_ROTATED_OR_PROJECTED = {
    "grid_latitude",
    "grid_longitude",
    "projection_x_coordinate",
    "projection_y_coordinate",
    "projection_x_angular_coordinate",
    "projection_y_angular_coordinate",
}


def is_latitude(name: Hashable, attrs: Mapping[str, Any]) -> bool:
    """Whether a variable is true latitude, by its standard name, else its units, else its name."""
    return _is_true_coordinate(name, attrs, "latitude", _LATITUDE_UNITS, _LATITUDE_NAMES)


def is_longitude(name: Hashable, attrs: Mapping[str, Any]) -> bool:
    """Whether a variable is true longitude, by its standard name, else its units, else its name."""
    return _is_true_coordinate(name, attrs, "longitude", _LONGITUDE_UNITS, _LONGITUDE_NAMES)


def _is_true_coordinate(
    name: Hashable, attrs: Mapping[str, Any], standard: str, units: set[str], known: set[str]
) -> bool:
    standard_name = str(attrs.get("standard_name", ""))
    if standard_name in _ROTATED_OR_PROJECTED:
        return False
    if standard_name == standard:
        return True
    if str(attrs.get("units", "")).strip().lower() in units:
        # some files give rlat and rlon these units too
        return str(name).lower() not in {"rlat", "rlon"}
    return not standard_name and str(name).lower() in known


def parse_crs(attrs: Mapping[str, Any]) -> pyproj.CRS | None:
    """The CRS that the attributes of a CF grid mapping variable describe; None if they do not."""
    given = {
        key: value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        for key, value in attrs.items()
    }
    if not {"grid_mapping_name", "crs_wkt", "spatial_ref"} & given.keys():
        return None
    try:
        return pyproj.CRS.from_cf(given)
    except (CRSError, KeyError, TypeError, ValueError):
        return None
