"""Whether files are of one record: grid, units, member, level, calendar."""

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from stforecast.errors import DataError
from stforecast.sources.axis import time_dim
from stforecast.sources.base import Part
from stforecast.sources.times import holds_stamps, time_coordinate
from stforecast.timeaxis import calendar_of, normalise_stamps


def check_same_grid(parts: Sequence[Part]) -> None:
    """DataError, naming two parts, if dimensions or coordinates of one name differ in them."""
    seen: dict[Hashable, tuple[str, xr.DataArray]] = {}
    sizes: dict[Hashable, tuple[str, int]] = {}
    for label, part in parts:
        time = time_dim(part)
        for dim, size in part.sizes.items():
            first, expected = sizes.setdefault(dim, (label, size))
            if dim != time and size != expected:
                raise DataError(
                    f"{first} and {label} are on two grids: {dim} has {expected} and {size} "
                    "values; ingest them by themselves"
                )
        for name, coord in part.coords.items():
            if time in coord.dims or coord.ndim == 0 or coord.dtype.kind not in "fiu":
                continue
            first, known = seen.setdefault(name, (label, coord))
            if known is not coord and not _same(known, coord):
                raise DataError(
                    f"{first} and {label} are on two grids: their {name} differ; ingest them by "
                    "themselves"
                )


def _same(one: xr.DataArray, other: xr.DataArray) -> bool:
    if one.dims != other.dims or one.shape != other.shape:
        return False
    scale = float(np.nanmax(np.abs(one.values), initial=0))
    return np.allclose(one.values, other.values, rtol=0, atol=1e-6 * scale, equal_nan=True)


def check_alike(parts: Sequence[Part]) -> None:
    """DataError if files disagree on the units of a variable, or each hold another member."""
    units: dict[Hashable, tuple[str, str]] = {}
    scalars: dict[Hashable, tuple[str, object]] = {}
    calendars: dict[str, str] = {}
    for label, part in parts:
        for name, item in part.data_vars.items():
            own = str(item.attrs.get("units", ""))
            first, expected = units.setdefault(name, (label, own))
            if own != expected:
                raise DataError(
                    f"{name} is in {expected or 'no units'} in {first} and in {own or 'no units'} "
                    f"in {label}; convert one of them first"
                )
        for name, coord in part.coords.items():
            if not _tells_apart(name, coord):
                continue
            value = coord.values.item()
            first, known = scalars.setdefault(name, (label, value))
            if value != known and not (value != value and known != known):
                raise DataError(
                    f"{first} and {label} hold different values of {name} ({known} and {value}); "
                    "ingest one of them at a time"
                )
        time = time_coordinate(part)
        if time is not None and part[time].dtype.kind in "MO":
            calendar = calendar_of(normalise_stamps(part[time].values))
            calendars.setdefault(calendar, label)
    if len(calendars) > 1:
        (one, first), (other, second) = list(calendars.items())[:2]
        raise DataError(
            f"{first} has times in the calendar {one}, {second} in {other}; ingest them by "
            "themselves"
        )


def _tells_apart(name: Hashable, coord: xr.DataArray) -> bool:
    """Whether a scalar is a member, a level or the like, of which a record has one."""
    standard_name = str(coord.attrs.get("standard_name", ""))
    return (
        coord.ndim == 0
        and coord.dtype.kind in "fiuSU"
        and not standard_name.startswith("forecast_")
        and "grid_mapping_name" not in coord.attrs
        and not holds_stamps(coord)
        and name not in ("step", "expver", "spatial_ref", "crs")
    )
