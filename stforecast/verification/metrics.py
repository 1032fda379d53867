"""The metrics there are, and what each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import xarray as xr

from stforecast.errors import ConfigError


@dataclass(frozen=True)
class Metric:
    """One metric: a name for readers, its formula in words, of what it is and in which unit.

    ``units`` are its own; None for those of the variable. ``of_all``: shown of every system, for a
    comparison, and not of the forecasts alone.
    """

    title: str
    long_name: str
    definition: str
    of_frames: bool = False
    of_events: bool = False
    units: str | None = None
    of_all: bool = False


METRICS: Final[dict[str, Metric]] = {
    "rmse": Metric(
        "RMSE",
        "root mean square error",
        "square root of the mean of (forecast - observation)^2 over all cells and initial times; "
        "of an ensemble, of its mean",
        of_all=True,
    ),
    "mae": Metric("MAE", "mean absolute error", "mean of |forecast - observation|"),
    "bias": Metric("bias", "mean error", "mean of forecast - observation"),
    "mse": Metric("MSE", "mean square error", "mean of (forecast - observation)^2"),
    "crps": Metric(
        "CRPS",
        "continuous ranked probability score",
        "fair CRPS of the members, mean |member - observation| - mean |member - member| / 2 over "
        "all pairs of different members (Ferro 2014); of a forecast without members, its mean "
        "absolute error",
        of_all=True,
    ),
    "spread": Metric(
        "spread",
        "spread of the ensemble",
        "square root of the mean variance of the members, with M - 1 in the denominator",
    ),
    "spread_error": Metric(
        "spread/error",
        "ratio of spread and error",
        "sqrt((M + 1) / M) spread / rmse of the mean of M members (Fortin et al. 2014); 1 where "
        "the members and the observation are alike",
        units="1",
    ),
    "coverage": Metric(
        "coverage",
        "coverage of the interval",
        "share of the observations within the bounds of the forecast, or within the quantiles of "
        "its members, (1 - c) / 2 and (1 + c) / 2 for a stated coverage c",
        units="1",
    ),
    "interval_width": Metric(
        "interval\nwidth", "width of the interval", "mean of upper bound - lower bound"
    ),
    "interval_score": Metric(
        "interval\nscore",
        "interval score",
        "mean of width + 2 / (1 - c) times the distance of the observation from the interval, c "
        "its stated coverage (Gneiting and Raftery 2007)",
    ),
    "wape": Metric(
        "WAPE",
        "weighted absolute percentage error",
        "100 times the sum of |forecast - observation| / the sum of |observation|",
        units="%",
        of_all=True,
    ),
    "mape": Metric(
        "MAPE",
        "mean absolute percentage error",
        "mean of 100 |forecast - observation| / |observation|, where |observation| is not below "
        "a threshold",
        units="%",
        of_all=True,
    ),
    "acc": Metric(
        "ACC",
        "anomaly correlation",
        "sum of f o / sqrt(sum of f^2 times sum of o^2) over all cells and initial times, f and o "
        "the departures of forecast and observation from the climatology of the training period",
        units="1",
        of_all=True,
    ),
    "csi": Metric(
        "CSI",
        "critical success index",
        "hits / (hits + misses + false alarms); an event is a value not below the threshold",
        of_events=True,
        units="1",
    ),
    "pod": Metric(
        "POD",
        "probability of detection",
        "hits / (hits + misses)",
        of_events=True,
        units="1",
    ),
    "far": Metric(
        "FAR",
        "false alarm ratio",
        "false alarms / (hits + false alarms)",
        of_events=True,
        units="1",
    ),
    "frequency_bias": Metric(
        "freq. bias",
        "frequency bias",
        "(hits + false alarms) / (hits + misses)",
        of_events=True,
        units="1",
    ),
    "fss": Metric(
        "FSS",
        "fractions skill score",
        "1 - sum of (f - o)^2 / sum of (f^2 + o^2), f and o the fractions of a square "
        "neighbourhood within the grid that are not below the threshold (Roberts and Lean 2008)",
        of_events=True,
        units="1",
    ),
    "mse_per_frame": Metric(
        "MSE per frame",
        "square error of a frame",
        "(forecast - observation)^2 summed over the cells and variables of a frame, mean over "
        "frames",
        of_frames=True,
        units="1",
    ),
    "mae_per_frame": Metric(
        "MAE per frame",
        "absolute error of a frame",
        "|forecast - observation| summed over the cells and variables of a frame, mean over frames",
        of_frames=True,
        units="1",
    ),
    "ssim": Metric(
        "SSIM",
        "structural similarity",
        "structural similarity (Wang et al. 2004) of forecast, clipped to [0, 1], and observation, "
        "mean over the variables of a frame, then over frames",
        of_frames=True,
        units="1",
    ),
    "psnr": Metric(
        "PSNR",
        "peak signal-to-noise ratio",
        "-10 log10 of the mean of (forecast, clipped to [0, 1], - observation)^2 over the cells "
        "and variables of a frame, mean over frames; infinite where a frame is met exactly",
        of_frames=True,
        units="dB",
    ),
}
CELL_METRICS: Final = tuple(
    name for name, metric in METRICS.items() if not metric.of_frames and not metric.of_events
)
EVENT_METRICS: Final = tuple(name for name, metric in METRICS.items() if metric.of_events)
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
