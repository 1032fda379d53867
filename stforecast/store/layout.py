"""How the arrays of a store are cut into chunks and shards, and how they are encoded."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import cftime
import numpy as np
import xarray as xr
from zarr.codecs import BloscCodec, Crc32cCodec

from stforecast import names
from stforecast.options import StorageOptions
from stforecast.timeaxis import TimeAxis

_ITEM = 4  # bytes of float32
_CHUNK_BYTES = 2**20
_CHUNK_LIMIT = 4 * 2**20
_SHARD_BYTES = 100 * 2**20
_CHUNK_STEPS = 64  # so that one sample of a small grid does not read days around it
# One-dimensional arrays along time: one chunk for most records, and room for a record to grow.
_SERIES_CHUNK = 16_384
# Calendars of a record that goes back to before 1582, when one took the place of another.
_REFORMED = ("standard", "gregorian")


@dataclass(frozen=True)
class Cut:
    """Shapes of the chunks and shards of the data, by dimension."""

    chunks: Mapping[str, int]
    shards: Mapping[str, int]

    @classmethod
    def of(cls, sizes: Mapping[Hashable, int], storage: StorageOptions | None = None) -> "Cut":
        """Chunks of a few steps of the whole grid, about 1 MB; shards of about 100 MB in time.

        A field of over 4 MB is cut into bands of rows, several fields into one each.
        """
        storage = storage or StorageOptions()
        whole = storage.shard_size or _SHARD_BYTES
        row = int(sizes[names.X]) * _ITEM
        field = int(sizes[names.Y]) * row
        frame = int(sizes[names.CHANNEL]) * field
        chunks = {
            names.SEQUENCE: 1,
            names.TIME: storage.chunk_steps or max(1, min(_CHUNK_BYTES // frame, _CHUNK_STEPS)),
            names.CHANNEL: int(sizes[names.CHANNEL]) if frame <= _CHUNK_LIMIT else 1,
            names.Y: int(sizes[names.Y]) if field <= _CHUNK_LIMIT else max(1, _CHUNK_LIMIT // row),
            names.X: int(sizes[names.X]),
        }
        shards = {dim: -(-int(sizes.get(dim, 1)) // chunk) * chunk for dim, chunk in chunks.items()}
        steps = max(1, whole // (frame * chunks[names.TIME])) * chunks[names.TIME]
        if names.SEQUENCE in sizes:
            # sequences do not grow: as many whole ones as fit
            chunks[names.TIME] = min(chunks[names.TIME], int(sizes[names.TIME]))
            all_steps = -(-int(sizes[names.TIME]) // chunks[names.TIME]) * chunks[names.TIME]
            steps = min(steps, all_steps)
            shards[names.SEQUENCE] = min(
                int(sizes[names.SEQUENCE]), max(1, whole // (frame * steps))
            )
        shards[names.TIME] = steps
        return cls(
            {dim: chunks[dim] for dim in chunks if dim in sizes},
            {dim: shards[dim] for dim in chunks if dim in sizes},
        )


def encodings(
    dataset: xr.Dataset, cut: Cut, axis: TimeAxis, storage: StorageOptions
) -> dict[str, dict[str, Any]]:
    """The encoding of each variable; whatever the source's files had is not carried over."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        own: dict[str, Any] = {}
        if names.TIME in variable.dims or names.SEQUENCE in variable.dims:
            own["chunks"] = tuple(
                _SERIES_CHUNK if dim == names.TIME else max(1, variable.sizes[dim])
                for dim in variable.dims
            )
        if variable.dtype.kind == "f":
            own["_FillValue"] = None
        elif names.TIME in variable.dims and holds_dates(variable):
            own |= time_encoding(axis)
        encoding[str(name)] = own
    dims = dataset[names.DATA].dims
    encoding[names.DATA] = {
        "chunks": tuple(cut.chunks[str(dim)] for dim in dims),
        "shards": tuple(cut.shards[str(dim)] for dim in dims),
        "compressors": _codecs(storage),
        "fill_value": np.float32(np.nan),
        "dtype": "float32",
    }
    return encoding


def _codecs(storage: StorageOptions) -> list[BloscCodec | Crc32cCodec]:
    """Compression, then a checksum of each chunk: changed bytes must not decode to other values."""
    if storage.codec == "none":
        return [Crc32cCodec()]
    blosc = BloscCodec(cname=storage.codec, clevel=storage.level, shuffle="shuffle", typesize=_ITEM)
    return [blosc, Crc32cCodec()]


def holds_dates(variable: xr.Variable) -> bool:
    """Whether a variable holds dates, in whatever calendar, and not text or numbers."""
    if variable.dtype.kind == "O":
        return variable.size > 0 and isinstance(variable.values.flat[0], cftime.datetime)
    return bool(variable.dtype.kind == "M")


def time_encoding(axis: TimeAxis) -> dict[str, Any]:
    """Whole seconds from one epoch in the calendar of the axis, or microseconds if it must be."""
    unit = "seconds" if axis.has_whole_seconds else "microseconds"
    # of numbers that begin after the reform of the calendar xarray takes all for days after it
    epoch = "0001-01-01" if axis.calendar in _REFORMED else "1970-01-01"
    return {"dtype": "int64", "units": f"{unit} since {epoch}", "calendar": axis.calendar}
