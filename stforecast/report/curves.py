"""Scores as curves."""

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from stforecast import names
from stforecast.report.subject import Results, Subject, group_labels
from stforecast.report.svg import INK, new_figure, styled, svg_text
from stforecast.report.words import spoken, unit_words
from stforecast.verification.text import lead_texts

# Near those of Okabe and Ito, which the colour-blind tell apart; seen on white and on black.
COLOURS: Final = ("#1f83c1", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# References have no colour but a dash each.
_DASHES: Final = ((0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 3)), (0, (9, 3)), "-")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_MOST_MARKED = 24
_LONGEST = 30  # characters of a name in a figure


def skill_curves(subject: Subject, variable: str, name: str) -> str:
    """RMSE of all systems, and skill against the references, by lead time; an ``svg`` element."""
    results = subject.results
    panels = 2 if results.references else 1
    with styled():
        figure = new_figure(4.7 * panels + 0.3, 3.3 + 0.1 * len(results.systems))
        axes: Any = figure.subplots(1, panels, squeeze=False)[0]
        _errors(axes[0], results, variable)
        if panels == 2:
            _skills(axes[1], results, variable)
        for panel in axes:
            lead_axis(panel, results)
        return svg_text(figure, name)


def group_curves(subject: Subject, group: str, variable: str, name: str) -> str:
    """RMSE of all systems by hour, weekday, month or season; an ``svg`` element."""
    results = subject.results
    scores = results.by_group(group)
    labels = group_labels(scores, group)
    with styled():
        figure = new_figure(7.6, 2.9)
        axes = figure.subplots()
        x = np.arange(len(labels), dtype=np.float64)
        for system in results.systems:
            at = {names.SYSTEM: system, names.VARIABLE: variable}
            values = np.asarray(scores["rmse"].sel(at).values, np.float64)
            axes.plot(x, values, **line_style(results, system, x.size))
        _ticks(axes, labels)
        axes.set_xlabel(f"{spoken(group)} of the time forecast")
        axes.set_ylabel(axis_words("RMSE", results.units[variable]))
        axes.set_ylim(bottom=0)
        finish(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg_text(figure, name)


def _errors(axes: Axes, results: Results, variable: str) -> None:
    x = np.arange(len(results.leads), dtype=np.float64)
    for system in results.systems:
        values = results.rmse(system, variable)
        style = line_style(results, system, x.size)
        axes.plot(x, values, **style)
        if system in results.forecasts and "rmse_lower" in results.by_lead:
            _band(
                axes,
                x,
                results.metric("rmse_lower", system, variable),
                results.metric("rmse_upper", system, variable),
                style["color"],
            )
    axes.set_ylim(bottom=0)
    axes.set_title("Error: smaller is better", loc="left")
    axes.set_ylabel(axis_words("RMSE", results.units[variable]))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, handlelength=3)
    finish(axes)


def _skills(axes: Axes, results: Results, variable: str) -> None:
    x = np.arange(len(results.leads), dtype=np.float64)
    main = results.main
    for reference in results.references:
        values = results.skill(main, reference, variable)
        if values is None:
            continue
        style = line_style(results, reference, x.size) | {"color": COLOURS[0], "alpha": 1.0}
        style["label"] = f"against {label(spoken(reference))}"
        axes.plot(x, values, **style)
        low = results.skill(main, reference, variable, "skill_lower")
        high = results.skill(main, reference, variable, "skill_upper")
        if low is not None and high is not None:
            _band(axes, x, low, high, COLOURS[0])
    axes.axhline(0, color=INK, linewidth=1)
    low_end, high_end = axes.get_ylim()
    axes.set_ylim(min(low_end, -0.08), max(high_end, 0.08))
    axes.set_title(f"Skill of {label(main)}: above 0 it is better", loc="left")
    axes.set_ylabel("skill")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, handlelength=3)
    finish(axes)


def _band(
    axes: Axes,
    x: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    colour: str,
) -> None:
    if x.size == 1:
        axes.vlines(x, low, high, color=colour, alpha=0.5, linewidth=3)
    else:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def line_style(results: Results, system: str, points: int) -> dict[str, Any]:
    """How a forecast (in colour) or a reference (dashed, in ink) is drawn everywhere."""
    few = points <= _MOST_MARKED
    if system in results.references:
        number = results.references.index(system)
        return {
            "color": INK,
            "alpha": 0.75,
            "linestyle": _DASHES[number % len(_DASHES)],
            "linewidth": 1.3,
            "marker": _MARKERS[(number + 1) % len(_MARKERS)] if few else "",
            "markersize": 3.2,
            "label": label(spoken(system)),
        }
    number = results.forecasts.index(system)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linewidth": 2.2 if number == 0 else 1.6,
        "marker": _MARKERS[number % len(_MARKERS)] if few else "",
        "markersize": 4.5,
        "zorder": 4,
        "label": label(system),
    }


def label(name: str) -> str:
    """A name for a legend, which has little room and leaves out names that begin with ``_``."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 2]} …"
    return f" {short}" if short.startswith("_") else short


def lead_axis(axes: Axes, results: Results) -> None:
    """Lead times below the panel."""
    if results.are_frames:
        _ticks(axes, lead_texts(results.by_lead[names.LEAD_TIME]))
        axes.set_xlabel("lead time (frames)")
    else:
        _ticks(axes, results.leads)
        axes.set_xlabel("lead time")


def _ticks(axes: Axes, labels: list[str]) -> None:
    """A label below as many points as there is room for."""
    last = len(labels) - 1
    axes.set_xlim(-0.3 - 0.02 * last, last + 0.3 + 0.02 * last)
    most = 7 if max(map(len, labels)) > 4 else 12
    ticks = [
        int(tick)
        for tick in MaxNLocator(most, integer=True, steps=[1, 2, 3, 6, 10]).tick_values(0, last)
        if 0 <= tick <= last
    ]
    axes.xaxis.set_major_locator(FixedLocator(ticks or [0]))
    axes.set_xticklabels([labels[tick] for tick in (ticks or [0])])


def finish(axes: Axes) -> None:
    """A grid in the ink of the page, below the lines."""
    axes.grid(color=INK, alpha=0.13, linewidth=0.7)
    axes.set_axisbelow(True)


def axis_words(text: str, unit: str) -> str:
    """A quantity and its unit in brackets."""
    words = unit_words(unit)
    return f"{text} ({words})" if words else text
