"""Scores as a dataset that says what each of them is.

Beside the metrics (see :data:`stforecast.verification.METRICS`), with ``…`` for lead time, groups
and region:

- ``skill (forecast, reference, variable, …)``; ``rmse_difference (forecast, beside, variable, …)``,
  RMSE of ``forecast`` less that of ``beside``
- ``overall_skill``, ``overall_rmse_difference``: the same over all lead times and groups together;
  ``…_lower`` and ``…_upper`` of these, of ``rmse``, ``skill`` and ``overall_rmse``: intervals
- ``hits, misses, false_alarms (forecast, variable, threshold, …)``: weights of the events
- ``rank_histogram (forecast, variable, lead_time, rank)``
- ``reliability_forecast, reliability_observed, reliability_count (forecast, variable, threshold,
  probability_bin)``
- ``spectrum (forecast, variable, lead_time, wavenumber)``, ``spectrum_observed``
- ``rmse_map, bias_map (forecast, variable, lead_time, <rows>, <columns>)``
- ``case_rmse (forecast, variable, init_time)``
- what scores are put together from, such as ``weight`` and ``observed_magnitude``
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.verification.bootstrap import BESIDE
from stforecast.verification.cells import Scores
from stforecast.verification.details import Details
from stforecast.verification.diagnostics import BIN, RANK, WAVENUMBER
from stforecast.verification.events import SCALE, THRESHOLD
from stforecast.verification.framewise import FrameSums
from stforecast.verification.groups import Groups, group_coordinate
from stforecast.verification.metrics import METRICS
from stforecast.verification.pieces import Layout
from stforecast.verification.systems import Comparison

REGION: Final = "region"


@dataclass(frozen=True)
class Told:
    """What a dataset of scores is made of."""

    comparison: Comparison
    groups: Groups
    layout: Layout
    regions: list[str]
    found: Scores
    coordinates: Scores
    frames: FrameSums | None
    metrics: Sequence[str]
    references: list[str]
    averaging: str
    period: str
    details: Details


_OF_VARIABLE = "variable"
_SQUARED = "variable squared"
# Of what is no metric: long name, definition, and units ("variable" for those of the variable).
_BESIDE_METRICS: Final[dict[str, tuple[str, str, str]]] = {
    "skill": ("skill in RMSE", "1 - rmse of the forecast / rmse of the reference", "1"),
    "overall_skill": (
        "skill in RMSE over all lead times and groups",
        "1 - rmse of the forecast / rmse of the reference",
        "1",
    ),
    "rmse_difference": (
        "difference in RMSE",
        "rmse of the forecast - rmse of the one beside",
        _OF_VARIABLE,
    ),
    "overall_rmse_difference": (
        "difference in RMSE over all lead times and groups",
        "rmse of the forecast - rmse of the one beside",
        _OF_VARIABLE,
    ),
    "overall_rmse": (
        "root mean square error over all lead times and groups",
        "square root of the mean of (forecast - observation)^2",
        _OF_VARIABLE,
    ),
    "weight": ("sum of the weights of the values compared", "", "1"),
    "count": ("number of values compared", "", "1"),
    "observed_magnitude": (
        "magnitude of the observations",
        "mean of |observation|",
        _OF_VARIABLE,
    ),
    "mape_weight": ("sum of the weights of the values in mape", "", "1"),
    "anomaly_forecast": (
        "size of the departures of the forecast from the climatology",
        "square root of the mean of (forecast - climatology)^2",
        _OF_VARIABLE,
    ),
    "anomaly_observed": (
        "size of the departures of the observations from the climatology",
        "square root of the mean of (observation - climatology)^2",
        _OF_VARIABLE,
    ),
    "hits": ("hits", "sum of the weights of events that were forecast and observed", "1"),
    "misses": ("misses", "sum of the weights of events observed that were not forecast", "1"),
    "false_alarms": (
        "false alarms",
        "sum of the weights of events forecast that were not observed",
        "1",
    ),
    "fss_weight": ("sum of f^2 + o^2 in fss", "", "1"),
    "rank_histogram": (
        "rank histogram",
        "number of observations above so many of the members; where members equal it, each rank "
        "that it may have gets its share",
        "1",
    ),
    "reliability_forecast": (
        "forecast probability of the event",
        "mean share of members not below the threshold, in the bin",
        "1",
    ),
    "reliability_observed": (
        "observed frequency of the event",
        "share of the observations not below the threshold, in the bin",
        "1",
    ),
    "reliability_count": ("number of forecasts in the bin", "", "1"),
    "spectrum": (
        "variance in space by wavenumber",
        "mean over fields that lack no cell of the squares of their discrete cosine transform; of "
        "an ensemble, mean over its members",
        _SQUARED,
    ),
    "spectrum_observed": (
        "variance in space of the observations by wavenumber",
        "mean over fields that lack no cell of the squares of their discrete cosine transform",
        _SQUARED,
    ),
    "spectrum_fields": ("number of fields in the spectra", "", "1"),
    "rmse_map": (
        "root mean square error of each cell",
        "square root of the mean of (forecast - observation)^2 over initial times",
        _OF_VARIABLE,
    ),
    "bias_map": (
        "mean error of each cell",
        "mean of forecast - observation over initial times",
        _OF_VARIABLE,
    ),
    "case_rmse": (
        "root mean square error of each initial time",
        "square root of the mean of (forecast - observation)^2 over cells and lead times",
        _OF_VARIABLE,
    ),
    "members": ("number of members, 1 for a forecast without", "", "1"),
    "stated_coverage": ("share of the observations that the interval is to hold", "", "1"),
}
_COORDINATES: Final[dict[str, dict[str, str]]] = {
    THRESHOLD: {"long_name": "threshold of the event", "units_of": "variable_units"},
    SCALE: {"long_name": "side of the neighbourhood in cells", "units": "1"},
    RANK: {"long_name": "members below the observation", "units": "1"},
    BIN: {"long_name": "middle of the bin of forecast probabilities", "units": "1"},
    WAVENUMBER: {"long_name": "half waves along the shorter side of the grid", "units": "1"},
    "wavelength": {"long_name": "length of wave in cells", "units": "1"},
}
_NO_SCORES = ("members", "stated_coverage")
_FRAMES = "number of frames compared"
_LEFT_OUT = "number of frames that lack a cell in the observations or a system"


def scores_dataset(told: Told) -> xr.Dataset:
    """All scores with what defines them in their attributes."""
    comparison = told.comparison
    units = [str(comparison.frame[name].attrs.get("units", "1")) for name in comparison.variables]
    result = xr.Dataset()
    for name, (dims, values) in told.found.items():
        if name in METRICS and name not in told.metrics and name not in _DRAWN:
            continue
        result[name] = (dims, values, _attributes(told, name, units))
    if not told.references:
        result = result.drop_vars([name for name in result if "skill" in str(name)])
    _add_frames(result, told)
    result = result.assign_coords(_coordinates(told, units))
    if len(told.regions) == 1:
        result = result.isel({REGION: 0}, drop=True)
    result.attrs = {
        "title": "scores of " + ", ".join(system.name for system in comparison.systems),
        "averaging": told.averaging,
        "period": told.period,
        "systems": "; ".join(
            f"{system.name}: {system.product.attrs.get('source', 'not described')}"
            for system in comparison.systems
        ),
    }
    if told.frames is not None:
        result.attrs["frame_values"] = told.frames.scaling.describe()
    return result


# Held wherever they can be had, as others are put together from them.
_DRAWN = ("crps", "spread", "spread_error", "coverage", "interval_width", "interval_score")


def _attributes(told: Told, name: str, units: list[str]) -> dict[str, Any]:
    """What a variable of the dataset is."""
    base, side = name, ""
    for ending, words in (("_lower", "lower"), ("_upper", "upper")):
        if name.endswith(ending):
            base, side = name.removesuffix(ending), words
    if base in METRICS:
        metric = METRICS[base]
        long_name, definition = metric.long_name, metric.definition
        unit = _OF_VARIABLE if metric.units is None else metric.units
        unit = _SQUARED if base == "mse" else unit
    else:
        long_name, definition, unit = _BESIDE_METRICS[base]
    if side:
        long_name = f"{side} limit of the 95 % interval of the {long_name}"
    attrs: dict[str, Any] = {"long_name": long_name}
    if definition:
        attrs["definition"] = definition
    if unit in (_OF_VARIABLE, _SQUARED):
        own = [f"({item})2" for item in units] if unit == _SQUARED else units
        attrs |= {"units": own[0]} if len(set(own)) == 1 else {"units_of": "variable_units"}
    else:
        attrs["units"] = unit
    if definition:
        attrs |= {"averaging": told.averaging, "period": told.period}
    if base == "mape":
        attrs["mape_threshold"] = told.details.mape_threshold
    if base in ("coverage", "interval_width", "interval_score"):
        attrs["interval"] = "bounds of the forecast, else quantiles of its members"
    return attrs


def _add_frames(result: xr.Dataset, told: Told) -> None:
    """Add the scores of frames, where they are asked for."""
    frames = told.frames
    if frames is None:
        return
    groups = tuple(told.groups)
    for name, values in frames.scores().items():
        attrs = _attributes(told, name, [])
        attrs["averaging"] = frames.averaging()
        if name == "ssim":
            attrs["window"] = frames.scaling.describe_ssim()
        result[name] = ((names.SYSTEM, *groups), values, attrs)
    result["frames"] = (groups, frames.frames, {"units": "1", "long_name": _FRAMES})
    left_out = {"units": "1", "long_name": _LEFT_OUT}
    result["frames_left_out"] = (groups, frames.left_out, left_out)


def _coordinates(told: Told, units: list[str]) -> dict[str, Any]:
    frame = told.comparison.frame
    systems = np.array([system.name for system in told.comparison.systems], dtype=object)
    coords: dict[str, Any] = {
        names.SYSTEM: (names.SYSTEM, systems),
        names.VARIABLE: (names.VARIABLE, np.array(told.comparison.variables, dtype=object)),
        "variable_units": (names.VARIABLE, np.array(units, dtype=object)),
        REGION: (REGION, np.array(told.regions, dtype=object), {"long_name": "part of the grid"}),
    }
    if told.references:
        coords[names.REFERENCE] = np.array(told.references, dtype=object)
    if any(BESIDE in dims for dims, _ in told.found.values()):
        coords[BESIDE] = (BESIDE, systems)
    for name in _NO_SCORES:
        if name in told.found:
            long_name, _, unit = _BESIDE_METRICS[name]
            attrs = {"long_name": long_name, "units": unit}
            coords[name] = (*told.found[name], attrs)
    for group, (labels, _) in told.groups.items():
        coords[group] = group_coordinate(group, labels, frame)
    used = {dim for dims, _ in told.found.values() for dim in dims}
    if names.LEAD_TIME in used and names.LEAD_TIME not in coords:
        leads = frame[names.LEAD_TIME]
        coords[names.LEAD_TIME] = (names.LEAD_TIME, leads.values, dict(leads.attrs))
    if names.INIT_TIME in used:
        inits = frame[names.INIT_TIME]
        coords[names.INIT_TIME] = (names.INIT_TIME, inits.values, dict(inits.attrs))
    for dim in told.comparison.dims[-2:]:
        if dim in used and dim in frame.coords:
            coords[dim] = frame[dim].variable
    for name, (dims, values) in told.coordinates.items():
        coords[name] = (dims, values, _COORDINATES[name])
    return coords
