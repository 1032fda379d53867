"""Error against cost, as a figure: further left is cheaper, further down is better."""

import io
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from stforecast import names
from stforecast.comparison.results import (
    MODEL,
    OVER_LEADS,
    mean_of,
    ranking,
    shown_variables,
    spread_of,
)
from stforecast.comparison.tables import count_text, seconds_text, variable_words
from stforecast.files import written_whole

# Okabe and Ito's colours, which the colour-blind tell apart; shapes tell the rest.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")
_LINES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_MOST_VARIABLES = 4
# References up to so many times the largest error of a model are worth the room they take.
_IN_RANGE = 1.15


def draw(result: xr.Dataset) -> Figure:
    """RMSE over all lead times against multiply-adds and the time of a training step.

    One row of panels for each variable, or one for all where they have the same units; error bars
    are standard deviations over the seeds, and the grey line joins the models that no other beats
    in both error and cost.
    """
    variables = shown_variables(result)[:_MOST_VARIABLES]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(10.5, 0.6 + 3.6 * len(variables)), layout="constrained", dpi=130)
        FigureCanvasAgg(figure)
        panels: Any = figure.subplots(len(variables), 2, sharey="row", squeeze=False)
        for row, variable in zip(panels, variables, strict=True):
            _row(row, result, variable)
    return figure


def write_figure(result: xr.Dataset, path: Path) -> Path:
    """Draw it as PNG; StForecastError when it cannot be written."""
    buffer = io.BytesIO()
    draw(result).savefig(buffer, format="png")
    with written_whole(path, "the figure") as beside:
        beside.write_bytes(buffer.getvalue())
    return path


def _row(panels: NDArray[Any], result: xr.Dataset, variable: str) -> None:
    one = result.sel({names.VARIABLE: variable})
    errors = {
        label: one[f"rmse{OVER_LEADS}"].sel({MODEL: label}).values for label in ranking(result)
    }
    errors = {label: values for label, values in errors.items() if np.isfinite(values).any()}
    costs = {
        "multiply-adds of a forecast of one sample": {
            label: float(one["multiply_adds"].sel({MODEL: label})) for label in errors
        },
        "time of a training step": {
            label: mean_of(one["step_seconds"].sel({MODEL: label}).values) for label in errors
        },
    }
    texts = (count_text, seconds_text)
    for axes, (words, cost), text in zip(panels, costs.items(), texts, strict=True):
        _panel(axes, errors, cost)
        axes.set_xscale("log")
        axes.margins(x=0.08)
        _ticks(axes, text)
        axes.set_xlabel(words)
    lines = _references(panels, one, max(map(np.nanmax, errors.values())))
    panels[0].set_ylabel(f"RMSE of {variable_words(result, variable)}")
    handles = [
        Line2D([], [], **_style(number), linestyle="none", label=_legend_text(label, values))
        for number, (label, values) in enumerate(errors.items())
    ]
    panels[1].legend(
        handles=[*handles, *lines], loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False
    )


def _panel(axes: Axes, errors: dict[str, NDArray[Any]], cost: dict[str, float]) -> None:
    points = {label: (cost[label], mean_of(values)) for label, values in errors.items()}
    front = _pareto([point for point in points.values() if np.isfinite(point[0])])
    axes.plot(*zip(*front, strict=True), color="0.8", linewidth=1.5, zorder=1)
    for number, (label, values) in enumerate(errors.items()):
        spread = spread_of(values)
        axes.errorbar(
            *points[label],
            yerr=None if np.isnan(spread) else spread,
            capsize=3,
            zorder=3,
            linestyle="none",
            **_style(number),
        )
    axes.grid(color="0.92", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _references(panels: NDArray[Any], one: xr.Dataset, largest: float) -> list[Line2D]:
    """Horizontal lines for the references that are in range of the models."""
    handles = []
    for number, name in enumerate(one[names.REFERENCE].values):
        value = float(one[f"reference_rmse{OVER_LEADS}"].sel({names.REFERENCE: name}))
        if not value <= _IN_RANGE * largest:
            continue
        line: dict[str, Any] = {"color": "0.45", "linestyle": _LINES[number % len(_LINES)]}
        for axes in panels:
            axes.axhline(value, zorder=1, linewidth=1, **line)
        label = f"{str(name).replace('_', ' ')}  {_number(value)}"
        handles.append(Line2D([], [], label=label, **line))
    return handles


def _pareto(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both coordinates, from the cheapest on."""
    front: list[tuple[float, float]] = []
    for cost, error in sorted(points):
        if not front or error < front[-1][1]:
            front.append((cost, error))
    return front


def _ticks(axes: Axes, text: Any) -> None:
    """Labels such as 2 M and 50 M, few enough not to touch."""
    low, high = axes.get_xlim()
    for within in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        found: Any = LogLocator(subs=within, numticks=20).tick_values(low, high)
        ticks = [float(tick) for tick in found if low <= tick <= high]
        if len(ticks) > 2:
            break
    else:  # all costs are nearly the same
        ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(text(value))))


def _short(text: str) -> str:
    """A round number without the zeros behind its point."""
    number, space, unit = text.partition(" ")
    return f"{float(number):g}{space}{unit}"


def _style(number: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": 7,
    }


def _legend_text(label: str, values: NDArray[Any]) -> str:
    spread = spread_of(values)
    text = f"{label}  {_number(mean_of(values))}"
    return text if np.isnan(spread) else f"{text} ± {_number(spread, like=mean_of(values))}"


def _number(value: float, like: float | None = None) -> str:
    """Four digits, or as many decimals as another number has."""
    size = abs(like if like is not None else value)
    places = 3 if size == 0 else max(0, 3 - int(np.floor(np.log10(size))))
    return f"{value:.{places}f}"
