"""What the scores come to: one headline, and what was not good."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stforecast import names
from stforecast.report.subject import Results, Subject, group_labels
from stforecast.report.words import (
    PLAIN,
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
# Ensembles and intervals that are taken for right.
_SPREAD = (0.8, 1.2)
_COVERAGE = 0.03


@dataclass(frozen=True)
class Comparison:
    """A forecast beside a reference, for one variable.

    Of each lead time, ``worse`` says that the reference has the smaller RMSE (its interval of skill
    beyond 0 where there are intervals), and ``unclear`` that the interval holds 0.
    """

    forecast: str
    reference: str
    variable: str
    skill: NDArray[np.float64]
    overall: float
    worse: NDArray[np.bool_]
    unclear: NDArray[np.bool_]


def comparisons(results: Results, forecast: str) -> Iterator[Comparison]:
    """A forecast beside every reference, variable by variable."""
    for variable in results.variables:
        for reference in results.references:
            skill = results.skill(forecast, reference, variable)
            if skill is None or not np.isfinite(skill).any():
                continue
            low = results.skill(forecast, reference, variable, "skill_lower")
            high = results.skill(forecast, reference, variable, "skill_upper")
            if low is None or high is None:
                low = high = skill
            at = {
                names.SYSTEM: forecast,
                names.REFERENCE: reference,
                names.VARIABLE: variable,
            }
            yield Comparison(
                forecast,
                reference,
                variable,
                skill,
                float(results.overall["skill"].sel(at)),
                worse=np.asarray(high < 0),
                unclear=np.asarray((low <= 0) & (high >= 0)),
            )


def headline(subject: Subject) -> str:
    """One sentence: what forecasts what, and how well beside persistence and the best reference."""
    results = subject.results
    what = joined([subject.title_of(variable) for variable in results.variables[:4]])
    if len(results.variables) > 4:
        what = f"{len(results.variables)} variables"
    horizon = f" up to {results.leads[-1]} ahead" if results.has_leads else ""
    start = f"{_who(subject)} forecasts {what}{horizon}"
    found = list(comparisons(results, results.main))
    clauses = []
    plainest = "persistence" if "persistence" in results.references else None
    if plainest:
        clauses.append(_clause(subject, [c for c in found if c.reference == plainest]))
    best = [
        c
        for c in found
        if c.reference == results.best_reference(c.variable) and c.reference != plainest
    ]
    for reference in dict.fromkeys(c.reference for c in best):
        clauses.append(_clause(subject, [c for c in best if c.reference == reference], best=True))
    if not clauses:
        rmse = [
            f"{with_unit(_overall(results, variable), results.units[variable])} for "
            f"{subject.title_of(variable)}"
            for variable in results.variables[:4]
        ]
        return (
            f"{start}, with a typical error (RMSE) of {joined(rmse)}; it was held against no "
            "reference."
        )
    directions = {" larger " in clause for clause in clauses}
    return f"{start}, with errors {joined(clauses, 'but' if len(directions) > 1 else 'and')}."


def _who(subject: Subject) -> str:
    name = subject.results.main
    model = subject.attribute("stforecast_model")
    if model and str(model) != name:
        return f"{name} (model {model})"
    return name


def _overall(results: Results, variable: str) -> str:
    at = {names.SYSTEM: results.main, names.VARIABLE: variable}
    value = float(results.overall["rmse"].sel(at))
    return number(value, decimals(np.asarray([value])))


def _clause(subject: Subject, found: list[Comparison], *, best: bool = False) -> str:
    """How much smaller or larger the errors are than those of one reference."""
    reference = found[0].reference if found else ""
    plain = f" ({PLAIN[reference]})" if reference in PLAIN else ""
    name = f"those of {spoken(reference)}{plain}"
    if best:
        name += ", the best reference"
    skills = np.asarray([c.overall for c in found])
    skills = skills[np.isfinite(skills)]
    shares = sorted({per_cent(skill) for skill in skills}, key=lambda text: float(text[:-2]))
    some = ""
    if best and len(found) < len(subject.results.variables):
        some = f" for {joined([subject.title_of(c.variable) for c in found])}"
    if (skills >= 0).all() or (skills <= 0).all():
        word = "smaller" if (skills >= 0).all() else "larger"
        size = shares[0] if len(shares) == 1 else f"{shares[0][:-2]} to {shares[-1]}"
        return f"{size} {word} than {name}{some}"
    each = [
        f"{per_cent(c.overall)} {'smaller' if c.overall >= 0 else 'larger'} for "
        f"{subject.title_of(c.variable)}"
        for c in found
    ]
    return f"{joined(each)} than {name}"


def verdict(subject: Subject) -> str:
    """The sentence that follows the headline: whether any reference is better anywhere."""
    results = subject.results
    found = list(comparisons(results, results.main))
    if not found:
        return ""
    losing = [c for c in found if c.worse.any()]
    unclear = [c for c in found if (c.unclear & ~c.worse).any()]
    if losing:
        lost = sum(int(c.worse.sum()) for c in losing)
        total = sum(c.skill.size for c in found)
        known = [spoken(name) for name in dict.fromkeys(c.reference for c in losing)]
        return (
            f"In {counted(lost)} of {counted(total)} comparisons (each a variable, a lead time and "
            f"a reference) a reference does better: {joined(known)}."
        )
    if unclear:
        known = [spoken(name) for name in dict.fromkeys(c.reference for c in unclear)]
        return (
            f"No reference is clearly better; against {joined(known)} it is not clear everywhere."
        )
    return "No reference is better at any lead time."


def shortcomings(subject: Subject) -> list[str]:
    """What was not good, one sentence each; empty where nothing of the kind was found."""
    results = subject.results
    return [
        *_lost(subject),
        *_rivals(subject),
        *_biases(subject),
        *_ensemble(results),
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
                f"{_capital(spoken(c.reference))} is better than {c.forecast}{of} "
                f"{lead_phrase(results.leads, c.worse)}: the error of {c.forecast} is {size}{most} "
                f"larger{where}."
            )
        unclear = c.unclear & ~c.worse
        if unclear.any() and "skill_lower" in results.by_lead:
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
            if better.any():
                yield (
                    f"{rival} has the smaller RMSE for {subject.title_of(variable)} "
                    f"{lead_phrase(results.leads, better)}."
                )


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
                    f"{_capital(subject.title_of(variable))} is forecast too {word} on average "
                    f"{lead_phrase(results.leads, large)}: by "
                    f"{with_unit(size, results.units[variable])} at {results.leads[at]}, "
                    f"{per_cent(sided[at] / rmse[at])} of the RMSE there."
                )


def _ensemble(results: Results) -> Iterator[str]:
    for variable in results.variables:
        if "spread_error" in results.by_lead:
            ratio = results.metric("spread_error", results.main, variable)
            for word, bad in (
                ("too sure of itself (spread too small)", ratio < _SPREAD[0]),
                ("less sure than it could be (spread too large)", ratio > _SPREAD[1]),
            ):
                if bad.any():
                    yield (
                        f"The ensemble is {word} for {spoken(variable)} "
                        f"{lead_phrase(results.leads, bad)}: spread/error is "
                        f"{number(float(np.nanmin(ratio[bad])), 2)} to "
                        f"{number(float(np.nanmax(ratio[bad])), 2)}, where 1 is right."
                    )
        stated = stated_coverage(results)
        if stated is not None and "coverage" in results.by_lead:
            coverage = results.metric("coverage", results.main, variable)
            bad = np.abs(coverage - stated) > _COVERAGE
            if bad.any():
                yield (
                    f"Intervals for {spoken(variable)} hold the observation in "
                    f"{per_cent(float(np.nanmin(coverage[bad])))} to "
                    f"{per_cent(float(np.nanmax(coverage[bad])))} of the cases "
                    f"{lead_phrase(results.leads, bad)}, not in the {per_cent(stated)} they state."
                )


def stated_coverage(results: Results) -> float | None:
    """The coverage that intervals promise; None where there are no intervals."""
    if "coverage" not in results.all:
        return None
    for holder in (results.all["coverage"].attrs, results.all.attrs):
        for name in ("stated_coverage", "interval", "nominal"):
            if name in holder:
                return float(holder[name])
    return None


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
                    f"better than {results.main} for {subject.title_of(variable)} at "
                    f"{joined(labels)}."
                )


def caveats(subject: Subject) -> list[str]:
    """What this page cannot tell, one sentence each."""
    results = subject.results
    found = [*_seen_before(subject), *_period_told(subject)]
    if not results.references:
        found.append("There is no reference, so nothing here says whether the errors are small.")
    elif "skill_lower" not in results.all:
        found.append(
            "No intervals were worked out, so small differences between forecasts may be chance."
        )
    cases = int(results.all.attrs.get("initial_times", _FEW))
    if cases < _FEW:
        found.append(
            f"Only {counted(cases)} initial times were scored; the numbers may change a great deal "
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


def _seen_before(subject: Subject) -> Iterator[str]:
    told = str(subject.attribute("stforecast_training_period") or "")
    first, between, last = told.partition("/")
    if not between:
        yield (
            f"{subject.results.main} does not say what it was made from or trained on, so this "
            "page cannot tell whether the observations were new to it."
        )
        return
    span = period(subject)
    if span is not None and str(last) >= _iso(span[0]):
        yield (
            f"{subject.results.main} was trained on {first} to {last}, which reaches into the "
            "period scored: the scores may be better than those of a true forecast."
        )


def _period_told(subject: Subject) -> Iterator[str]:
    span = period(subject)
    if span is None:
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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
