"""What all option sections have in common."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A section of options: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
