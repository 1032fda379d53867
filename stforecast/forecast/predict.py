"""Forecasts from many initial times, in blocks, as a georeferenced dataset."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from stforecast import cluster
from stforecast.errors import ConfigError, RunError, StForecastWarning
from stforecast.forecast.blocks import blocks_of, lazily
from stforecast.forecast.calibrated import Calibrated
from stforecast.forecast.calibration import Calibration, has_calibration, read_calibration
from stforecast.forecast.conformal import check_coverage
from stforecast.forecast.ensemble import Ensemble
from stforecast.forecast.initial import check_init_positions
from stforecast.forecast.members import Members
from stforecast.forecast.options import ForecastOptions
from stforecast.forecast.provenance import provenance
from stforecast.forecast.spreading import can_spread
from stforecast.forecast.trained import TrainedModel
from stforecast.product import build_product
from stforecast.product.uncertainty import Interval
from stforecast.store import TensorStore

# Bytes of forecasts that are to be written or scored, and that are held in memory; of more those
# that are needed next are made.
MOST_HELD: Final = 256 * 2**20

_AS_TRAINED: Final = ForecastOptions()


def predict(
    model: TrainedModel | Ensemble,
    store: TensorStore,
    init_positions: ArrayLike,
    horizon: int | str | None = None,
    options: ForecastOptions = _AS_TRAINED,
    *,
    calibration: Calibration | None = None,
    sequences: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    lazy_above: int | None = None,
) -> xr.Dataset:
    """Forecasts of a run, or of several together, from a record, whose future they never read.

    Where there is a dask cluster (:func:`stforecast.cluster.current_client`) its workers make them,
    of runs and a store that lie in files.

    Args:
        model: the run, see :func:`stforecast.forecast.load_trained`, or the runs, see
            :func:`stforecast.forecast.load_ensemble`.
        store: the record, ending with or after the last initial time.
        init_positions: (I,) positions on the record's axis of the last frames known.
        horizon: steps, or a duration such as ``24h``; by default what the model was trained for.
            Beyond that, forecasts are fed back as history.
        options: members, intervals, and how they are made.
        calibration: past errors, which interval and calibrated spread take; by default those kept
            beside the runs.
        sequences: which sequences of a record that has them; all by default.
        progress: told how many forecasts of how many are made.
        lazy_above: bytes beyond which forecasts are not held but made when they are read, each time
            anew: for one that is written, or scored, and not kept. By default all are held.

    Returns:
        A product as of :func:`stforecast.product.build_product`; missing cells are NaN. The same
        arguments on the same machine give the same values.

    Raises:
        RunError: a run does not fit the record, or its past errors are not known. DataError: an
        initial time lacks its history. ConfigError: the horizon is below one step or no whole
        number of steps; so many members, or such an interval, cannot be had.
    """
    runs = Ensemble.of(model)
    inits = np.asarray(init_positions, np.int64).reshape(-1)
    for each in runs.models:
        each.card.check_fits(store)
        check_init_positions(store, each.spec, inits)
    steps = horizon_steps(runs, store, horizon)
    chosen = _sequences(store, sequences)
    of_sequences = chosen if store.meta.sequence_name is not None else None
    total = runs.total(options.members)
    past = _past_errors(runs, steps, total, options, calibration)
    drawn_apart = past is not None and total is not None and options.spread != "raw"
    count = len(chosen) * len(inits)
    members = Members(
        runs,
        store,
        count,
        steps,
        options,
        progress=progress,
        client=cluster.current_client() if can_spread(runs, store) else None,
    )
    members.require(inits)
    make: Members | Calibrated = members
    if past is not None:
        make = Calibrated(members, past, options.interval, drawn_apart)
    fields = store.shape[1:]
    size = 4 * steps * make.layers * int(np.prod(fields))
    values: Any
    if lazy_above is None or count * size <= lazy_above:
        members.begin([(of_sequences, inits)])
        values = make(of_sequences, inits)
    else:
        rows = blocks_of(of_sequences, inits, size)
        members.begin([block for row in rows for block in row])
        values = lazily(make, rows, (steps, make.layers), fields)
    attrs = provenance(runs, options.precision)
    if total is not None:
        attrs |= {"stforecast_members": total, "stforecast_members_seed": options.seed}
        attrs["stforecast_spread"] = "calibrated" if drawn_apart else "raw"
    bounds = None
    if past is not None:
        attrs["stforecast_calibration"] = past.method
        if options.interval is not None:
            bounds = Interval(values[:, :, -2], values[:, :, -1], options.interval, past.method)
    return build_product(
        values[:, :, 0] if total is None else values[:, :, :total],
        store=store,
        init_positions=inits,
        lead_steps=np.arange(1, steps + 1),
        attrs=attrs,
        sequences=of_sequences,
        members=total,
        interval=bounds,
    )


def _past_errors(
    runs: Ensemble,
    steps: int,
    total: int | None,
    options: ForecastOptions,
    given: Calibration | None,
) -> Calibration | None:
    """The past errors that the options take; None where they take none, or can do without.

    Raises:
        ConfigError: an interval or a spread that cannot be had. RunError: what is asked for needs
        past errors, which are not known.
    """
    if total is None and options.spread == "calibrated":
        raise ConfigError("one forecast has no spread to calibrate; name several runs, or members")
    if options.interval is not None:
        check_coverage(options.interval)
    needed = options.interval is not None or options.spread == "calibrated"
    welcome = total is not None and options.spread == "auto"
    if not needed and not welcome:
        return None
    found = given
    if found is None:
        if not needed and not has_calibration(runs):
            return None
        found = read_calibration(runs)
        if needed:
            found.check(steps)
        elif steps > found.tables.lead_times:
            return None
    if found.members != total:
        _warn_of_members(found.members, total)
    return found


def _warn_of_members(of_past: int | None, total: int | None) -> None:
    """Warn where past errors are of smaller or larger ensembles."""
    counts = [count or 1 for count in (of_past, total)]
    told = [f"{count} member{'s' if count > 1 else ''}" for count in counts]
    warnings.warn(
        f"past errors are of forecasts of {told[0]} and are used for {told[1]}; make them anew "
        f"with `stforecast calibrate --members {counts[1]}`",
        StForecastWarning,
        stacklevel=4,
    )


def horizon_steps(
    model: TrainedModel | Ensemble, store: TensorStore, horizon: int | str | None
) -> int:
    """The horizon in steps of the record; ConfigError where it is not a whole number of them."""
    if horizon is None:
        return model.spec.horizon
    return store.axis.step.steps(horizon, "the horizon")


def _sequences(store: TensorStore, asked: Sequence[int] | None) -> list[int]:
    if asked is None:
        return list(range(store.n_sequences))
    strange = [number for number in asked if not 0 <= number < store.n_sequences]
    if strange:
        raise RunError(
            f"there is no sequence {strange[0]}; the data has {store.n_sequences}, counted from 0"
        )
    return list(asked)
