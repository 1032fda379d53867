"""Scores as a published table has them, with those in native units beside.

Which protocol they follow is the attribute ``protocol`` of the scores; what each of them means is
in ``docs/protocols.md``.
"""

import json
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from rich import box
from rich.table import Table

from stforecast import names
from stforecast.verification.pooling import pooled
from stforecast.verification.text import lead_texts

# Headers and formats of the columns of the terminal's table.
_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "mse_per_frame": ("MSE\nper frame", ".4g"),
    "mae_per_frame": ("MAE\nper frame", ".4g"),
    "ssim": ("SSIM", ".4f"),
    "psnr": ("PSNR", ".2f"),
    "rmse_scaled": ("RMSE\nin [-1, 1]", ".5f"),
    "mse": ("MSE", ".4g"),
    "mae": ("MAE", ".4g"),
    "rmse": ("RMSE", ".4g"),
}


def protocol_frame(scores: xr.Dataset) -> pd.DataFrame:
    """One row for each forecast or reference, as the protocol of the scores has it.

    - ``openstl``: per frame, over all lead times; ``rmse`` and ``mae`` in native units
    - ``openstl:weather``: native units, over all lead times, a row for each variable
    - ``deepst``: the first lead time; ``rmse`` in native units, and ``rmse_scaled`` in [-1, 1]

    Native units are of all variables together, where these have one unit; else they are left out.
    """
    protocol = str(scores.attrs["protocol"])
    if protocol.startswith("deepst"):
        return _labelled(scores, _next_step(scores))
    groups = [str(dim) for dim in scores["count"].dims if dim != names.VARIABLE]
    whole = pooled(scores, groups) if groups else scores
    if protocol == "openstl:weather":
        parts = []
        for variable in scores[names.VARIABLE].values:
            one = whole.sel({names.VARIABLE: variable})
            values = {name: one[name].values for name in ("mse", "mae", "rmse")}
            units = str(one["variable_units"].values)
            parts.append(_labelled(scores, {"variable": variable, **values, "units": units}))
        return pd.concat(parts, ignore_index=True)
    frames = [name for name in _COLUMNS if name in whole and names.VARIABLE not in whole[name].dims]
    values = {name: whole[name].values for name in frames}
    return _labelled(scores, values | _native(whole))


def protocol_table(scores: xr.Dataset) -> Table:
    """The same for a terminal."""
    frame = protocol_frame(scores)
    table = Table(
        title=f"protocol {scores.attrs['protocol']}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    labels = [name for name in ("forecast", "variable") if name in frame]
    for name in labels:
        table.add_column("" if name == "forecast" else name)
    shown = [name for name in _COLUMNS if name in frame]
    units = frame["units"].iloc[0] if "units" in frame else ""
    for name in shown:
        header = _COLUMNS[name][0]
        if name in ("rmse", "mae", "mse"):
            header += f"\n{f'({units})²' if name == 'mse' else units}"
        table.add_column(header, justify="right")
    for _, row in frame.iterrows():
        cells = [_text(row[name], _COLUMNS[name][1]) for name in shown]
        table.add_row(*[str(row[name]).replace("_", " ") for name in labels], *cells)
    return table


def _next_step(scores: xr.Dataset) -> dict[str, Any]:
    first = scores.isel({names.LEAD_TIME: 0}) if names.LEAD_TIME in scores.dims else scores
    groups = [str(dim) for dim in first["count"].dims if dim != names.VARIABLE]
    native = _native(pooled(first, groups) if groups else first)
    ranges = {tuple(pair) for pair in json.loads(scores.attrs.get("value_ranges", "{}")).values()}
    if "rmse" not in native or len(ranges) != 1:
        return native
    ((low, high),) = ranges
    return {"rmse_scaled": native["rmse"] * 2 / (high - low), **native}


def _native(whole: xr.Dataset) -> dict[str, Any]:
    """RMSE and MAE over all variables together (forecast,), where these have one unit."""
    units = {str(unit) for unit in whole["variable_units"].values}
    if len(units) > 1:
        return {}
    weight = whole["weight"] / whole["weight"].sum(names.VARIABLE)
    mse = (whole["rmse"] ** 2 * weight).sum(names.VARIABLE)
    mae = (whole["mae"] * weight).sum(names.VARIABLE)
    return {"rmse": np.sqrt(mse.values), "mae": mae.values, "units": units.pop()}


def _labelled(scores: xr.Dataset, columns: dict[str, Any]) -> pd.DataFrame:
    systems = [str(name) for name in scores[names.SYSTEM].values]
    return pd.DataFrame({"forecast": systems, **columns})


def protocol_note(scores: xr.Dataset) -> str:
    """What the numbers of the table are of."""
    protocol = str(scores.attrs["protocol"])
    if protocol.startswith("deepst"):
        lead = lead_texts(scores[names.LEAD_TIME][:1])[0]
        return f"Protocol {protocol}: the next step ({lead}), all variables together."
    together = f"Protocol {protocol}: all lead times together"
    return together + ("." if protocol == "openstl:weather" else ", frames of all variables.")


def _text(value: float, form: str) -> str:
    if np.isposinf(value):
        return "∞"
    return f"{value:{form}}" if np.isfinite(value) else "–"
