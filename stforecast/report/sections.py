"""What stands on the page, section by section; one without content is not there."""

from collections.abc import Callable, Iterator
from typing import Final

from stforecast.report.curves import group_curves, skill_curves
from stforecast.report.further import cases, error_maps, patterns, thresholds, uncertainty
from stforecast.report.parts import MOST_DRAWN, Figure, Section, drawn
from stforecast.report.subject import REGION, Results, Subject
from stforecast.report.tables import (
    error_table,
    frame_table,
    group_table,
    skill_table,
)
from stforecast.report.verdict import comparisons
from stforecast.report.words import (
    TERMS,
    capital,
    joined,
    lead_phrase,
    number,
    spoken,
    unit_words,
    with_unit,
)
from stforecast.verification.metrics import METRICS, shown_metrics
from stforecast.verification.table_content import decimals


def sections(subject: Subject) -> list[Section]:
    """All sections that this subject has content for, in the order of the page."""
    return [section for make in _MAKERS for section in make(subject)]


def _scores(subject: Subject) -> Iterator[Section]:
    results = subject.results
    tables = []
    for variable in results.variables:
        tables.append(error_table(subject, variable))
        tables += [skill_table(subject, name, variable) for name in results.forecasts]
    figures = [
        Figure(
            caption=_curve_caption(subject, variable),
            alt=_curve_alt(subject, variable),
            svg=skill_curves(subject, variable, f"curves{at}"),
        )
        for at, variable in enumerate(drawn(subject))
    ]
    words = [
        "RMSE is the size of a typical error; skill is the share by which it is smaller than that "
        "of a reference, a forecast that is simple to make."
    ]
    if len(results.variables) > MOST_DRAWN:
        words.append(f"Figures show the first {MOST_DRAWN} variables, tables all.")
    if results.has_intervals and "bootstrap" in results.all.attrs:
        words.append(f"Intervals, below numbers and as bands: {results.all.attrs['bootstrap']}.")
    terms = ["lead time", "initial time", "reference", "RMSE", "MAE", "bias", "skill"]
    if results.has_intervals:
        terms.append("interval")
    terms += [word for name, word in _TERM_OF.items() if name in shown_metrics(results.all)]
    yield Section("scores", "Errors by lead time", words, figures, tables, tuple(terms))


_TERM_OF: Final = {
    "crps": "CRPS",
    "spread": "spread",
    "spread_error": "spread/error",
    "coverage": "coverage",
    "interval_width": "interval width",
    "interval_score": "interval score",
    "acc": "anomaly correlation",
    "wape": "WAPE",
    "mape": "MAPE",
}


# Of what is no metric, what the page shows and so defines.
_EXPLAINED: Final = ("skill", "case_rmse", "rmse_map", "bias_map", "rank_histogram", "spectrum")


def _curve_caption(subject: Subject, variable: str) -> str:
    results = subject.results
    has = results.has_intervals
    bands = " Bands are intervals of what other days would have given." if has else ""
    second = ""
    if results.references:
        second = (
            f" Right: skill of {results.main} against each reference; below the line at 0 the "
            "reference is better."
        )
    unit = unit_words(results.units[variable])
    return (
        f"{capital(subject.title_of(variable))}. Left: RMSE{f' in {unit}' if unit else ''} of "
        f"forecasts (colours) and references (dashes) by lead time.{second}{bands}"
    )


def _curve_alt(subject: Subject, variable: str) -> str:
    results = subject.results
    unit = results.units[variable]
    parts = []
    for system in results.systems:
        values = results.rmse(system, variable)
        places = decimals(values)
        ends = [with_unit(number(values[at], places), unit) for at in (0, -1)]
        parts.append(
            f"{spoken(system)} {ends[0]} at {results.leads[0]}"
            + (f" to {ends[1]} at {results.leads[-1]}" if values.size > 1 else "")
        )
    worse = [
        f"{spoken(c.reference)} is better {lead_phrase(results.leads, c.worse)}"
        for c in comparisons(results, results.main)
        if c.variable == variable and c.worse.any()
    ]
    ending = f" {capital(joined(worse))}." if worse else ""
    return f"RMSE of {subject.title_of(variable)}: {'; '.join(parts)}.{ending}"


def _groups(subject: Subject) -> Iterator[Section]:
    results = subject.results
    for group in results.groups:
        figures = []
        if results.by_group(group).sizes[group] > 1:
            figures = [
                Figure(
                    caption=f"RMSE of {subject.title_of(variable)} by {spoken(group)} of the time "
                    "forecast, over all lead times.",
                    alt=f"RMSE of {subject.title_of(variable)} by {spoken(group)}; the table below "
                    "has the numbers.",
                    svg=group_curves(subject, group, variable, f"{group}{at}"),
                )
                for at, variable in enumerate(drawn(subject))
            ]
        yield Section(
            group,
            f"Errors by {spoken(group)}",
            [],
            figures,
            [group_table(subject, group, variable) for variable in results.variables],
        )


def _frames(subject: Subject) -> Iterator[Section]:
    table = frame_table(subject.results)
    if table is not None:
        yield Section("frames", "Errors of whole frames", [], [], [table])


def _regions(subject: Subject) -> Iterator[Section]:
    results = subject.results
    if REGION in results.all.dims:
        yield Section(
            REGION,
            "Errors by region",
            ["All other sections are of the whole area."],
            [],
            [group_table(subject, REGION, variable) for variable in results.variables],
        )


_MAKERS: tuple[Callable[[Subject], Iterator[Section]], ...] = (
    _scores,
    cases,
    error_maps,
    _groups,
    _regions,
    thresholds,
    uncertainty,
    patterns,
    _frames,
)


def glossary(results: Results, shown: list[Section]) -> list[tuple[str, str]]:
    """The terms that the page uses, each explained."""
    used = dict.fromkeys(term for section in shown for term in section.terms)
    return [(term, TERMS[term]) for term in used]


def definitions(results: Results) -> list[tuple[str, str]]:
    """Formula and averaging of each score on the page."""
    found = []
    shown = shown_metrics(results.all)
    for name in results.all.data_vars:
        attrs = results.all[name].attrs
        if name in METRICS and name not in (*shown, "rmse", "mae", "bias"):
            continue
        if name in METRICS and "definition" in attrs:
            extra = f"; {attrs['averaging']}" if METRICS[str(name)].of_frames else ""
            found.append((METRICS[str(name)].title, f"{attrs['definition']}{extra}"))
        elif name in _EXPLAINED and "definition" in attrs:
            found.append((str(attrs.get("long_name", name)), str(attrs["definition"])))
    return found
