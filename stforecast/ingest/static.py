"""Fields that are the same at all times: land masks, orography."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import spatial_dims
from stforecast.ingest.variables import Choice, channel_meta, choose, not_numeric
from stforecast.ingest.words import dims_text
from stforecast.options import VariableOptions
from stforecast.sources.timeless import DIFFERING
from stforecast.sources.times import time_coordinate
from stforecast.store import ChannelMeta
from stforecast.store.reading import reading


@dataclass(frozen=True)
class StaticField:
    """One of them, with its rows and columns first and second."""

    choice: Choice
    values: xr.DataArray


def static_field(choice: Choice, values: xr.DataArray, y: str, x: str) -> StaticField | None:
    """A variable as a field of its own on rows `y` and columns `x`; None where it has others.

    Dimensions of a single entry go. DataError for one that is said to be static and has several
    times.
    """
    if not {y, x} <= set(values.dims):
        return None
    others = [dim for dim in values.dims if dim not in (y, x)]
    long = [dim for dim in others if values.sizes[dim] > 1]
    if choice.options.static and long:
        time = time_coordinate(values)
        what = "times" if time is not None and values[time].dims[0] in long else "values"
        raise DataError(
            f"{values.name} has {values.sizes[long[0]]} {what} along {long[0]} and is said to be "
            "static; give a file that has it once, under data.sources by itself if the others have "
            "more times"
        )
    if long:
        return None
    return StaticField(choice, values.isel(dict.fromkeys(others, 0)).transpose(y, x))


def timeless_fields(
    dataset: xr.Dataset, wanted: Mapping[str, VariableOptions] | None
) -> tuple[list[StaticField], tuple[str, str]] | None:
    """The fields of a dataset that has no others, and their rows and columns; None without any.

    DataError where they lie on several grids, or one that is named is no such field.
    """
    found: list[StaticField] = []
    pairs: list[tuple[str, str]] = []
    choices, named = choose(dataset, wanted)
    for choice in choices:
        values = dataset[choice.source]
        time = time_coordinate(values)
        others = set() if time is None else set(values[time].dims)
        pair = None if not_numeric(values) else spatial_dims(values, others)
        field = None if pair is None else static_field(choice, values, *pair)
        if field is None and named:
            raise DataError(
                f"{choice.name} has neither a time axis nor rows and columns alone "
                f"({dims_text(values.sizes.items())}); leave it out of variables"
            )
        if field is not None and pair is not None:
            found.append(field)
            pairs.append(pair)
    if not found:
        return None
    if len(set(pairs)) > 1:
        raise DataError(
            f"{found[0].choice.name} and {found[-1].choice.name} lie on two grids; choose "
            "variables of one grid"
        )
    return found, pairs[0]


def told_of_files(dataset: xr.Dataset, fields: Sequence[StaticField]) -> list[str]:
    """A sentence on each of the fields that is not the same in all files of a dataset."""
    differing = dataset.encoding.get(DIFFERING, {})
    notes = []
    for choice in (field.choice for field in fields):
        if choice.source in differing:
            one, other, taken = differing[choice.source]
            notes.append(
                f"{choice.name} does not change with time and is not the same in {one} and {other};"
                f" that of {taken} is taken"
            )
    return notes


def read_static(fields: Sequence[StaticField]) -> tuple[xr.Dataset, list[ChannelMeta]]:
    """The fields on ``(y, x)``, float32 and in memory, and what is known of each.

    DataError for one without any value.
    """
    arrays = {}
    for field in fields:
        with reading():
            values = np.asarray(field.values.values, np.float32)
        if not np.isfinite(values).any():
            raise DataError(
                f"all values of {field.choice.name} are missing; leave it out of data.variables or "
                "check the files"
            )
        kept = np.where(np.isfinite(values), values, np.float32(np.nan))
        arrays[field.choice.name] = xr.Variable((names.Y, names.X), kept)
    return xr.Dataset(arrays), [channel_meta(field.choice, field.values) for field in fields]
