"""Scores of forecasts against observations, per lead time, variable and group of valid times.

The errors of each field are taken by the package ``scores``; fields are then averaged as they come,
block by block, so that memory stays flat: sums of squares are summed and divided at the very end,
and the root is taken of the mean over all cells and initial times, never the mean of roots.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scores.continuous import additive_bias, mae, mse

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.timeaxis import stamp_text
from stforecast.verification import clock
from stforecast.verification.systems import Comparison, compare

# Bytes of the fields of one system that are held at once.
_BLOCK = 32 * 2**20
_MEANS = {"mse": mse, "mae": mae, "bias": additive_bias}

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEASONS = ("DJF", "MAM", "JJA", "SON")
GROUPS = ("hour", "weekday", "month", "season")
_LONG_NAMES = {
    "hour": "hour of day of the valid time",
    "weekday": "day of the week of the valid time",
    "month": "month of the valid time",
    "season": "season of the valid time",
}


def verify(
    forecast: xr.Dataset | Mapping[str, xr.Dataset],
    observations: xr.Dataset,
    *,
    references: Mapping[str, xr.Dataset] | None = None,
    by: Sequence[str] = (names.LEAD_TIME,),
    name: str | None = None,
    area_weighted: bool = True,
) -> xr.Dataset:
    """RMSE, MAE, bias and skill of forecasts and of references, on the same cells and windows.

    Args:
        forecast: a product of this project or anything :func:`stforecast.product.conform` takes;
            or several, by name. The first says which variables, initial and lead times there are.
        observations: fields along time on the same grid; of any length, gaps allowed.
        references: further forecasts, by name, against which skill is also told.
        by: which of lead_time, hour, weekday, month, season (of the valid time) to score apart.
        name: what the only forecast is called; by default its run's name, else "forecast".
        area_weighted: weight cells by their area, where the grid is on the sphere.

    Returns:
        ``rmse, mae, bias (forecast, variable[, lead_time][, groups])``, ``skill(forecast,
        reference, variable, …) = 1 - rmse / rmse of the reference``, ``weight`` and ``count`` of
        what was averaged. A value is used only where every system and the observations have it.
        Attributes state definitions, averaging and period.

    Raises:
        DataError: where forecasts and observations do not go together. ConfigError: for `by`.
    """
    by = _checked(by)
    if isinstance(forecast, xr.Dataset):
        forecast = {name or str(forecast.attrs.get("stforecast_run") or "forecast"): forecast}
    references = references or {}
    twice = [label for label in references if label in forecast]
    if twice:
        raise ConfigError(f"a forecast and a reference are both called {twice[0]}; rename one")
    comparison = compare({**forecast, **references}, observations)
    weights = comparison.observed.grid.area_weights() if area_weighted else None
    groups = {group: _group(group, comparison.frame) for group in by}
    sums = _Sums(comparison, groups, weights)
    return _dataset(comparison, groups, sums, list(forecast), list(references), weights)


class _Sums:
    """Weighted sums over cells and initial times, per system, variable and group.

    ``errors[score]`` (systems, variables, *groups), ``weight`` and ``count`` (variables, *groups).
    """

    def __init__(
        self,
        comparison: Comparison,
        groups: Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]],
        weights: xr.DataArray | None,
    ) -> None:
        shape = tuple(len(labels) for labels, _ in groups.values())
        n_systems, n_variables = len(comparison.systems), len(comparison.variables)
        self.errors = {score: np.zeros((n_systems, n_variables, *shape)) for score in _MEANS}
        self.weight = np.zeros((n_variables, *shape))
        self.count = np.zeros((n_variables, *shape), np.int64)
        frame = comparison.frame
        self.used = np.zeros(frame[names.VALID_TIME].shape, bool)
        grid = comparison.observed.grid
        cells = np.ones(grid.shape) if weights is None else weights.values
        # dimensions of the first system stand for everyone's
        self._cells = xr.DataArray(cells, dims=comparison.dims[-2:])
        codes = np.zeros(self.used.shape, np.int64)
        for labels, members in groups.values():
            codes = codes * len(labels) + members
        sizes = [frame.sizes[dim] for dim in comparison.dims[1:]]
        block = max(1, _BLOCK // (4 * int(np.prod(sizes))))
        for index, variable in enumerate(comparison.variables):
            for start in range(0, len(codes), block):
                part = slice(start, start + block)
                self._add(comparison, index, variable, part, codes[part])

    def _add(
        self,
        comparison: Comparison,
        index: int,
        variable: str,
        part: slice,
        codes: NDArray[np.int64],
    ) -> None:
        truth = comparison.observed.values(variable, part)
        fields = [system.values(variable, part) for system in comparison.systems]
        common = np.isfinite(truth)
        for field in fields:
            common &= np.isfinite(field)
        dims, kept = comparison.dims, comparison.dims[:2]
        mask = xr.DataArray(common, dims=dims)
        weight = (mask * self._cells).sum(dims[2:]).values
        self.used[part] |= weight > 0
        flat = codes.ravel()
        _collect(self.weight, (index,), flat, weight)
        _collect(self.count, (index,), flat, common.sum(axis=tuple(range(2, common.ndim))))
        observed = xr.DataArray(truth.astype(np.float64), dims=dims).where(mask)
        for number, field in enumerate(fields):
            predicted = xr.DataArray(field, dims=dims)
            for score, mean in _MEANS.items():
                per_field = mean(predicted, observed, preserve_dims=kept, weights=self._cells)
                values = np.nan_to_num(per_field.transpose(*kept).values) * weight
                _collect(self.errors[score], (number, index), flat, values)


def _collect(
    totals: NDArray[Any], place: tuple[int, ...], codes: NDArray[np.int64], values: NDArray[Any]
) -> None:
    """Add values to the groups they belong to, in the part of the totals at `place`."""
    shape = totals.shape[len(place) :]
    summed = np.bincount(codes, weights=values.ravel(), minlength=int(np.prod(shape)))
    totals[place] += summed.reshape(shape).astype(totals.dtype)


def _checked(by: Sequence[str]) -> list[str]:
    known = (names.LEAD_TIME, *GROUPS)
    for group in by:
        if group not in known:
            raise ConfigError(
                f"scores cannot be grouped by {group!r}; by {', '.join(known)} they can"
            )
    return [group for group in known if group in by]


def _group(group: str, frame: xr.Dataset) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Labels of the groups that occur, and which of them each (init, lead) belongs to."""
    valid = frame[names.VALID_TIME]
    if group == names.LEAD_TIME:
        leads = frame[names.LEAD_TIME].values
        return leads, np.broadcast_to(np.arange(leads.size), valid.shape)
    if group == "hour":
        numbers = clock.second_of_day(valid.values) // 3600
    elif group == "weekday":
        numbers = clock.weekday(valid.values)
    else:
        numbers = clock.month(valid.values)
        if group == "season":
            numbers = numbers % 12 // 3
    found, members = np.unique(numbers, return_inverse=True)
    members = members.reshape(valid.shape)
    words = {"weekday": WEEKDAYS, "season": SEASONS}.get(group)
    labels = found if words is None else np.array([words[number] for number in found], dtype=object)
    return labels, members


def _dataset(
    comparison: Comparison,
    groups: Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]],
    sums: _Sums,
    forecasts: list[str],
    references: list[str],
    weights: xr.DataArray | None,
) -> xr.Dataset:
    units = [str(comparison.frame[name].attrs.get("units", "1")) for name in comparison.variables]
    dims = (names.SYSTEM, names.VARIABLE, *groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {score: total / sums.weight for score, total in sums.errors.items()}
        values = {"rmse": np.sqrt(means["mse"]), "mae": means["mae"], "bias": means["bias"]}
        chosen = values["rmse"][len(forecasts) :]
        skill = 1 - values["rmse"][:, None] / np.where(chosen > 0, chosen, np.nan)[None]
    common = {
        "averaging": _averaging(sums, weights),
        "period": _period(comparison, sums),
    }
    result = xr.Dataset(attrs=_attributes(comparison, sums, common))
    for score, definition in _DEFINITIONS.items():
        if score == "skill":
            if not references:
                continue
            skill_dims = (names.SYSTEM, names.REFERENCE, *dims[1:])
            result[score] = (skill_dims, skill, {"units": "1"})
        else:
            result[score] = (dims, values[score], _same(units))
        result[score].attrs.update(long_name=definition[0], definition=definition[1], **common)
    result["weight"] = (
        dims[1:],
        sums.weight,
        {"units": "1", "long_name": "sum of the weights of the values compared"},
    )
    result["count"] = (
        dims[1:],
        sums.count,
        {"units": "1", "long_name": "number of values compared"},
    )
    return result.assign_coords(
        {
            names.SYSTEM: (names.SYSTEM, np.array(forecasts + references, dtype=object)),
            names.VARIABLE: (names.VARIABLE, np.array(comparison.variables, dtype=object)),
            "variable_units": (names.VARIABLE, np.array(units, dtype=object)),
            **({names.REFERENCE: np.array(references, dtype=object)} if references else {}),
            **{
                group: _coordinate(group, comparison, labels)
                for group, (labels, _) in groups.items()
            },
        }
    )


_DEFINITIONS = {
    "rmse": (
        "root mean square error",
        "square root of the mean of (forecast - observation)^2 over all cells and initial times",
    ),
    "mae": ("mean absolute error", "mean of |forecast - observation|"),
    "bias": ("mean error", "mean of forecast - observation"),
    "skill": ("skill in RMSE", "1 - rmse of the forecast / rmse of the reference"),
}


def _same(units: list[str]) -> dict[str, str]:
    """The units of a score: one for all variables, else those of the coordinate."""
    return {"units": units[0]} if len(set(units)) == 1 else {"units_of": "variable_units"}


def _coordinate(
    group: str, comparison: Comparison, labels: NDArray[Any]
) -> tuple[str, NDArray[Any], dict[str, Any]]:
    if group == names.LEAD_TIME:
        return group, labels, dict(comparison.frame[names.LEAD_TIME].attrs)
    return group, labels, {"long_name": _LONG_NAMES[group]}


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
