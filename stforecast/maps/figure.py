"""One figure of a forecast: panels for lead times, beside the observation and the error."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError, MapError, StForecastWarning
from stforecast.maps.choice import LeadTime, choose_init, choose_leads, choose_variables
from stforecast.maps.composition import Composition, MapFigure
from stforecast.maps.labels import Times
from stforecast.maps.overlay import read_overlay
from stforecast.maps.panels import Panels
from stforecast.maps.placement import place
from stforecast.product.conform import conform
from stforecast.product.observed import Observed
from stforecast.product.place import grid_of
from stforecast.product.uncertainty import ensemble_mean


def map_figure(
    forecast: xr.Dataset,
    variable: str | None = None,
    lead_time: Sequence[LeadTime] | LeadTime | None = None,
    *,
    observed: xr.Dataset | None = None,
    init_time: Any = None,
    overlay: str | Path | None = None,
    projection: str | None = None,
    cmap: str | None = None,
    initial: bool = False,
) -> MapFigure:
    """Maps of one variable from one initial time, a panel for each lead time.

    Args:
        forecast: a product, or anything :func:`stforecast.product.conform` takes; of one with
            members their mean.
        variable: the only one, unless named.
        lead_time: in steps or as durations (``"6h"``); up to four by default.
        observed: observations; they and the error are drawn below where they are known.
        init_time: a date as text, a stamp, or a number; by default the last one observed.
        overlay: GeoJSON file or shapefile to draw over each map.
        projection: name of a cartopy projection; by default one that suits the grid's place.
        cmap: colour map of the fields; by default one that suits the variable.
        initial: whether what was observed at the initial time, where it was, stands first.

    Returns:
        A figure that belongs to nobody: no backend is chosen, and there is nothing to close.

    Raises:
        MapError, DataError: where there is nothing to draw, in a sentence.
    """
    forecast = conform(forecast)
    members = forecast.sizes.get(names.MEMBER, 1)
    forecast = ensemble_mean(forecast)
    if variable is None:
        known = choose_variables(forecast, None)
        if len(known) > 1:
            raise MapError(f"the forecast has {', '.join(known)}; say which to draw")
        variable = known[0]
    choose_variables(forecast, [variable])
    panels = _panels(forecast, variable, lead_time, init_time, observed, initial)
    panels = replace(panels, members=members)
    placement = place(panels.grid, projection)
    shapes = () if overlay is None else read_overlay(overlay)
    if shapes and placement.projection is None:
        raise MapError(
            "the grid has no coordinates, so an overlay cannot be drawn; say in data.grid where it "
            "lies"
        )
    with matplotlib.style.context("default"):
        figure = Composition(panels, placement, shapes, cmap).figure
    figure.init_text = panels.times.file_stamp(panels.init_time)
    return figure


def _panels(
    forecast: xr.Dataset,
    variable: str,
    lead_time: Any,
    init_time: Any,
    observed: xr.Dataset | None,
    initial: bool,
) -> Panels:
    dims = (names.INIT_TIME, names.LEAD_TIME)
    leads = choose_leads(forecast, lead_time)
    found = None if observed is None else Observed(forecast[[variable]], observed)
    init = choose_init(forecast, init_time, leads, None if found is None else found.index)
    grid = grid_of(forecast, variable, dims)
    field = forecast[variable].isel({names.INIT_TIME: init, names.LEAD_TIME: leads})
    field = field.transpose(names.LEAD_TIME, grid.y_name, grid.x_name)
    rows = {"forecast": np.asarray(field.values, np.float32)}
    if found is not None:
        truth = found.values(variable, slice(init, init + 1))[0, leads]
        if np.isfinite(truth).any():
            rows |= {"observation": truth, "error": rows["forecast"] - truth}
        else:
            warnings.warn(
                "none of the fields drawn was observed, so the forecast stands alone",
                StForecastWarning,
                stacklevel=3,
            )
    chosen = forecast.isel({names.INIT_TIME: [init], names.LEAD_TIME: leads})
    init_time = chosen[names.INIT_TIME].values[0]
    lead_times, valid_times = chosen[names.LEAD_TIME].values, chosen[names.VALID_TIME].values[0]
    before = None
    if initial and observed is not None and "observation" in rows:
        before = _before(chosen[[variable]], observed, variable)
    if before is not None:
        gap = np.full_like(before, np.nan)
        for row, fields in rows.items():
            rows[row] = np.concatenate([before if row == "observation" else gap, fields])
        lead_times = np.concatenate([np.zeros(1, lead_times.dtype), lead_times])
        valid_times = np.concatenate([[init_time], valid_times])
    return Panels(
        variable=forecast[variable],
        rows=rows,
        grid=grid,
        times=Times(chosen),
        init_time=init_time,
        lead_times=lead_times,
        valid_times=valid_times,
        known=0 if before is None else 1,
    )


def _before(chosen: xr.Dataset, observed: xr.Dataset, variable: str) -> NDArray[np.float32] | None:
    """The field (1, y, x) observed at the initial time; None where none was."""
    start = chosen.isel({names.LEAD_TIME: slice(0, 1)})
    valid = (start[names.VALID_TIME].dims, start[names.INIT_TIME].values[:, None])
    try:
        field = Observed(start.assign_coords({names.VALID_TIME: valid}), observed).values(variable)
    except DataError:  # the record begins later
        return None
    return field[0] if np.isfinite(field).any() else None
