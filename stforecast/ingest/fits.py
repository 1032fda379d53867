"""Whether new files are more of what a store holds: variables, units, grid, level, clock."""

import re
from collections.abc import Mapping
from typing import Any

from zarr.codecs import BloscCodec

from stforecast import names
from stforecast.errors import DataError
from stforecast.grid import Grid
from stforecast.ingest.transform.recipe import difference as recipe_difference
from stforecast.ingest.words import listed
from stforecast.options import StorageOptions
from stforecast.store import StoreMeta, TensorStore
from stforecast.store.layout import Cut
from stforecast.store.repository import is_repository

# Scalars of a file that say when or how it was made, and not what it holds.
_NOT_TELLING = ("step", "expver", "spatial_ref", "crs")
_DATE = re.compile(r"[+-]?\d{4,6}-\d{2}(-\d{2}.*)?")


def order_of_channels(store: StoreMeta, files: StoreMeta) -> list[int | None]:
    """Where in the files each variable of the store is, None for one that they lack.

    DataError if they have others.
    """
    ours = [channel.name for channel in store.channels]
    theirs = [channel.name for channel in files.channels]
    others = [name for name in theirs if name not in ours]
    if others:
        remedy = (
            "choose those of the store with data.variables"
            if len(others) < len(theirs)
            else "a store keeps the variables that it was made with, so make it anew with "
            "--overwrite from the files of all"
        )
        raise DataError(f"they hold {listed(theirs)}, the store holds {listed(ours)}; {remedy}")
    return [theirs.index(name) if name in theirs else None for name in ours]


def check_fits(store: TensorStore, files: TensorStore) -> None:
    """DataError, in words of what `files` hold, when they are not more of what the store holds.

    Times are not looked at.
    """
    order = order_of_channels(store.meta, files.meta)
    # first, as other units and another grid may follow from it
    made = recipe_difference(files.meta.recipe, store.meta.recipe)
    if made is not None:
        raise DataError(f"they are read in another way than the store was: {made}")
    for ours, index in zip(store.meta.channels, order, strict=True):
        if index is None:
            continue
        theirs = files.meta.channels[index]
        if (ours.units or "").strip() != (theirs.units or "").strip():
            raise DataError(
                f"{ours.name} is in {_units(theirs.units)} in them and in {_units(ours.units)} in "
                "the store; convert one of them, or if they are the same say so by "
                f"data.variables.{ours.name}.units"
            )
    if store.meta.sequence_name != files.meta.sequence_name:
        raise DataError("they hold independent sequences, the store holds none")
    theirs_, ours_ = files.grid.fingerprint(), store.grid.fingerprint()
    words = Grid.difference(theirs_, ours_)
    if words is not None and not _nearly(store.grid, files.grid):
        raise DataError(f"they are on another grid ({words} of the store)")
    for name, scalar in store.meta.scalars.items():
        other = files.meta.scalars.get(name)
        if other is not None and _tells_apart(name, scalar) and other["value"] != scalar["value"]:
            raise DataError(
                f"they hold {name} {other['value']}, the store holds {name} {scalar['value']}"
            )
    if store.meta.timezone != files.meta.timezone:
        raise DataError(
            f"their clock is {files.meta.timezone}, that of the store {store.meta.timezone}; give "
            "data.timezone as it was"
        )


def storage_kept(store: TensorStore, wanted: StorageOptions) -> str | None:
    """A sentence on options of how values are cut and compressed that a store cannot follow.

    None where it has all of those that are given: how it was made stays as it grows.
    """
    encoding = store.dataset[names.DATA].encoding
    blosc = [codec for codec in encoding.get("compressors", ()) if isinstance(codec, BloscCodec)]
    chunks = encoding["chunks"]
    cut = Cut.of(store.dataset.sizes, wanted.model_copy(update={"chunk_steps": chunks[0]}))
    has: dict[str, Any] = {
        "format": "icechunk" if store.path is not None and is_repository(store.path) else "zarr",
        "codec": blosc[0].cname.value if blosc else "none",
        "level": blosc[0].clevel if blosc else wanted.level,
        "chunk_steps": chunks[0],
    }
    if (encoding.get("shards") or chunks)[0] == cut.shards[names.TIME]:
        has["shard_size"] = wanted.shard_size
    asked = wanted.model_dump(exclude_unset=True, exclude={"memory_limit"}, exclude_none=True)
    others = [f"data.storage.{key}" for key, value in asked.items() if has.get(key) != value]
    if not others:
        return None
    keeps = f"{has['format']}, {has['codec']}, chunks of {chunks[0]} steps"
    return (
        f"the store {store.path} keeps how it was made ({keeps}) as it grows, so "
        f"{listed(others)} cannot take effect; make it anew with --overwrite to change that"
    )


def _nearly(one: Grid, other: Grid) -> bool:
    """Whether the coordinates differ by rounding only, as those of several files may."""
    if (one.height, one.width, one.kind) != (other.height, other.width, other.kind):
        return False
    for name, coord in one.coords.variables.items():
        if coord.dtype.kind not in "fiu" or coord.ndim == 0:
            continue
        known = other.coords.variables.get(name)
        if known is None or known.dims != coord.dims or known.shape != coord.shape:
            return False
        largest = float(abs(coord.values).max(initial=0))
        if not (abs(coord.values - known.values) <= 1e-6 * largest).all():
            return False
    return True


def scalars_kept(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The scalars of a store but for dates that files contradict, such as when each was made."""
    return {
        name: scalar
        for name, scalar in ours.items()
        if not (
            isinstance(scalar["value"], str)
            and _DATE.fullmatch(scalar["value"]) is not None
            and name in theirs
            and theirs[name]["value"] != scalar["value"]
        )
    }


def _tells_apart(name: str, scalar: Mapping[str, Any]) -> bool:
    """Whether a scalar is a member, a level or the like, of which a record has one."""
    standard_name = str(scalar.get("attrs", {}).get("standard_name", ""))
    value = scalar["value"]
    return not (
        name in _NOT_TELLING
        or standard_name.startswith("forecast_")
        or standard_name == "time"
        or (isinstance(value, str) and _DATE.fullmatch(value) is not None)
        or value != value
    )


def _units(units: str | None) -> str:
    return repr(units) if units else "no units"
