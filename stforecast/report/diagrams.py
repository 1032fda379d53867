"""Diagrams of ensembles, probabilities, thresholds, patterns and cases."""

from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from stforecast import names
from stforecast.report.curves import COLOURS, axis_words, finish, label, lead_axis, line_style
from stforecast.report.subject import Results, known_thresholds
from stforecast.report.svg import INK, new_figure, styled, svg_text
from stforecast.report.words import with_unit
from stforecast.timeaxis import counts_frames, normalise_stamps, time_text

# Points of the curve of cases.
_MOST_CASES = 400
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def threshold_curves(results: Results, variable: str, name: str) -> str:
    """CSI of all systems by lead time, a panel for each threshold; an ``svg`` element."""
    scores = results.by_lead.sel({names.VARIABLE: variable})
    thresholds = known_thresholds(results, variable)[:4]
    with styled():
        figure = new_figure(1.9 + 2.7 * len(thresholds), 2.9)
        panels: Any = figure.subplots(1, len(thresholds), squeeze=False, sharey=True)[0]
        for axes, threshold in zip(panels, thresholds, strict=True):
            for system in results.systems:
                at = {names.SYSTEM: system, "threshold": threshold}
                values = np.asarray(scores["csi"].sel(at).values, np.float64).reshape(-1)
                axes.plot(
                    np.arange(values.size), values, **line_style(results, system, values.size)
                )
            axes.set_title(f"at or above {with_unit(f'{threshold:g}', results.units[variable])}")
            axes.set_ylim(0, 1)
            lead_axis(axes, results)
            finish(axes)
        panels[0].set_ylabel("CSI")
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg_text(figure, name)


def reliability_diagram(results: Results, variable: str, name: str) -> str:
    """Observed frequency against forecast probability, a panel for each threshold; ``svg``."""
    scores = results.whole.sel({names.VARIABLE: variable})
    thresholds = reliable_thresholds(results, variable)[:4]
    with styled():
        figure = new_figure(0.9 + 2.7 * len(thresholds), 4.0)
        grid: Any = figure.subplots(
            2, len(thresholds), squeeze=False, sharex=True, height_ratios=(3, 1)
        )
        for column, threshold in enumerate(thresholds):
            axes, below = grid[:, column]
            axes.plot([0, 1], [0, 1], color=INK, linewidth=1)
            for system in results.forecasts:
                at = {names.SYSTEM: system, "threshold": threshold}
                told, seen, count = (
                    np.asarray(scores[f"reliability_{what}"].sel(at).values, np.float64).reshape(-1)
                    for what in ("forecast", "observed", "count")
                )
                there = np.isfinite(told) & (count > 0)
                if not there.any():
                    continue
                style = line_style(results, system, 1) | {"linewidth": 1.5}
                axes.plot(told[there], seen[there], **style)
                below.plot(told[there], count[there], **style)
            axes.set_title(f"at or above {with_unit(f'{threshold:g}', results.units[variable])}")
            axes.set_xlim(-0.03, 1.03)
            axes.set_ylim(-0.03, 1.03)
            below.set_yscale("log")
            _plain(below.yaxis)
            below.set_xlabel("forecast probability")
            finish(axes)
            finish(below)
        grid[0, 0].set_ylabel("observed frequency")
        grid[1, 0].set_ylabel("cases")
        if len(results.forecasts) > 1:
            grid[0, -1].legend(loc="upper left")
        return svg_text(figure, name)


def reliable_thresholds(results: Results, variable: str) -> list[float]:
    """The thresholds that a variable has reliability for."""
    if "reliability_count" not in results.whole:
        return []
    count = results.whole["reliability_count"].sel(
        {names.VARIABLE: variable, names.SYSTEM: results.forecasts}
    )
    others = [dim for dim in count.dims if dim != "threshold"]
    known = (count.fillna(0) > 0).any(others).values
    return [float(value) for value in count["threshold"].values[known]]


def rank_histograms(results: Results, variable: str, name: str) -> str:
    """How often each rank occurred, a panel for the first and the last lead time; ``svg``."""
    counts = rank_counts(results, variable)
    leads = [results.leads[0], results.leads[-1]] if len(results.leads) > 1 else results.leads[:1]
    with styled():
        figure = new_figure(0.4 + 3.6 * max(2, len(leads)), 2.7)
        panels: Any = figure.subplots(1, len(leads), squeeze=False, sharey=True)[0]
        width = 0.8 / len(counts)
        for column, axes in enumerate(panels):
            for number, (system, values) in enumerate(counts.items()):
                of_lead = values[0 if column == 0 else -1]
                of_lead = of_lead[np.isfinite(of_lead)]
                shares = of_lead / of_lead.sum() * of_lead.size
                at = np.arange(shares.size) + (number - (len(counts) - 1) / 2) * width
                axes.bar(
                    at, shares, width, color=COLOURS[number % len(COLOURS)], label=label(system)
                )
            axes.axhline(1, color=INK, linewidth=1)
            axes.set_title(leads[column] if results.has_leads else "")
            axes.set_xlabel("members below the observation")
            finish(axes)
        panels[0].set_ylabel("frequency (1 is right)")
        if len(counts) > 1:
            panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg_text(figure, name)


def rank_counts(results: Results, variable: str) -> dict[str, NDArray[np.float64]]:
    """Counts (lead_time, rank) of the forecasts that have members."""
    found = {}
    if "rank_histogram" in results.whole:
        for system in results.systems:
            at = {names.SYSTEM: system, names.VARIABLE: variable}
            field = results.whole["rank_histogram"].sel(at).transpose(..., "rank")
            values = np.asarray(field.values, np.float64).reshape(-1, field.sizes["rank"])
            if np.nansum(values) > 0:
                found[system] = values
    return found


def spectra(results: Results, variable: str, name: str) -> str:
    """Variance by size of pattern of forecasts and observations, first and last lead; ``svg``."""
    scores = results.whole.sel({names.VARIABLE: variable})
    lengths = np.asarray(scores["wavelength"].values, np.float64)
    last = scores.sizes[names.LEAD_TIME] - 1
    columns = [0, last] if last else [0]
    with styled():
        figure = new_figure(0.4 + 3.8 * max(2, len(columns)), 3.2)
        panels: Any = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
        for axes, column in zip(panels, columns, strict=True):
            at = {names.LEAD_TIME: column}
            seen = np.asarray(scores["spectrum_observed"].isel(at).values, np.float64)
            good = np.isfinite(lengths) & (seen > 0)
            axes.plot(lengths[good], seen[good], color=INK, linewidth=2, label="observations")
            for system in results.forecasts:
                field = scores["spectrum"].sel({names.SYSTEM: system}).isel(at)
                values = np.asarray(field.values, np.float64)
                style = line_style(results, system, _MOST_CASES) | {"linewidth": 1.7}
                axes.plot(lengths[good], values[good], **style)
            axes.set_xscale("log")
            axes.set_yscale("log")
            _plain(axes.yaxis)
            ticks = [tick for tick in _SIZES if lengths[good].min() <= tick <= lengths[good].max()]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.invert_xaxis()
            axes.set_title(results.leads[column] if results.has_leads else "")
            axes.set_xlabel("size of pattern (cells), small to the right")
            finish(axes)
        panels[0].set_ylabel("variance")
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg_text(figure, name)


def case_curve(results: Results, variable: str, name: str) -> tuple[str, int]:
    """RMSE of the forecast and its best reference through the period; how many cases a point is."""
    field = results.whole["case_rmse"].sel({names.VARIABLE: variable})
    stamps = normalise_stamps(field[names.INIT_TIME].values)
    together = -(-stamps.size // _MOST_CASES)
    best = results.best_reference(variable)
    with styled():
        figure = new_figure(9.4, 2.6)
        axes = figure.subplots()
        starts = np.arange(0, stamps.size, together)
        for system in [results.main, *([best] if best else [])]:
            values = np.asarray(field.sel({names.SYSTEM: system}).values, np.float64)
            style = line_style(results, system, _MOST_CASES)
            style |= {"linewidth": 1.2 if system == results.main else 0.9}
            axes.plot(starts, _means(values, starts), **style)
        axes.set_xlim(0, max(starts[-1], 1))
        axes.set_ylim(bottom=0)
        ticks = [int(tick) for tick in np.linspace(0, stamps.size - 1, min(6, stamps.size))]
        frames = counts_frames(field[names.INIT_TIME].attrs)
        texts = [time_text(stamps[tick], frames=frames) for tick in ticks]
        axes.set_xticks(ticks, texts if frames else [text.partition(" ")[0] for text in texts])
        axes.set_xlabel("initial time")
        axes.set_ylabel(axis_words("RMSE", results.units[variable]))
        finish(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg_text(figure, name), together


def _plain(axis: Any) -> None:
    """Plain numbers on a logarithmic scale."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _means(values: NDArray[np.float64], starts: NDArray[Any]) -> NDArray[np.float64]:
    """Root mean squares from each start to the next; NaN where there is nothing."""
    known = np.isfinite(values)
    squares = np.add.reduceat(np.where(known, values, 0.0) ** 2, starts)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares / np.where(counts > 0, counts, np.nan))
