"""Tables of errors and skill as plain text in cells."""

import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.report.cells import Cell, Table
from stforecast.report.subject import Results, Subject, group_labels
from stforecast.report.words import counted, number, per_cent, spoken, unit_words
from stforecast.verification.metrics import METRICS, shown_metrics
from stforecast.verification.table_content import decimals

# Metrics of cells with a column of their own in every table.
_MAIN = ("rmse", "mae", "bias")


def error_table(subject: Subject, variable: str) -> Table:
    """RMSE of every forecast and reference per lead time, the smallest of each row marked."""
    results = subject.results
    unit = _in(results.units[variable])
    values = np.stack([results.rmse(name, variable) for name in results.systems])
    values = np.concatenate([values, _overall(results, "rmse", variable)[:, None]], axis=1)
    places = decimals(values)
    ends = _ends(results, "rmse", variable)
    rows = []
    for at, label in enumerate(_labels(results)):
        column = values[:, at]
        best = np.nanmin(column) if np.isfinite(column).any() else np.nan
        cells = [Cell(label)]
        for number_, value in enumerate(column):
            own = ends is not None and at < values.shape[1] - 1 and number_ < len(results.forecasts)
            below = ""
            if own and ends is not None:
                below = _interval(ends[0][number_, at], ends[1][number_, at], places)
            cells.append(Cell(number(value, places), "best" if value == best else "", below))
        cells.append(Cell(_count(results, variable, at)))
        rows.append(cells)
    columns = [("lead time", "")]
    columns += [(_kind(results, name), spoken(name)) for name in results.systems]
    columns.append(("values", "compared"))
    return Table(
        f"RMSE of {subject.title_of(variable)}{unit}",
        columns,
        _without_repeat(results, rows),
        total=_has_total(results),
        notes=["The smallest error of each row is bold."],
    )


def skill_table(subject: Subject, forecast: str, variable: str) -> Table:
    """Mean error, MAE, further metrics of cells, and skill against every reference."""
    results = subject.results
    unit = unit_words(results.units[variable])
    metrics = ["bias", "mae", *_further(results)]
    columns = [("lead time", "")]
    columns += [(METRICS[name].title, _metric_unit(results, name, unit)) for name in metrics]
    columns += [("skill against", spoken(name)) for name in results.references]
    found = {name: _with_overall(results, name, forecast, variable) for name in metrics}
    rows = []
    for at, label in enumerate(_labels(results)):
        cells = [Cell(label)]
        for name in metrics:
            values = found[name]
            cells.append(Cell(_score(results, name, variable, values, at)))
        cells += [
            _skill_cell(results, forecast, reference, variable, at)
            for reference in results.references
        ]
        rows.append(cells)
    notes = []
    if results.references:
        notes.append("▼ marks where the reference is better.")
        if results.has_intervals or "overall_skill_lower" in results.whole:
            notes.append("? marks where the interval of the skill holds 0: it may be chance.")
    return Table(
        f"{forecast}: {subject.title_of(variable)}",
        columns,
        _without_repeat(results, rows),
        total=_has_total(results),
        notes=notes,
    )


def frame_table(results: Results) -> Table | None:
    """Scores of whole frames of every forecast and reference, where they were asked for."""
    shown = [name for name in shown_metrics(results.all) if METRICS[name].of_frames]
    if not shown:
        return None
    scores = results.by_lead
    labels = results.leads
    columns = [("lead time", "")]
    columns += [
        (METRICS[name].title, spoken(system)) for name in shown for system in results.systems
    ]
    rows = []
    for at, label in enumerate(labels):
        cells = [Cell(label)]
        for name in shown:
            values = np.asarray(scores[name].values, np.float64).reshape(len(results.systems), -1)
            places = {"ssim": 4, "psnr": 2}.get(name, decimals(values))
            cells += [Cell(_frame_number(value, places)) for value in values[:, at]]
        rows.append(cells)
    return Table("Scores of whole frames, scaled to [0, 1]", columns, rows)


def group_table(subject: Subject, group: str, variable: str) -> Table:
    """RMSE of every system per hour, weekday, month or season, over all lead times."""
    results = subject.results
    scores = results.by_group(group)
    at = {names.VARIABLE: variable}
    values = np.asarray(scores["rmse"].sel(at).transpose(names.SYSTEM, group).values, np.float64)
    counts = scores["count"].sel(at).values
    places = decimals(values)
    rows = []
    for column, label in enumerate(group_labels(scores, group)):
        best = np.nanmin(values[:, column]) if np.isfinite(values[:, column]).any() else np.nan
        cells = [Cell(label)]
        cells += [
            Cell(number(value, places), "best" if value == best else "")
            for value in values[:, column]
        ]
        cells.append(Cell(counted(int(counts[column]))))
        rows.append(cells)
    columns = [(spoken(group), "")]
    columns += [(_kind(results, name), spoken(name)) for name in results.systems]
    columns.append(("values", "compared"))
    unit = _in(results.units[variable])
    return Table(
        f"RMSE of {subject.title_of(variable)}{unit} by {spoken(group)} of the time forecast, all "
        "lead times",
        columns,
        rows,
        notes=["The smallest error of each row is bold."],
    )


def _score(
    results: Results, metric: str, variable: str, values: NDArray[np.float64], at: int
) -> str:
    if metric == "coverage":  # as it is printed by verify, and as reliability is told
        return per_cent(values[at], 1)
    places = _places(results, metric, variable, values)
    return number(values[at], places, signed=metric == "bias")


def _skill_cell(results: Results, forecast: str, reference: str, variable: str, at: int) -> Cell:
    per_lead = results.skill(forecast, reference, variable)
    if per_lead is None:
        return Cell("–")
    if at < per_lead.size:
        value = per_lead[at]
        low = results.skill(forecast, reference, variable, "skill_lower")
        high = results.skill(forecast, reference, variable, "skill_upper")
        if low is not None and high is not None and np.isfinite(low[at]):
            mark = "loses" if high[at] < 0 else "unclear" if low[at] <= 0 else ""
            return Cell(number(value, 2, signed=True), mark, _interval(low[at], high[at], 2))
    else:
        chosen = {
            names.SYSTEM: forecast,
            names.REFERENCE: reference,
            names.VARIABLE: variable,
        }
        value = float(results.overall["skill"].sel(chosen))
        if "overall_skill_lower" in results.whole:
            low_, high_ = (
                float(results.whole[f"overall_skill_{end}"].sel(chosen))
                for end in ("lower", "upper")
            )
            mark = "loses" if high_ < 0 else "unclear" if low_ <= 0 else ""
            return Cell(number(value, 2, signed=True), mark, _interval(low_, high_, 2))
    return Cell(number(value, 2, signed=True), "loses" if value < 0 else "")


def _interval(low: float, high: float, places: int) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"{number(low, places)} to {number(high, places)}"


def _ends(
    results: Results, metric: str, variable: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Ends of the intervals (system, lead) of a metric, where there are any."""
    if f"{metric}_lower" not in results.by_lead or f"{metric}_upper" not in results.by_lead:
        return None
    low, high = (
        np.stack([results.metric(f"{metric}_{end}", name, variable) for name in results.systems])
        for end in ("lower", "upper")
    )
    return low, high


def _further(results: Results) -> list[str]:
    """Metrics of cells asked for that have no column anyway, and no dimension of their own."""
    dims = set(results.by_lead["rmse"].dims)
    return [
        name
        for name in shown_metrics(results.all)
        if name not in _MAIN
        and not METRICS[name].of_frames
        and name in results.by_lead
        and set(results.by_lead[name].dims) == dims
    ]


def _with_overall(results: Results, name: str, forecast: str, variable: str) -> NDArray[np.float64]:
    values = results.metric(name, forecast, variable)
    if name not in results.overall:
        return np.append(values, np.nan)
    at = {names.SYSTEM: forecast, names.VARIABLE: variable}
    return np.append(values, float(results.overall[name].sel(at)))


def _overall(results: Results, name: str, variable: str) -> NDArray[np.float64]:
    at = {names.VARIABLE: variable}
    return np.asarray(results.overall[name].sel(at).values, np.float64)


def _metric_unit(results: Results, name: str, unit: str) -> str:
    attrs = results.all[name].attrs
    if "units_of" in attrs:
        return unit
    own = str(attrs.get("units", ""))
    return unit_words(own)


def _places(results: Results, name: str, variable: str, values: NDArray[np.float64]) -> int:
    """Decimals: those of the RMSE for errors in the same unit, so that they compare."""
    if name in ("bias", "mae"):
        values = np.stack([results.rmse(system, variable) for system in results.systems])
    return decimals(np.abs(values))


def _frame_number(value: float, places: int) -> str:
    return "∞" if np.isposinf(value) else number(value, places)


def _labels(results: Results) -> list[str]:
    return [*results.leads, "all"]


def _has_total(results: Results) -> bool:
    return len(results.leads) > 1


def _without_repeat(results: Results, rows: list[list[Cell]]) -> list[list[Cell]]:
    """Without the line of all lead times where there is only one."""
    return rows if _has_total(results) else rows[:1]


def _count(results: Results, variable: str, at: int) -> str:
    counts = results.by_lead["count"].sel({names.VARIABLE: variable}).values.reshape(-1)
    return counted(int(counts.sum() if at >= counts.size else counts[at]))


def _kind(results: Results, name: str) -> str:
    return "reference" if name in results.references else "forecast"


def _in(unit: str) -> str:
    words = unit_words(unit)
    return f" in {words}" if words else ""
