"""Scores of each cell on maps."""

from pathlib import Path

import matplotlib.style
import numpy as np
import xarray as xr

from stforecast import names
from stforecast.maps.choice import choose_leads
from stforecast.maps.composition import Composition, MapFigure
from stforecast.maps.labels import Times
from stforecast.maps.overlay import read_overlay
from stforecast.maps.panels import Panels
from stforecast.maps.placement import place
from stforecast.product.conform import conform
from stforecast.product.place import grid_of

_COLOURS = "YlOrRd"


def score_figure(
    scores: xr.Dataset,
    forecast: xr.Dataset,
    system: str,
    variable: str,
    *,
    overlay: str | Path | None = None,
    projection: str | None = None,
) -> MapFigure:
    """RMSE and bias of each cell, a column for each of up to four lead times.

    Args:
        scores: with ``rmse_map`` and ``bias_map (forecast, variable, lead_time, y, x)``.
        forecast: the product that was scored: grid, units and words are its.
        system: its name in the scores.
        variable: which variable.
        overlay, projection: as for :func:`stforecast.maps.map_figure`.
    """
    forecast = conform(forecast)
    beside = (names.SYSTEM, names.VARIABLE, names.LEAD_TIME)
    spatial = [dim for dim in scores["rmse_map"].dims if dim not in beside]
    others = [dim for dim in forecast[variable].dims if dim not in spatial]
    grid = grid_of(forecast, variable, others)
    chosen = {names.SYSTEM: system, names.VARIABLE: variable}
    rows = {
        row: np.asarray(scores[name].sel(chosen).transpose(names.LEAD_TIME, ...).values, np.float32)
        for row, name in (("forecast", "rmse_map"), ("error", "bias_map"))
    }
    leads = scores[names.LEAD_TIME].values
    few = choose_leads(forecast.isel({names.LEAD_TIME: slice(0, leads.size)}), None)
    placement = place(grid, projection)
    shapes = () if overlay is None or placement.projection is None else read_overlay(overlay)
    panels = Panels(
        variable=forecast[variable],
        rows={row: fields[few] for row, fields in rows.items()},
        grid=grid,
        times=Times(forecast),
        init_time=None,
        lead_times=leads[few],
        valid_times=None,
        heading=f"RMSE and bias of {system} at each cell",
        row_names={"forecast": "RMSE", "error": "Bias"},
    )
    with matplotlib.style.context("default"):
        return Composition(panels, placement, shapes, _COLOURS).figure
