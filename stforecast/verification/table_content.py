"""What stands in a table of scores: its lines and columns as text."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.table import Table
from rich.text import Text

from stforecast import names
from stforecast.timeaxis import counts_frames
from stforecast.verification.metrics import CELL_METRICS, FRAME_METRICS, METRICS, shown_metrics
from stforecast.verification.pooling import pooled
from stforecast.verification.text import lead_texts


class Content(ABC):
    """The numbers of one table.

    ``metrics`` are its metrics, ``lines`` the labels and scores of each of its lines.
    """

    metrics: list[str]

    def __init__(self, scores: xr.Dataset, title: str, metrics: Sequence[str]) -> None:
        """``scores`` (forecast[, reference], *groups); ``metrics``: those of this kind of table."""
        self.title = title
        self.metrics = [name for name in shown_metrics(scores) if name in metrics]
        self.rows = [str(dim) for dim in scores["count"].dims]
        self.systems = [str(name) for name in scores[names.SYSTEM].values]
        has_skill = "skill" in scores and "rmse" in self.metrics
        self.references = (
            [str(name) for name in scores[names.REFERENCE].values] if "skill" in scores else []
        )
        self.skill_of = self.references if has_skill else []
        self.forecasts = [name for name in self.systems if name not in self.references]
        shape = [scores.sizes[dim] for dim in self.rows]
        labels = {dim: _labels(scores, dim) for dim in self.rows}
        self.headings = {dim: _heading(scores, dim) for dim in self.rows}
        self.lines: list[tuple[list[str], xr.Dataset]] = []
        for place in np.ndindex(*shape):
            at = dict(zip(self.rows, place, strict=True))
            self.lines.append(([labels[dim][at[dim]] for dim in self.rows], scores.isel(at)))
        self.has_total = int(np.prod(shape)) > 1
        if self.has_total:
            whole = pooled(scores, self.rows)
            self.lines.append((["all", *[""] * (len(self.rows) - 1)], whole))

    @abstractmethod
    def side_by_side(self) -> Table:
        """Every score in a column of its own."""

    @abstractmethod
    def figure(self, cell: xr.Dataset, metric: str, name: str) -> str:
        """The score of a system as text."""

    def stacked(self) -> Table:
        """One score below the other, systems side by side; skill in the reference's column."""
        table = self.table()
        for name in self.systems:
            table.add_column(words(name), justify="right")
        blank = [""] * len(self.rows)
        for metric in self.metrics:
            title = f"[bold]{METRICS[metric].title}[/]"
            table.add_row(*blank[1:], title, *[""] * len(self.systems))
            for labels, cell in self.lines:
                numbers = [self.figure(cell, metric, name) for name in self.systems]
                table.add_row(*labels, *numbers)
            table.add_section()
        for forecast in self.forecasts if self.skill_of else []:
            which = f" of {words(forecast)}" if len(self.forecasts) > 1 else ""
            table.add_row(*blank[1:], f"[bold]skill{which}[/]", *[""] * len(self.systems))
            for labels, cell in self.lines:
                table.add_row(
                    *labels,
                    *[
                        self.skill(cell, forecast, name) if name in self.skill_of else ""
                        for name in self.systems
                    ],
                )
            table.add_section()
        return unbroken(table)

    def table(self) -> Table:
        """A table with the columns of the labels."""
        table = Table(
            title=self.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for dim in self.rows:
            table.add_column(self.headings[dim], no_wrap=True, justify="right")
        return table

    def fill(self, table: Table, columns: list[tuple[str, str]]) -> None:
        """Add the lines: of each column the metric and the system, or ``skill`` and both names."""
        for number, (labels, cell) in enumerate(self.lines):
            if self.has_total and number == len(self.lines) - 1:
                table.add_section()
            cells = [self.figure(cell, metric, name) for metric, name in columns]
            for name in self.forecasts:
                cells += [self.skill(cell, name, reference) for reference in self.skill_of]
            table.add_row(*labels, *cells)

    def skill(self, cell: xr.Dataset, name: str, reference: str) -> str:
        """The skill of a forecast as text, green where it is any."""
        at = self.systems.index(name), self.references.index(reference)
        value = float(cell["skill"].transpose(names.SYSTEM, names.REFERENCE).values[at])
        if not np.isfinite(value):
            return "–"
        return f"[{'green' if value > 0 else 'red'}]{value:+.2f}[/]"


class CellContent(Content):
    """The scores of the cells of one variable."""

    def __init__(self, scores: xr.Dataset, index: int) -> None:
        one = scores.isel({names.VARIABLE: index})
        super().__init__(one, title_of(one), CELL_METRICS)
        self.decimals = decimals(one["rmse"].values)

    def side_by_side(self) -> Table:
        """Metrics for comparison of every system; others and skill of the forecasts alone."""
        table = self.table()
        suffix = {name: f"\n{words(name)}" * (len(self.forecasts) > 1) for name in self.forecasts}
        columns = []
        for metric in self.metrics:
            title = METRICS[metric].title
            of_all = metric == "rmse" or (metric != "mae" and METRICS[metric].of_all)
            for name in self.systems if of_all else self.forecasts:
                below = f"\n{words(name)}" if of_all else suffix[name]
                table.add_column(f"{title}{below}", justify="right")
                columns.append((metric, name))
        for name in self.forecasts:
            for reference in self.skill_of:
                header = f"skill{suffix[name]} vs\n{words(reference)}"
                table.add_column(header, justify="right")
        self.fill(table, columns)
        return unbroken(table)

    def figure(self, cell: xr.Dataset, metric: str, name: str) -> str:
        value = float(cell[metric].values[self.systems.index(name)])
        if not np.isfinite(value):
            return "–"
        if metric == "mse":
            return f"{value:.4g}"
        if metric == "coverage":
            return f"{100 * value:.1f} %"
        if METRICS[metric].units == "%":
            return f"{value:.1f} %"
        if METRICS[metric].units == "1":
            return f"{value:.{3 if metric == 'acc' else 2}f}"
        sign = "+" if metric == "bias" else ""
        return f"{value:{sign}.{self.decimals}f}" if self.decimals <= 6 else f"{value:{sign}.3e}"


_DECIMALS = {"ssim": 4, "psnr": 2}


class FrameContent(Content):
    """The scores of frames: of every system, and of all variables together."""

    def __init__(self, scores: xr.Dataset) -> None:
        # what is of cells is not shown: one variable stands for all
        super().__init__(scores.isel({names.VARIABLE: 0}), "frames in [0, 1]", FRAME_METRICS)
        self.skill_of = []
        sizes = [scores[name].values for name in self.metrics if name not in _DECIMALS]
        self.decimals = decimals(np.concatenate([size.ravel() for size in sizes])) if sizes else 0

    def side_by_side(self) -> Table:
        table = self.table()
        columns = [(metric, name) for metric in self.metrics for name in self.systems]
        for metric, name in columns:
            table.add_column(f"{METRICS[metric].title}\n{words(name)}", justify="right")
        self.fill(table, columns)
        return unbroken(table)

    def figure(self, cell: xr.Dataset, metric: str, name: str) -> str:
        value = float(cell[metric].values[self.systems.index(name)])
        if np.isposinf(value):
            return "∞"
        if not np.isfinite(value):
            return "–"
        places = _DECIMALS.get(metric, self.decimals)
        return f"{value:.{places}f}" if places <= 6 else f"{value:.3e}"


def narrowest(table: Table) -> int:
    """Width of a table whose columns are as narrow as their words allow."""
    return sum((column.min_width or 0) + 2 for column in table.columns) + 1


def decimals(values: Any) -> int:
    """Decimals that show the smallest of the errors to three digits, alike in a whole table."""
    sizes = values[np.isfinite(values) & (values > 0)]
    if sizes.size == 0:
        return 3
    return max(1, 2 - int(np.floor(np.log10(sizes.min()))))


def unbroken(table: Table) -> Table:
    """Make every column at least as wide as its longest word or number."""
    for column in table.columns:
        texts = [Text.from_markup(str(cell)).plain for cell in column.cells]
        header = str(column.header)
        parts = [header] if column.no_wrap else header.split()
        parts += [text for text in texts if text]
        column.min_width = max(map(len, parts), default=1)
    return table


def title_of(scores: xr.Dataset) -> str:
    """The variable of some scores with its units, and the region where there are several."""
    units = str(scores["variable_units"].values)
    title = str(scores[names.VARIABLE].values) + ("" if units == "1" else f" ({units})")
    return f"{title}, region {scores['region'].values}" if "region" in scores.coords else title


def words(name: str) -> str:
    """A name as readers have it."""
    return name.replace("_", " ")


def _heading(scores: xr.Dataset, dim: str) -> str:
    counts = dim == names.LEAD_TIME and counts_frames(scores[dim].attrs)
    return f"{words(dim)}\nin frames" if counts else words(dim)


def _labels(scores: xr.Dataset, dim: str) -> list[str]:
    if dim == names.LEAD_TIME:
        return lead_texts(scores[dim])
    values = scores[dim].values
    return [f"{value:02d}" if isinstance(value, np.integer) else str(value) for value in values]
