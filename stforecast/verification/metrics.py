"""The metrics there are, and what each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import xarray as xr

from stforecast.errors import ConfigError


@dataclass(frozen=True)
class Metric:
    """One metric: a name for readers, its formula in words, and whether it is of whole frames."""

    title: str
    long_name: str
    definition: str
    of_frames: bool = False


METRICS: Final[dict[str, Metric]] = {
    "rmse": Metric(
        "RMSE",
        "root mean square error",
        "square root of the mean of (forecast - observation)^2 over all cells and initial times",
    ),
    "mae": Metric("MAE", "mean absolute error", "mean of |forecast - observation|"),
    "bias": Metric("bias", "mean error", "mean of forecast - observation"),
    "mse": Metric("MSE", "mean square error", "mean of (forecast - observation)^2"),
    "mse_per_frame": Metric(
        "MSE per frame",
        "square error of a frame",
        "(forecast - observation)^2 summed over the cells and variables of a frame, mean over "
        "frames",
        of_frames=True,
    ),
    "mae_per_frame": Metric(
        "MAE per frame",
        "absolute error of a frame",
        "|forecast - observation| summed over the cells and variables of a frame, mean over frames",
        of_frames=True,
    ),
    "ssim": Metric(
        "SSIM",
        "structural similarity",
        "structural similarity (Wang et al. 2004) of forecast, clipped to [0, 1], and observation, "
        "mean over the variables of a frame, then over frames",
        of_frames=True,
    ),
    "psnr": Metric(
        "PSNR",
        "peak signal-to-noise ratio",
        "-10 log10 of the mean of (forecast, clipped to [0, 1], - observation)^2 over the cells "
        "and variables of a frame, mean over frames; infinite where a frame is met exactly",
        of_frames=True,
    ),
}
CELL_METRICS: Final = tuple(name for name, metric in METRICS.items() if not metric.of_frames)
FRAME_METRICS: Final = tuple(name for name, metric in METRICS.items() if metric.of_frames)
DEFAULT: Final = ("rmse", "mae", "bias")


ALWAYS: Final = DEFAULT
"""Metrics that scores always hold, whether or not they are shown."""


def shown_metrics(scores: xr.Dataset) -> list[str]:
    """The metrics that were asked for, in the order of :data:`METRICS`."""
    asked = str(scores.attrs.get("metrics", ", ".join(DEFAULT))).split(", ")
    return [name for name in METRICS if name in asked and name in scores]


def checked_metrics(wanted: Sequence[str]) -> list[str]:
    """The metrics asked for, in the order of :data:`METRICS`; ConfigError for one that is none."""
    for name in wanted:
        if name not in METRICS:
            raise ConfigError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
    if not wanted:
        raise ConfigError(f"no metric is asked for; there are {', '.join(METRICS)}")
    return [name for name in METRICS if name in wanted]
