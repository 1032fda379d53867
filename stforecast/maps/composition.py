"""A figure of maps: panels, titles and colour bars, drawn."""

import io
import textwrap
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stforecast.maps import decoration
from stforecast.maps.cells import MISSING, draw_cells, draw_frame
from stforecast.maps.colours import Scale, error_scale, field_scale
from stforecast.maps.geography import Lines, lines, natural_earth
from stforecast.maps.labels import unit_text, variable_title
from stforecast.maps.panels import Fields, Panels
from stforecast.maps.placement import Placement
from stforecast.maps.sheet import Sheet

# Degrees in an inch from which borders would be a tangle, and thick lines too.
_CROWDED, _DENSE = 100.0, 20.0
# Inches of a letter of the notes on errors, about, and how much of a panel's width they may take.
_LETTER, _NOTE_PART = 0.053, 0.85
_ROW_NAMES = {"forecast": "Forecast", "observation": "Observation", "error": "Error"}


class MapFigure(Figure):
    """A figure that notebooks show, whatever their backend."""

    init_text = ""  # the initial time, as names of files have it

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


class Composition:
    """Lays out the panels and draws them."""

    def __init__(self, panels: Panels, placement: Placement, shapes: Any, cmap: str | None) -> None:
        self.panels, self.placement = panels, placement
        fields = [rows for name, rows in panels.rows.items() if name != "error"]
        self.scales: dict[str, Scale] = dict.fromkeys(
            panels.rows, field_scale(panels.variable, fields, cmap)
        )
        if "error" in panels.rows:
            self.scales["error"] = error_scale([panels.rows["error"]])
        digits = max(scale.digits for scale in self.scales.values())
        self.sheet = Sheet.of(list(panels.rows), len(panels.lead_times), digits, placement)
        self.coasts, self.borders, self.overlay = self._lines(shapes)
        self.figure = MapFigure(figsize=(self.sheet.width, self.sheet.height), facecolor="white")
        FigureCanvasAgg(self.figure)
        self._draw()

    def _lines(self, shapes: Any) -> tuple[Lines, Lines, Lines]:
        place = self.placement
        if place.projection is None:
            return [], [], []
        coasts: Lines = []
        borders: Lines = []
        if not place.is_city:
            resolution = place.resolution(self.sheet.panel_width)
            coasts = lines(natural_earth("coastline", resolution), place.projection, place.region)
            if place.span / self.sheet.panel_width < _CROWDED:
                known = natural_earth("borders", resolution)
                borders = lines(known, place.projection, place.region)
        return coasts, borders, lines(shapes, place.projection, place.region) if shapes else []

    def _text(self, x: float, y: float, text: str, **kwargs: Any) -> Any:
        return self.figure.text(*self.sheet.at(x, y), text, **kwargs)

    def _draw(self) -> None:
        panels, sheet = self.panels, self.sheet
        room = sheet.width - 2 * 0.12
        self._fitted(0.12, 0.10, variable_title(panels.variable), room, 11, weight="bold")
        self._fitted(0.12, 0.34, panels.headline, room, 8.5, color="0.25")
        any_missing = False
        for block in range(sheet.blocks):
            tops = sheet.tops(block)
            first = block * sheet.columns
            numbers = range(first, min(first + sheet.columns, len(panels.lead_times)))
            for column, number in enumerate(numbers):
                x = sheet.x(column)
                shown = sheet.rows if number >= panels.known else ("observation",)
                self._column_title(x, tops[shown[0]], number)
                for row in shown:
                    any_missing |= self._panel(
                        row, number, x, tops[row], left=column == 0, bottom=row == shown[-1]
                    )
            self._row_names(tops)
            self._colour_bars(tops)
        if any_missing:
            self._missing_key()

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
        middle = x + self.sheet.panel_width / 2
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
                y + self.sheet.panel_height / 2,
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
        box = self.sheet.box(x, y, self.sheet.panel_width, self.sheet.panel_height)
        kwargs: dict[str, Any] = (
            {} if place.projection is None else {"projection": place.projection}
        )
        ax: Any = self.figure.add_axes(box, label=f"{row} {number}", **kwargs)
        field = self.panels.rows[row][number]
        missing = draw_cells(ax, place, field, self.scales[row])
        draw_frame(ax, place)
        fine = 0.75 if place.span / self.sheet.panel_width > _DENSE else 1.0
        for drawn, width, colour, order in (
            (self.coasts, 0.6 * fine, "0.05", 3.0),
            (self.borders, 0.4 * fine, "0.25", 2.9),
            (self.overlay, 0.7, "0.05", 3.2),
        ):
            decoration.draw_lines(ax, drawn, width=width, colour=colour, zorder=order)
        decoration.draw_graticule(ax, place, left=left, bottom=bottom, size=self.sheet.panel_width)
        if place.is_city and number == self.panels.known and row == next(iter(self.panels.rows)):
            decoration.draw_scale_bar(ax, place)
        if row == "error" and self.panels.valid_times is not None:
            self._error_note(x, y, field)
        return missing

    def _error_note(self, x: float, y: float, error: Fields) -> None:
        scores = self.panels.error_scores(error)
        if scores is None:
            return
        rmse, bias = scores
        decimals = _decimals(rmse)
        note = f"RMSE {rmse:.{decimals}f}   bias {bias:+.{decimals}f}"
        unit = unit_text(self.panels.variable)
        # over a narrow panel it would touch the next one's; the colour bar has the unit, too
        if unit and _LETTER * len(f"{note} {unit}") < _NOTE_PART * self.sheet.panel_width:
            note = f"{note} {unit}"
        note = note.replace("-", "\N{MINUS SIGN}")
        right = x + self.sheet.panel_width
        self._text(right, y - 0.04, note, fontsize=7, ha="right", va="bottom", color="0.25")

    def _colour_bars(self, tops: dict[str, float]) -> None:
        height = self.sheet.panel_height
        fields = [row for row in tops if row != "error"]
        self._colour_bar(tops[fields[0]], tops[fields[-1]] + height, self.scales["forecast"])
        if "error" in tops:
            self._colour_bar(tops["error"], tops["error"] + height, self.scales["error"])

    def _colour_bar(self, top: float, bottom: float, scale: Scale) -> None:
        length = min(bottom - top, 4.2)
        box = self.sheet.box(self.sheet.bar_x, (top + bottom - length) / 2, 0.13, length)
        ax = self.figure.add_axes(box, label="colours")
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
        title = unit_text(self.panels.variable)
        label = f"{title} ({scale.note})".strip() if scale.note else title
        if len(label) > 3:
            bar.set_label(label, fontsize=8, labelpad=4)
        elif label:
            bar.set_label(label, fontsize=8, labelpad=4, rotation=0, ha="left", va="center")

    def _missing_key(self) -> None:
        x, y = self.sheet.width - 0.88, 0.36
        left, bottom, width, height = self.sheet.box(x, y, 0.14, 0.11)
        key = Rectangle(
            (left, bottom),
            width,
            height,
            facecolor=MISSING,
            edgecolor="0.5",
            linewidth=0.4,
            transform=self.figure.transFigure,
        )
        self.figure.add_artist(key)
        self._text(x + 0.2, y + 0.055, "no data", fontsize=7.5, va="center", color="0.25")


def _decimals(value: float) -> int:
    """Decimals that show three significant digits."""
    if value <= 0 or not np.isfinite(value):
        return 1
    return min(max(2 - int(np.floor(np.log10(value))), 0), 6)
