"""Options of the samples: how long, from what, and told what else."""

from typing import Literal

from pydantic import Field

from stforecast.options.base import OneOrEach, OneOrMore, Options
from stforecast.options.covariates import CovariateOptions

Steps = int | str
Departure = Literal["none", "last_frame", "history_mean", "climatology"]
Scaling = Literal["standard", "minmax", "minmax_symmetric", "none"]
Function = Literal["none", "log1p", "sqrt"]


class WindowOptions(Options):
    """What makes one sample."""

    history: Steps = Field(4, description="length of the history, in steps or as a duration (12h)")
    horizon: Steps = Field(4, description="length of the forecast the model is trained for")
    lags: OneOrMore[Steps] = Field(
        default_factory=list,
        description="the frames so long before each time of history and forecast are given to the "
        "model too, such as [24h, 168h]; of lags shorter than the lead, as many as lead back to "
        "the initial time",
    )
    function: OneOrEach[Function] = Field(
        "none",
        description="learned in place of the values, and undone in the forecast: log1p and sqrt "
        "suit counts and rain; one for all variables, or such as {rain: log1p}",
    )
    departure: OneOrEach[Departure] = Field(
        "none",
        description="subtracted from history and target and added back to the forecast: series "
        "that drift need last_frame or history_mean, those with a daily or weekly round "
        "climatology; one for all variables, or such as {t2m: climatology}",
    )
    climatology: Literal["auto", "hour_of_week", "hour", "season"] = Field(
        "auto",
        description="what is usual: the mean over the training period of the same hour of the "
        "week, of the day, or of the day within 61 days around the date; auto takes what fits best "
        "the weeks that it did not learn from",
    )
    scaling: OneOrEach[Scaling] = Field(
        "standard",
        description="what the training period becomes: mean 0 and variance 1, [0, 1], [-1, 1], or "
        "as it is; one for all variables, or such as {rain: minmax}",
    )
    scale_together: bool = Field(
        False, description="one scaling for all variables; by default each has its own"
    )
    scale_each_window: bool = Field(
        False,
        description="departures are scaled by how far the window's own history and lags depart, "
        "too, and forecasts scaled back: what was learned of mild days then holds for wild ones",
    )
    complete_days: bool = Field(
        False,
        description="days that lack a time are left out of training and scores, as if they were "
        "not there",
    )
    covariates: list[CovariateOptions] = Field(
        default_factory=list,
        description="what else the model is told: calendar, holidays, sun, grid, and files of your "
        "own (docs/covariates.md)",
    )
