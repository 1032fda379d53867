"""Writing a shard chunk by chunk: memory is that of a chunk, and its checksum comes with it.

Zarr itself encodes a shard as a whole, which takes several times its size in memory. What is
written here is its ``sharding_indexed`` format: the encoded chunks one after the other, then an
index of their places with a checksum.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs.blosc import Blosc
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec

from stforecast.errors import StoreError
from stforecast.store.manifest import Entry

# Place and length of a chunk that is not there, in the index of a shard.
_NONE = 2**64 - 1


@dataclass(frozen=True)
class ShardFormat:
    """How the shards of an array are cut and encoded."""

    shards: tuple[int, ...]
    chunks: tuple[int, ...]
    encode: Callable[[NDArray[np.float32]], bytes]

    @classmethod
    def of(cls, array: zarr.Array) -> "ShardFormat":
        """The format of an array as it was created; StoreError for one that we do not write."""
        codecs: Any = array.metadata.to_dict()["codecs"]
        sharding = ShardingCodec.from_dict(codecs[0])
        steps: list[Callable[[Any], bytes]] = []
        for codec in sharding.codecs:
            if isinstance(codec, BytesCodec):
                continue
            if isinstance(codec, BloscCodec):
                steps.append(_blosc(codec))
            elif isinstance(codec, Crc32cCodec):
                steps.append(_with_checksum)
            else:
                raise StoreError(
                    f"{array.store_path} is encoded by {type(codec).__name__}, which this version "
                    "of stforecast does not write; make it anew with stforecast ingest --overwrite"
                )
        shards = tuple(array.shards or array.chunks)
        return cls(shards, tuple(array.chunks), _Chain(tuple(steps)))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many chunks a shard has along each dimension."""
        return tuple(n // m for n, m in zip(self.shards, self.chunks, strict=True))

    def place(self, chunk: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """The shard of a chunk of the array, and the number of the chunk in it, in C order."""
        shard, inside = zip(*map(divmod, chunk, self.counts), strict=True)
        return shard, int(np.ravel_multi_index(inside, self.counts))


class ShardFile:
    """A shard that is being written, under a name of its own until it is whole."""

    def __init__(self, path: Path, format: ShardFormat) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        self._format = format
        self._index = np.full((int(np.prod(format.counts)), 2), _NONE, "<u8")
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: Any = None

    def add(self, number: int, values: NDArray[np.float32]) -> None:
        """Append the chunk `number` in C order; one that is all missing is left out.

        A chunk at the edge of the array may be smaller: the rest is missing.
        """
        if np.isnan(values).all():
            return
        if values.shape != self._format.chunks:
            part = tuple(slice(size) for size in values.shape)
            whole = np.full(self._format.chunks, np.nan, np.float32)
            whole[part] = values
            values = whole
        encoded = self._format.encode(np.ascontiguousarray(values))
        self._index[number] = self._size, len(encoded)
        self._write(encoded)

    def finish(self) -> Entry | None:
        """Write the index and give the shard its name; None if all of it is missing."""
        if self._file is None:
            return None
        self._write(_with_checksum(self._index.tobytes()))
        self._file.close()
        os.replace(self._partial, self._path)
        return Entry(self._size, self._digest.hexdigest())

    def _write(self, content: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb", buffering=0)
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) :]
        self._digest.update(content)
        self._size += len(content)

    def discard(self) -> None:
        """Take away what was written of a shard that will not be whole."""
        if self._file is not None:
            self._file.close()
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Chain:
    steps: tuple[Callable[[Any], bytes], ...]

    def __call__(self, values: NDArray[np.float32]) -> bytes:
        content: Any = np.ascontiguousarray(values, "<f4")
        for step in self.steps:
            content = step(content)
        return content if isinstance(content, bytes) else content.tobytes()


def _blosc(codec: BloscCodec) -> Callable[[Any], bytes]:
    shuffle = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}[codec.shuffle.value]
    blosc = Blosc(
        cname=codec.cname.value,
        clevel=codec.clevel,
        shuffle=shuffle,
        blocksize=codec.blocksize,
        typesize=codec.typesize,
    )
    encode: Callable[[Any], bytes] = blosc.encode
    return encode


def _with_checksum(content: Any) -> bytes:
    checksum = np.array([google_crc32c.value(bytes(content))], "<u4").tobytes()
    return bytes(content) + checksum
