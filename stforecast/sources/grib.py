"""GRIB by cfgrib: all level types of a file in one dataset, and no index left beside it."""

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from stforecast.errors import DataError, first_line
from stforecast.sources.agreement import check_same_grid
from stforecast.sources.base import Part
from stforecast.sources.combine import merge_parts
from stforecast.sources.decode import decode_arguments, quietly, tidy
from stforecast.sources.messages import check_messages
from stforecast.sources.steps import to_valid_time

# Degrees by which longitudes may differ that are the same but for rounding.
_NEAR = 1e-3


def open_grib(path: Path, label: str | None = None) -> xr.Dataset:
    """A GRIB file, edition 1 or 2, lazily; `label` is what messages call it.

    Fields of one name on several types of level get the type added to their name. DataError
    without cfgrib, and for a file that is truncated or has no fields.
    """
    label = label or str(path)
    try:
        import cfgrib
    except (ImportError, RuntimeError):  # the latter when cfgrib finds no ecCodes
        raise DataError(
            f"reading {label}, a GRIB file, needs cfgrib; run pip install 'stforecast[grib]'"
        ) from None
    check_messages(path, label)
    arguments = decode_arguments()
    with tempfile.TemporaryDirectory(prefix="stforecast-") as folder, quietly():
        # an index of our own, so that a file of many variables is scanned only once
        backend = {"indexpath": f"{folder}/{{short_hash}}.idx", "errors": "raise"}
        try:
            parts = cfgrib.open_datasets(str(path), backend_kwargs=backend, **arguments)
        except Exception as error:  # ecCodes has exceptions of its own for every fault
            reason = str(error).strip().splitlines()
            raise DataError(
                f"{label} is no GRIB file that ecCodes can read"
                + (f" ({reason[0][:200]})" if reason else "")
            ) from None
    parts = [_cleaned(part) for part in parts if part.data_vars]
    if not parts:
        raise DataError(f"{label} holds no fields")
    return _merged(label, parts)


def _cleaned(part: xr.Dataset) -> xr.Dataset:
    """Without the coordinates that cfgrib gives every field and that say nothing of this one."""
    attrs = next(iter(part.data_vars.values())).attrs
    useless = []
    if not attrs.get("GRIB_totalNumber"):
        useless.append("number")
    level = str(attrs.get("GRIB_typeOfLevel"))
    if level in part.coords and part[level].ndim == 0 and float(part[level]) == 0:
        useless.append(level)
    part = part.drop_vars([name for name in useless if name in part.coords and not part[name].ndim])
    if _is_analysis(part):
        times = {"standard_name": "time", "long_name": "time"}
        part = part.drop_vars(["step", "valid_time"], errors="ignore")
        if "time" in part.coords:
            part["time"].attrs = times
    return to_valid_time(tidy(_with_its_columns(part)))


def _with_its_columns(part: xr.Dataset) -> xr.Dataset:
    """The fields with the longitude of each of their columns, from west to east.

    cfgrib has the longitudes in ascending order, whichever way the rows of a message run and
    where the grid ends just behind 0°E: fields would be mirrored, or a column aside.
    """
    attrs = next(iter(part.data_vars.values())).attrs
    first = attrs.get("GRIB_longitudeOfFirstGridPointInDegrees")
    if "longitude" not in part.dims or first is None or attrs.get("GRIB_jPointsAreConsecutive"):
        return part
    sign = -1 if attrs.get("GRIB_iScansNegatively") else 1
    given = part["longitude"].values
    ahead = (sign * (given - float(first)) + _NEAR) % 360
    order = np.argsort(ahead, kind="stable")
    if np.array_equal(order, np.arange(order.size)):
        return part
    columns = given[order][::sign]
    columns = columns + 360.0 * np.cumsum(np.diff(columns, prepend=columns[0]) < 0)
    if columns[0] >= 180 and columns[-1] >= 360 - _NEAR:
        columns = columns - 360.0
    turned = part.isel(longitude=slice(None, None, sign))
    return turned.assign_coords(longitude=("longitude", columns, part["longitude"].attrs))


def _is_analysis(part: xr.Dataset) -> bool:
    """Whether all fields are valid at the time they start from."""
    if "valid_time" not in part.coords or "time" not in part.coords:
        return False
    valid, start = part["valid_time"], part["time"]
    return valid.dims == start.dims and np.array_equal(valid.values, start.values)


def _merged(path: str, parts: list[xr.Dataset]) -> xr.Dataset:
    if len(parts) == 1:
        return parts[0]
    names: dict[str, int] = {}
    for part in parts:
        for name in part.data_vars:
            names[str(name)] = names.get(str(name), 0) + 1
    renamed = []
    for part in parts:
        own = {
            name: f"{name}_{item.attrs.get('GRIB_typeOfLevel', 'undef')}"
            for name, item in part.data_vars.items()
            if names[str(name)] > 1
        }
        renamed.append(part.rename(own))
    taken: set[str] = set()
    labelled = []
    for part in renamed:
        for name in list(part.data_vars):
            number = 2
            unique = str(name)
            while unique in taken:
                unique, number = f"{name}_{number}", number + 1
            taken.add(unique)
            part = part.rename({name: unique}) if unique != name else part
        labelled.append((f"{', '.join(map(str, part.data_vars))} in {path}", part))
    labelled = _on_levels_of_all(labelled)
    check_same_grid(labelled)
    try:
        return merge_parts(labelled)
    except (ValueError, KeyError) as error:
        raise DataError(
            f"the fields of {path} do not fit together ({first_line(error)[:200]}); take "
            "them apart with grib_copy"
        ) from None


def _on_levels_of_all(parts: list[Part]) -> list[Part]:
    """Fields of one type of level on the levels that any of them has, missing on the others.

    A forecast has some of its quantities on fewer levels than others.
    """
    levels: dict[str, list[float]] = {}
    differ: set[str] = set()
    for _, part in parts:
        for dim in map(str, part.dims):
            if dim not in part.indexes or dim != _type_of_level(part):
                continue
            own = part.indexes[dim].tolist()
            known = levels.setdefault(dim, own)
            if known != own:
                differ.add(dim)
                levels[dim] = known + [level for level in own if level not in known]
    return [
        (label, part.reindex({dim: levels[dim] for dim in differ if dim in part.indexes}))
        for label, part in parts
    ]


def _type_of_level(part: xr.Dataset) -> str:
    return str(next(iter(part.data_vars.values())).attrs.get("GRIB_typeOfLevel"))
