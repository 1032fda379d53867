"""Reference forecasts in the form of any other, so that they get the same scores."""

from collections.abc import Sequence
from typing import Any

import dask
import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from stforecast import names
from stforecast.climatology.frames import Positions
from stforecast.errors import ConfigError, DataError
from stforecast.product import build_product
from stforecast.store import TensorStore
from stforecast.verification.linear import Linear
from stforecast.verification.predictors import (
    Climatology,
    DayBefore,
    HistoryMean,
    HourOfWeek,
    Persistence,
    Reference,
    Task,
    WeekBefore,
)
from stforecast.verification.usual import AnomalyPersistence

# Bytes of a reference that are made at once; a larger one is lazy. As many are scored at once.
_BLOCK = 32 * 2**20

REFERENCES: dict[str, type[Reference]] = {
    kind.name: kind
    for kind in (
        Persistence,
        HistoryMean,
        DayBefore,
        WeekBefore,
        Climatology,
        HourOfWeek,
        AnomalyPersistence,
        Linear,
    )
}


def reference(
    name: str,
    store: TensorStore,
    init_positions: Sequence[int] | Positions,
    horizon_steps: int | Sequence[int] | Positions,
    *,
    history: int,
    train: tuple[int, int],
    train_sequences: tuple[int, int] | None = None,
    sequences: range | None = None,
) -> xr.Dataset:
    """The forecasts of a reference, in the form of a model's.

    Args:
        name: one of :data:`REFERENCES`.
        store: the record that is forecast.
        init_positions: (I,) positions of the initial times on the store's axis.
        horizon_steps: number of lead times 1, 2, …, or the lead times themselves, in steps.
        history: length of the history that a model is given, in steps.
        train: half-open positions of the training period, the only source of statistics.
        train_sequences: half-open range of the sequences trained on, where these were split and not
            the times: then they are the only source.
        sequences: which to forecast, of a record that has them; all by default.

    Returns:
        A product as of :func:`stforecast.product.build_product`; lazy (dask) when it is large.

    Raises:
        ConfigError: for an unknown name. DataError: when the record does not suit the reference.
    """
    if name not in REFERENCES:
        raise ConfigError(f"there is no reference {name!r}; there are {', '.join(REFERENCES)}")
    if isinstance(horizon_steps, (int, np.integer)):
        leads = np.arange(1, horizon_steps + 1)
    else:
        leads = np.asarray(horizon_steps, np.int64)
    if leads.size == 0 or leads.min() < 1:
        raise DataError(f"{name} needs lead times of at least one step")
    first, stop = train
    if not 0 <= first < stop <= store.shape[0]:
        raise DataError(f"the training period is empty, and {name} may need its statistics")
    inits = np.asarray(init_positions, np.int64).reshape(-1)
    predictor = REFERENCES[name](Task(store, leads, history, (first, stop), train_sequences))
    chosen = None
    if store.meta.sequence_name is not None:
        chosen = range(store.n_sequences) if sequences is None else sequences
    values = _in_blocks(predictor, inits, chosen)
    return build_product(
        values,
        store=store,
        init_positions=inits,
        lead_steps=leads,
        sequences=chosen,
        attrs={
            "title": f"{name.replace('_', ' ')}, a reference forecast",
            "source": f"reference forecast: {predictor.describe()}",
            "stforecast_reference": name,
            "stforecast_training_period": predictor.training_period().replace(" to ", "/"),
        },
    )


def references_for(
    forecast: xr.Dataset,
    store: TensorStore,
    wanted: Sequence[str],
    *,
    history: int,
    train: tuple[int, int],
) -> dict[str, xr.Dataset]:
    """References with the initial and lead times of a forecast, this project's or another's.

    `forecast` is in the form of :func:`stforecast.product.conform`; its times must lie on the axis
    of `store` (else DataError). Lead times below one step have no reference and are left out. Where
    the forecast tells which sequences its run was trained on, statistics are of these alone. Of
    sequences those are forecast that the forecast has.
    """
    inits = store.axis.positions(forecast[names.INIT_TIME].values)
    valid = store.axis.positions(forecast[names.VALID_TIME].values)
    steps = valid - inits[:, None]
    if steps.size == 0 or (steps != steps[:1]).any():
        raise DataError("the lead times of the forecast are no whole steps of the observations")
    leads = steps[0][steps[0] >= 1]
    if leads.size == 0:
        raise DataError(
            "the forecast has no lead time of a step or more, so there is no reference for it; "
            "leave verification.references empty"
        )
    begin, told, last = str(forecast.attrs.get("stforecast_training_sequences", "")).partition("/")
    return {
        name: reference(
            name,
            store,
            inits,
            leads,
            history=history,
            train=train,
            train_sequences=(int(begin), int(last) + 1) if told else None,
            sequences=_sequences_of(forecast, store),
        )
        for name in wanted
    }


def _sequences_of(forecast: xr.Dataset, store: TensorStore) -> range | None:
    """The sequences of a forecast in the record, where they are found and follow one another."""
    dim = store.meta.sequence_name
    if dim is None or dim not in forecast.indexes:
        return None
    index = store.observations().indexes.get(dim, pd.RangeIndex(store.n_sequences))
    if not index.is_unique:
        return None
    found = index.get_indexer(forecast.indexes[dim])
    if found.size == 0 or found[0] < 0 or (np.diff(found) != 1).any():
        return None
    return range(int(found[0]), int(found[-1]) + 1)


def _in_blocks(predictor: Reference, inits: Positions, sequences: range | None) -> Any:
    """All forecasts, in memory when they are few, else lazily in blocks.

    Blocks are of initial times, or of sequences, where one initial time is too much.
    """
    store = predictor.store
    fields = (len(predictor.leads),)
    count = 1 if sequences is None else len(sequences)
    of_one = 4 * int(np.prod((*fields, count, *store.shape[1:])))
    if len(inits) * of_one <= _BLOCK:
        return predictor(inits, sequences)
    make = dask.delayed(predictor, pure=True, traverse=False)

    def block(inits: Positions, sequences: range | None) -> Any:
        beside = () if sequences is None else (len(sequences),)
        shape = (len(inits), *fields, *beside, *store.shape[1:])
        return dask.array.from_delayed(make(inits, sequences), shape, np.float32)

    if of_one <= _BLOCK or sequences is None:
        step = max(1, _BLOCK // of_one)
        parts = np.split(inits, range(step, len(inits), step))
        return dask.array.concatenate([block(part, sequences) for part in parts])
    step = max(1, _BLOCK // (of_one // count))
    groups = [sequences[first : first + step] for first in range(0, count, step)]
    rows = [
        dask.array.concatenate([block(init, group) for group in groups], axis=2)
        for init in np.split(inits, len(inits))
    ]
    return dask.array.concatenate(rows)
