"""Panels, bars and titles have room on the sheet, whatever is drawn."""

import itertools

import numpy as np
import pytest

from stforecast.maps.sheet import Sheet
from tests.maps.conftest import geographic
from tests.maps.test_placement import placed

PLACE = placed(geographic(np.arange(40.0, 52, 2), np.arange(0.0, 16, 2)))
ROWS = [("forecast",), ("forecast", "error"), ("forecast", "observation", "error")]


@pytest.mark.parametrize("rows", ROWS, ids=len)
@pytest.mark.parametrize("count", range(1, 14))
def test_all_panels_lie_on_the_sheet_and_apart(rows: tuple[str, ...], count: int) -> None:
    sheet = Sheet.of(rows, count, 4, PLACE)
    assert sheet.columns <= 4
    assert (sheet.blocks - 1) * sheet.columns < count <= sheet.blocks * sheet.columns
    tops = [top for block in range(sheet.blocks) for top in sheet.tops(block).values()]
    assert min(tops) > 0.52
    assert max(tops) + sheet.panel_height < sheet.height
    assert all(b - a > sheet.panel_height for a, b in itertools.pairwise(tops))
    lefts = [sheet.x(column) for column in range(sheet.columns)]
    assert all(b - a > sheet.panel_width for a, b in itertools.pairwise(lefts))
    assert lefts[-1] + sheet.panel_width < sheet.bar_x < sheet.width


def test_boxes_are_parts_of_the_figure_from_its_lower_left_corner() -> None:
    sheet = Sheet.of(["forecast"], 1, 4, PLACE)
    assert sheet.box(0, 0, sheet.width, sheet.height) == pytest.approx((0, 0, 1, 1))
    left, bottom, width, height = sheet.box(0, 0, sheet.width / 2, sheet.height / 4)
    assert (left, bottom, width, height) == pytest.approx((0, 0.75, 0.5, 0.25))
