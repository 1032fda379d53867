"""The files of an array: which part of it each one holds, and reading that part piece by piece."""

from collections.abc import Iterator
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stforecast.errors import first_line

Region = tuple[slice, ...]

# Bytes that are decoded at once.
_PIECE = 16 * 2**20


def regions(name: str, array: zarr.Array) -> Iterator[tuple[str, Region]]:
    """The key of each shard (or chunk, where there are none) of an array, and what it covers."""
    shape = array.shards or array.chunks
    counts = [ceil(size / part) for size, part in zip(array.shape, shape, strict=True)]
    for index in product(*(range(count) for count in counts)):
        region = tuple(
            slice(at * part, min((at + 1) * part, size))
            for at, part, size in zip(index, shape, array.shape, strict=True)
        )
        yield f"{name}/{array.metadata.encode_chunk_key(index)}", region


def pieces(array: zarr.Array, region: Region) -> Iterator[tuple[Region, NDArray[Any]]]:
    """A region as it is decoded, in pieces of whole chunks: about 16 MiB, or one chunk's row.

    Only the first two dimensions are cut. Raises what Zarr and its codecs raise for broken bytes.
    """
    cut = [*_steps(array, region), *(_length(part) for part in region[2:])]
    counts = (range(part.start, part.stop, step) for part, step in zip(region, cut, strict=True))
    for starts in product(*counts):
        piece = tuple(
            slice(start, min(start + step, part.stop))
            for start, step, part in zip(starts, cut, region, strict=True)
        )
        yield piece, np.asarray(array[piece])


def _steps(array: zarr.Array, region: Region) -> list[int]:
    """How far one piece reaches along the first two dimensions."""
    item = max(array.dtype.itemsize, 1)
    lengths = [_length(part) for part in region]
    steps = lengths[:2]
    for dim in range(len(steps)):
        one = item * prod(lengths[dim + 1 :])  # bytes of one index of this dimension
        chunk = min(array.chunks[dim], lengths[dim])
        if one * lengths[dim] <= _PIECE:
            break
        steps[dim] = min(max(_PIECE // (one * chunk), 1) * chunk, lengths[dim])
        if one * steps[dim] <= _PIECE:
            break
        lengths[dim] = steps[dim]
        item *= steps[dim]
    return steps


def first_sentence(error: BaseException) -> str:
    """What an error of a library says first, as part of a sentence, and no more."""
    return first_line(error).partition(". ")[0].rstrip(".")


def _length(part: slice) -> int:
    """How many indices a slice of known ends covers."""
    return max(int(part.stop) - int(part.start), 0)
