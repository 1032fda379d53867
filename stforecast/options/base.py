"""What all option sections have in common."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Tag

Item = TypeVar("Item")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, int, float)) else value


OneOrMore = Annotated[list[Item], BeforeValidator(_as_list)]
"""A list; a single item may stand without its brackets."""


def _all_or_each(value: Any) -> str:
    return "each" if isinstance(value, dict) else "all"


OneOrEach = Annotated[
    Annotated[Item, Tag("all")] | Annotated[dict[str, Item], Tag("each")],
    Discriminator(_all_or_each),
]
"""One value for all variables, or a mapping from their names to values."""


class Options(BaseModel):
    """A section of options: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
