"""Scores and costs of a comparison: one dataset, and the tables made of it."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.comparison.campaign import Campaign, Done
from stforecast.errors import RunError, StForecastWarning
from stforecast.verification.dataset import REGION
from stforecast.verification.groups import GROUPS
from stforecast.verification.metrics import METRICS
from stforecast.verification.pooling import pooled
from stforecast.verification.text import are_durations, lead_numbers, lead_texts

MODEL, SEED = "model", "seed"
ALL = "all"
# What scores over all lead times together are called.
OVER_LEADS = "_over_leads"
# What the card says of a training, and its units.
_TRAINING = {"steps": "1", "epochs": "1", "seconds": "s", "step_seconds": "s"}


def gather(campaign: Campaign, done: Sequence[Done]) -> xr.Dataset:
    """Everything that a comparison found.

    Returns:
        ``rmse, mae, bias (model, seed, variable, lead_time)`` and what else was asked for (metrics
        of frames have no ``variable``), with ``_over_leads`` those of all lead times together; the
        same of the references, ``reference_rmse (reference, …)``;
        ``skill (model, seed, reference, …)``; ``parameters`` and ``multiply_adds (model)``;
        ``steps, seconds, step_seconds (model, seed)`` of the trainings; ``failure (model, seed)``,
        empty where there is none. Several variables of the same units have a further one, ``all``,
        of all their values together. What failed is NaN.

    Raises:
        RunError: no run has scores.
    """
    scored = [(item, _reduced(item.scores)) for item in done if item.scores is not None]
    if not scored:
        raise RunError(f"no run could be scored; {done[0].run.words}: {done[0].failure}")
    first = scored[0][1]
    _check_counts(scored)
    labels = list(dict.fromkeys(item.run.contender.label for item in done))
    seeds = list(dict.fromkeys(item.run.seed for item in done))
    references = [str(name) for name in first[names.SYSTEM].values[1:]]
    at = {
        id(item): (labels.index(item.run.contender.label), seeds.index(item.run.seed))
        for item in done
    }
    size = (len(labels), len(seeds))
    result = xr.Dataset(
        coords={
            MODEL: np.array(labels, dtype=object),
            SEED: np.array(seeds),
            names.REFERENCE: np.array(references, dtype=object),
            **{str(name): coord for name, coord in first.coords.items() if name != names.SYSTEM},
        }
    )
    for name in (score + over for score in metrics_of(first) for over in ("", OVER_LEADS)):
        dims = first[name].dims[1:]
        values = np.full((*size, *first[name].shape[1:]), np.nan)
        for item, scores in scored:
            values[at[id(item)]] = scores[name].values[0]
        result[name] = ((MODEL, SEED, *dims), values, first[name].attrs)
        result[f"reference_{name}"] = (
            (names.REFERENCE, *dims),
            first[name].values[1:],
            first[name].attrs,
        )
    for over in ("", OVER_LEADS):
        reference = result[f"reference_rmse{over}"]
        skill = 1 - result[f"rmse{over}"] / reference.where(reference > 0)
        dims = first[f"rmse{over}"].dims[1:]
        result[f"skill{over}"] = skill.transpose(MODEL, SEED, names.REFERENCE, *dims)
        result[f"skill{over}"].attrs.update(units="1", definition="1 - rmse / rmse of reference")
    _add_costs(result, campaign, done, at)
    kept = ("period", "averaging", "metrics")
    told = {key: first.attrs[key] for key in kept if key in first.attrs}
    cards = [item.card for item in done if item.card is not None]
    devices = dict.fromkeys(f"{card.device} in {card.precision}" for card in cards)
    return result.assign_attrs(
        experiment=campaign.task.name, budget=campaign.budget, device=", ".join(devices), **told
    )


def _add_costs(
    result: xr.Dataset, campaign: Campaign, done: Sequence[Done], at: dict[int, tuple[int, int]]
) -> None:
    labels = [str(label) for label in result[MODEL].values]
    words = {item.run.contender.label: item.run.contender.words for item in done}
    result["words"] = (MODEL, np.array([words[label] for label in labels], dtype=object))
    costs = [campaign.costs[label] for label in labels]
    result["parameters"] = (MODEL, np.array([cost.parameters for cost in costs]))
    result["multiply_adds"] = (
        MODEL,
        np.array([cost.multiply_adds for cost in costs]),
        {"long_name": "multiply-adds of one forecast of one sample"},
    )
    size = (len(labels), result.sizes[SEED])
    for name, unit in _TRAINING.items():
        values = np.full(size, np.nan)
        for item in done:
            if item.card is not None:
                given = getattr(item.card.training, name)
                values[at[id(item)]] = np.nan if given is None else given
        result[name] = ((MODEL, SEED), values, {"units": unit})
    failures = np.full(size, "", dtype=object)
    for item in done:
        failures[at[id(item)]] = item.failure
    result["failure"] = ((MODEL, SEED), failures)


def metrics_of(result: xr.Dataset) -> list[str]:
    """The metrics that a result, or the scores of a run, hold; those of events are left out."""
    return [name for name in METRICS if name in result and not METRICS[name].of_events]


def long_frame(result: xr.Dataset) -> pd.DataFrame:
    """One row for each model and seed, or reference, and each variable and lead time.

    Of all lead times together the lead time is ``all``. Columns: ``model, seed, variable, units``,
    the lead time (in hours where it is a duration), the metrics, those of frames alike for all
    variables, and one ``skill_vs_<reference>`` each.
    """
    lead = result[names.LEAD_TIME]
    hours = lead_numbers(lead) if are_durations(lead) else None
    rows: list[dict[str, Any]] = []
    for number, text in enumerate([*lead_texts(lead), ALL]):
        over = OVER_LEADS if text == ALL else ""
        here = result if over else result.isel({names.LEAD_TIME: number})
        place: dict[str, Any] = {"lead_time": text}
        if hours is not None:
            place["lead_hours"] = np.nan if over else hours[number]
        for labels, one, prefix in _systems(here):
            for variable in here[names.VARIABLE].values:
                values = one.sel({names.VARIABLE: variable})
                named = {"variable": variable, "units": values["variable_units"].item()}
                scores = {
                    name: float(values[f"{prefix}{name}{over}"]) for name in metrics_of(result)
                }
                references = here[f"reference_rmse{over}"].sel({names.VARIABLE: variable})
                skills = {
                    f"skill_vs_{name}": 1 - scores["rmse"] / value if value > 0 else np.nan
                    for name, value in zip(
                        here[names.REFERENCE].values, references.values, strict=True
                    )
                }
                rows.append({**labels, **named, **place, **scores, **skills})
    frame = pd.DataFrame(rows).astype({"seed": "Int64"})
    return frame.sort_values(["model", "seed", "variable"], kind="stable", ignore_index=True)


def _systems(result: xr.Dataset) -> Iterator[tuple[dict[str, Any], xr.Dataset, str]]:
    """Every run that did not fail and every reference: its names, its scores, their prefix."""
    for label in result[MODEL].values:
        for seed in result[SEED].values:
            one = result.sel({MODEL: label, SEED: seed})
            if not one["failure"].item():
                yield {"model": label, "seed": int(seed)}, one, ""
    for reference in result[names.REFERENCE].values:
        one = result.sel({names.REFERENCE: reference})
        yield {"model": reference, "seed": None}, one, "reference_"


def summary_frame(result: xr.Dataset) -> pd.DataFrame:
    """One row for each model and variable, over all lead times, the best model first.

    Means and standard deviations over the seeds that did not fail, of which ``runs`` tells the
    number and ``failed`` that of the others; then one row for each reference and variable.
    """
    metrics = metrics_of(result)
    rows: list[dict[str, Any]] = []
    for label in ranking(result):
        one = result.sel({MODEL: label})
        failed = int((one["failure"] != "").sum())
        common = {
            "model": label,
            "words": one["words"].item(),
            "runs": one.sizes[SEED] - failed,
            "failed": failed,
            "parameters": int(one["parameters"]),
            "multiply_adds": int(one["multiply_adds"]),
            **{name: mean_of(one[name].values) for name in _TRAINING},
        }
        for variable in result[names.VARIABLE].values:
            here = one.sel({names.VARIABLE: variable})
            row = {**common, "variable": variable, "units": here["variable_units"].item()}
            for score in metrics:
                values = here[f"{score}{OVER_LEADS}"].values
                row |= {score: mean_of(values), f"{score}_std": spread_of(values)}
            for reference in result[names.REFERENCE].values:
                values = here[f"skill{OVER_LEADS}"].sel({names.REFERENCE: reference}).values
                row[f"skill_vs_{reference}"] = mean_of(values)
            rows.append(row)
    for reference in result[names.REFERENCE].values:
        one = result.sel({names.REFERENCE: reference})
        for variable in result[names.VARIABLE].values:
            here = one.sel({names.VARIABLE: variable})
            scores = {score: float(here[f"reference_{score}{OVER_LEADS}"]) for score in metrics}
            units = here["variable_units"].item()
            rows.append({"model": reference, "variable": variable, "units": units, **scores})
    whole = ("runs", "failed", "parameters", "multiply_adds")
    return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64"))


def shown_variables(result: xr.Dataset) -> list[str]:
    """Variables that a table or a figure is about: all together, where they have the same units."""
    variables = [str(name) for name in result[names.VARIABLE].values]
    return [ALL] if len(variables) > 1 and variables[-1] == ALL else variables


def ranking(result: xr.Dataset) -> list[str]:
    """Models by their RMSE over all lead times, the best first and failed ones last.

    Variables of different units count alike: each RMSE is taken relative to the mean of all models.
    """
    errors = result[f"rmse{OVER_LEADS}"].sel({names.VARIABLE: shown_variables(result)})
    relative = errors / errors.mean((MODEL, SEED))
    means = relative.mean((SEED, names.VARIABLE)).values
    labels = [str(label) for label in result[MODEL].values]
    order = np.argsort(np.where(np.isfinite(means), means, np.inf), kind="stable")
    return [labels[index] for index in order]


def mean_of(values: NDArray[Any]) -> float:
    """The mean over seeds, of those that there are; NaN of none."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if there.size else np.nan


def spread_of(values: NDArray[Any]) -> float:
    """The standard deviation over seeds (n - 1); NaN of fewer than two."""
    there = values[np.isfinite(values)]
    return float(there.std(ddof=1)) if there.size > 1 else np.nan


def _reduced(scores: xr.Dataset) -> xr.Dataset:
    """Scores (system, variable, lead_time), the run's first, with those over all lead times.

    Of the whole grid; what has further dimensions, and intervals, are left to the run's own scores.
    """
    scores = _plain(scores)
    attrs = {name: scores[name].attrs for name in metrics_of(scores)}
    groups = [group for group in GROUPS if group in scores.dims]
    scores = _with_all(pooled(scores, groups) if groups else scores)
    over = pooled(scores, [names.LEAD_TIME])
    for name, told in attrs.items():
        scores[name].attrs = told
        scores[f"{name}{OVER_LEADS}"] = over[name].assign_attrs(told)
    return scores.drop_vars(["members", "stated_coverage"], errors="ignore")


def _plain(scores: xr.Dataset) -> xr.Dataset:
    """Scores of the whole grid by lead time and groups, without skill and intervals."""
    if REGION in scores.dims:
        scores = scores.isel({REGION: 0}, drop=True)
    dims = {names.SYSTEM, names.VARIABLE, names.LEAD_TIME, *GROUPS}
    left = [
        name
        for name, values in scores.data_vars.items()
        if not set(values.dims) <= dims
        or str(name).startswith("overall_")
        or str(name).endswith(("_lower", "_upper"))
    ]
    scores = scores.drop_vars(left)
    unused = [name for name in scores.dims if name not in dims]
    labels = [name for name, coord in scores.coords.items() if set(coord.dims) & set(unused)]
    return scores.drop_vars(labels)


def _with_all(scores: xr.Dataset) -> xr.Dataset:
    """The scores with those of all variables together, where their units are the same."""
    units = {str(unit) for unit in scores["variable_units"].values}
    variables = [str(name) for name in scores[names.VARIABLE].values]
    if len(variables) < 2 or len(units) > 1 or ALL in variables:
        return scores
    dim = names.VARIABLE
    apart = [name for name in scores.data_vars if dim not in scores[name].dims]
    together = pooled(scores.drop_vars(apart), [dim])
    together = together.expand_dims({dim: np.array([ALL], dtype=object)})
    together = together.assign_coords(variable_units=(dim, np.array([units.pop()], dtype=object)))
    parts = [
        part.transpose(names.SYSTEM, dim, names.LEAD_TIME)
        for part in (scores.drop_vars(apart)[list(together.data_vars)], together)
    ]
    joined = xr.concat(parts, dim)
    return joined.assign({name: scores[name] for name in apart}).assign_attrs(scores.attrs)


def _check_counts(scored: Sequence[tuple[Done, xr.Dataset]]) -> None:
    """Warn of runs that were scored on other values: their forecasts miss some."""
    counts = [int(scores["count"].sum()) for _, scores in scored]
    fewer = [
        item.run.words
        for (item, _), count in zip(scored, counts, strict=True)
        if count < max(counts)
    ]
    if fewer:
        warnings.warn(
            f"forecasts of {' and '.join(fewer)} miss values that the others have, so the scores "
            "are not of the same cells",
            StForecastWarning,
            stacklevel=3,
        )
