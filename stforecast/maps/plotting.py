"""Maps as files: one picture for each variable."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from stforecast.files import written_whole
from stforecast.maps.choice import LeadTime, choose_variables
from stforecast.maps.figure import map_figure
from stforecast.product.conform import conform

_DPI = 160


def plot(
    forecast: xr.Dataset,
    folder: str | Path,
    *,
    variables: Sequence[str] | None = None,
    lead_time: Sequence[LeadTime] | LeadTime | None = None,
    init_time: Any = None,
    observed: xr.Dataset | None = None,
    overlay: str | Path | None = None,
    projection: str | None = None,
    cmap: str | None = None,
) -> list[Path]:
    """Draw one PNG for each variable, ``<variable>_<initial time>.png``, into a folder.

    A picture has a column for each lead time; with `observed`, the observation and the error stand
    below the forecast. All else as :func:`stforecast.maps.map_figure` has it. Each file appears
    whole or not at all. Returns the paths.
    """
    forecast = conform(forecast)
    paths = []
    for variable in choose_variables(forecast, variables):
        figure = map_figure(
            forecast,
            variable,
            lead_time,
            observed=observed,
            init_time=init_time,
            overlay=overlay,
            projection=projection,
            cmap=cmap,
        )
        path = Path(folder) / f"{_file_name(variable)}_{figure.init_text}.png"
        with written_whole(path, "the map") as beside:
            figure.savefig(beside, dpi=_DPI, metadata={"Software": "stforecast"})
        figure.clear()
        paths.append(path)
    return paths


def _file_name(variable: str) -> str:
    """A variable's name as any file system takes it."""
    return re.sub(r"[^\w.-]+", "_", variable)
