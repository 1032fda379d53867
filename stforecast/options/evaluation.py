"""Options of the verification and of the maps."""

from typing import Literal

from pydantic import Field

from stforecast.options.base import OneOrMore, Options

ReferenceName = Literal[
    "persistence",
    "history_mean",
    "day_before",
    "week_before",
    "climatology",
    "hour_of_week",
    "anomaly_persistence",
    "linear",
]

MetricName = Literal[
    "rmse",
    "mae",
    "bias",
    "mse",
    "mse_per_frame",
    "mae_per_frame",
    "ssim",
    "psnr",
]

Group = Literal["lead_time", "hour", "weekday", "month", "season"]


def _default_references() -> list[ReferenceName]:
    return ["persistence", "history_mean", "climatology"]


def _default_metrics() -> list[MetricName]:
    return ["rmse", "mae", "bias"]


def _lead_time() -> list[Group]:
    return ["lead_time"]


class VerificationOptions(Options):
    """What a forecast is held against."""

    references: OneOrMore[ReferenceName] = Field(
        default_factory=_default_references,
        description="forecasts that cost nothing; hour_of_week is the climatology of traffic, and "
        "linear is what straight lines make of the history: what any learned forecast must beat",
    )
    metrics: OneOrMore[MetricName] = Field(
        default_factory=_default_metrics,
        min_length=1,
        description="scores to show; the last four are of frames scaled to [0, 1], all variables "
        "of a frame together, as in the literature of video prediction",
    )
    area_weighted: bool = Field(
        True, description="cells on the sphere weigh by their area; in frames they never do"
    )
    ssim_window: Literal["uniform", "gaussian"] = Field(
        "uniform", description="7 × 7 cells alike, or a Gaussian of σ = 1.5 in 11 × 11 cells"
    )
    ssim_range: float = Field(
        1.0,
        gt=0,
        description="range of the values in the constants of SSIM; public video code has 2",
    )
    by: OneOrMore[Group] = Field(
        default_factory=_lead_time,
        description="scores apart by these; all but lead_time are of the valid time",
    )
    every: int | str = Field(1, description="steps or duration from one initial time to the next")


class MapOptions(Options):
    """How maps look."""

    variables: OneOrMore[str] | None = Field(None, description="variables to draw; all by default")
    lead_time: OneOrMore[int | str] | None = Field(
        None, description="lead times to draw, in steps or as durations; up to four by default"
    )
    overlay: str | None = Field(None, description="GeoJSON file or shapefile drawn over each map")
    projection: str | None = Field(
        None, description="name of a cartopy projection; chosen by the grid's place by default"
    )
    cmap: str | None = Field(None, description="matplotlib colour map of the fields")
