"""What was not good, and what the scores cannot tell."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stforecast import names
from stforecast.maps.sequences import sequence_dimension
from stforecast.product.uncertainty import interval_of
from stforecast.report.subject import Results, Subject, group_labels, known_thresholds, sharpness
from stforecast.report.verdict import comparisons
from stforecast.report.words import (
    between,
    capital,
    counted,
    joined,
    lead_phrase,
    number,
    per_cent,
    spoken,
    with_unit,
)
from stforecast.timeaxis import normalise_stamps, stamp_text
from stforecast.verification.table_content import decimals

# Parts of the RMSE from which a mean error is worth a line.
_BIASED = 0.2
# Less of a year than this does not show its seasons.
_YEAR_DAYS = 330
# Fewer initial times than this are too few to trust.
_FEW = 30
_MOST_NAMED = 6
# Ensembles and intervals that are taken for right.
_SPREAD = (0.8, 1.2)
_COVERAGE = 0.03
# Share of the variance of small patterns within which a forecast is neither blurred nor noisy.
_SHARP = (0.75, 1.33)


def shortcomings(subject: Subject) -> list[str]:
    """What was not good, one sentence each; empty where nothing of the kind was found."""
    return [
        *_lost(subject),
        *_rivals(subject),
        *_biases(subject),
        *_ensemble(subject),
        *_events(subject),
        *_patterns(subject),
        *_worst_group(subject),
    ]


def _lost(subject: Subject) -> Iterator[str]:
    results = subject.results
    for c in comparisons(results, results.main):
        of = f" for {subject.title_of(c.variable)}" if len(results.variables) > 1 else ""
        if c.worse.any():
            at = int(np.nanargmin(c.skill))
            most = per_cent(c.skill[at])
            where = f", at {results.leads[at]}" if c.worse.sum() > 1 else ""
            size = "up to " if c.worse.sum() > 1 else ""
            yield (
                f"{capital(spoken(c.reference))} is better than {c.forecast}{of} "
                f"{lead_phrase(results.leads, c.worse)}: the error of {c.forecast} is {size}{most} "
                f"larger{where}."
            )
        unclear = c.unclear & ~c.worse
        if unclear.any() and results.has_intervals:
            yield (
                f"Whether {c.forecast} is better than {spoken(c.reference)}{of} "
                f"{lead_phrase(results.leads, unclear)} cannot be told from this period: the "
                "interval of the skill holds 0."
            )


def _rivals(subject: Subject) -> Iterator[str]:
    """Other forecasts on the page that have smaller errors."""
    results = subject.results
    for variable in results.variables:
        own = results.rmse(results.main, variable)
        for rival in results.forecasts[1:]:
            better = np.asarray(results.rmse(rival, variable) < own)
            least = _difference_lower(results, rival, variable)
            if least is not None:  # the interval of own minus rival lies above 0
                better &= ~(least <= 0)
            if better.any():
                yield (
                    f"{rival} has the smaller RMSE for {subject.title_of(variable)} "
                    f"{lead_phrase(results.leads, better)}."
                )


def _difference_lower(results: Results, rival: str, variable: str) -> NDArray[np.float64] | None:
    """Lower ends (lead_time) of the RMSE of the forecast judged minus that of another."""
    if "rmse_difference_lower" not in results.by_lead:
        return None
    at = {names.SYSTEM: results.main, "beside": rival, names.VARIABLE: variable}
    return np.asarray(results.by_lead["rmse_difference_lower"].sel(at).values).reshape(-1)


def _biases(subject: Subject) -> Iterator[str]:
    results = subject.results
    for variable in results.variables:
        bias = results.metric("bias", results.main, variable)
        rmse = results.rmse(results.main, variable)
        for word, sided in (("high", bias), ("low", -bias)):
            large = np.asarray(sided > _BIASED * rmse)
            if large.any():
                at = int(np.nanargmax(sided / rmse))
                size = number(abs(bias[at]), decimals(np.abs(bias[[at]])))
                yield (
                    f"{capital(subject.title_of(variable))} is forecast too {word} on average "
                    f"{lead_phrase(results.leads, large)}: by "
                    f"{with_unit(size, results.units[variable])} at {results.leads[at]}, "
                    f"{per_cent(sided[at] / rmse[at])} of the RMSE there."
                )


def _ensemble(subject: Subject) -> Iterator[str]:
    results = subject.results
    for variable in results.variables:
        if "spread_error" in results.by_lead:
            ratio = results.metric("spread_error", results.main, variable)
            for word, bad in (
                ("too sure of itself (spread too small)", ratio < _SPREAD[0]),
                ("less sure than it could be (spread too large)", ratio > _SPREAD[1]),
            ):
                if bad.any():
                    yield (
                        f"The ensemble is {word} for {subject.title_of(variable)} "
                        f"{lead_phrase(results.leads, bad)}: spread/error is "
                        f"{between(*_ends(ratio[bad], 2))}, where 1 is right."
                    )
        stated = stated_coverage(subject, variable)
        if stated is not None and "coverage" in results.by_lead:
            coverage = results.metric("coverage", results.main, variable)
            bad = np.abs(coverage - stated) > _COVERAGE
            if bad.any():
                yield (
                    f"Intervals for {subject.title_of(variable)} hold the observation in "
                    f"{between(*_ends(100 * coverage[bad], 0))} % of the cases "
                    f"{lead_phrase(results.leads, bad)}, not in the {per_cent(stated)} they state."
                )


def _ends(values: NDArray[np.float64], places: int) -> tuple[str, str]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return number(low, places), number(high, places)


def _events(subject: Subject) -> Iterator[str]:
    """Thresholds at which a reference foresees more."""
    results = subject.results
    for variable in results.variables:
        for threshold in known_thresholds(results, variable):
            at = {names.VARIABLE: variable, "threshold": threshold}
            csi = results.by_lead["csi"].sel(at)
            own = np.asarray(csi.sel({names.SYSTEM: results.main}).values).reshape(-1)
            for reference in results.references:
                other = np.asarray(csi.sel({names.SYSTEM: reference}).values).reshape(-1)
                better = other > own
                if better.any():
                    limit = with_unit(f"{threshold:g}", results.units[variable])
                    yield (
                        f"{capital(spoken(reference))} foresees {subject.title_of(variable)} of "
                        f"{limit} or more better {lead_phrase(results.leads, better)} (larger CSI)."
                    )


def _patterns(subject: Subject) -> Iterator[str]:
    """Forecasts that blur, or that are noisy."""
    results = subject.results
    if "spectrum" not in results.whole or "spectrum_observed" not in results.whole:
        return
    for variable in results.variables:
        shares = sharpness(results, variable, results.main)
        for word, bad in (("blurred", shares < _SHARP[0]), ("noisy", shares > _SHARP[1])):
            if bad.any():
                yield (
                    f"Forecasts of {subject.title_of(variable)} are {word} "
                    f"{lead_phrase(results.leads, bad)}: the smaller half of the patterns has "
                    f"{between(*_ends(100 * shares[bad], 0))} % of the variance observed."
                )


def stated_coverage(subject: Subject, variable: str) -> float | None:
    """The coverage that the intervals of a forecast promise; None where it has none."""
    product = subject.product
    bounds = None if product is None else interval_of(product, variable)
    if bounds is not None:
        return float(bounds[0].attrs[names.COVERAGE])
    scores = subject.results.all
    if "stated_coverage" not in scores:
        return None
    at = {names.SYSTEM: subject.results.main, names.VARIABLE: variable}
    told = scores["stated_coverage"]
    value = float(told.sel({dim: label for dim, label in at.items() if dim in told.dims}))
    return value if np.isfinite(value) else None


def _worst_group(subject: Subject) -> Iterator[str]:
    """Hours, weekdays, months or seasons in which the best reference wins."""
    results = subject.results
    for group in results.groups:
        scores = results.by_group(group)
        for variable in results.variables:
            best = results.best_reference(variable)
            if best is None or "skill" not in scores:
                continue
            at = {
                names.SYSTEM: results.main,
                names.REFERENCE: best,
                names.VARIABLE: variable,
            }
            skill = np.asarray(scores["skill"].sel(at).values)
            bad = skill < 0
            if bad.any() and not bad.all():
                known = group_labels(scores, group)
                labels = [label for label, is_bad in zip(known, bad, strict=True) if is_bad]
                yield (
                    f"By {group} of the time forecast, over all lead times, {spoken(best)} is "
                    f"better than {results.main} for {subject.title_of(variable)} "
                    f"{_at_labels(labels, len(known))}."
                )


def _at_labels(labels: list[str], known: int) -> str:
    """Which of so many hours or days: their names where they are few."""
    return f"at {joined(labels)}" if len(labels) <= _MOST_NAMED else f"at {len(labels)} of {known}"


def caveats(subject: Subject) -> list[str]:
    """What this page cannot tell, one sentence each."""
    results = subject.results
    found = [*_seen_before(subject), *_period_told(subject)]
    if not results.references:
        found.append("There is no reference, so nothing here says whether the errors are small.")
    elif "overall_skill_lower" in results.whole and not results.has_intervals and results.groups:
        found.append(
            "Intervals are those over all lead times alone, as the scores are apart by "
            f"{joined(results.groups)}; small differences at single lead times may be chance."
        )
    elif not results.has_intervals:
        why = str(results.all.attrs.get("bootstrap", "")).partition("none: ")[2]
        found.append(
            "No intervals were worked out, so small differences between forecasts may be chance"
            f"{f' ({why})' if why else ''}."
        )
    cases, sequences = int(results.all.attrs.get("initial_times", _FEW)), _sequences(subject)
    if cases * sequences < _FEW:
        what = "initial time was" if cases == 1 else "initial times were"
        of_each = f" for {counted(sequences)} sequences" if sequences > 1 else ""
        found.append(
            f"Only {counted(cases)} {what} scored{of_each}; the numbers may change a great deal "
            "with more."
        )
    left = int(results.all.attrs.get("initial_times_left_out", 0))
    if left:
        found.append(
            f"{counted(left)} initial times were left out: for them there was no observation, or "
            "not every forecast."
        )
    found.append(
        "All forecasts were scored only where every one of them and the observations had a value."
    )
    return found


def _sequences(subject: Subject) -> int:
    """How many independent sequences the forecast that is judged is of; 1 for a plain record."""
    dim = None if subject.product is None else sequence_dimension(subject.product)
    return 1 if dim is None or subject.product is None else int(subject.product.sizes[dim])


def _seen_before(subject: Subject) -> Iterator[str]:
    told = str(subject.attribute("stforecast_training_period") or "")
    first, between, last = told.partition("/")
    if not between:
        yield (
            f"{subject.results.main} does not say what it was made from or trained on, so this "
            "page cannot tell whether the observations were new to it."
        )
        return
    if subject.attribute("stforecast_test_sequences") is not None:
        return  # sequences were split, and not times
    span = period(subject)
    if span is not None and last.replace(" ", "T") >= _iso(span[0]):
        yield (
            f"{subject.results.main} was trained on {first} to {last}, which reaches into the "
            "period scored: the scores may be better than those of a true forecast."
        )


def _period_told(subject: Subject) -> Iterator[str]:
    span = period(subject)
    if span is None or subject.results.are_frames:
        return
    try:
        days = float((pd.Timestamp(span[1]) - pd.Timestamp(span[0])) / pd.Timedelta(days=1)) + 1
    except (TypeError, ValueError):  # a calendar of its own
        return
    if days < _YEAR_DAYS:
        yield (
            f"The period scored is {counted(round(days))} days long: other times of the year were "
            "not tried."
        )


def period(subject: Subject) -> tuple[object, object] | None:
    """First and last initial time scored; None where the forecast is not at hand."""
    if subject.product is None:
        return None
    inits = np.sort(normalise_stamps(subject.product[names.INIT_TIME].values))
    return (inits[0], inits[-1]) if inits.size else None


def _iso(stamp: object) -> str:
    return stamp_text(stamp).replace(" ", "T")
