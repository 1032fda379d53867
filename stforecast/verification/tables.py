"""Scores as people read them: on the terminal."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

from stforecast import names
from stforecast.verification.groups import GROUPS
from stforecast.verification.metrics import METRICS, shown_metrics
from stforecast.verification.pooling import pooled
from stforecast.verification.protocol import protocol_note, protocol_table
from stforecast.verification.table_content import CellContent, Content, FrameContent, narrowest

# More rows than these are left to the CSV file.
_MOST_ROWS = 64


def score_table(scores: xr.Dataset) -> "ScoreTable":
    """The scores of :func:`stforecast.verification.verify` for a terminal: print it with rich.

    One table per variable: per lead time the RMSE of each forecast and reference side by side, then
    further metrics and skill of the forecasts; the last line is of all values together. Metrics of
    frames have a table of their own, and so has a protocol. Where a table is too wide, the scores
    stand below one another. Scores by further groups (hour, season…) have a row each, unless they
    are too many: then they are put together, which a note says.
    """
    return ScoreTable(scores)


@dataclass(frozen=True)
class ScoreTable:
    """Scores that lay themselves out in the width there is."""

    scores: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, together = self.scores, []
        if int(np.prod(scores["count"].shape[1:])) > _MOST_ROWS:
            together = [group for group in GROUPS if group in scores.dims]
            scores = pooled(scores, together) if together else scores
        for content in _contents(scores):
            table = content.side_by_side()
            if narrowest(table) > options.max_width:
                table = content.stacked()
            if console.measure(table, options=options).maximum >= options.max_width:
                # Left to itself, rich narrows columns below their words and cuts the last ones.
                for column in table.columns:
                    column.width = column.min_width
            yield Padding(table, (0, 0, 1, 0))
        if "protocol" in scores.attrs:
            yield Padding(protocol_table(self.scores), (0, 0, 1, 0))
        notes = [f"{scores.attrs['period']}; averaged {scores.attrs['averaging']}."]
        if "frames" in scores:
            notes.append(_frame_note(scores))
        if "protocol" in scores.attrs:
            notes.append(protocol_note(scores))
        if together:
            notes.append(f"Apart by {' and '.join(together)} in the files.")
        yield Text(" ".join(notes), style="dim")


def _contents(scores: xr.Dataset) -> list[Content]:
    """A table for each variable, and one for frames, as far as metrics of them are shown."""
    of_frames = {METRICS[metric].of_frames for metric in shown_metrics(scores)}
    variables = range(scores.sizes[names.VARIABLE]) if False in of_frames else ()
    contents: list[Content] = [CellContent(scores, index) for index in variables]
    return [*contents, FrameContent(scores)] if True in of_frames else contents


def _frame_note(scores: xr.Dataset) -> str:
    """How frames became comparable, and how many could not be."""
    note = f"Frames {scores.attrs['frame_values']}"
    left = int(scores["frames_left_out"].sum())
    if left:
        note += f"; {left} of {left + int(scores['frames'].sum())} lack a cell and are left out"
    return f"{note}."
