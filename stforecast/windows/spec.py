"""What makes one sample, with every length counted in steps of the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stforecast.errors import ConfigError, RunError
from stforecast.options import CovariateOptions, WindowOptions
from stforecast.timeaxis import TimeStep
from stforecast.windows.told import Told, place_on_card

Departure = Literal["none", "last_frame", "history_mean"]
Scaling = Literal["standard", "minmax", "minmax_symmetric", "none"]


@dataclass(frozen=True)
class WindowSpec:
    """One sample: ``history`` frames up to and including the initial time, ``horizon`` after it.

    Attributes
    ----------
    history, horizon:
        Lengths T and T' in steps.
    departure:
        What is subtracted from history and target, and added back to the forecast.
    covariates:
        What else the model is told, in the order of its channels.
    scaling, scale_together:
        How values are scaled, and whether all channels alike (see :mod:`windows.scaling`).
    complete_days:
        Whether days that lack a time are left out (see :mod:`windows.days`).
    lags:
        How many steps before each time of the window lie the further frames that the model is
        given (see :mod:`windows.lags`).
    told:
        Of each of the covariates its kind, names and statistics, once they are settled.
    """

    history: int
    horizon: int
    departure: Departure = "none"
    covariates: tuple[CovariateOptions, ...] = ()
    scaling: Scaling = "standard"
    scale_together: bool = False
    complete_days: bool = False
    lags: tuple[int, ...] = ()
    told: tuple[Told, ...] = ()

    @property
    def span(self) -> int:
        """Steps from the first frame of the history to the last one forecast, both included."""
        return self.history + self.horizon

    @property
    def history_needed(self) -> int:
        """Steps up to and including the initial time that the record must have: T and a lag."""
        return self.history + max(self.lags, default=0)

    @property
    def record_needed(self) -> int:
        """Steps of the shortest record that holds a window."""
        return self.history_needed + self.horizon

    def to_json(self) -> dict[str, Any]:
        """Plain values for the card of a run."""
        return {
            "history": self.history,
            "horizon": self.horizon,
            "departure": self.departure,
            "scaling": self.scaling,
            "scale_together": self.scale_together,
            "complete_days": self.complete_days,
            "lags": list(self.lags),
            "covariates": [
                covariate.model_dump(exclude_none=True) for covariate in self.covariates
            ],
            "told": [told.model_dump(exclude_none=True) for told in self.told],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "WindowSpec":
        """Inverse of :meth:`to_json`; RunError when a value is missing or wrong."""
        try:
            parsed = _SpecOnCard.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            where = place_on_card(("windows", *first["loc"]))
            raise RunError(
                f"the card of the run is damaged at {where!r} ({first['msg'].lower()}); "
                "train the run again"
            ) from error
        return cls(
            parsed.history,
            parsed.horizon,
            parsed.departure,
            tuple(parsed.covariates),
            parsed.scaling,
            parsed.scale_together,
            parsed.complete_days,
            tuple(parsed.lags),
            tuple(parsed.told),
        )


class _SpecOnCard(BaseModel):
    model_config = ConfigDict(extra="forbid")

    history: int = Field(ge=1)
    horizon: int = Field(ge=1)
    departure: Departure
    # cards of the first runs lack these: they had the defaults
    scaling: Scaling = "standard"
    scale_together: bool = False
    complete_days: bool = False
    lags: list[Annotated[int, Field(ge=1)]] = []
    covariates: list[CovariateOptions]
    told: list[Told] = []


def resolve_windows(options: WindowOptions, step: TimeStep) -> WindowSpec:
    """The windows asked for, in steps of the data.

    Raises
    ------
    StForecastError
        A length is below one step or not a whole number of steps.
    """
    return WindowSpec(
        history=step.steps(options.history, "history"),
        horizon=step.steps(options.horizon, "horizon"),
        departure=options.departure,
        covariates=tuple(options.covariates),
        scaling=options.scaling,
        scale_together=options.scale_together,
        complete_days=options.complete_days,
        lags=_lags(options, step),
    )


def _lags(options: WindowOptions, step: TimeStep) -> tuple[int, ...]:
    lags = tuple(step.steps(lag, "windows.lags") for lag in options.lags)
    if len(set(lags)) < len(lags):
        raise ConfigError(
            f"windows.lags ({', '.join(map(str, options.lags))}) has the same lag twice; leave one "
            "of them out"
        )
    return lags
