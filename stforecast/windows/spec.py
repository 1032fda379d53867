"""What makes one sample, with every length counted in steps of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stforecast.errors import ConfigError, RunError
from stforecast.options import CovariateOptions, WindowOptions
from stforecast.options.base import OneOrEach
from stforecast.options.covariates import ClimatologyCovariate
from stforecast.timeaxis import TimeStep
from stforecast.windows.told import Told, place_on_card

Departure = Literal["none", "last_frame", "history_mean", "climatology"]
Scaling = Literal["standard", "minmax", "minmax_symmetric", "none"]
Function = Literal["none", "log1p", "sqrt"]
ClimatologyKind = Literal["auto", "hour_of_week", "hour", "season"]
Value = TypeVar("Value", bound=str)


@dataclass(frozen=True)
class WindowSpec:
    """One sample: ``history`` frames up to and including the initial time, ``horizon`` after it.

    Attributes
    ----------
    history, horizon:
        Lengths T and T' in steps.
    departure:
        What is subtracted from history and target, and added back to the forecast; one for all
        variables or each by its name, as are scaling and function.
    covariates:
        What else the model is told, in the order of its channels.
    scaling, scale_together:
        How values are scaled, and whether all channels alike (see :mod:`windows.scaling`).
    complete_days:
        Whether days that lack a time are left out (see :mod:`windows.days`).
    function:
        What is learned in place of the values (see :mod:`windows.functions`).
    climatology:
        Which climatology departures are taken from (see :mod:`windows.climatology`).
    tells_climatology:
        Whether the model is told the climatology of each time.
    scale_each_window:
        Whether departures are scaled by those of the window itself (see :mod:`windows.amplitude`).
    lags:
        How many steps before each time of the window lie the further frames that the model is
        given (see :mod:`windows.lags`).
    told:
        Of each of the covariates its kind, names and statistics, once they are settled.
    """

    history: int
    horizon: int
    departure: Departure | Mapping[str, Departure] = "none"
    covariates: tuple[CovariateOptions, ...] = ()
    scaling: Scaling | Mapping[str, Scaling] = "standard"
    scale_together: bool = False
    complete_days: bool = False
    lags: tuple[int, ...] = ()
    told: tuple[Told, ...] = ()
    function: Function | Mapping[str, Function] = "none"
    climatology: ClimatologyKind = "auto"
    tells_climatology: bool = False
    scale_each_window: bool = False

    def departures(self, channels: Sequence[str]) -> tuple[Departure, ...]:
        """What is subtracted from each channel."""
        return _each(self.departure, channels, "none")

    def scalings(self, channels: Sequence[str]) -> tuple[Scaling, ...]:
        """How each channel is scaled."""
        return _each(self.scaling, channels, "standard")

    def functions(self, channels: Sequence[str]) -> tuple[Function, ...]:
        """What is learned in place of each channel's values."""
        return _each(self.function, channels, "none")

    @property
    def has_departures(self) -> bool:
        """Whether anything is subtracted from any channel."""
        return _any(self.departure)

    @property
    def has_functions(self) -> bool:
        """Whether anything is learned in place of any channel's values."""
        return _any(self.function)

    @property
    def needs_climatology(self) -> bool:
        """Whether the model cannot do without the climatology of the training period."""
        given = [self.departure] if isinstance(self.departure, str) else self.departure.values()
        return self.tells_climatology or "climatology" in given

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
            "departure": _plain(self.departure),
            "scaling": _plain(self.scaling),
            "function": _plain(self.function),
            "climatology": self.climatology,
            "tells_climatology": self.tells_climatology,
            "scale_each_window": self.scale_each_window,
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
            function=parsed.function,
            climatology=parsed.climatology,
            tells_climatology=parsed.tells_climatology,
            scale_each_window=parsed.scale_each_window,
        )


class _SpecOnCard(BaseModel):
    model_config = ConfigDict(extra="forbid")

    history: int = Field(ge=1)
    horizon: int = Field(ge=1)
    departure: OneOrEach[Departure]
    # cards of the first runs lack these: they had the defaults
    scaling: OneOrEach[Scaling] = "standard"
    function: OneOrEach[Function] = "none"
    climatology: ClimatologyKind = "auto"
    tells_climatology: bool = False
    scale_each_window: bool = False
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
        covariates=tuple(
            item for item in options.covariates if not isinstance(item, ClimatologyCovariate)
        ),
        scaling=options.scaling,
        scale_together=options.scale_together,
        complete_days=options.complete_days,
        lags=_lags(options, step),
        function=options.function,
        climatology=options.climatology,
        # a run learns it from its training period, and it comes in beside the others
        tells_climatology=any(
            isinstance(item, ClimatologyCovariate) for item in options.covariates
        ),
        scale_each_window=options.scale_each_window,
    )


def check_variables(spec: WindowSpec, channels: Sequence[str]) -> None:
    """ConfigError where the windows name a variable that the data does not have."""
    for option in ("departure", "scaling", "function"):
        given = getattr(spec, option)
        strange = [] if isinstance(given, str) else [name for name in given if name not in channels]
        if strange:
            raise ConfigError(
                f"windows.{option} names the variable {strange[0]!r}, and the data has "
                f"{', '.join(channels)}; name one of these"
            )


def _each(
    given: Value | Mapping[str, Value], channels: Sequence[str], default: Value
) -> tuple[Value, ...]:
    """One value for each channel; the default where a mapping leaves one out."""
    if isinstance(given, str):
        return (given,) * len(channels)
    return tuple(given.get(name, default) for name in channels)


def _any(given: str | Mapping[str, str]) -> bool:
    return any(value != "none" for value in ([given] if isinstance(given, str) else given.values()))


def _plain(given: str | Mapping[str, str]) -> str | dict[str, str]:
    return given if isinstance(given, str) else dict(given)


def _lags(options: WindowOptions, step: TimeStep) -> tuple[int, ...]:
    lags = tuple(step.steps(lag, "windows.lags") for lag in options.lags)
    if len(set(lags)) < len(lags):
        raise ConfigError(
            f"windows.lags ({', '.join(map(str, options.lags))}) has the same lag twice; leave one "
            "of them out"
        )
    return lags
