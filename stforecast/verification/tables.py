"""Scores as people read them: on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stforecast import names
from stforecast.verification.scoring import GROUPS
from stforecast.verification.text import lead_texts

# More rows than these are left to the CSV file.
_MOST_ROWS = 64


def score_table(scores: xr.Dataset) -> "ScoreTable":
    """The scores of :func:`stforecast.verification.verify` for a terminal: print it with rich.

    One table per variable: per lead time the RMSE of each forecast and reference side by side, then
    MAE, bias and skill of the forecasts; the last line is of all values together. Where that is too
    wide, the scores stand below one another. Scores by further groups (hour, season…) have a row
    each, unless they are too many: then they are put together, which a note says.
    """
    return ScoreTable(scores)


def pooled(scores: xr.Dataset, dims: Sequence[str]) -> xr.Dataset:
    """The scores over all of some dimensions together: of all values, not means of scores."""
    weight = scores["weight"]
    total = weight.sum(dims)
    squares = (scores["rmse"] ** 2 * weight).sum(dims) / total
    result = xr.Dataset(
        {
            "rmse": np.sqrt(squares),
            "mae": (scores["mae"] * weight).sum(dims) / total,
            "bias": (scores["bias"] * weight).sum(dims) / total,
        },
        attrs=scores.attrs,
    )
    if "skill" in scores:
        of_references = result["rmse"].sel({names.SYSTEM: scores[names.REFERENCE].values})
        of_references = of_references.rename({names.SYSTEM: names.REFERENCE})
        result["skill"] = (1 - result["rmse"] / of_references).transpose(
            names.SYSTEM, names.REFERENCE, ...
        )
    result["weight"] = total
    result["count"] = scores["count"].sum(dims)
    return result.assign_coords(variable_units=scores["variable_units"])


@dataclass(frozen=True)
class ScoreTable:
    """Scores that lay themselves out in the width there is."""

    scores: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, together = self.scores, []
        if int(np.prod(scores["count"].shape[1:])) > _MOST_ROWS:
            together = [group for group in GROUPS if group in scores.dims]
            scores = pooled(scores, together) if together else scores
        for index in range(scores.sizes[names.VARIABLE]):
            content = _Content(scores, index)
            table = content.side_by_side()
            if _narrowest(table) > options.max_width:
                table = content.stacked()
            if console.measure(table, options=options).maximum >= options.max_width:
                # Left to itself, rich narrows columns below their words and cuts the last ones.
                for column in table.columns:
                    column.width = column.min_width
            yield Padding(table, (0, 0, 1, 0))
        notes = [f"{scores.attrs['period']}; averaged {scores.attrs['averaging']}."]
        if together:
            notes.append(f"Apart by {' and '.join(together)} in the files.")
        yield Text(" ".join(notes), style="dim")


class _Content:
    """The numbers of one variable as text."""

    def __init__(self, scores: xr.Dataset, index: int) -> None:
        one = scores.isel({names.VARIABLE: index})
        self.rows = [str(dim) for dim in one["count"].dims]
        self.title = f"{one[names.VARIABLE].values} ({one['variable_units'].values})"
        self.systems = [str(name) for name in scores[names.SYSTEM].values]
        self.references = (
            [str(name) for name in scores[names.REFERENCE].values] if "skill" in scores else []
        )
        self.forecasts = [name for name in self.systems if name not in self.references]
        self.decimals = _decimals(one["rmse"].values)
        shape = [one.sizes[dim] for dim in self.rows]
        labels = {dim: _labels(one, dim) for dim in self.rows}
        # each line: its labels and its scores
        self.lines: list[tuple[list[str], xr.Dataset]] = []
        for place in np.ndindex(*shape):
            at = dict(zip(self.rows, place, strict=True))
            self.lines.append(([labels[dim][at[dim]] for dim in self.rows], one.isel(at)))
        self.has_total = int(np.prod(shape)) > 1
        if self.has_total:
            whole = pooled(scores, self.rows).isel({names.VARIABLE: index})
            self.lines.append((["all", *[""] * (len(self.rows) - 1)], whole))

    def _table(self) -> Table:
        table = Table(
            title=self.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for dim in self.rows:
            table.add_column(_words(dim), no_wrap=True, justify="right")
        return table

    def side_by_side(self) -> Table:
        """Every score in a column of its own."""
        table = self._table()
        suffix = {name: f"\n{_words(name)}" * (len(self.forecasts) > 1) for name in self.forecasts}
        for name in self.systems:
            table.add_column(f"RMSE\n{_words(name)}", justify="right")
        for score in ("MAE", "bias"):
            for name in self.forecasts:
                table.add_column(f"{score}{suffix[name]}", justify="right")
        for name in self.forecasts:
            for reference in self.references:
                header = f"skill{suffix[name]} vs\n{_words(reference)}"
                table.add_column(header, justify="right")
        for number, (labels, cell) in enumerate(self.lines):
            if self.has_total and number == len(self.lines) - 1:
                table.add_section()
            cells = [self._figure(cell, "rmse", name) for name in self.systems]
            cells += [self._figure(cell, "mae", name) for name in self.forecasts]
            cells += [self._figure(cell, "bias", name) for name in self.forecasts]
            for name in self.forecasts:
                cells += [self._skill(cell, name, reference) for reference in self.references]
            table.add_row(*labels, *cells)
        return _unbroken(table)

    def stacked(self) -> Table:
        """One score below the other, systems side by side; skill in the reference's column."""
        table = self._table()
        for name in self.systems:
            table.add_column(_words(name), justify="right")
        blank = [""] * len(self.rows)
        for score in ("rmse", "mae", "bias"):
            table.add_row(*blank[1:], f"[bold]{_TITLES[score]}[/]", *[""] * len(self.systems))
            for labels, cell in self.lines:
                numbers = [self._figure(cell, score, name) for name in self.systems]
                table.add_row(*labels, *numbers)
            table.add_section()
        for forecast in self.forecasts if self.references else []:
            which = f" of {_words(forecast)}" if len(self.forecasts) > 1 else ""
            table.add_row(*blank[1:], f"[bold]skill{which}[/]", *[""] * len(self.systems))
            for labels, cell in self.lines:
                table.add_row(
                    *labels,
                    *[
                        self._skill(cell, forecast, name) if name in self.references else ""
                        for name in self.systems
                    ],
                )
            table.add_section()
        return _unbroken(table)

    def _figure(self, cell: xr.Dataset, score: str, name: str) -> str:
        value = float(cell[score].values[self.systems.index(name)])
        if not np.isfinite(value):
            return "–"
        sign = "+" if score == "bias" else ""
        return f"{value:{sign}.{self.decimals}f}" if self.decimals <= 6 else f"{value:{sign}.3e}"

    def _skill(self, cell: xr.Dataset, name: str, reference: str) -> str:
        at = self.systems.index(name), self.references.index(reference)
        value = float(cell["skill"].transpose(names.SYSTEM, names.REFERENCE).values[at])
        if not np.isfinite(value):
            return "–"
        return f"[{'green' if value > 0 else 'red'}]{value:+.2f}[/]"


_TITLES = {"rmse": "RMSE", "mae": "MAE", "bias": "bias"}


def _unbroken(table: Table) -> Table:
    """Make every column at least as wide as its longest word or number."""
    for column in table.columns:
        texts = [Text.from_markup(str(cell)).plain for cell in column.cells]
        header = str(column.header)
        words = [header] if column.no_wrap else header.split()
        words += [text for text in texts if text]
        column.min_width = max(map(len, words), default=1)
    return table


def _narrowest(table: Table) -> int:
    """Width of a table whose columns are as narrow as their words allow."""
    return sum((column.min_width or 0) + 2 for column in table.columns) + 1


def _words(name: str) -> str:
    return name.replace("_", " ")


def _labels(scores: xr.Dataset, dim: str) -> list[str]:
    values = scores[dim].values
    if dim == names.LEAD_TIME:
        return lead_texts(values)
    return [f"{value:02d}" if isinstance(value, np.integer) else str(value) for value in values]


def _decimals(values: Any) -> int:
    """Decimals that show the smallest of the errors to three digits, alike in a whole table."""
    sizes = values[np.isfinite(values) & (values > 0)]
    if sizes.size == 0:
        return 3
    return max(1, 2 - int(np.floor(np.log10(sizes.min()))))
