"""What a run's card has to say of each of its covariates."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Told(BaseModel):
    """One source of covariates, as it was when the run was trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["past", "future", "static"]
    names: list[str] = Field(description="channels, in their order")
    mean: list[float] | None = Field(
        None, description="of the training period, for sources with units of their own"
    )
    std: list[float] | None = None
    missing: list[bool] | None = Field(
        None, description="which channels lack values in the training period, and so have a mask"
    )
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 of each file")

    @property
    def channels(self) -> list[str]:
        """Names of the channels and, behind them, of their masks."""
        lacking = self.missing or [False] * len(self.names)
        masks = [f"{name}_known" for name, lacks in zip(self.names, lacking, strict=True) if lacks]
        return [*self.names, *masks]


def place_on_card(loc: Iterable[Any]) -> str:
    """Where on a card something is wrong, without pydantic's names of alternatives."""
    alternatives = ("all", "each")
    return ".".join(
        str(part)
        for part in loc
        if not str(part).endswith("Covariate") and part not in alternatives
    )
