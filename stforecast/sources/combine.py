"""Several files of one record: along time, and variable by variable."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stforecast import names
from stforecast.errors import DataError, first_line
from stforecast.sources.agreement import check_alike, check_same_grid
from stforecast.sources.axis import time_dim, time_of, with_time_axis
from stforecast.sources.base import Part
from stforecast.sources.steps import REFERENCES, references_of
from stforecast.sources.timeless import DIFFERING, Timeless
from stforecast.sources.times import holds_stamps
from stforecast.sources.versions import EXPVER, merge_versions
from stforecast.timeaxis import normalise_stamps


def combine(parts: Sequence[Part], timeless: Timeless | None = None) -> xr.Dataset:
    """One dataset of several: those with the same variables along time, the others beside them.

    Files may come in any order; times that overlap are kept twice, and rows out of order within a
    file stay so. Of a field without a time that of the earliest file is taken, and those that
    differ, as far as `timeless` has seen, are told in the encoding. DataError, naming two files,
    when they are on different grids or disagree on units, calendar, member or level.
    """
    if len(parts) == 1:
        return _telling(parts[0][1], [list(parts)], timeless)
    notes: dict[str, None] = {}
    if len({EXPVER in part.dims for _, part in parts}) > 1:
        parts = [(label, _without_versions(part, notes)) for label, part in parts]
    parts = [(label, with_time_axis(part)) for label, part in parts]
    check_same_grid(parts)
    check_alike(parts)
    groups: dict[frozenset[Hashable], list[Part]] = {}
    for label, part in parts:
        groups.setdefault(frozenset(part.data_vars), []).append((label, part))
    joined = [(group[0][0], _along_time(group)) for group in groups.values()]
    order = dict.fromkeys(name for _, part in joined for name in part.data_vars)
    merged = merge_parts(_each_variable_once(joined))
    if list(merged.data_vars) != list(order):
        merged = merged.drop_vars(order).assign({name: merged[name].variable for name in order})
    if notes:
        merged.encoding[names.SOURCE_NOTES] = list(notes)
    return _telling(merged, list(groups.values()), timeless)


def _telling(
    merged: xr.Dataset, groups: Sequence[Sequence[Part]], timeless: Timeless | None
) -> xr.Dataset:
    """With the fields that differ: the two files that do, and the one whose field it is."""
    if timeless is None or not timeless.differing:
        return merged
    told = {}
    for name, files in timeless.differing.items():
        group = next((group for group in groups if name in group[0][1].data_vars), None)
        if group is not None:
            timed = len(group) > 1
            label, _ = min(group, key=lambda part: _first_time(part[1])) if timed else group[0]
            told[name] = (*files, label)
    merged.encoding[DIFFERING] = told
    return merged


def _without_versions(part: xr.Dataset, notes: dict[str, None]) -> xr.Dataset:
    merged, words = merge_versions(part)
    if words is not None:
        notes[words] = None
    return merged


def _along_time(group: list[Part]) -> xr.Dataset:
    if len(group) == 1:
        return group[0][1]
    dims = {label: time_dim(part) for label, part in group}
    (first, dim), *others = dims.items()
    for label, other in others:
        if other != dim or dim is None:
            raise DataError(
                f"{first} and {label} have the same variables but "
                + (
                    "no times to put them in order"
                    if dim is None and other is None
                    else f"different time dimensions ({dim} and {other})"
                )
                + "; ingest them by themselves"
            )
    ordered = sorted((part for _, part in group), key=_first_time)
    example = ordered[0]
    layouts = {name: item.dims for name, item in example.data_vars.items()}
    began = _differing_times(ordered)
    aligned = []
    for part in ordered:
        # the coordinates agree but for rounding: those of the first file hold for all
        fixed = {
            name: coord.variable for name, coord in example.coords.items() if dim not in coord.dims
        }
        part = part.assign_coords({name: fixed[name] for name in part.coords if name in fixed})
        part = part.drop_vars(began, errors="ignore")
        turned = {
            name: item.transpose(*layouts[name])
            for name, item in part.data_vars.items()
            if item.dims != layouts[name] and set(item.dims) == set(layouts[name])
        }
        aligned.append(part.assign(turned))
    try:
        joined = xr.concat(
            aligned,
            dim=str(dim),
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="override",
            combine_attrs="drop_conflicts",
        )
    except ValueError as error:
        raise DataError(
            f"{first} and the {len(group) - 1} files beside it do not fit together: "
            f"{first_line(error)}"
        ) from None
    references = [references_of(part, dim) for part in ordered]
    known = [item for item in references if item is not None]
    if len(known) == len(ordered):
        joined.encoding[REFERENCES] = np.concatenate(known)
    else:
        joined.encoding.pop(REFERENCES, None)
    return _with_encoding(joined, example)


def _differing_times(parts: Sequence[xr.Dataset]) -> list[Hashable]:
    """Single times that do not hold for all parts, such as the one at which a forecast began."""
    first = parts[0]
    return [
        name
        for name, coord in first.coords.items()
        if coord.ndim == 0
        and holds_stamps(coord)
        and not all(
            name in part.coords and coord.variable.equals(part[name].variable) for part in parts
        )
    ]


def _first_time(part: xr.Dataset) -> Any:
    name = time_of(part)
    assert name is not None
    values = part[name].values
    if values.dtype.kind in "MO":
        return normalise_stamps(values).min()
    return values.min() if values.dtype.kind in "fiu" else min(values.tolist())


def _each_variable_once(parts: Sequence[Part]) -> list[Part]:
    """The parts without the variables that several of them have at times, and those by themselves.

    Of a time that several have it is the row of the first.
    """
    holders: dict[Hashable, list[int]] = {}
    for number, (_, part) in enumerate(parts):
        for name, item in part.data_vars.items():
            if time_dim(part) in item.dims:
                holders.setdefault(name, []).append(number)
    shared: dict[tuple[int, ...], list[Hashable]] = {}
    for name, numbers in holders.items():
        if len(numbers) > 1:
            shared.setdefault(tuple(numbers), []).append(name)
    taken = {name for names in shared.values() for name in names}
    left = [
        (label, part.drop_vars([name for name in part.data_vars if name in taken]))
        for label, part in parts
    ]
    together = []
    for key, own_names in shared.items():
        group: list[Part] = []
        for label, part in (parts[number] for number in key):
            time = time_dim(part)
            own = part.drop_vars([name for name in part.data_vars if name not in own_names])
            for _, before in group:
                if time in own.indexes and time in before.indexes:
                    own = own.isel({time: ~own.indexes[time].isin(before.indexes[time])})
            if time is None or own.sizes[time]:
                group.append((label, own))
        together.append((group[0][0], _along_time(group)))
    return [(label, part) for label, part in left if part.data_vars] + together


def merge_parts(parts: Sequence[Part]) -> xr.Dataset:
    """Datasets of different variables side by side; times that only one of them has are missing.

    Scalars that do not hold for all go. DataError if their times differ and one has some twice.
    """
    if len(parts) == 1:
        return parts[0][1]
    first_label, first = parts[0]
    common = {
        name
        for name, coord in first.coords.items()
        if coord.ndim == 0
        and all(
            name in part.coords and coord.variable.equals(part[name].variable) for _, part in parts
        )
    }
    aligned = []
    for label, part in parts:
        time = time_dim(part)
        if time is not None and time in first.indexes and time in part.indexes:
            one, other = first.indexes[time], part.indexes[time]
            if not one.equals(other) and not (one.is_unique and other.is_unique):
                raise DataError(
                    f"{first_label} and {label} have different times, some of them twice, and "
                    "cannot be put side by side; ingest them by themselves"
                )
        own = [name for name, coord in part.coords.items() if not coord.ndim and name not in common]
        mappings = {item.encoding.get("grid_mapping") for item in part.data_vars.values()}
        part = part.drop_vars([name for name in own if name not in mappings])
        shared = {
            name: coord.variable
            for name, coord in first.coords.items()
            if name in part.coords and time not in coord.dims
        }
        aligned.append(part.assign_coords(shared))
    merged = xr.merge(aligned, join="outer", compat="override", combine_attrs="drop_conflicts")
    merged = _with_coordinates_of_all(merged, aligned)
    for _, part in reversed(parts):
        merged = _with_encoding(merged, part)
    return merged


def _with_coordinates_of_all(merged: xr.Dataset, parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Coordinates along time with what any part has: the first lacks times that others have."""
    time = time_dim(merged)
    for name, coord in merged.coords.items():
        if name in merged.indexes or time not in coord.dims or time not in merged.indexes:
            continue
        for part in parts:
            if not coord.isnull().any():
                break
            if name in part.coords and part[name].dims == coord.dims and time in part.indexes:
                rows = merged.indexes[time].get_indexer(part.indexes[time])
                values = coord.values.copy()
                known = values[rows]
                values[rows] = np.where(pd.isnull(known), part[name].values, known)
                coord = coord.copy(data=values)
        merged = merged.assign_coords({name: coord.variable})
    return merged


def _with_encoding(dataset: xr.Dataset, example: xr.Dataset) -> xr.Dataset:
    """References to bounds and grid mapping, which xarray drops when it joins."""
    for name, item in example.variables.items():
        if name in dataset.variables:
            dataset[name].encoding.update(
                {
                    key: item.encoding[key]
                    for key in ("bounds", "grid_mapping")
                    if key in item.encoding
                }
            )
    return dataset
