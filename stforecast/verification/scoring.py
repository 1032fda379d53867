"""Scores of forecasts against observations, per lead time, variable and group of valid times.

Fields are read and compared block by block, so that memory stays flat however many there are.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.options import VerificationOptions
from stforecast.timeaxis import stamp_text
from stforecast.verification.cells import CellSums
from stforecast.verification.framewise import FrameScaling, FrameSums
from stforecast.verification.groups import Groups, find_groups, group_coordinate
from stforecast.verification.metrics import ALWAYS, DEFAULT, METRICS, checked_metrics
from stforecast.verification.systems import Block, Comparison, compare

# Bytes of the fields of one system that are held at once.
_BLOCK = 32 * 2**20


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
) -> xr.Dataset:
    """Scores of forecasts and of references, on the same cells and windows.

    Args:
        forecast: a product of this project or anything :func:`stforecast.product.conform` takes;
            or several, by name. The first says which variables, initial and lead times there are.
        observations: fields along time on the same grid; of any length, gaps allowed.
        references: further forecasts, by name, against which skill is also told.
        by: which of lead_time, hour, weekday, month, season (of the valid time) to score apart.
        name: what the only forecast is called; by default its run's name, else "forecast".
        area_weighted: weight cells by their area, where the grid is on the sphere; frames are not.
        metrics: names in :data:`stforecast.verification.METRICS`, those to show; RMSE, MAE and bias
            are always there.
        frames: how values become frames in [0, 1], for metrics of frames; ranges that it does not
            give are those that the first forecast tells.

    Returns:
        ``rmse, mae, bias (forecast, variable[, lead_time][, groups])``, ``skill(forecast,
        reference, variable, …) = 1 - rmse / rmse of the reference``, ``weight`` and ``count`` of
        what was averaged. A value is used only where every system and the observations have it.
        Metrics of frames have no ``variable``; ``frames`` and ``frames_left_out`` (those that lack
        a cell) count them. Attributes state definitions, averaging and period.

    Raises:
        DataError: where forecasts and observations do not go together. ConfigError: for `by`, for
        metrics that there are not, or that these frames cannot have.
    """
    shown = checked_metrics(metrics)
    if isinstance(forecast, xr.Dataset):
        forecast = {name or str(forecast.attrs.get("stforecast_run") or "forecast"): forecast}
    references = references or {}
    twice = [label for label in references if label in forecast]
    if twice:
        raise ConfigError(f"a forecast and a reference are both called {twice[0]}; rename one")
    comparison = compare({**forecast, **references}, observations)
    weights = comparison.observed.grid.area_weights() if area_weighted else None
    groups = find_groups(by, comparison.frame)
    scaling = (frames or FrameScaling()).with_ranges_of(comparison.frame)
    sums = _Sums(comparison, groups, weights, shown, scaling)
    told = checked_metrics([*ALWAYS, *shown])
    result = _dataset(comparison, groups, sums, told, list(forecast), list(references))
    result = _described(result, comparison, sums, weights)
    of_variables = {
        name: scaling.ranges[name] for name in comparison.variables if name in scaling.ranges
    }
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
    )
    return scores if protocol is None else scores.assign_attrs(protocol=protocol)


class _Sums:
    """What all blocks of fields come to: errors of cells, and scores of frames where asked for."""

    def __init__(
        self,
        comparison: Comparison,
        groups: Groups,
        weights: xr.DataArray | None,
        metrics: Sequence[str],
        scaling: FrameScaling,
    ) -> None:
        sizes = tuple(len(labels) for labels, _ in groups.values())
        systems, variables = comparison.systems, comparison.variables
        grid = comparison.observed.grid.shape
        cells = np.ones(grid) if weights is None else np.asarray(weights.values, np.float64)
        self.cells = CellSums(len(systems), len(variables), sizes, cells)
        self.frames: FrameSums | None = None
        of_frames = [metric for metric in metrics if METRICS[metric].of_frames]
        if of_frames:
            scaling.check(of_frames, variables, grid)
            self.frames = FrameSums(of_frames, scaling, variables, len(systems), sizes)
        valid = comparison.frame[names.VALID_TIME]
        self.used = np.zeros(valid.shape, bool)
        codes = np.zeros(valid.shape, np.int64)
        for labels, members in groups.values():
            codes = codes * len(labels) + members
        for block in comparison.blocks(_BLOCK):
            self._add(comparison, block, codes[block.inits])

    def _add(self, comparison: Comparison, block: Block, codes: NDArray[np.int64]) -> None:
        truths = comparison.truth(block)
        by_system = [system.values(comparison.variables, block) for system in comparison.systems]
        if self.frames is not None:
            self.frames.begin()
        for number, variable in enumerate(comparison.variables):
            fields = [values[number] for values in by_system]
            self.used[block.inits] |= self.cells.add(number, truths[number], fields, codes)
            if self.frames is not None:
                self.frames.add(variable, truths[number], fields)
        if self.frames is not None:
            self.frames.end(codes)


def _dataset(
    comparison: Comparison,
    groups: Groups,
    sums: _Sums,
    metrics: Sequence[str],
    forecasts: list[str],
    references: list[str],
) -> xr.Dataset:
    units = [str(comparison.frame[name].attrs.get("units", "1")) for name in comparison.variables]
    dims = (names.SYSTEM, names.VARIABLE, *groups)
    found = sums.cells.scores()
    result = xr.Dataset()
    for metric in metrics:
        if metric in found:
            own = [f"({unit})2" for unit in units] if metric == "mse" else units
            result[metric] = (dims, found[metric], _same(own))
    if references:
        chosen = found["rmse"][len(forecasts) :]
        with np.errstate(invalid="ignore", divide="ignore"):
            skill = 1 - found["rmse"][:, None] / np.where(chosen > 0, chosen, np.nan)[None]
        skill_dims = (names.SYSTEM, names.REFERENCE, *dims[1:])
        result["skill"] = (skill_dims, skill, {"units": "1"})
    result["weight"] = (dims[1:], sums.cells.weight, {"units": "1", "long_name": _WEIGHT})
    result["count"] = (dims[1:], sums.cells.count, {"units": "1", "long_name": _COUNT})
    if sums.frames is not None:
        for metric, values in sums.frames.scores().items():
            unit = "dB" if metric == "psnr" else "1"
            result[metric] = ((names.SYSTEM, *groups), values, {"units": unit})
        result["frames"] = (tuple(groups), sums.frames.frames, {"units": "1", "long_name": _FRAMES})
        left_out = {"units": "1", "long_name": _LEFT_OUT}
        result["frames_left_out"] = (tuple(groups), sums.frames.left_out, left_out)
    return result.assign_coords(
        {
            names.SYSTEM: (names.SYSTEM, np.array(forecasts + references, dtype=object)),
            names.VARIABLE: (names.VARIABLE, np.array(comparison.variables, dtype=object)),
            "variable_units": (names.VARIABLE, np.array(units, dtype=object)),
            **({names.REFERENCE: np.array(references, dtype=object)} if references else {}),
            **{
                group: group_coordinate(group, labels, comparison.frame)
                for group, (labels, _) in groups.items()
            },
        }
    )


_WEIGHT = "sum of the weights of the values compared"
_COUNT = "number of values compared"
_FRAMES = "number of frames compared"
_LEFT_OUT = "number of frames that lack a cell in the observations or a system"
_SKILL = ("skill in RMSE", "1 - rmse of the forecast / rmse of the reference")


def _same(units: list[str]) -> dict[str, str]:
    """The units of a score: one for all variables, else those of the coordinate."""
    return {"units": units[0]} if len(set(units)) == 1 else {"units_of": "variable_units"}


def _described(
    result: xr.Dataset, comparison: Comparison, sums: _Sums, weights: xr.DataArray | None
) -> xr.Dataset:
    """The scores with what defines them in their attributes."""
    common = {"averaging": _averaging(sums, weights), "period": _period(comparison, sums)}
    for name, scores in result.data_vars.items():
        if name == "skill":
            scores.attrs.update(long_name=_SKILL[0], definition=_SKILL[1], **common)
        elif name in METRICS:
            metric = METRICS[str(name)]
            scores.attrs.update(long_name=metric.long_name, definition=metric.definition, **common)
            if metric.of_frames and sums.frames is not None:
                scores.attrs["averaging"] = sums.frames.averaging()
        if name == "ssim" and sums.frames is not None:
            scores.attrs["window"] = sums.frames.scaling.describe_ssim()
    result.attrs = _attributes(comparison, sums, common)
    if sums.frames is not None:
        result.attrs["frame_values"] = sums.frames.scaling.describe()
    return result


def _averaging(sums: _Sums, weights: xr.DataArray | None) -> str:
    area = "weighted by cell area" if weights is not None else "all cells alike"
    return (
        f"over {int(sums.used.any(axis=1).sum())} initial times and all cells, {area}; only values "
        "that the observations and every system have"
    )


def _period(comparison: Comparison, sums: _Sums) -> str:
    inits = comparison.frame[names.INIT_TIME].values[sums.used.any(axis=1)]
    if inits.size == 0:
        raise DataError(
            "there is nothing to score: at none of the valid times have the observations and every "
            "forecast a value in the same cell"
        )
    ordered = np.sort(inits)
    return f"initial times {stamp_text(ordered[0])} to {stamp_text(ordered[-1])}"


def _attributes(comparison: Comparison, sums: _Sums, common: Mapping[str, str]) -> dict[str, Any]:
    used = sums.used.any(axis=1)
    return {
        "title": "scores of " + ", ".join(system.name for system in comparison.systems),
        **common,
        "initial_times": int(used.sum()),
        "initial_times_left_out": int((~used).sum()),
        "systems": "; ".join(
            f"{system.name}: {system.product.attrs.get('source', 'not described')}"
            for system in comparison.systems
        ),
    }
