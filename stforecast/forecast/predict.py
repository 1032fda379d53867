"""Forecasts from many initial times, in blocks, as a georeferenced dataset."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from stforecast import names
from stforecast._version import __version__
from stforecast.errors import RunError
from stforecast.forecast.batches import Batches
from stforecast.forecast.initial import check_init_positions
from stforecast.forecast.trained import Precision, TrainedModel
from stforecast.models.registry import paper, variant_name
from stforecast.product import build_product
from stforecast.product.build import history_line
from stforecast.store import TensorStore
from stforecast.windows.scaling import value_ranges
from stforecast.windows.statistics import Statistics


def predict(
    model: TrainedModel,
    store: TensorStore,
    init_positions: ArrayLike,
    horizon: int | str | None = None,
    *,
    sequences: Sequence[int] | None = None,
    batch_size: int | None = None,
    precision: Precision = "auto",
    progress: Callable[[int, int], None] | None = None,
    lazy_above: int | None = None,
) -> xr.Dataset:
    """Forecasts of a run from a record, whose future it never reads.

    Args:
        model: the run, see :func:`stforecast.forecast.load_trained`.
        store: the record, ending with or after the last initial time.
        init_positions: (I,) positions on the record's axis of the last frames known.
        horizon: steps, or a duration such as ``24h``; by default what the model was trained for.
            Beyond that, forecasts are fed back as history.
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
        RunError: the run does not fit the record. DataError: an initial time lacks its history.
        ConfigError: the horizon is below one step or no whole number of steps.
    """
    model.card.check_fits(store)
    inits = np.asarray(init_positions, np.int64).reshape(-1)
    check_init_positions(store, model.spec, inits)
    steps = horizon_steps(model, store, horizon)
    chosen = _sequences(store, sequences)
    of_sequences = chosen if store.meta.sequence_name is not None else None
    used = model.precision(precision)
    count = len(chosen) * len(inits)
    batches = Batches(
        model, store, count, steps, batch_size=batch_size, precision=used, progress=progress
    )
    held = lazy_above is None or 4 * count * steps * int(np.prod(store.shape[1:])) <= lazy_above
    values = (batches if held else batches.lazily)(of_sequences, inits)
    return build_product(
        values,
        store=store,
        init_positions=inits,
        lead_steps=np.arange(1, steps + 1),
        attrs=provenance(model, used),
        sequences=of_sequences,
    )


def horizon_steps(model: TrainedModel, store: TensorStore, horizon: int | str | None) -> int:
    """The horizon in steps of the record; ConfigError where it is not a whole number of them."""
    if horizon is None:
        return model.spec.horizon
    return store.axis.step.steps(horizon, "the horizon")


def provenance(model: TrainedModel, precision: str) -> dict[str, Any]:
    """Attributes of a forecast: which run and model made it, from what, how."""
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
