"""What the scores come to: the headline."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.report.subject import Results, Subject
from stforecast.report.words import (
    PLAIN,
    counted,
    joined,
    number,
    per_cent,
    spoken,
    with_unit,
)
from stforecast.verification.table_content import decimals


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
            low = np.where(np.isfinite(low), low, skill)
            high = np.where(np.isfinite(high), high, skill)
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
