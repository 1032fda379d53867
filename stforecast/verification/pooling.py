"""Scores over all of some lead times or groups together."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from stforecast import names
from stforecast.verification.metrics import CELL_METRICS, FRAME_METRICS


def pooled(scores: xr.Dataset, dims: Sequence[str]) -> xr.Dataset:
    """The scores over all of some dimensions together: of all values, not means of scores."""
    weight = scores["weight"]
    total = weight.sum(dims)
    result = xr.Dataset(attrs=scores.attrs)
    for metric in CELL_METRICS:
        if metric == "rmse":
            result[metric] = np.sqrt((scores[metric] ** 2 * weight).sum(dims) / total)
        elif metric in scores:
            result[metric] = (scores[metric] * weight).sum(dims) / total
    if "skill" in scores:
        of_references = result["rmse"].sel({names.SYSTEM: scores[names.REFERENCE].values})
        of_references = of_references.rename({names.SYSTEM: names.REFERENCE})
        result["skill"] = (1 - result["rmse"] / of_references).transpose(
            names.SYSTEM, names.REFERENCE, ...
        )
    result["weight"] = total
    result["count"] = scores["count"].sum(dims)
    if "frames" in scores:
        frames = scores["frames"].sum(dims)
        for metric in FRAME_METRICS:
            if metric in scores:
                summed = (scores[metric] * scores["frames"]).sum(dims)
                result[metric] = (summed / frames).where(frames > 0)
        result["frames"] = frames
        result["frames_left_out"] = scores["frames_left_out"].sum(dims)
    return result.assign_coords(variable_units=scores["variable_units"])
