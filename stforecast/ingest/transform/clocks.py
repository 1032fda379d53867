"""Time stamps of one clock put on another."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.ingest.layout import Layout
from stforecast.timeaxis import normalise_stamps


def on_clock(layout: Layout, source: str, target: str) -> Layout:
    """A record whose stamps are those of a clock, on another clock.

    Where clocks are put forward, rows whose time there never was go; where they are put back, of
    two rows of one hour the second. Both are noted. ConfigError for a time zone that there is not;
    DataError for a calendar that has none.
    """
    if source == target:
        return layout
    for zone in (source, target):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(
                f"timezone: {zone!r} is not in the IANA database; write it as Europe/Berlin or UTC"
            ) from None
    stamps = normalise_stamps(layout.dataset[names.TIME].values)
    if stamps.dtype.kind != "M":
        raise DataError(
            f"the calendar of the files has no time zones, so their times cannot be put from "
            f"{source} on {target}; leave timezone out"
        )
    moved = _moved(stamps, source, target)
    _, first = np.unique(moved, return_index=True)
    again = np.ones(moved.size, bool)
    again[first] = False
    # stamps that the files themselves have twice stay for the report on them
    _, once = np.unique(stamps, return_index=True)
    twice = np.ones(stamps.size, bool)
    twice[once] = False
    kept = ~np.isnat(moved) & ~(again & ~twice)
    notes = [*layout.notes, f"times are put from {source} on {target}"]
    if not kept.all():
        lost = int((~kept).sum())
        noun = "row has" if lost == 1 else "rows have"
        notes.append(
            f"{lost} {noun} no time of its own on that clock, where clocks change; left out"
        )
    rows = np.flatnonzero(kept)
    dataset = layout.dataset.isel({names.TIME: rows})
    coords: dict[Any, Any] = {}
    for name, coord in dataset.coords.items():
        if names.TIME in coord.dims and coord.dtype.kind == "M":
            values = _moved(coord.values.reshape(-1), source, target).reshape(coord.shape)
            coords[name] = xr.Variable(coord.dims, values, coord.attrs, coord.encoding)
    coords[names.TIME] = xr.Variable(
        names.TIME, moved[rows], dataset[names.TIME].attrs, dataset[names.TIME].encoding
    )
    references = layout.references
    if references is not None:
        references = _moved(normalise_stamps(references[rows]), source, target)
    return replace(
        layout, dataset=dataset.assign_coords(coords), notes=notes, references=references
    )


def _moved(stamps: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    """Stamps on another clock; NaT for those that there never were."""
    seen = pd.Series(stamps).duplicated().to_numpy()
    index = pd.DatetimeIndex(stamps.astype("datetime64[us]"))
    local = index.tz_localize(source, ambiguous=~seen, nonexistent="NaT")
    moved = local.tz_convert(target).tz_localize(None)
    return np.asarray(moved.to_numpy(), "datetime64[us]")
