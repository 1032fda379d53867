"""Scores as people read them: on the terminal."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stforecast import names
from stforecast.verification.dataset import REGION
from stforecast.verification.event_table import event_tables
from stforecast.verification.groups import GROUPS
from stforecast.verification.metrics import (
    CELL_METRICS,
    EVENT_METRICS,
    FRAME_METRICS,
    shown_metrics,
)
from stforecast.verification.pooling import pooled
from stforecast.verification.protocol import protocol_note, protocol_table
from stforecast.verification.table_content import CellContent, Content, FrameContent, narrowest

# More rows than these are left to the CSV file.
_MOST_ROWS = 64


def score_table(scores: xr.Dataset) -> "ScoreTable":
    """The scores of :func:`stforecast.verification.verify` for a terminal: print it with rich.

    One table per variable and region: per lead time the RMSE of each forecast and reference side by
    side, then further metrics and skill of the forecasts; the last line is of all values together.
    Metrics of frames have a table of their own, and so have events and a protocol. Where a table is
    too wide, the scores stand below one another. Scores by further groups (hour, season…) have a
    row each, unless they are too many: then they are put together, which a note says.
    """
    return ScoreTable(scores)


@dataclass(frozen=True)
class ScoreTable:
    """Scores that lay themselves out in the width there is."""

    scores: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, together = self.scores, []
        if int(np.prod([scores.sizes[dim] for dim in _rows(scores)])) > _MOST_ROWS:
            together = [group for group in GROUPS if group in scores.dims]
            scores = pooled(scores, together) if together else scores
        for content in _contents(scores):
            table = content.side_by_side()
            if narrowest(table) > options.max_width:
                table = content.stacked()
            yield _placed(table, console, options)
        for table in _event_tables(self.scores):
            yield _placed(table, console, options)
        if "protocol" in scores.attrs:
            yield Padding(protocol_table(self.scores), (0, 0, 1, 0))
        notes = [f"{scores.attrs['period']}; averaged {scores.attrs['averaging']}."]
        if "frames" in scores:
            notes.append(_frame_note(scores))
        if "protocol" in scores.attrs:
            notes.append(protocol_note(scores))
        if "hits" in scores or "fss" in scores:
            notes.append("Events: all lead times together.")
        if together:
            notes.append(f"Apart by {' and '.join(together)} in the files.")
        yield Text(" ".join(notes), style="dim")


def _placed(table: Table, console: Console, options: ConsoleOptions) -> Padding:
    """A table with a line below, and no column narrower than its words."""
    if console.measure(table, options=options).maximum >= options.max_width:
        # Left to itself, rich narrows columns below their words and cuts the last ones.
        for column in table.columns:
            column.width = column.min_width
    return Padding(table, (0, 0, 1, 0))


def _rows(scores: xr.Dataset) -> list[str]:
    """What stands below one another in a table: lead times and groups."""
    return [str(dim) for dim in scores["count"].dims if dim not in (names.VARIABLE, REGION)]


def _regions(scores: xr.Dataset) -> list[xr.Dataset]:
    """The scores of each region, where there are any."""
    if REGION not in scores.dims:
        return [scores]
    return [scores.isel({REGION: number}) for number in range(scores.sizes[REGION])]


def _contents(scores: xr.Dataset) -> list[Content]:
    """A table for each region and variable, and one for frames, of the metrics that are shown."""
    shown = shown_metrics(scores)
    contents: list[Content] = []
    if any(name in CELL_METRICS for name in shown):
        contents = [
            CellContent(region, index)
            for region in _regions(scores)
            for index in range(scores.sizes[names.VARIABLE])
        ]
    if any(name in FRAME_METRICS for name in shown):
        contents.append(FrameContent(_regions(scores)[0]))
    return contents


def _event_tables(scores: xr.Dataset) -> list[Table]:
    """Tables of events over all lead times and groups together."""
    if not any(name in EVENT_METRICS for name in shown_metrics(scores)):
        return []
    rows = _rows(scores)
    whole = pooled(scores, rows) if rows else scores
    return [
        table
        for region in _regions(whole)
        for index in range(scores.sizes[names.VARIABLE])
        for table in event_tables(region.isel({names.VARIABLE: index}))
    ]


def _frame_note(scores: xr.Dataset) -> str:
    """How frames became comparable, and how many could not be."""
    note = f"Frames {scores.attrs['frame_values']}"
    left = int(scores["frames_left_out"].sum())
    if left:
        note += f"; {left} of {left + int(scores['frames'].sum())} lack a cell and are left out"
    return f"{note}."
