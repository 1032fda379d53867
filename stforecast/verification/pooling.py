"""Scores over all of some lead times or groups together."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.verification.events import event_scores
from stforecast.verification.metrics import FRAME_METRICS

# Scores that are means, and the weights they are means by.
_MEANS = {
    "mae": "weight",
    "bias": "weight",
    "mse": "weight",
    "crps": "weight",
    "coverage": "weight",
    "interval_width": "weight",
    "interval_score": "weight",
    "observed_magnitude": "weight",
    "mape": "mape_weight",
    "fss": "fss_weight",
}
# Scores that are roots of means.
_ROOTS = ("rmse", "spread", "anomaly_forecast", "anomaly_observed")
_TABLES = ("hits", "misses", "false_alarms")
_SUMS = ("weight", "mape_weight", "fss_weight", *_TABLES)


def pooled(scores: xr.Dataset, dims: Sequence[str]) -> xr.Dataset:
    """The scores over all of some dimensions together: of all values, not means of scores.

    Intervals and diagnostics are left out, as they cannot be put together.
    """
    weight = scores["weight"]
    result = xr.Dataset(attrs=scores.attrs)
    for name in _ROOTS:
        if name in scores:
            result[name] = np.sqrt(_mean(scores[name] ** 2, weight, dims))
    for name, of in _MEANS.items():
        if name in scores:
            result[name] = _mean(scores[name], scores[of], dims)
    for name in _SUMS:
        if name in scores:
            result[name] = scores[name].sum(dims, min_count=1)
    if "wape" in scores:
        size = result["observed_magnitude"]
        result["wape"] = 100 * result["mae"] / size.where(size > 0)
    if "spread_error" in scores:
        members = scores["members"]
        factor = np.sqrt((members + 1) / members)
        result["spread_error"] = factor * result["spread"] / result["rmse"]
    if "acc" in scores:
        product = scores["acc"] * scores["anomaly_forecast"] * scores["anomaly_observed"]
        sizes = result["anomaly_forecast"] * result["anomaly_observed"]
        result["acc"] = _mean(product, weight, dims) / sizes.where(sizes > 0)
    if "hits" in scores:
        tables = [result[name] for name in _TABLES]
        for name, values in event_scores(*(table.values for table in tables)).items():
            if name in scores:
                result[name] = (tables[0].dims, values)
    if "skill" in scores:
        of_references = result["rmse"].sel({names.SYSTEM: scores[names.REFERENCE].values})
        of_references = of_references.rename({names.SYSTEM: names.REFERENCE})
        result["skill"] = (1 - result["rmse"] / of_references).transpose(
            names.SYSTEM, names.REFERENCE, ...
        )
    result["count"] = scores["count"].sum(dims)
    if "frames" in scores:
        frames = scores["frames"].sum(dims)
        for metric in FRAME_METRICS:
            if metric in scores:
                summed = (scores[metric] * scores["frames"]).sum(dims)
                result[metric] = (summed / frames).where(frames > 0)
        result["frames"] = frames
        result["frames_left_out"] = scores["frames_left_out"].sum(dims)
    if names.VARIABLE in dims:
        return result
    return result.assign_coords(variable_units=scores["variable_units"])


def _mean(values: xr.DataArray, weight: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    """Weighted mean; missing where all of its values are."""
    total = weight.sum(dims)
    mean = (values * weight).sum(dims, min_count=1) / total.where(total > 0)
    return mean.transpose(*[dim for dim in values.dims if dim not in dims])
