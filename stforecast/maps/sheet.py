"""Where panels, titles and colour bars lie on a figure: lengths in inches, y from the top."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stforecast.maps.placement import Placement

Box = tuple[float, float, float, float]

# Widths of a panel by the number of columns; more lead times go below.
_WIDTHS: Final = {1: 5.0, 2: 3.9, 3: 3.0, 4: 2.5}
# Heights of a panel, at most, by the number of rows.
_HEIGHTS: Final = {1: 5.0, 2: 3.4, 3: 2.8}
_NARROWEST_PANEL, _NARROWEST = 1.3, 4.0
_LEFT, _TOP, _BOTTOM = 0.35, 0.52, 0.12
_COLUMN_TITLE, _GAP, _ERROR_GAP = 0.42, 0.10, 0.24
# A colour bar with its units, and the width of a figure of its numbers.
_BAR, _DIGIT = 0.66, 0.058


@dataclass(frozen=True)
class Sheet:
    """Panels in blocks below each other: ``rows`` of each block, ``columns`` of lead times."""

    rows: tuple[str, ...]
    columns: int
    blocks: int
    panel_width: float
    panel_height: float
    tick_left: float
    tick_bottom: float
    right: float
    """Room for the colour bars."""

    @classmethod
    def of(cls, rows: Sequence[str], count: int, digits: int, placement: Placement) -> "Sheet":
        """The sheet for maps of ``count`` lead times, whose colour bars have so many digits."""
        columns = min(count, max(_WIDTHS)) if count != 5 else 3
        if count > max(_WIDTHS):
            blocks = -(-count // max(_WIDTHS))
            columns = -(-count // blocks)
        width = min(_WIDTHS[columns], _HEIGHTS[len(rows)] / placement.ratio)
        width = max(width, _NARROWEST_PANEL)
        left, bottom = _tick_room(placement)
        return cls(
            rows=tuple(rows),
            columns=columns,
            blocks=-(-count // columns),
            panel_width=width,
            panel_height=width * placement.ratio,
            tick_left=left,
            tick_bottom=bottom,
            right=_BAR + _DIGIT * digits,
        )

    @property
    def width(self) -> float:
        return max(self.x(self.columns) - _GAP + self.right, _NARROWEST)

    @property
    def height(self) -> float:
        return _TOP + self.blocks * self._block_height + _BOTTOM

    @property
    def _block_height(self) -> float:
        gaps = (len(self.rows) - 1) * _GAP + (_ERROR_GAP - _GAP if len(self.rows) > 1 else 0)
        return _COLUMN_TITLE + len(self.rows) * self.panel_height + gaps + self.tick_bottom

    def x(self, column: int) -> float:
        """The left edge of the panels of a column."""
        return _LEFT + self.tick_left + column * (self.panel_width + _GAP)

    def tops(self, block: int) -> dict[str, float]:
        """The upper edge of the panels of each row."""
        tops = {}
        y = _TOP + block * self._block_height + _COLUMN_TITLE
        for row in self.rows:
            y += _ERROR_GAP - _GAP if row == "error" else 0
            tops[row] = y
            y += self.panel_height + _GAP
        return tops

    @property
    def bar_x(self) -> float:
        """The left edge of the colour bars."""
        return self.x(self.columns) - _GAP + 0.14

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point as parts of the figure, counted from its lower left corner."""
        return x / self.width, 1 - y / self.height

    def box(self, x: float, y: float, width: float, height: float) -> Box:
        """A box given by its upper left corner, as parts of the figure."""
        return *self.at(x, y + height), width / self.width, height / self.height


def _tick_room(place: Placement) -> tuple[float, float]:
    """What the labels of ticks need at the left and at the bottom."""
    if place.extent is None:
        return 0.0, 0.05
    if place.ticks == "cells":
        return 0.4, 0.36
    return (0.62 if place.is_city else 0.4), 0.24
