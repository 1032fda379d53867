"""Records in and out: files, stores and datasets, each as the others."""

import json
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from stforecast import cluster, names
from stforecast.api.options import data_options
from stforecast.card import RunCard
from stforecast.errors import ConfigError, StForecastWarning
from stforecast.ingest.append import append as _append
from stforecast.ingest.findings import Findings
from stforecast.ingest.pipeline import Prepared, prepare
from stforecast.ingest.pipeline import ingest as _ingest
from stforecast.options import DataOptions, VariableOptions
from stforecast.sources import open_source
from stforecast.sources.times import time_coordinate
from stforecast.store import TensorStore
from stforecast.timeaxis import TimeAxis
from stforecast.windows.parts import dates_of

Record = xr.Dataset | str | Path | TensorStore

# Attribute of an opened record that holds what one variable per quantity cannot show.
KEPT = "stforecast_data"


def open_data(files: str | Path | Sequence[str | Path] = (), **options: Any) -> xr.Dataset:
    """Open files as one variable per quantity on a regular time axis, lazily.

    Args:
        files: paths, patterns or addresses such as ``s3://…``; ``package:NAME/PATH`` is a file
            inside an installed package. None where ``sources`` name theirs.
        options: any of the ``data`` section of an experiment file: ``variables``, ``select``,
            ``region``, ``period``, ``grid``, ``timezone``, ``reader``…

    Returns:
        Dimensions, coordinates and names of the source; absent times are there, and missing. What
        was mended (duplicates, disorder, gaps) is told as a warning.

    Raises:
        DataError: files that are missing, broken, or no record of gridded fields.
        ConfigError: an option that does not exist or does not fit.
    """
    chosen = data_options("open_data", {**options, "files": _paths(files)})
    source = open_source(chosen.files, chosen, Path())
    prepared = prepare(source, chosen)
    _tell(prepared.findings)
    sources = [
        {"path": str(path)} for path in source.encoding.get(names.SOURCE_FILES, chosen.files)
    ]
    return _shown(TensorStore(prepared.dataset), sources)


def open_store(path: str | Path, *, version: str | None = None) -> xr.Dataset:
    """Open a tensor store, at a path or an address, as one variable per quantity, lazily.

    `version` is one that ``stforecast info --versions`` lists, of a store that keeps them.
    StoreError where there is none, or it is broken.
    """
    store = TensorStore.open(path, version)
    return _shown(store, store.meta.sources)


def ingest(
    files: str | Path | Sequence[str | Path],
    store: str | Path,
    *,
    overwrite: bool = False,
    append: bool = False,
    dry_run: bool = False,
    scheduler: str | None = None,
    **options: Any,
) -> Findings:
    """Read files and write them as a tensor store, whole or not at all.

    Args:
        files: as for :func:`open_data`.
        store: the store to write.
        overwrite: replace a store that is there.
        append: add the files to a store that is there: new times come in, absent ones are filled,
            and those that it has are skipped where the values are the same.
        dry_run: read everything and write nothing.
        scheduler: address of a dask cluster whose workers do it; by default those of the dask
            client that is there, if one is.
        options: as for :func:`open_data`.

    Returns:
        The mapping and what was found; ``findings()`` gives sentences, ``table`` draws them.
    """
    chosen = data_options("ingest", {**options, "files": _paths(files)})
    if append and overwrite:
        raise ConfigError("ingest: append and overwrite exclude each other")
    with cluster.running(scheduler):
        if append:
            return _append(chosen.files, store, chosen, dry_run=dry_run)
        return _ingest(chosen.files, store, chosen, overwrite=overwrite, dry_run=dry_run)


def _paths(files: str | Path | Sequence[str | Path]) -> list[str]:
    if isinstance(files, (str, Path)):
        return [str(files)]
    return [str(path) for path in files]


def to_store(record: Record, variables: Sequence[str] | None = None) -> TensorStore:
    """Any record as a tensor store, in memory where it is small enough."""
    if isinstance(record, TensorStore):
        return record
    if isinstance(record, (str, Path)):
        return TensorStore.open(record)
    return _described(_prepared(record, variables).store(), record)


def sources_of(record: Record) -> list[dict[str, Any]]:
    """The files that a record comes from, as far as it tells: path, and perhaps size and sha256."""
    if isinstance(record, xr.Dataset):
        return list(_kept(record).get("sources", ()))
    return to_store(record).meta.sources


def store_to_learn_from(record: Record) -> TensorStore:
    """Any record as a tensor store to train on.

    ConfigError for a dataset that lacks what its training sequences are drawn from.
    """
    if isinstance(record, xr.Dataset) and _kept(record).get("drawn"):
        raise ConfigError(
            "the training sequences of this record are drawn as they are needed, and a dataset "
            "does not tell how: ingest its files and give the path of the store"
        )
    return to_store(record)


def lazy_store(record: Record, card: RunCard) -> TensorStore:
    """Any record as a tensor store of a run's variables, of which nothing but the times is read.

    The cells of times that are there count as valid until :func:`part_of` reads them.
    """
    if isinstance(record, TensorStore):
        return record
    if isinstance(record, (str, Path)):
        return TensorStore.open(record)
    prepared = _prepared(record, card.channel_names, card.time_step)
    dataset = prepared.dataset
    data = dataset[names.DATA]
    cells = dataset.sizes[names.Y] * dataset.sizes[names.X]
    counted = (*data.dims[:-2],)
    present = xr.Variable(names.TIME, np.where(prepared.timeline.present, cells, 0))
    shape = {dim: dataset.sizes[dim] for dim in counted}
    dataset = dataset.assign({names.VALID_CELLS: present.set_dims(shape).astype(np.int32)})
    return _described(TensorStore(dataset), record)


def part_of(store: TensorStore, start: int, stop: int) -> TensorStore:
    """The steps ``start … stop - 1`` of a record, in memory; a store on disk stays as it is."""
    if store.path is not None:
        return store
    dataset = store.dataset.isel({names.TIME: slice(max(start, 0), stop)})
    dataset = dataset.drop_vars(names.VALID_CELLS, errors="ignore").load()
    data = dataset[names.DATA]
    return TensorStore(dataset.assign({names.DATA: data.where(np.isfinite(data))}))


def _prepared(
    record: xr.Dataset, variables: Sequence[str] | None, time_step: str | None = None
) -> Prepared:
    kept = _kept(record)
    bounds = kept.get("bounds", {})
    chosen = bounds if variables is None else variables
    taken = {name: VariableOptions(**bounds.get(name, {})) for name in chosen}
    if taken:
        taken |= {name: VariableOptions(static=True) for name in _static_of(record, taken)}
    options = DataOptions(
        variables=taken or None,
        timezone=kept.get("timezone"),
        sequence=kept.get("sequence"),
        time_step=time_step or kept.get("time_step"),
    )
    prepared = prepare(_without_absent(record, kept), options)
    if not kept:
        _tell(prepared.findings)
    return prepared


def _static_of(record: xr.Dataset, taken: Collection[str]) -> list[str]:
    """Variables on the rows and columns of those that are taken, without their time."""
    first = next((record[name] for name in taken if name in record.data_vars), None)
    time = None if first is None else time_coordinate(first)
    if first is None or time is None:
        return []
    spatial = set(first.dims) - set(first[time].dims)
    return [
        str(name)
        for name, item in record.data_vars.items()
        if item.ndim == 2 and set(item.dims) <= spatial and name not in taken
    ]


def _shown(store: TensorStore, sources: Sequence[dict[str, Any]]) -> xr.Dataset:
    """The record as its source had it, with what that cannot show as JSON in an attribute."""
    meta, axis = store.meta, store.axis
    edges = np.flatnonzero(np.diff(np.concatenate([[True], store.present, [True]]).astype(int)))
    kept = {
        "timezone": meta.timezone,
        "sequence": meta.sequence_name,
        "time_name": meta.time_name,
        "time_step": meta.time_step,
        "bounds": {
            channel.name: {
                "minimum": channel.minimum,
                "maximum": channel.maximum,
                "daylight": channel.daylight,
            }
            for channel in meta.channels
        },
        "absent": [dates_of(axis, (int(a), int(b))) for a, b in edges.reshape(-1, 2)],
        "sources": list(sources),
        "drawn": meta.generation is not None,
    }
    shown = store.variables()
    return shown.assign_attrs({KEPT: json.dumps(kept)})


def _kept(record: xr.Dataset) -> dict[str, Any]:
    try:
        kept = json.loads(record.attrs[KEPT])
    except (KeyError, TypeError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _without_absent(record: xr.Dataset, kept: dict[str, Any]) -> xr.Dataset:
    """The record without the rows that stand for times that its source lacks."""
    record = record.copy()
    record.attrs.pop(KEPT, None)
    time = kept.get("time_name")
    if not kept.get("absent") or time not in record.dims or record.sizes[time] < 2:
        return record
    axis = TimeAxis.from_times(record[time].values)
    positions = axis.positions(record[time].values)
    there = np.ones(positions.size, bool)
    for first, last in kept["absent"]:
        start, stop = axis.slice_of(first, last)
        there &= (positions < start) | (positions >= stop)
    return record.isel({time: there})


def _described(store: TensorStore, record: Record) -> TensorStore:
    """The store with the files of the record it was made of."""
    sources = _kept(record).get("sources") if isinstance(record, xr.Dataset) else None
    if not sources:
        return store
    meta = store.meta.model_copy(update={"sources": sources})
    return TensorStore(store.dataset.assign_attrs({names.META_ATTRIBUTE: meta.to_json()}))


def _tell(findings: Findings) -> None:
    """What was mended, as one warning."""
    if findings.disorder or findings.duplicated or findings.shifted or findings.absent:
        warnings.warn("; ".join(findings.findings()), StForecastWarning, stacklevel=4)
