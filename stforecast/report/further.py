"""Sections of diagnostics: cases, maps of errors, thresholds, ensembles, patterns."""

from collections.abc import Callable, Iterator

import numpy as np

from stforecast import names
from stforecast.report.cells import Cell, Table
from stforecast.report.diagrams import (
    case_curve,
    rank_counts,
    rank_histograms,
    reliability_diagram,
    reliable_thresholds,
    spectra,
    threshold_curves,
)
from stforecast.report.event_tables import fss_table, threshold_table
from stforecast.report.parts import Figure, Section, drawn
from stforecast.report.pictures import Cases, case_picture, cases_of, error_picture, example_picture
from stforecast.report.subject import Results, Subject, known_thresholds, sharpness
from stforecast.report.words import capital, counted, number, spoken, with_unit
from stforecast.verification.table_content import decimals


def cases(subject: Subject) -> Iterator[Section]:
    """The best and the worst initial time as maps, and the errors through the period."""
    results = subject.results
    figures, rows = [], []
    for at, variable in enumerate(drawn(subject)):
        found = cases_of(subject, variable)
        if found is None:
            continue
        rows.append(_case_row(subject, variable, found))
        curve, together = case_curve(results, variable, f"cases{at}")
        each = f", each point {together} initial times in a row" if together > 1 else ""
        title = subject.title_of(variable)
        figures.append(
            Figure(
                caption=f"{capital(title)}: RMSE over all lead times by initial time{each}; the "
                "thin broken line is the best reference.",
                alt=f"RMSE of {title} through the period; the table below has the smallest, the "
                "middle and the largest.",
                svg=curve,
            )
        )
        for word, case in (("best", found.best), ("worst", found.worst)):
            picture = case_picture(subject, variable, case)
            if picture is None:
                continue
            rmse = with_unit(
                number(case.rmse, decimals(np.asarray([case.rmse]))), results.units[variable]
            )
            figures.append(
                Figure(
                    caption=f"{capital(title)}, the {word} case: from {case.time}, RMSE {rmse} "
                    "over all lead times. What was last known, then forecast, observation, and "
                    "error (forecast minus observation: red too high, blue too low).",
                    alt=f"Maps of {title} forecast from {case.time}, observed, and their "
                    f"difference: the {word} of {counted(found.count)} initial times, RMSE {rmse}.",
                    picture=picture,
                )
            )
    if not rows:
        yield from _examples(subject)
        return
    columns = [("", ""), ("smallest", "RMSE"), ("from", ""), ("middle", "RMSE")]
    columns += [("largest", "RMSE"), ("from", ""), ("largest", "over middle")]
    columns.append(("initial", "times"))
    table = Table("RMSE of single initial times, over all lead times", columns, rows, total=False)
    words = [
        "Each case is the forecasts from one initial time. The best and the worst were picked "
        "by their RMSE over all lead times and cells, not by hand."
    ]
    yield Section("cases", "Best and worst case", words, figures, [table])


def _examples(subject: Subject) -> Iterator[Section]:
    """The first sequences, where there are many at one initial time and none can be picked."""
    figures = _of_each(
        subject,
        example_picture,
        lambda title: (
            f"{capital(title)}: inputs, truth, prediction and error of the first two sequences."
        ),
        lambda title: (
            f"Frames of {title} of the first two sequences: inputs, what followed, what was "
            "forecast, and the difference."
        ),
    )
    if figures:
        words = ["These are the first sequences of the period scored, not picked by their errors."]
        yield Section("examples", "Examples", words, figures)


def _of_each(
    subject: Subject,
    picture_of: Callable[[Subject, str], str | None],
    caption: Callable[[str], str],
    alt: Callable[[str], str],
) -> list[Figure]:
    """A figure of each variable that has one; the words are made of the variable's title."""
    figures = []
    for variable in drawn(subject):
        picture = picture_of(subject, variable)
        if picture is not None:
            title = subject.title_of(variable)
            figures.append(Figure(caption(title), alt(title), picture=picture))
    return figures


def _case_row(subject: Subject, variable: str, found: Cases) -> list[Cell]:
    unit = subject.results.units[variable]
    places = decimals(np.asarray([found.best.rmse, found.middle, found.worst.rmse]))
    ratio = found.worst.rmse / found.middle if found.middle > 0 else np.nan
    return [
        Cell(subject.title_of(variable)),
        Cell(with_unit(number(found.best.rmse, places), unit)),
        Cell(found.best.time),
        Cell(with_unit(number(found.middle, places), unit)),
        Cell(with_unit(number(found.worst.rmse, places), unit)),
        Cell(found.worst.time),
        Cell(f"{number(ratio, 1)} ×"),
        Cell(counted(found.count)),
    ]


def error_maps(subject: Subject) -> Iterator[Section]:
    """RMSE and bias of each cell."""
    main = subject.results.main
    figures = _of_each(
        subject,
        error_picture,
        lambda title: (
            f"{capital(title)}: RMSE and bias of {main} at each cell, by lead time "
            "(bias: red too high on average, blue too low)."
        ),
        lambda title: f"Maps of the RMSE and the bias of {title} by lead time.",
    )
    if figures:
        yield Section("maps", "Where the errors are", [], figures)


def thresholds(subject: Subject) -> Iterator[Section]:
    """Events beyond thresholds: hits, misses, false alarms, and their places."""
    results = subject.results
    figures, tables = [], []
    for at, variable in enumerate(results.variables):
        known = known_thresholds(results, variable)
        if not known:
            continue
        title = subject.title_of(variable)
        if variable in drawn(subject):
            figures.append(
                Figure(
                    caption=f"{capital(title)}: CSI by lead time; 1 is perfect, 0 the worst.",
                    alt=f"CSI of {title} by lead time; the tables below have the numbers.",
                    svg=threshold_curves(results, variable, f"csi{at}"),
                )
            )
        tables += [threshold_table(subject, variable, threshold) for threshold in known]
        tables += fss_table(subject, variable)
    if tables:
        terms = ["CSI", "POD", "FAR", "frequency bias"]
        if "fss" in results.by_lead:
            terms.append("FSS")
        words = ["How well it was foreseen that a value would be at or above a threshold."]
        yield Section("thresholds", "At or above thresholds", words, figures, tables, tuple(terms))


def uncertainty(subject: Subject) -> Iterator[Section]:
    """Reliability of probabilities and ranks of the observation among the members."""
    results = subject.results
    figures, terms = [], []
    for at, variable in enumerate(drawn(subject)):
        title = subject.title_of(variable)
        if reliable_thresholds(results, variable):
            terms.append("reliability")
            figures.append(
                Figure(
                    caption=f"{capital(title)}: how often the threshold was reached when that was "
                    "forecast with some probability. On the diagonal the probabilities are right; "
                    "below it too high, above it too low. Beneath, the number of cases.",
                    alt=f"Reliability of forecast probabilities of {title}.",
                    svg=reliability_diagram(results, variable, f"reliability{at}"),
                )
            )
        counts = rank_counts(results, variable)
        if counts:
            terms.append("rank histogram")
            figures.append(
                Figure(
                    caption=f"{capital(title)}: how many members were below the observation. Flat "
                    "is right; high at both ends, the ensemble is too sure of itself.",
                    alt=_rank_words(title, counts),
                    svg=rank_histograms(results, variable, f"ranks{at}"),
                )
            )
    if figures:
        yield Section(
            "uncertainty",
            "How sure the forecast is, and whether rightly",
            [],
            figures,
            terms=tuple(dict.fromkeys(terms)),
        )


def _rank_words(title: str, counts: dict[str, np.ndarray]) -> str:
    parts = []
    for system, values in counts.items():
        total = np.nansum(values, axis=0)
        outside = (total[0] + total[-1]) / total.sum()
        parts.append(
            f"{system}: the observation is outside all {total.size - 1} members in "
            f"{number(100 * outside, 1)} % of the cases, where {number(200 / total.size, 1)} % is "
            "right"
        )
    return f"Rank histogram of {title}. {'; '.join(parts)}."


def patterns(subject: Subject) -> Iterator[Section]:
    """Spectra: whether the forecast blurs."""
    results = subject.results
    if "spectrum" not in results.whole or "spectrum_observed" not in results.whole:
        return
    figures: list[Figure] = []
    rows: list[list[Cell]] = []
    for at, variable in enumerate(drawn(subject)):
        seen = results.whole["spectrum_observed"].sel({names.VARIABLE: variable})
        if not seen.notnull().any():
            continue
        title = subject.title_of(variable)
        figures.append(
            Figure(
                caption=f"{capital(title)}: variance by size of pattern, at the first and the last "
                "lead time. Below the observations on the right, the forecast is blurred.",
                alt=f"Spectra of {title}; the table below compares the smallest patterns.",
                svg=spectra(results, variable, f"spectrum{at}"),
            )
        )
        rows += _sharpness(results, variable, title)
    if figures:
        columns = [("", ""), ("first", "lead time"), ("last", "lead time")]
        table = Table(
            "Variance of the smaller half of the patterns, as a share of that observed",
            columns,
            rows,
            notes=["100 % is right, less is blurred, more is noisy."],
        )
        yield Section("patterns", "Patterns of all sizes", [], figures, [table], ("spectrum",))


def _sharpness(results: Results, variable: str, title: str) -> Iterator[list[Cell]]:
    for system in results.forecasts:
        shares = sharpness(results, variable, system)
        texts = [f"{number(100 * share, 0)} %" for share in (shares[0], shares[-1])]
        yield [Cell(f"{title}, {spoken(system)}"), *map(Cell, texts)]
