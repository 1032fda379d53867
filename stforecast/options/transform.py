"""Options of what is done to values at ingest: larger cells, longer steps, rates."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from stforecast.options.base import Options

SpaceMethod = Literal["mean", "sum", "max", "min"]
TimeMethod = Literal["mean", "sum", "max", "min", "instantaneous"]

_DURATION = re.compile(r"\d+ ?(min|h|H|D|d)")


def _since_when(value: Any) -> Any:
    if value in ("step", "forecast") or (isinstance(value, str) and _DURATION.fullmatch(value)):
        return value
    raise ValueError(
        f"{value!r} is none of step, forecast, or a duration such as 24h, after which sums begin "
        "anew"
    )


Accumulated = Annotated[str, BeforeValidator(_since_when)]
"""Since when values are summed."""


class CoarsenOptions(Options):
    """So many rows and columns become one; one number alone is for both."""

    y: int = Field(1, ge=1, description="rows that become one")
    x: int = Field(1, ge=1, description="columns that become one")
    remainder: Literal["trim", "pad"] = Field(
        "trim",
        description="rows and columns left over at the end: left out, or smaller cells of what "
        "there is",
    )
    missing: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="the largest part of the area of a cell that may be missing for it to have a "
        "value",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"y": value, "x": value}
        return value


class ResampleOptions(Options):
    """Longer time steps; a duration alone is the step."""

    step: str = Field(description="the new time step (3h, 1D, 1W, 1M, 1Y)")
    label: Literal["start", "end"] = Field(
        "start", description="which end of its step a time stamp is"
    )
    missing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="the largest part of a step that may be absent or missing for it to have a "
        "value; steps that lack more are absent, or missing in the cells concerned",
    )

    @model_validator(mode="before")
    @classmethod
    def _step_alone(cls, value: Any) -> Any:
        return {"step": value} if isinstance(value, str) else value
