"""Scores of events as a table: a line for each threshold and neighbourhood."""

import numpy as np
import xarray as xr
from rich import box
from rich.table import Table

from stforecast import names
from stforecast.verification.events import SCALE, THRESHOLD
from stforecast.verification.metrics import EVENT_METRICS, METRICS, shown_metrics
from stforecast.verification.table_content import title_of, unbroken, words


def event_tables(scores: xr.Dataset) -> list[Table]:
    """Tables of the scores (forecast, threshold[, scale]) of one variable.

    One of the scores of contingency tables and one of neighbourhoods, as far as they are shown and
    the variable has thresholds.
    """
    shown = [name for name in shown_metrics(scores) if name in EVENT_METRICS]
    plain = [name for name in shown if SCALE not in scores[name].dims]
    wanted = np.flatnonzero(scores["hits"].notnull().any(names.SYSTEM).values)
    if wanted.size == 0:
        return []
    chosen = scores.isel({THRESHOLD: wanted})
    tables = [_table(chosen, plain)] if plain else []
    return [*tables, _table(chosen, ["fss"])] if "fss" in shown else tables


def _table(scores: xr.Dataset, metrics: list[str]) -> Table:
    table = Table(
        title=f"events of {title_of(scores)}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    of_scales = SCALE in scores[metrics[0]].dims
    table.add_column("from", justify="right")
    if of_scales:
        table.add_column("cells", justify="right")
    systems = [str(name) for name in scores[names.SYSTEM].values]
    for metric in metrics:
        for name in systems:
            table.add_column(f"{METRICS[metric].title}\n{words(name)}", justify="right")
    for number, threshold in enumerate(scores[THRESHOLD].values):
        line = scores.isel({THRESHOLD: number})
        for at, scale in enumerate(scores[SCALE].values if of_scales else [None]):
            cell = line.isel({SCALE: at}) if of_scales else line
            labels = [f"{threshold:g}", *([str(scale)] if of_scales else [])]
            values = [
                float(value)
                for metric in metrics
                for value in cell[metric].transpose(names.SYSTEM).values
            ]
            table.add_row(*labels, *[f"{v:.3f}" if np.isfinite(v) else "–" for v in values])
    return unbroken(table)
