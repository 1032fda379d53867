"""Graticules, scale bars, coastlines: what tells a reader where a map is."""

from typing import Any

import cartopy.crs as ccrs
import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, MaxNLocator

from stforecast.maps.geography import Lines
from stforecast.maps.placement import Placement

# Width of a character of a tick label, in inches.
_CHARACTER = 0.056


def draw_lines(ax: Axes, lines: Lines, *, width: float, colour: str, zorder: float) -> None:
    """Lines in the units of the axes, with a pale halo that shows them on dark fields."""
    if not lines:
        return
    collection = LineCollection(
        lines, colors=colour, linewidths=width, zorder=zorder, capstyle="round"
    )
    collection.set_path_effects(
        [effects.Stroke(linewidth=2.4 * width, foreground="white", alpha=0.6), effects.Normal()]
    )
    ax.add_collection(collection, autolim=False)


def draw_graticule(ax: Any, placement: Placement, *, left: bool, bottom: bool, size: float) -> None:
    """Meridians and parallels; degrees at the left and the bottom where asked for.

    `size` is the width of the map in inches, on which the number of labels depends.
    """
    if placement.ticks == "cells":
        _cell_ticks(ax, placement, left=left, bottom=bottom, size=size)
    elif placement.ticks == "degrees":
        _degree_ticks(ax, placement, left=left, bottom=bottom, size=size)
    else:
        _curved_graticule(ax, placement, left=left, bottom=bottom, size=size)


def _ticks(low: float, high: float, number: int, degrees: bool) -> Any:
    steps = [1, 2, 3, 5, 6, 10] if degrees and high - low > 4 else [1, 2, 2.5, 5, 10]
    locator = MaxNLocator(nbins=max(2, number), steps=steps, min_n_ticks=2)
    ticks = np.asarray(locator.tick_values(low, high))
    room = 1e-6 * (high - low)
    return ticks[(ticks >= low - room) & (ticks <= high + room)]


def _degree_ticks(ax: Any, placement: Placement, *, left: bool, bottom: bool, size: float) -> None:
    assert placement.extent is not None
    x0, x1, y0, y1 = placement.extent
    centre = placement.centre
    meridians = _ticks(x0 + centre, x1 + centre, int(size / 0.62), True)
    parallels = _ticks(y0, y1, int(size * placement.ratio / 0.42), True)
    ax.set_xticks(meridians - centre)
    ax.set_yticks(parallels)
    texts = _degrees(meridians, "EW")
    for at, text in enumerate(texts):
        # a label that reaches into the next panel would run into that one's first
        end = (meridians[at] - centre - x0) / (x1 - x0) * size + _CHARACTER * len(text) / 2
        if not bottom or end > size + 0.04:
            texts[at] = ""
    ax.set_xticklabels(texts)
    ax.set_yticklabels(_degrees(parallels, "NS") if left else [""] * len(parallels))
    ax.set_xlabel("")
    ax.set_ylabel("")
    ax.tick_params(labelsize=7, width=0.5, pad=2)
    ax.tick_params(axis="x", length=2.5 if bottom else 0)
    ax.tick_params(axis="y", length=2.5 if left else 0)
    ax.grid(True, color="0.2", alpha=0.25, linewidth=0.4, zorder=2.2)


def _degrees(values: Any, signs: str) -> list[str]:
    """Degrees with the same number of decimals, and which side of zero they are on."""
    if signs == "EW":
        values = np.where(values == 180, 180, (values + 180) % 360 - 180)
    decimals = next(
        (n for n in range(6) if np.allclose(values, np.round(values, n), rtol=0, atol=1e-7)), 6
    )
    texts = []
    for value in np.round(values, decimals):
        on_neither = value == 0 or (signs == "EW" and abs(value) == 180)
        side = "" if on_neither else signs[0] if value > 0 else signs[1]
        texts.append(f"{abs(value):.{decimals}f}°{side}")
    return texts


def _cell_ticks(ax: Any, placement: Placement, *, left: bool, bottom: bool, size: float) -> None:
    height, width = (n - 1 for n in placement.x.shape)
    for axis, length, shown, room in (
        (ax.xaxis, width, bottom, size / 0.5),
        (ax.yaxis, height, left, size * placement.ratio / 0.4),
    ):
        steps = MaxNLocator(nbins=max(2, int(room)), integer=True, steps=[1, 2, 5, 10])
        ticks = [tick for tick in steps.tick_values(0, length - 1) if 0 <= tick < length]
        axis.set_ticks(ticks)
        axis.set_ticklabels([f"{int(tick)}" for tick in ticks] if shown else [])
    ax.tick_params(labelsize=7, width=0.5, pad=2)
    ax.tick_params(axis="x", length=2.5 if bottom else 0)
    ax.tick_params(axis="y", length=2.5 if left else 0)
    ax.set_xlabel("column" if bottom else "", fontsize=7, labelpad=1)
    ax.set_ylabel("row" if left else "", fontsize=7, labelpad=1)


def _curved_graticule(
    ax: Any, placement: Placement, *, left: bool, bottom: bool, size: float
) -> None:
    west, east, south, north = placement.region or (-180.0, 180.0, -90.0, 90.0)
    is_round = east - west >= 350
    sides = {}
    if not is_round and max(abs(south), abs(north)) < 85:  # about a pole there is no left or bottom
        sides = {"bottom": "x"} if bottom else {}
        if left:
            sides["left"] = "y"
    lines = ax.gridlines(
        crs=ccrs.PlateCarree(),
        draw_labels=sides,
        x_inline=False,
        y_inline=False,
        xlabel_style={"size": 7, "rotation": 0},
        ylabel_style={"size": 7, "rotation": 0},
        xpadding=3,
        ypadding=3,
        linewidth=0.4,
        color="0.2",
        alpha=0.25,
        zorder=2.2,
    )
    meridians = _ticks(-180, 180, 6, True) if is_round else _turned(_ticks(west, east, 6, True))
    lines.xlocator = FixedLocator(meridians)
    lines.ylocator = FixedLocator(_ticks(south, north, 6 if is_round else 5, True))


def _turned(longitudes: Any) -> Any:
    """Longitudes from -180 to 180, as cartopy wants them."""
    return np.sort((longitudes + 180) % 360 - 180)


def draw_scale_bar(ax: Axes, placement: Placement) -> None:
    """A bar of a round length in the lower left corner, in kilometres or metres."""
    if placement.km_per_unit is None or placement.extent is None:
        return
    x0, x1, _, _ = placement.extent
    width = (x1 - x0) * placement.km_per_unit
    power = 10 ** np.floor(np.log10(width / 3))
    length = max(step * power for step in (1, 2, 5) if step * power <= width / 3)
    fraction = length / width
    text = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    left, height = 0.05, 0.045 / max(placement.ratio, 0.4)
    kwargs: dict[str, Any] = {"transform": ax.transAxes, "zorder": 6, "clip_on": False}
    ax.plot([left, left + fraction], [height, height], color="white", linewidth=4, **kwargs)
    ax.plot(
        [left, left + fraction],
        [height, height],
        color="0.1",
        linewidth=1.6,
        solid_capstyle="butt",
        **kwargs,
    )
    label = ax.text(
        left + fraction / 2,
        height + 0.012 / max(placement.ratio, 0.4),
        text,
        ha="center",
        va="bottom",
        fontsize=7,
        **kwargs,
    )
    label.set_path_effects([effects.withStroke(linewidth=2, foreground="white")])
