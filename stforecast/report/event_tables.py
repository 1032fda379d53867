"""Tables of events, such as more rain than a threshold, as plain text in cells."""

from typing import Final

import numpy as np

from stforecast import names
from stforecast.report.cells import Cell, Table
from stforecast.report.subject import Subject
from stforecast.report.words import number, spoken, unit_words
from stforecast.verification.metrics import METRICS

# Scores beside CSI.
_OF_EVENTS: Final = ("pod", "far", "frequency_bias")


def threshold_table(subject: Subject, variable: str, threshold: float) -> Table:
    """CSI of every system; POD, FAR and frequency bias of the forecast that is judged."""
    results = subject.results
    scores = results.by_lead.sel({names.VARIABLE: variable, "threshold": threshold})
    columns = [("lead time", "")]
    columns += [("CSI", spoken(name)) for name in results.systems]
    columns += [(METRICS[name].title, results.main) for name in _OF_EVENTS if name in scores]
    rows = []
    for at, label in enumerate(results.leads):
        one = scores.isel({names.LEAD_TIME: at})
        values = np.asarray(one["csi"].values, np.float64)
        best = np.nanmax(values) if np.isfinite(values).any() else np.nan
        cells = [Cell(label)]
        cells += [Cell(number(value, 3), "best" if value == best else "") for value in values]
        cells += [
            Cell(number(float(one[name].sel({names.SYSTEM: results.main})), 3))
            for name in _OF_EVENTS
            if name in scores
        ]
        rows.append(cells)
    unit = unit_words(results.units[variable])
    return Table(
        f"{subject.title_of(variable)} at or above {threshold:g} {unit}".rstrip(),
        columns,
        rows,
        notes=["The largest CSI of each row is bold."],
    )


def fss_table(subject: Subject, variable: str) -> list[Table]:
    """FSS of the forecast that is judged by lead time, threshold and scale; none without FSS."""
    results = subject.results
    if "fss" not in results.by_lead:
        return []
    at = {names.SYSTEM: results.main, names.VARIABLE: variable}
    scores = results.by_lead["fss"].sel(at).transpose("threshold", "scale", names.LEAD_TIME)
    values = np.asarray(scores.values, np.float64)
    unit = unit_words(results.units[variable])
    columns = [("lead time", "")]
    chosen = []
    for row, threshold in enumerate(scores["threshold"].values):
        if not np.isfinite(values[row]).any():
            continue
        for column, scale in enumerate(scores["scale"].values):
            cells = f"{int(scale)} × {int(scale)} cells"
            columns.append((f"at or above {threshold:g} {unit}".rstrip(), cells))
            chosen.append((row, column))
    if not chosen:
        return []
    rows = [
        [Cell(label), *(Cell(number(values[row, column, lead], 3)) for row, column in chosen)]
        for lead, label in enumerate(results.leads)
    ]
    return [Table(f"FSS of {results.main}: {subject.title_of(variable)}", columns, rows)]
