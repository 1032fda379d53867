"""Forecasts from many initial times, in blocks, as a georeferenced dataset."""

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from stforecast import cluster, names
from stforecast._version import __version__
from stforecast.errors import ConfigError, RunError, StForecastWarning
from stforecast.forecast.blocks import blocks_of, lazily
from stforecast.forecast.calibration import Calibration, has_calibration, read_calibration
from stforecast.forecast.conformal import check_coverage
from stforecast.forecast.ensemble import Ensemble
from stforecast.forecast.initial import check_init_positions
from stforecast.forecast.members import Members
from stforecast.forecast.spreading import can_spread
from stforecast.forecast.trained import Precision, TrainedModel
from stforecast.models.registry import paper, variant_name
from stforecast.product import build_product
from stforecast.product.build import history_line
from stforecast.product.uncertainty import Interval
from stforecast.store import TensorStore
from stforecast.windows.scaling import value_ranges
from stforecast.windows.statistics import Statistics

Spread = Literal["auto", "raw", "calibrated"]

# Bytes of forecasts that are to be written or scored, and that are held in memory; of more those
# that are needed next are made.
MOST_HELD: Final = 256 * 2**20


def predict(
    model: TrainedModel | Ensemble,
    store: TensorStore,
    init_positions: ArrayLike,
    horizon: int | str | None = None,
    *,
    members: int | None = None,
    seed: int = 0,
    interval: float | None = None,
    spread: Spread = "auto",
    calibration: Calibration | None = None,
    sequences: Sequence[int] | None = None,
    batch_size: int | None = None,
    precision: Precision = "auto",
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
        members: forecasts from each initial time, of all runs together; by default one of each run,
            and ten of each that was trained to give several. A single forecast has no dimension
            for them.
        seed: of the noise of runs that give several.
        interval: coverage of an interval, such as 0.9, whose bounds go beside each variable.
        spread: ``calibrated`` draws members apart until their spread is that of past errors, which
            ``auto`` does where these are known.
        calibration: past errors, which interval and calibrated spread take; by default those kept
            beside the runs.
        sequences: which sequences of a record that has them; all by default.
        batch_size: forecasts made at once; by default what suits the size of the grid.
        precision: ``auto`` is that of the training on a GPU, and float32 elsewhere.
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
    total = runs.total(members)
    if interval is not None:
        check_coverage(interval)
    if calibration is None:
        calibration = _known(runs, steps, total, interval is not None or spread == "calibrated")
    if calibration is not None:
        _check_members(calibration, total)
    if total is None and spread == "calibrated":
        raise ConfigError("one forecast has no spread to calibrate; name several runs, or members")
    drawn_apart = total is not None and spread != "raw" and calibration is not None
    count = len(chosen) * len(inits)
    client = cluster.current_client() if can_spread(runs, store) else None
    made = Members(
        runs,
        store,
        count,
        steps,
        members=members,
        seed=seed,
        interval=interval,
        spread=drawn_apart,
        calibration=calibration,
        batch_size=batch_size,
        precision=precision,
        progress=progress,
        client=client,
    )
    made.require(inits)
    fields = store.shape[1:]
    size = 4 * steps * made.layers * int(np.prod(fields))
    values: Any
    if lazy_above is None or count * size <= lazy_above:
        made.begin([(of_sequences, inits)])
        values = made(of_sequences, inits)
    else:
        rows = blocks_of(of_sequences, inits, size)
        made.begin([block for row in rows for block in row])
        values = lazily(made, rows, (steps, made.layers), fields)
    attrs = provenance(runs, precision)
    if total is not None:
        attrs |= {"stforecast_members": total, "stforecast_members_seed": seed}
        attrs["stforecast_spread"] = "calibrated" if drawn_apart else "raw"
    bounds = None
    if interval is not None and calibration is not None:
        bounds = Interval(values[:, :, -2], values[:, :, -1], interval, calibration.method)
    if calibration is not None and (drawn_apart or interval is not None):
        attrs["stforecast_calibration"] = calibration.method
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


def _known(runs: Ensemble, steps: int, total: int | None, needed: bool) -> Calibration | None:
    """The past errors of the runs; None where they are neither needed nor known."""
    if not needed and (total is None or not has_calibration(runs)):
        return None
    calibration = read_calibration(runs)
    if needed:
        calibration.check(steps)
    return calibration if steps <= calibration.tables.lead_times else None


def _check_members(calibration: Calibration, total: int | None) -> None:
    """Warn where past errors are of smaller or larger ensembles."""
    if calibration.members == total:
        return
    counts = [count or 1 for count in (calibration.members, total)]
    told = [f"{count} member{'s' if count > 1 else ''}" for count in counts]
    warnings.warn(
        f"past errors are of forecasts of {told[0]} and are used for {told[1]}; make them anew "
        f"with `stforecast calibrate --members {counts[1]}`",
        StForecastWarning,
        stacklevel=3,
    )


def horizon_steps(
    model: TrainedModel | Ensemble, store: TensorStore, horizon: int | str | None
) -> int:
    """The horizon in steps of the record; ConfigError where it is not a whole number of them."""
    if horizon is None:
        return model.spec.horizon
    return store.axis.step.steps(horizon, "the horizon")


def provenance(runs: Ensemble, precision: Precision) -> dict[str, Any]:
    """Attributes of a forecast: which runs and models made it, from what, how."""
    each = [_provenance(model, model.precision(precision)) for model in runs.models]
    if len(each) == 1:
        return each[0]
    attrs = dict(each[0])
    # what differs from run to run stands in a list, but for periods: references learn from one
    for name in attrs:
        if name.endswith(("_period", "_sequences")):
            continue
        values = [other.get(name) for other in each]
        if name.startswith("stforecast_") and any(value != values[0] for value in values):
            attrs[name] = json.dumps(values, default=str)
    systems = dict.fromkeys(
        variant_name(model.card.model.name, model.card.model.settings) for model in runs.models
    )
    named = ", ".join(model.card.name for model in runs.models)
    return attrs | {
        "source": f"stforecast {__version__}, model {', '.join(systems)}, runs {named}",
        "history": history_line(f"forecast by runs {named}"),
        "references": "; ".join(f"{name}: {paper(name)}" for name in systems),
        "stforecast_run": runs.name,
        "stforecast_history": runs.spec.history,
        names.VALUE_RANGES: attrs[names.VALUE_RANGES],
    }


def _provenance(model: TrainedModel, precision: str) -> dict[str, Any]:
    card = model.card
    name = variant_name(card.model.name, card.model.settings)
    settings = json.dumps(card.model.settings)
    attrs: dict[str, Any] = {
        "source": f"stforecast {__version__}, model {name}, run {card.name}",
        "history": history_line(f"forecast by run {card.name}"),
        "references": f"{name}: {paper(name)}",
        "stforecast_run": card.name,
        "stforecast_run_created": card.created,
        "stforecast_model": card.model.name,
        "stforecast_model_settings": settings,
        "stforecast_history": card.windows["history"],
        "stforecast_horizon": card.windows["horizon"],
        "stforecast_precision": precision,
        names.VALUE_RANGES: json.dumps(_value_ranges(model)),
    }
    if card.imported is None:
        attrs["stforecast_seed"] = card.seed
        attrs["stforecast_trained_steps"] = card.training.steps
    else:
        origin = card.imported
        attrs["stforecast_weights"] = f"{origin.layout} of {origin.file}, sha256 {origin.sha256}"
    if card.git_revision:
        attrs["stforecast_git_revision"] = card.git_revision
    if card.experiment:
        attrs["stforecast_experiment"] = json.dumps(card.experiment, default=str)
    for part, name in (("train", "training"), ("validation", "validation"), ("test", "test")):
        if part in card.splits:
            attrs[f"stforecast_{name}_period"] = "/".join(card.splits[part])
        if card.sequences is not None and part in card.sequences:
            begin, end = card.sequences[part]
            attrs[f"stforecast_{name}_sequences"] = f"{begin}/{end - 1}"
    return attrs


def _value_ranges(model: TrainedModel) -> dict[str, tuple[float, float]]:
    statistics = Statistics.from_json(model.card.statistics)
    return value_ranges(statistics, model.spec, model.card.channels)


def _sequences(store: TensorStore, asked: Sequence[int] | None) -> list[int]:
    if asked is None:
        return list(range(store.n_sequences))
    strange = [number for number in asked if not 0 <= number < store.n_sequences]
    if strange:
        raise RunError(
            f"there is no sequence {strange[0]}; the data has {store.n_sequences}, counted from 0"
        )
    return list(asked)
