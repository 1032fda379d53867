"""Maps as files: one picture for each variable."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from stforecast.files import written_whole
from stforecast.maps.choice import LeadTime, choose_variables
from stforecast.maps.composition import MapFigure
from stforecast.maps.figure import map_figure
from stforecast.maps.sequence_panels import sequence_figure
from stforecast.maps.sequences import pictures
from stforecast.product.conform import conform

_DPI = 160
_LONGEST = 120  # characters of the name of a file


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
        paths.append(_save(figure, Path(folder), f"{variable}_{figure.init_text}"))
    return paths


def plot_sequences(
    forecast: xr.Dataset,
    folder: str | Path,
    *,
    variables: Sequence[str] | None = None,
    lead_time: Sequence[LeadTime] | LeadTime | None = None,
    sequences: Sequence[Any] | None = None,
    init_time: Any = None,
    observed: xr.Dataset | None = None,
    cmap: str | None = None,
) -> list[Path]:
    """Draw one PNG for each variable of independent sequences, such as videos, into a folder.

    Red, green and blue share one. Names end in those of the `sequences`, if these were named. All
    else as :func:`stforecast.maps.sequence_figure` has it. Each file appears whole or not at all.
    Returns the paths.
    """
    forecast = conform(forecast)
    paths = []
    for group in pictures(forecast, variables):
        figure = sequence_figure(
            forecast,
            group,
            lead_time,
            sequences=sequences,
            observed=observed,
            init_time=init_time,
            cmap=cmap,
        )
        what = group[0] if len(group) == 1 else "colours"
        words = [what, figure.init_text, *map(str, sequences or ())]
        paths.append(_save(figure, Path(folder), "_".join(words)))
    return paths


def _save(figure: MapFigure, folder: Path, name: str) -> Path:
    path = folder / f"{_file_name(name)}.png"
    with written_whole(path, "the map") as beside:
        figure.savefig(beside, dpi=_DPI, metadata={"Software": "stforecast"})
    figure.clear()
    return path


def _file_name(name: str) -> str:
    """A name as any file system takes it."""
    return re.sub(r"[^\w.-]+", "_", name)[:_LONGEST]
