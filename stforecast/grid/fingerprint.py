"""Telling grids apart: fingerprints of coordinates, and words for how two differ."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyproj
import xarray as xr

# How far numbers of single and of double precision may lie apart and still be the same.
_SINGLE_PRECISION = 1e-6


def coordinate_fingerprint(coord: xr.DataArray) -> dict[str, Any]:
    """Name, dtype, a few sizes and the checksum of the numbers of one coordinate."""
    values = np.ascontiguousarray(coord.values)
    flat = values.reshape(-1).astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        flat = np.zeros(1)
    # the mean square step tells irregular axes apart that begin and end alike
    steps = np.diff(flat)
    return {
        "name": str(coord.name),
        "dtype": values.dtype.str.lstrip("<>=|"),
        "first": float(flat[0]),
        "last": float(flat[-1]),
        "mean": float(flat.mean()),
        "step": float(np.sqrt(np.mean(steps**2))) if steps.size else 0.0,
        "sha256": hashlib.sha256(
            values.astype(values.dtype.newbyteorder("<")).tobytes()
        ).hexdigest(),
    }


def difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> str | None:
    """See :meth:`stforecast.grid.Grid.difference`."""
    if list(a["shape"]) != list(b["shape"]):
        return "{} x {} cells against {} x {}".format(*a["shape"], *b["shape"])
    if a["kind"] != b["kind"]:
        return f"a {a['kind']} grid against a {b['kind']} one"
    if a["crs"] != b["crs"] and not _same_crs(a["crs"], b["crs"]):
        return f"CRS {_crs_name(a['crs'])} against {_crs_name(b['crs'])}"
    for role in sorted({*a["coordinates"], *b["coordinates"]}):
        one, other = a["coordinates"].get(role), b["coordinates"].get(role)
        if one is None or other is None:
            return f"{role} is known of one grid only"
        if not _same_coordinate(one, other):
            return (
                f"{one['name']} from {one['first']:g} to {one['last']:g} against "
                f"{other['name']} from {other['first']:g} to {other['last']:g}"
            )
    return None


def _same_coordinate(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    if a["dtype"] == b["dtype"]:
        return bool(a["sha256"] == b["sha256"])
    keys = ("first", "last", "mean", "step")
    tolerance = _SINGLE_PRECISION * max(abs(a[key]) for key in keys)
    return all(abs(a[key] - b[key]) <= tolerance for key in keys)


def _same_crs(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return True
    return bool(pyproj.CRS.from_wkt(a) == pyproj.CRS.from_wkt(b))


def _crs_name(wkt: str) -> str:
    return str(pyproj.CRS.from_wkt(wkt).name)
