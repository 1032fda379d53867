"""Options of the verification and of the maps."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

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
    "crps",
    "spread",
    "spread_error",
    "coverage",
    "interval_width",
    "interval_score",
    "wape",
    "mape",
    "acc",
    "csi",
    "pod",
    "far",
    "frequency_bias",
    "fss",
    "mse_per_frame",
    "mae_per_frame",
    "ssim",
    "psnr",
]

Group = Literal["lead_time", "hour", "weekday", "month", "season"]
Diagnostic = Literal["rank_histogram", "reliability", "spectrum", "error_maps", "cases"]
MemberSpread = Literal["auto", "raw", "calibrated"]
"""Whether members are drawn apart as far as past forecasts erred; auto: where that is known."""


class Region(Options):
    """A part of the grid, by the centres of its cells in degrees; it may cross the date line."""

    west: float
    east: float
    south: float = Field(ge=-90, le=90)
    north: float = Field(ge=-90, le=90)

    @model_validator(mode="after")
    def _has_extent(self) -> "Region":
        if self.south > self.north:
            raise ValueError("south lies north of north")
        return self


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
        description="what to show; ssim, psnr and those per frame are of frames scaled to [0, 1], "
        "all variables of a frame together, as in the literature of video prediction",
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
    regions: dict[str, Region] = Field(
        default_factory=dict,
        description="parts of the grid to score apart: {name: {west, east, south, north}}",
    )
    thresholds: dict[str, OneOrMore[float]] = Field(
        default_factory=dict,
        description="events are values of a variable from a threshold up: {variable: [values]}, "
        "for csi, pod, far, frequency_bias, fss and reliability",
    )
    fss_scales: OneOrMore[Annotated[int, Field(ge=1)]] = Field(
        default_factory=lambda: [3], description="sides of the neighbourhoods of fss, in cells"
    )
    mape_threshold: float = Field(
        1.0, gt=0, description="observations nearer to zero than this are left out of mape"
    )
    interval: float = Field(
        0.9, gt=0, lt=1, description="share of the observations that intervals are to hold"
    )
    bootstrap: int = Field(
        1000,
        ge=0,
        description="samples from which intervals of RMSE and skill are drawn; 0 for none",
    )
    diagnostics: OneOrMore[Diagnostic] = Field(
        default_factory=list,
        description="what else is written to scores.nc: rank_histogram and reliability of "
        "ensembles, spectrum, error_maps, and cases, the error of each initial time",
    )
    every: int | str = Field(1, description="steps or duration from one initial time to the next")
    members: int | None = Field(
        None,
        ge=1,
        description="members of a hindcast, of all runs together; by default one of each run, and "
        "10 of each that was trained with training.loss: crps",
    )
    spread: MemberSpread = Field(
        "auto",
        description="calibrated: members of a hindcast are drawn apart until they differ as much "
        "as forecasts of the validation period erred; auto: where that is known",
    )


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
