"""What the variables of a file refer to: bounds, grid mappings, auxiliary coordinates."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import xarray as xr

from stforecast.grid.recognition import is_latitude, is_longitude

# Attributes whose text names further variables.
_REFERRING = ("bounds", "grid_mapping", "coordinates", "climatology")
_CRS_ATTRIBUTES = {"grid_mapping_name", "crs_wkt", "spatial_ref"}


def referred(variable: xr.Variable, attribute: str) -> list[str]:
    """Names in an attribute of CF such as ``bounds``, be it in the attributes or the encoding."""
    text = variable.attrs.get(attribute) or variable.encoding.get(attribute) or ""
    return [word.rstrip(":") for word in str(text).split()]


def is_grid_mapping(variable: xr.Variable) -> bool:
    """Whether a variable is there for the sake of its attributes, which describe a CRS."""
    return variable.size <= 1 and bool(_CRS_ATTRIBUTES & variable.attrs.keys())


def promote_references(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with all that is no field made a coordinate.

    Bounds, grid mappings, what ``coordinates`` names, and latitude and longitude that no variable
    refers to, as they are after a plain ``xr.open_dataset``.
    """
    chosen: set[Hashable] = set()
    for name, variable in dataset.variables.items():
        chosen.update(word for attribute in _REFERRING for word in referred(variable, attribute))
        is_place = is_latitude(name, variable.attrs) or is_longitude(name, variable.attrs)
        if is_grid_mapping(variable) or (is_place and variable.ndim <= 3):
            chosen.add(name)
        if variable.ndim > 1 and _is_bounds_by_name(str(name), dataset):
            chosen.add(name)
    return dataset.set_coords([name for name in dataset.data_vars if name in chosen])


def _is_bounds_by_name(name: str, dataset: xr.Dataset) -> bool:
    for ending in ("_bnds", "_bounds", "_bnd", "_vertices"):
        base = name.removesuffix(ending)
        if base != name and (base in dataset.coords or base in dataset.dims):
            return dataset[name].sizes[dataset[name].dims[-1]] <= 8
    return False


def grid_mapping_of(dataset: xr.Dataset, variable: str) -> str | None:
    """Name of the variable that holds the CRS of a field; None if there is none.

    Of several (``crs: x y latlon: lat lon``) the one of the 1-D coordinates. Without a reference,
    the only grid mapping of the dataset.
    """
    known = [
        (name, [dataset[coord].ndim for coord in coordinates if coord in dataset.variables])
        for name, coordinates in _mappings(dataset[variable].variable)
        if name in dataset.variables
    ]
    if known:
        return next((name for name, ndims in known if 1 in ndims), known[0][0])
    lonely = [str(name) for name, item in dataset.variables.items() if is_grid_mapping(item)]
    return lonely[0] if len(lonely) == 1 else None


def _mappings(field: xr.Variable) -> Iterator[tuple[str, list[str]]]:
    text = str(field.encoding.get("grid_mapping") or field.attrs.get("grid_mapping") or "")
    if ":" not in text:
        yield from ((word, []) for word in text.split())
        return
    name, coordinates = "", list[str]()
    for word in text.replace(":", ": ").split():
        if word.endswith(":"):
            if coordinates:
                yield name, coordinates
            name, coordinates = word.rstrip(":"), []
        else:
            coordinates.append(word)
    yield name, coordinates


def rename_dims(variable: xr.Variable, renamed: Mapping[Any, str]) -> xr.Variable:
    """A variable on other names of dimensions, sharing its values."""
    result = variable.to_base_variable().copy(deep=False)
    result.dims = [renamed.get(dim, dim) for dim in variable.dims]
    return result
