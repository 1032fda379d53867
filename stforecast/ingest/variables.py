"""Which variables become channels, under which names, and what is known of them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.ingest.dimensions import split_channels
from stforecast.ingest.words import listed, nearest
from stforecast.options import DataOptions, VariableOptions
from stforecast.store.schema import ChannelMeta, plain

# Attributes that speak of the file, of its packing, or of other variables by name.
_OF_THE_FILE = {
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "coordinates",
    "grid_mapping",
    "bounds",
    "ancillary_variables",
    "cell_measures",
    "_ChunkSizes",
    "_Unsigned",
    "chunksizes",
}
# Ranges that are in packed numbers where the variable is packed.
_PACKED_RANGES = {"valid_min", "valid_max", "valid_range", "actual_range"}
_UNKNOWN = {"unknown", "undefined", "none", ""}


@dataclass(frozen=True)
class Choice:
    """A variable of the source and what it is to be."""

    name: str
    source: str
    options: VariableOptions


def choose(
    dataset: xr.Dataset, wanted: Mapping[str, VariableOptions] | None
) -> tuple[list[Choice], bool]:
    """The variables to take, and whether the user named them; without names all are candidates.

    DataError for one that is not there, with the nearest names.
    """
    if wanted is None:
        choices = [Choice(str(name), str(name), VariableOptions()) for name in dataset.data_vars]
        if not choices:
            raise DataError("the data hold no variables, only coordinates")
        return choices, False
    if not wanted:
        raise DataError("data.variables is empty; name at least one variable, or leave it out")
    return [
        Choice(name, source_name(dataset, name, options), options)
        for name, options in wanted.items()
    ], True


def source_name(dataset: xr.Dataset, name: str, options: VariableOptions) -> str:
    """The variable of a dataset that a wanted one is made of; DataError if it is not there."""
    known = [str(variable) for variable in dataset.data_vars]
    if options.index is not None:
        channels = [variable for variable in known if variable.startswith("channel_")]
        if f"channel_{options.index}" in channels:
            return f"channel_{options.index}"
        if channels:
            raise DataError(
                f"{name} asks for channel {options.index}, but the data have {len(channels)} "
                f"channels, 0 to {len(channels) - 1}"
            )
        raise DataError(
            f"{name} has an index, which is for files whose channels have no names; here they do: "
            f"write source: and one of {listed(known, 'or')}"
        )
    source = options.source or name
    if source in known:
        return source
    # by the names that archives know it by, if it is only one
    alike = [
        variable
        for variable in known
        if source in (dataset[variable].attrs.get(key) for key in _ALIASES)
    ]
    if alike:
        raise DataError(
            f"the data have no variable {source!r}; did you mean {listed(alike, 'or')}?"
        )
    if source in dataset.coords:
        raise DataError(f"{source} is a coordinate, not a variable that can be forecast")
    raise DataError(f"the data have no variable {source!r}; {nearest(source, known)}")


_ALIASES = ("GRIB_shortName", "GRIB_cfVarName", "standard_name", "long_name")


def not_numeric(field: xr.DataArray) -> str | None:
    """Why the values of a variable cannot be forecast, None if they are numbers."""
    kind = field.dtype.kind
    if kind in "fiu":
        return None
    what = {
        "b": "true or false",
        "M": "dates",
        "m": "durations",
        "c": "complex numbers",
    }.get(kind, "text")
    return f"{field.name} holds {what}, not numbers, and cannot be forecast"


def channel_meta(choice: Choice, field: xr.DataArray) -> ChannelMeta:
    """What is known of a variable: the user's words before the file's."""
    left_out = set(_OF_THE_FILE)
    if {"scale_factor", "add_offset"} & field.encoding.keys():
        left_out |= _PACKED_RANGES
    attrs: dict[str, Any] = {
        str(key): plain(value)
        for key, value in field.attrs.items()
        if key not in left_out and not str(key).startswith("GRIB_")
    }
    if str(attrs.get("standard_name", "")).lower() in _UNKNOWN:
        attrs.pop("standard_name", None)
    options = choice.options
    attrs |= {
        key: value
        for key, value in (("units", options.units), ("long_name", options.long_name))
        if value is not None
    }
    words = {
        key: None if attrs.get(key) is None else str(attrs[key])
        for key in ("units", "long_name", "standard_name", "cell_methods")
    }
    return ChannelMeta(
        name=choice.name,
        minimum=options.minimum,
        maximum=options.maximum,
        daylight=options.daylight,
        attrs=attrs,
        **words,
    )


def without_known(ds: xr.Dataset, options: DataOptions, known: Set[str]) -> DataOptions:
    """Options without the variables among those `known` that a dataset lacks, if it has others.

    Those of each source, where there are several. The same options where it lacks none.
    """
    parts: Sequence[xr.Dataset] | None = ds.encoding.get(names.SOURCE_PARTS)
    if parts is None:
        variables = _there(ds, options.variables, known)
        if variables is options.variables:
            return options
        return options.model_copy(update={"variables": variables})
    sources = []
    for part, source in zip(parts, options.sources, strict=True):
        variables = _there(part, source.variables, known)
        same = variables is source.variables
        sources.append(source if same else source.model_copy(update={"variables": variables}))
    if all(one is other for one, other in zip(sources, options.sources, strict=True)):
        return options
    return options.model_copy(update={"sources": sources})


def _there(
    ds: xr.Dataset, wanted: dict[str, VariableOptions] | None, known: Set[str]
) -> dict[str, VariableOptions] | None:
    there = {str(name) for name in split_channels(ds, ()).data_vars}
    lacking = {
        name
        for name, options in (wanted or {}).items()
        if name in known and options.index is None and (options.source or name) not in there
    }
    if wanted is None or not lacking or lacking == set(wanted):
        return wanted
    return {name: options for name, options in wanted.items() if name not in lacking}
