"""Where a forecast comes from, as attributes of its product."""

import json
from typing import Any

from stforecast import names
from stforecast._version import __version__
from stforecast.forecast.ensemble import Ensemble
from stforecast.forecast.trained import TrainedModel
from stforecast.models.registry import paper, variant_name
from stforecast.options import Precision
from stforecast.product.build import history_line
from stforecast.windows.scaling import value_ranges
from stforecast.windows.statistics import Statistics


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
