"""Scores of forecasts against observations, per lead time, variable and group of valid times.

Fields are read and compared block by block, so that memory stays flat however many there are; on a
dask cluster, where there is one, by its workers.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.options import VerificationOptions
from stforecast.timeaxis import counts_frames, span_text, time_text
from stforecast.verification.bootstrap import Resampling, intervals
from stforecast.verification.counting import Plan, Progress, count
from stforecast.verification.dataset import Told, scores_dataset
from stforecast.verification.details import Details
from stforecast.verification.framewise import FrameScaling
from stforecast.verification.groups import Groups, find_groups
from stforecast.verification.metrics import ALWAYS, DEFAULT, METRICS, checked_metrics
from stforecast.verification.pieces import Layout
from stforecast.verification.regions import region_weights
from stforecast.verification.systems import Comparison, compare


def verify(
    forecast: xr.Dataset | Mapping[str, xr.Dataset],
    observations: xr.Dataset,
    *,
    references: Mapping[str, xr.Dataset] | None = None,
    by: Sequence[str] = (names.LEAD_TIME,),
    name: str | None = None,
    area_weighted: bool = True,
    metrics: Sequence[str] = DEFAULT,
    frames: FrameScaling | None = None,
    details: Details | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Scores of forecasts and of references, on the same cells and windows.

    Args:
        forecast: a product of this project or anything :func:`stforecast.product.conform` takes;
            or several, by name. The first says which variables, initial and lead times there are.
            Of one with members the mean is scored, and the members by CRPS and the like.
        observations: fields along time on the same grid; of any length, gaps allowed.
        references: further forecasts, by name, against which skill is also told.
        by: which of lead_time, hour, weekday, month, season (of the valid time) to score apart.
        name: what the only forecast is called; by default its run's name, else "forecast".
        area_weighted: weight cells by their area, where the grid is on the sphere; frames are not.
        metrics: names in :data:`stforecast.verification.METRICS`, those to show; RMSE, MAE and bias
            are always there.
        frames: how values become frames in [0, 1], for metrics of frames; ranges that it does not
            give are those that the first forecast tells.
        details: thresholds, regions, intervals and diagnostics.
        progress: told how many initial times of how many are done.

    Returns:
        ``rmse, mae, bias (forecast, variable[, lead_time][, groups][, region])``, ``skill(forecast,
        reference, variable, …) = 1 - rmse / rmse of the reference``, ``weight`` and ``count`` of
        what was averaged. A value is used only where every system and the observations have it.
        Metrics of frames have no ``variable``; ``frames`` and ``frames_left_out`` (those that lack
        a cell) count them. Attributes state definitions, averaging and period. What else there is,
        :mod:`stforecast.verification.dataset` tells.

    Raises:
        DataError: where forecasts and observations do not go together. ConfigError: for `by`, for
        metrics that there are not, or that these forecasts cannot have.
    """
    details = details or Details()
    metrics = checked_metrics(metrics)
    if isinstance(forecast, xr.Dataset):
        forecast = {name or str(forecast.attrs.get("stforecast_run") or "forecast"): forecast}
    references = references or {}
    twice = [label for label in references if label in forecast]
    if twice:
        raise ConfigError(f"a forecast and a reference are both called {twice[0]}; rename one")
    comparison = compare({**forecast, **references}, observations)
    systems, variables = comparison.systems, comparison.variables
    members = [system.members for system in systems]
    told = {system.name: system.stated_coverage(variables) for system in systems}
    stated = {label: coverage for label, coverage in told.items() if coverage is not None}
    details.check(metrics, list(told), max(members), bool(stated))
    shown = details.shown(metrics, max(members), bool(stated))
    area = comparison.observed.grid.area_weights() if area_weighted else None
    grid = comparison.observed.grid
    cells = np.ones(grid.shape) if area is None else np.asarray(area.values, np.float64)
    regions, weights = region_weights(grid, cells, details.regions)
    groups = find_groups(by, comparison.frame)
    layout = Layout(
        systems=list(told),
        variables=variables,
        groups={label: len(labels) for label, (labels, _) in groups.items()},
        weights=weights,
        grid=grid.shape,
        inits=comparison.frame.sizes[names.INIT_TIME],
        leads=comparison.frame.sizes[names.LEAD_TIME],
    )
    scaling = (frames or FrameScaling()).with_ranges_of(comparison.frame)
    of_frames = [metric for metric in shown if METRICS[metric].of_frames]
    if of_frames:
        scaling.check(of_frames, variables, grid.shape)
    codes = _codes(groups, comparison)
    sums = count(
        Plan(comparison, layout, shown, details, stated, of_frames, scaling, codes), progress
    )
    statistics = sums.statistics
    used = np.asarray((statistics.cells.case_weight[..., 0] > 0).any(axis=(0, 2)))
    _check_any(used)
    found = statistics.scores()
    resampling = Resampling.of(details.bootstrap, comparison.frame, used)
    found |= intervals(statistics.cells, codes, resampling, len(references))
    result = scores_dataset(
        Told(
            comparison=comparison,
            groups=groups,
            layout=layout,
            regions=regions,
            found=found,
            coordinates=statistics.coordinates(),
            frames=sums.frames,
            metrics=checked_metrics([*ALWAYS, *shown]),
            references=list(references),
            averaging=_averaging(used, area is not None),
            period=_period(comparison, used),
            details=details,
        )
    )
    result.attrs |= {
        "initial_times": int(used.sum()),
        "initial_times_left_out": int((~used).sum()),
        "bootstrap": resampling.describe(),
    }
    of_variables = {label: scaling.ranges[label] for label in variables if label in scaling.ranges}
    if of_variables:
        result.attrs["value_ranges"] = json.dumps(of_variables)
    return result.assign_attrs(metrics=", ".join(shown))


def verify_as_asked(
    options: VerificationOptions,
    forecast: xr.Dataset | Mapping[str, xr.Dataset],
    observations: xr.Dataset,
    references: Mapping[str, xr.Dataset],
    ranges: Mapping[str, tuple[float, float]] | None = None,
    protocol: str | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """:func:`verify` with the metrics and groups of an experiment's options.

    ``ranges`` of the variables go before those that the forecast tells. Scores that follow a
    ``protocol`` name it in an attribute.
    """
    scores = verify(
        forecast,
        observations,
        references=references,
        by=options.by,
        area_weighted=options.area_weighted,
        metrics=options.metrics,
        frames=FrameScaling(ranges or {}, options.ssim_window, options.ssim_range),
        details=Details.of(options),
        progress=progress,
    )
    return scores if protocol is None else scores.assign_attrs(protocol=protocol)


def _codes(groups: Groups, comparison: Comparison) -> NDArray[np.int64]:
    """Which group the field of each (init, lead) belongs to, all groups counted through."""
    codes = np.zeros(comparison.frame[names.VALID_TIME].shape, np.int64)
    for labels, members in groups.values():
        codes = codes * len(labels) + members
    return codes


def _averaging(used: NDArray[np.bool_], weighted: bool) -> str:
    area = "weighted by cell area" if weighted else "all cells alike"
    count = int(used.sum())
    times = f"{count} initial time{'s' if count != 1 else ''}"
    return (
        f"over {times} and all cells, {area}; only values that the observations and every system "
        "have"
    )


def _check_any(used: NDArray[np.bool_]) -> None:
    if not used.any():
        raise DataError(
            "there is nothing to score: at none of the valid times have the observations and every "
            "forecast a value in the same cell"
        )


def _period(comparison: Comparison, used: NDArray[np.bool_]) -> str:
    inits = comparison.frame[names.INIT_TIME]
    ordered = np.sort(inits.values[used])
    frames = counts_frames(inits.attrs)
    if ordered.size == 1:
        return f"initial time {time_text(ordered[0], frames=frames)}"
    return f"initial times {span_text(ordered[0], ordered[-1], frames=frames)}"
