"""A store and new files as one record: its coordinates, and its values as they are asked for."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError
from stforecast.ingest.assemble import coordinates_on_axis
from stforecast.ingest.growth import Growth, joined_stamps
from stforecast.ingest.layout import Layout
from stforecast.ingest.timeline import Timeline
from stforecast.sources.timeless import same_field
from stforecast.store import ChannelMeta, StoreMeta, TensorStore
from stforecast.store.layout import holds_dates
from stforecast.timeaxis.stamps import Clock

# Arrays of the store that are made anew from the values.
_OF_VALUES = (names.DATA, names.ABSENT, names.VALID_CELLS)


def join_coordinates(
    store: TensorStore, files: xr.Dataset, growth: Growth, late: NDArray[np.int64]
) -> xr.Dataset:
    """All of the grown record but ``data`` and ``valid_cells``: just as of one ingest of it all.

    `files` are in the tensor layout; `late` are the positions of times that the store has too, for
    which they have a variable that it lacks. Whatever does not change with time is the store's.
    DataError if the files lack the bounds of their times.
    """
    dataset = with_new_fields(store, files)
    kept = np.flatnonzero(growth.old.present)
    added = np.flatnonzero(growth.added)
    rows = np.full(growth.axis.size, -1, np.int64)
    rows[growth.old.at + kept] = np.arange(kept.size)
    rows[added] = kept.size + np.arange(added.size)
    time = dataset[names.TIME].variable
    bounds = time.attrs.get("bounds", time.encoding.get("bounds"))
    joined: dict[str, xr.Variable] = {}
    for name, coord in dataset.coords.items():
        if names.TIME not in coord.dims:
            continue
        ours = coord.variable.isel({names.TIME: kept})
        stamps = growth.axis.times_at(added)
        if name == names.TIME:
            values = joined_stamps(ours.values, stamps)
        elif name in files.coords and files[name].dims == coord.dims:
            there = files[name].variable
            theirs = there.isel({names.TIME: added - growth.new.at}).values
            if late.size:
                ours = _with_late(
                    ours,
                    rows[late],
                    there.isel({names.TIME: late - growth.new.at}).values,
                    growth.axis.times_at(late),
                )
            values = _joined(ours, theirs)
        elif name == bounds:
            raise DataError(f"they lack {bounds}, the bounds of their times, which the store has")
        else:
            values = _joined(ours, _stand_in(ours, stamps))
        joined[str(name)] = xr.Variable(coord.dims, values, coord.attrs)
    if bounds is not None:
        joined[names.TIME].attrs["bounds"] = bounds
    layout = Layout(
        dataset=xr.Dataset(coords=joined),
        grid=store.grid,
        time_name=store.meta.time_name,
        sequence_name=None,
        channels=store.meta.channels,
        scalars=store.meta.scalars,
        notes=[],
    )
    along_time = coordinates_on_axis(layout, Timeline(growth.axis, rows))
    coords = {
        name: along_time[str(name)] if names.TIME in coord.dims else coord.variable
        for name, coord in dataset.coords.items()
        if names.TIME not in coord.dims or name in along_time
    }
    absent = (~growth.present).astype(np.int8)
    others: dict[Any, Any] = {
        name: item.variable
        for name, item in dataset.data_vars.items()
        if name not in _OF_VALUES and names.TIME not in item.dims
    }
    others[names.ABSENT] = xr.Variable(names.TIME, absent, dataset[names.ABSENT].attrs)
    return xr.Dataset(others, coords)


def new_fields(store: StoreMeta, files: StoreMeta) -> list[ChannelMeta]:
    """The fields without a time that files have and a store lacks."""
    known = {field.name for field in store.static}
    return [field for field in files.static if field.name not in known]


def with_new_fields(store: TensorStore, files: xr.Dataset) -> xr.Dataset:
    """The dataset of a store with the fields without a time that files have more, after its own."""
    known = store.static_fields
    theirs = [str(name) for name in files.get(names.STATIC_FIELD, xr.Variable((), "")).values.flat]
    added = [
        index for index, name in enumerate(theirs) if names.STATIC in files and name not in known
    ]
    if not added:
        return store.dataset
    own, new = store.dataset, files[names.STATIC].variable
    values, labels = new.values[added], [theirs[index] for index in added]
    if known:
        values = np.concatenate([own[names.STATIC].values, values])
        labels = [*known, *labels]
        own = own.drop_vars([names.STATIC, names.STATIC_FIELD])
    return own.assign({names.STATIC: (new.dims, values, new.attrs)}).assign_coords(
        {names.STATIC_FIELD: (names.STATIC_FIELD, np.array(labels, dtype=object))}
    )


def differing_fields(store: TensorStore, files: TensorStore) -> list[str]:
    """The fields without a time that both have, with other values than by rounding."""
    both = [name for name in store.static_fields if name in files.static_fields]
    return [name for name in both if not same_field(store.static(name), files.static(name))]


def _joined(ours: xr.Variable, theirs: NDArray[Any]) -> NDArray[Any]:
    """Rows of the store and of the files."""
    if holds_dates(ours):
        return joined_stamps(ours.values, theirs)
    return np.concatenate([ours.values, theirs])


def _with_late(
    ours: xr.Variable, rows: NDArray[np.int64], theirs: NDArray[Any], stamps: NDArray[Any]
) -> xr.Variable:
    """A coordinate of the store with rows of the files where it has but stand-ins for them."""
    values = ours.values.copy()
    if holds_dates(ours):
        both = joined_stamps(values, theirs)  # of one kind of dates
        values, theirs = both[: len(values)], both[len(values) :]
        clock = Clock.of(both)
        own = clock.to_micros(stamps).reshape(-1, *(1,) * (values.ndim - 1))
        unknown = (clock.to_micros(values[rows]) == own).reshape(rows.size, -1).all(axis=1)
        values[rows[unknown]] = theirs[unknown]
    elif ours.dtype.kind == "f":
        values[rows] = np.where(np.isnan(values[rows]), theirs, values[rows])
    return xr.Variable(ours.dims, values, ours.attrs)


def _stand_in(ours: xr.Variable, stamps: NDArray[Any]) -> NDArray[Any]:
    """Rows for a coordinate that the files lack: missing numbers, or as dates their own times."""
    shape = (stamps.size, *ours.shape[1:])
    if holds_dates(ours):
        return np.broadcast_to(stamps.reshape(-1, *(1,) * (len(shape) - 1)), shape).copy()
    return np.full(shape, np.nan)
