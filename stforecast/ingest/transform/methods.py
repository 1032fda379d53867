"""By which method values are brought together, as the user or the file says."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from stforecast.store import ChannelMeta

# CF's names of methods and those of the options, GRIB's step types included.
_OURS = {
    "mean": "mean",
    "sum": "sum",
    "maximum": "max",
    "minimum": "min",
    "avg": "mean",
    "accum": "sum",
    "max": "max",
    "min": "min",
}
_CF = {"mean": "mean", "sum": "sum", "max": "maximum", "min": "minimum", "instantaneous": "point"}
_ONE = re.compile(
    r"((?:[A-Za-z_]\w*:\s*)+)([A-Za-z_]\w*)(\s*(?:over|within|where)\s+\w+)*(\s*\([^)]*\))?"
)
# Attributes that hold for single values of the source, not for several together.
_OF_SINGLE_VALUES = ("valid_min", "valid_max", "valid_range", "actual_range")


def stated(cell_methods: str | None, along: Collection[str]) -> str | None:
    """The last method that cell methods of CF state along one of some dimensions, by our name."""
    found = None
    for dims, method, *_ in _ONE.findall(cell_methods or ""):
        if set(dims.replace(":", " ").split()) & set(along):
            found = _OURS.get(method, method)
    return found


def extended(
    cell_methods: str | None, dim: str, method: str, comment: str = "", *, alone: bool = False
) -> str:
    """The cell methods with a further one, which takes the place of the same or of a point.

    With `alone` it takes that of all others along its dimension.
    """
    added = f"{dim}: {_CF[method]}{comment}"
    if cell_methods is None:
        return added
    kept = [
        match[0].strip()
        for match in _ONE.finditer(cell_methods)
        if not (
            match[1].replace(" ", "") == f"{dim}:" and (alone or match[2] in ("point", _CF[method]))
        )
    ]
    return " ".join([*kept, added])


def described(channel: ChannelMeta, **words: str | None) -> ChannelMeta:
    """A channel whose values are not those of the file any more, with other words."""
    attrs: dict[str, Any] = {
        key: value for key, value in channel.attrs.items() if key not in _OF_SINGLE_VALUES
    }
    for key, value in words.items():
        attrs.pop(key, None)
        if value is not None:
            attrs[key] = value
    return channel.model_copy(update={**words, "attrs": attrs})


def methods_text(methods: Mapping[str, str], words: Mapping[str, str]) -> str:
    """``mean of t2m and ssr, sum of departures``."""
    by_method: dict[str, list[str]] = {}
    for name, method in methods.items():
        by_method.setdefault(method, []).append(name)
    return ", ".join(
        f"{words.get(method, method)} of {' and '.join(names)}"
        for method, names in by_method.items()
    )
