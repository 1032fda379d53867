"""What all files that xarray opens have in common: decoding, references, chunks."""

import warnings
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import xarray as xr
from xarray.coders import CFDatetimeCoder

from stforecast.grid import promote_references
from stforecast.sources.times import time_coordinate

# Cells of a block of all variables together: 4 MiB of float32; and the fewest of one of them.
_BLOCK_CELLS = 2**20
_LEAST_CELLS = 2**16
# A chunk of a file with more cells is read in narrow blocks of several steps.
_LONG_CELLS = 2**22


def decode_arguments() -> dict[str, Any]:
    """Arguments of ``xr.open_dataset``: any calendar, any year, durations stay numbers, lazy."""
    return {
        "decode_times": CFDatetimeCoder(time_unit="us"),
        "decode_timedelta": False,
        "chunks": None,
        "cache": False,
    }


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings on how a file is written, which its reader cannot change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*consolidated.*")
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="(xarray|zarr|cfgrib)")
        yield


def tidy(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with coordinates told from variables, in blocks, and references in the encoding.

    That is what ``decode_coords="all"`` gives, without its warnings of cell measures in other
    files, and with 2-D latitudes that no variable refers to.
    """
    dataset = promote_references(dataset)
    for variable in dataset.variables.values():
        for attribute in ("bounds", "grid_mapping"):
            text = variable.attrs.get(attribute)
            if text is not None and any(word in dataset.variables for word in str(text).split()):
                variable.encoding[attribute] = variable.attrs.pop(attribute)
    with quietly():
        for coord in dataset.coords.values():
            if coord.dtype.kind == "O" and coord.ndim <= 2:
                coord.load()  # dates of another calendar, of which xarray warns when they are read
    coordinate = time_coordinate(dataset)
    time = None if coordinate is None else dataset[coordinate].dims[0]
    cells = block_cells(sum(item.ndim > 1 for item in dataset.data_vars.values()))
    blocks = {
        name: in_blocks(item.variable, time, cells) for name, item in dataset.data_vars.items()
    }
    return dataset.assign({name: item for name, item in blocks.items() if item is not None})


def block_cells(fields: int) -> int:
    """How many cells a block of a variable has where so many fields are read together."""
    return max(_LEAST_CELLS, _BLOCK_CELLS // max(1, fields))


def in_blocks(variable: xr.Variable, time: Hashable | None, cells: int) -> xr.Variable | None:
    """A field as dask blocks along time of whole chunks of its file; None for what is no field.

    A block has about so many cells, or is a single chunk.
    Numbers packed in 16 bits or fewer are unpacked to float32, which holds them as well.
    """
    if variable.ndim < 2 or variable.dtype.kind not in "fiu" or variable.chunks is not None:
        return None
    first = time if time in variable.dims else variable.dims[0]
    frame = max(1, variable.size // max(1, variable.sizes[first]))
    stored = variable.encoding.get("preferred_chunks") or {}
    step = max(1, int(stored.get(first, 1)))
    blocks = {dim: variable.sizes[dim] for dim in variable.dims}
    blocks[first] = max(1, cells // (frame * step)) * step
    if min(blocks[first], variable.sizes[first]) * frame > _LONG_CELLS:
        # a file made for reading time series: its chunks are long, so the blocks are narrow
        blocks |= _tile(variable, first, blocks[first], stored)
    chunked = variable.chunk(blocks)
    if chunked.dtype == np.float64 and _is_packed(variable.encoding):
        chunked = chunked.astype(np.float32)
    return chunked


def _tile(
    variable: xr.Variable, first: Hashable, steps: int, stored: Mapping[Hashable, int]
) -> dict[Hashable, int]:
    """Runs of whole chunks of the other dimensions, as long as make a block, the last first."""
    others = [dim for dim in variable.dims if dim != first]
    sizes = {dim: variable.sizes[dim] for dim in others}
    tile = {dim: min(int(stored.get(dim, size)), size) for dim, size in sizes.items()}
    for dim in reversed(others):
        cells = min(steps, variable.sizes[first]) * prod(tile.values())
        tile[dim] = min(tile[dim] * max(1, _LONG_CELLS // cells), sizes[dim])
    return tile


def _is_packed(encoding: dict[Any, Any]) -> bool:
    stored = encoding.get("dtype")
    return (
        stored is not None
        and np.dtype(stored).kind in "iu"
        and np.dtype(stored).itemsize <= 2
        and "scale_factor" in encoding
    )
