"""The layout of a figure: panels, titles and colour bars, measured in inches."""

import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from stforecast.grid import Grid
from stforecast.maps import decoration
from stforecast.maps.colours import Scale, error_scale, field_scale
from stforecast.maps.geography import Lines, lines, natural_earth
from stforecast.maps.labels import Times, unit_text, variable_title
from stforecast.maps.placement import Placement

Fields = NDArray[np.float32]
Box = tuple[float, float, float, float]

MISSING = "0.82"
# Widths of a panel, in inches, by the number of columns; more lead times go below.
_WIDTHS = {1: 5.0, 2: 3.9, 3: 3.0, 4: 2.5}
_HEIGHTS = {1: 5.0, 2: 3.4, 3: 2.8}
# Degrees in an inch from which borders would be a tangle, and thick lines too.
_CROWDED, _DENSE = 100.0, 20.0
_DIGIT = 0.058  # width of a figure of the colour bar, in inches
_ROW_NAMES = {"forecast": "Forecast", "observation": "Observation", "error": "Error"}


class MapFigure(Figure):
    """A figure that notebooks show, whatever their backend."""

    init_text = ""  # the initial time, as names of files have it

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


@dataclass
class Panels:
    """What one figure shows: fields (lead, y, x) of each row of panels.

    The first ``known`` columns are of times before the forecast begins: they have an observation
    and nothing else. Of ``members`` the mean is shown. ``heading`` stands in place of the initial
    time, ``row_names`` in place of the usual names of rows. Without ``valid_times`` the panels are
    of lead times alone, and their errors, being scores already, are not scored again.
    """

    variable: xr.DataArray
    rows: dict[str, Fields]
    grid: Grid
    times: Times
    init_time: Any
    lead_times: NDArray[Any]
    valid_times: NDArray[Any] | None
    known: int = 0
    members: int = 1
    heading: str | None = None
    row_names: Mapping[str, str] = field(default_factory=dict)


class Composition:
    """Lays out the panels, in inches, and draws them."""

    left, top, bottom = 0.35, 0.52, 0.12
    column_title, gap, error_gap = 0.42, 0.10, 0.24

    def __init__(self, panels: Panels, placement: Placement, shapes: Any, cmap: str | None) -> None:
        self.panels, self.placement = panels, placement
        fields = [rows for name, rows in panels.rows.items() if name != "error"]
        self.scales: dict[str, Scale] = dict.fromkeys(
            panels.rows, field_scale(panels.variable, fields, cmap)
        )
        if "error" in panels.rows:
            self.scales["error"] = error_scale([panels.rows["error"]])
        self._measure()
        self.coasts, self.borders, self.overlay = self._lines(shapes)
        self.figure = MapFigure(figsize=(self.width, self.height), facecolor="white")
        FigureCanvasAgg(self.figure)
        self._draw()

    def _lines(self, shapes: Any) -> tuple[Lines, Lines, Lines]:
        place = self.placement
        if place.projection is None:
            return [], [], []
        coasts: Lines = []
        borders: Lines = []
        if not place.is_city:
            resolution = place.resolution(self.panel_width)
            coasts = lines(natural_earth("coastline", resolution), place.projection, place.region)
            if place.span / self.panel_width < _CROWDED:
                known = natural_earth("borders", resolution)
                borders = lines(known, place.projection, place.region)
        return coasts, borders, lines(shapes, place.projection, place.region) if shapes else []

    def _measure(self) -> None:
        count = len(self.panels.lead_times)
        self.columns = min(count, max(_WIDTHS)) if count != 5 else 3
        if count > max(_WIDTHS):
            blocks = -(-count // max(_WIDTHS))
            self.columns = -(-count // blocks)
        self.blocks = -(-count // self.columns)
        rows = len(self.panels.rows)
        tallest = _HEIGHTS[rows]
        self.panel_width = min(_WIDTHS[self.columns], tallest / self.placement.ratio)
        self.panel_width = max(self.panel_width, 1.3)
        self.panel_height = self.panel_width * self.placement.ratio
        self.tick_left, self.tick_bottom = self._tick_room()
        # the colour bar, its numbers, and the units
        self.right = 0.66 + _DIGIT * max(scale.digits for scale in self.scales.values())
        self.block_height = (
            self.column_title
            + rows * self.panel_height
            + (rows - 1) * self.gap
            + (self.error_gap - self.gap if rows > 1 else 0)
            + self.tick_bottom
        )
        self.width = (
            self.left
            + self.tick_left
            + self.columns * self.panel_width
            + (self.columns - 1) * self.gap
            + self.right
        )
        self.width = max(self.width, 4.0)
        self.height = self.top + self.blocks * self.block_height + self.bottom

    def _tick_room(self) -> tuple[float, float]:
        """Inches that the labels of ticks need at the left and at the bottom."""
        place = self.placement
        if place.extent is None:
            return 0.0, 0.05
        if place.ticks == "cells":
            return 0.4, 0.36
        return (0.62 if place.is_city else 0.4), 0.24

    def _box(self, x: float, y: float, width: float, height: float) -> Box:
        """A box given from the upper left corner, in inches, as parts of the figure."""
        return (
            x / self.width,
            1 - (y + height) / self.height,
            width / self.width,
            height / self.height,
        )

    def _text(self, x: float, y: float, text: str, **kwargs: Any) -> Any:
        return self.figure.text(x / self.width, 1 - y / self.height, text, **kwargs)

    def _draw(self) -> None:
        self._titles()
        rows = list(self.panels.rows)
        any_missing = False
        for block in range(self.blocks):
            tops = {}
            y = self.top + block * self.block_height + self.column_title
            for row in rows:
                y += self.error_gap - self.gap if row == "error" else 0
                tops[row] = y
                y += self.panel_height + self.gap
            first = block * self.columns
            members = range(first, min(first + self.columns, len(self.panels.lead_times)))
            for column, number in enumerate(members):
                x = self.left + self.tick_left + column * (self.panel_width + self.gap)
                shown = rows if number >= self.panels.known else ["observation"]
                self._column_title(x, tops[shown[0]], number)
                for row in shown:
                    any_missing |= self._panel(
                        row, number, x, tops[row], left=column == 0, bottom=row == shown[-1]
                    )
            self._row_names(tops)
            self._colour_bars(tops, len(members))
        if any_missing:
            self._missing_key()

    def _titles(self) -> None:
        panels = self.panels
        heading = panels.heading
        if heading is None:
            init = f"{panels.times.stamp(panels.init_time)} {panels.times.zone}".rstrip()
            heading = f"Initial time {init}"
            if panels.members > 1:
                heading += f", mean of {panels.members} members"
        room = self.width - 2 * 0.12
        self._fitted(0.12, 0.10, variable_title(panels.variable), room, 11, weight="bold")
        self._fitted(0.12, 0.34, heading, room, 8.5, color="0.25")

    def _fitted(
        self, x: float, y: float, text: str, room: float, size: float, **kwargs: Any
    ) -> None:
        """Text in one line no wider than there is room: smaller if need be, then cut short."""
        label = self._text(x, y, text, fontsize=size, ha="left", va="top", **kwargs)
        renderer = self.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        width = label.get_window_extent(renderer).width / self.figure.dpi
        if width > room:
            label.set_fontsize(max(7.5, size * room / width))
            width = label.get_window_extent(renderer).width / self.figure.dpi
        if width > room:
            label.set_text(textwrap.shorten(text, int(len(text) * room / width), placeholder=" …"))

    def _column_title(self, x: float, y: float, number: int) -> None:
        middle = x + self.panel_width / 2
        lead, valid_times = self.panels.lead_times[number], self.panels.valid_times
        known = number < self.panels.known
        self._text(
            middle,
            y - 0.21,
            "last known" if known else self.panels.times.lead(lead),
            fontsize=9,
            weight="bold",
            ha="center",
            va="bottom",
        )
        if valid_times is None:
            return
        self._text(
            middle,
            y - 0.06,
            self.panels.times.stamp(valid_times[number]),
            fontsize=7.5,
            color="0.25",
            ha="center",
            va="bottom",
        )

    def _row_names(self, tops: dict[str, float]) -> None:
        if len(tops) == 1:
            return
        for row, y in tops.items():
            self._text(
                0.12,
                y + self.panel_height / 2,
                self.panels.row_names.get(row, _ROW_NAMES.get(row, row)),
                fontsize=9,
                rotation=90,
                ha="left",
                va="center",
            )

    def _panel(
        self, row: str, number: int, x: float, y: float, *, left: bool, bottom: bool
    ) -> bool:
        place = self.placement
        box = self._box(x, y, self.panel_width, self.panel_height)
        kwargs: dict[str, Any] = (
            {} if place.projection is None else {"projection": place.projection}
        )
        ax: Any = self.figure.add_axes(box, label=f"{row} {number}", **kwargs)
        field = self.panels.rows[row][number]
        missing = self._mesh(ax, field, self.scales[row])
        self._frame(ax)
        fine = 0.75 if place.span / self.panel_width > _DENSE else 1.0
        for drawn, width, colour, order in (
            (self.coasts, 0.6 * fine, "0.05", 3.0),
            (self.borders, 0.4 * fine, "0.25", 2.9),
            (self.overlay, 0.7, "0.05", 3.2),
        ):
            decoration.draw_lines(ax, drawn, width=width, colour=colour, zorder=order)
        decoration.draw_graticule(ax, place, left=left, bottom=bottom, size=self.panel_width)
        if place.is_city and number == self.panels.known and row == next(iter(self.panels.rows)):
            decoration.draw_scale_bar(ax, place)
        if row == "error" and self.panels.valid_times is not None:
            self._error_note(x, y, field)
        return missing

    def _mesh(self, ax: Any, field: Fields, scale: Scale) -> bool:
        """Cells with values in colours, missing ones grey; tells whether there are any."""
        place = self.placement
        gap = place.columns < 0
        shown = field[:, place.columns]
        shown[:, gap] = np.nan
        visible = np.isfinite(place.x) & np.isfinite(place.y)
        whole = visible[1:, 1:] & visible[:-1, 1:] & visible[1:, :-1] & visible[:-1, :-1]
        missing = ~np.isfinite(shown) & ~gap
        x, y = np.where(visible, place.x, 0.0), np.where(visible, place.y, 0.0)
        grey = ListedColormap([MISSING]).with_extremes(bad=(0, 0, 0, 0))
        kwargs: dict[str, Any] = {"shading": "flat", "rasterized": True, "zorder": 1}
        if place.projection is not None:
            kwargs["transform"] = place.source or place.projection
        values = np.ma.masked_where(missing | ~whole | gap, shown)
        ax.pcolormesh(x, y, values, cmap=scale.cmap, norm=scale.norm, **kwargs)
        if (missing & whole).any():
            there = np.ma.masked_where(~(missing & whole), np.zeros(shown.shape))
            ax.pcolormesh(x, y, there, cmap=grey, vmin=0, vmax=1, **{**kwargs, "zorder": 0.9})
            return True
        return False

    def _frame(self, ax: Any) -> None:
        place = self.placement
        if place.extent is None:
            ax.set_global()
        else:
            ax.set_xlim(place.extent[0], place.extent[1])
            ax.set_ylim(place.extent[2], place.extent[3])
        ax.set_aspect(place.aspect)
        if place.outline is not None:
            ax.set_boundary(Outline(place.outline))
        for spine in ax.spines.values():
            spine.set_linewidth(0.6)
            spine.set_edgecolor("0.2")

    def _error_note(self, x: float, y: float, error: Fields) -> None:
        there = np.isfinite(error)
        if not there.any():
            return
        weights = self.panels.grid.area_weights()
        weight = np.ones(error.shape) if weights is None else weights.values
        rmse = np.sqrt(np.average(error[there].astype(np.float64) ** 2, weights=weight[there]))
        bias = np.average(error[there].astype(np.float64), weights=weight[there])
        decimals = _decimals(rmse)
        unit = unit_text(self.panels.variable)
        note = f"RMSE {rmse:.{decimals}f}   bias {bias:+.{decimals}f} {unit}".rstrip()
        note = note.replace("-", "\N{MINUS SIGN}")
        self._text(
            x + self.panel_width, y - 0.04, note, fontsize=7, ha="right", va="bottom", color="0.25"
        )

    def _colour_bars(self, tops: dict[str, float], members: int) -> None:
        x = self.left + self.tick_left + self.columns * self.panel_width
        x += (self.columns - 1) * self.gap + 0.14
        fields = [row for row in tops if row != "error"]
        bottom = tops[fields[-1]] + self.panel_height
        title = unit_text(self.panels.variable)
        self._colour_bar(x, tops[fields[0]], bottom, self.scales["forecast"], title)
        if "error" in tops:
            top = tops["error"]
            self._colour_bar(x, top, top + self.panel_height, self.scales["error"], title)

    def _colour_bar(self, x: float, top: float, bottom: float, scale: Scale, title: str) -> None:
        height = bottom - top
        length = min(height, 4.2)
        middle = (top + bottom) / 2
        ax = self.figure.add_axes(self._box(x, middle - length / 2, 0.13, length), label="colours")
        bar = self.figure.colorbar(
            ScalarMappable(scale.norm, scale.cmap),
            cax=ax,
            extend=scale.extend,
            extendfrac=0.04,
            ticks=scale.ticks,
        )
        bar.outline.set_linewidth(0.5)
        bar.ax.tick_params(labelsize=7, length=2.5, width=0.5, pad=2)
        bar.ax.yaxis.offsetText.set_fontsize(7)
        label = f"{title} ({scale.note})".strip() if scale.note else title
        if len(label) > 3:
            bar.set_label(label, fontsize=8, labelpad=4)
        elif label:
            bar.set_label(label, fontsize=8, labelpad=4, rotation=0, ha="left", va="center")

    def _missing_key(self) -> None:
        x, y = self.width - 0.88, 0.36
        self.figure.add_artist(
            Rectangle(
                (x / self.width, 1 - (y + 0.11) / self.height),
                0.14 / self.width,
                0.11 / self.height,
                facecolor=MISSING,
                edgecolor="0.5",
                linewidth=0.4,
                transform=self.figure.transFigure,
            )
        )
        self._text(x + 0.2, y + 0.055, "no data", fontsize=7.5, va="center", color="0.25")


def _decimals(value: float) -> int:
    """Decimals that show three significant digits."""
    if value <= 0 or not np.isfinite(value):
        return 1
    return min(max(2 - int(np.floor(np.log10(value))), 0), 6)
