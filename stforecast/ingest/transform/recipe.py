"""What was done to values, as plain options: two stores with one recipe go together."""

from collections.abc import Mapping
from typing import Any

from stforecast.options import DataOptions, VariableOptions

# Options of a variable that say how its values are made of those in the files.
_OF_VALUES = {
    *("source", "index", "missing", "coarsen", "resample", "accumulated", "rate", "stamp"),
    "static",
}
_OF_RECORD = ("select", "coarsen", "resample")


def recipe_of(options: DataOptions) -> dict[str, Any]:
    """The options that change values, without those at their defaults; no files, no period."""
    recipe: dict[str, Any] = {}
    if options.sources:
        # what holds for all of them is in the recipe of each
        each = [recipe_of(options.of_source(source)) for source in options.sources]
        clocks = [source.timezone for source in options.sources]
        made: list[dict[str, Any]] = [
            one if clock is None else {**one, "timezone": clock}
            for one, clock in zip(each, clocks, strict=True)
        ]
        return {"sources": made, **({"join": "inner"} if options.join == "inner" else {})}
    for key in _OF_RECORD:
        value = getattr(options, key)
        if value:
            recipe[key] = value if isinstance(value, dict) else value.model_dump()
    variables = {
        name: chosen
        for name, given in (options.variables or {}).items()
        if (chosen := _of_variable(given))
    }
    if variables:
        recipe["variables"] = variables
    return recipe


def _of_variable(given: VariableOptions) -> dict[str, Any]:
    chosen = given.model_dump(include=_OF_VALUES, exclude_defaults=True)
    if given.rate and given.units is not None:
        chosen["units"] = given.units  # which the values are converted to
    return chosen


def is_resampled(recipe: Mapping[str, Any] | None) -> bool:
    """Whether the steps of a record, or of a source of it, are not those of its files."""
    if recipe is None:
        return False
    return "resample" in recipe or any(is_resampled(one) for one in recipe.get("sources", ()))


def difference(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str | None:
    """How two recipes differ, in words such as ``data.coarsen 2 against none``.

    None if they do not, or if one of them is not known.
    """
    if one is None or other is None:
        return None
    for key in sorted({*one, *other}):
        a, b = one.get(key), other.get(key)
        if a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            inner = difference(a, b)
            if inner is not None:
                return inner.replace("data.", f"data.{key}.", 1)
        return f"data.{key} {_text(a)} against {_text(b)}"
    return None


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_text(item)}' for key, item in value.items())}}}"
    return str(value)
