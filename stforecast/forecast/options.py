"""What is asked of forecasts, wherever they are asked for."""

from dataclasses import dataclass

from stforecast.options import MemberSpread, Precision


@dataclass(frozen=True, kw_only=True)
class ForecastOptions:
    """What forecasts are to give, and how they are made.

    Attributes
    ----------
    members:
        Forecasts from each initial time, of all runs together; by default one of each run, and ten
        of each that was trained to give several. A single forecast has no dimension for them.
    seed:
        Of the noise of runs that give several.
    interval:
        Coverage of an interval, such as 0.9, whose bounds go beside each variable.
    spread:
        ``calibrated`` draws members apart until their spread is that of past errors, which
        ``auto`` does where these are known, and ``raw`` never.
    batch_size:
        Forecasts made at once; by default what suits the size of the grid.
    precision:
        ``auto`` is that of the training on a GPU, and float32 elsewhere.
    """

    members: int | None = None
    seed: int = 0
    interval: float | None = None
    spread: MemberSpread = "auto"
    batch_size: int | None = None
    precision: Precision = "auto"
