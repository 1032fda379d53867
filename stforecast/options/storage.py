"""Options of how a tensor store is written."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, Field, TypeAdapter, ValidationError, model_validator

from stforecast.options.base import Options


def _size(value: Any) -> Any:
    """A size as people write it, such as 512 MB or 2GiB, in bytes."""
    if isinstance(value, str):
        try:
            return int(TypeAdapter(ByteSize).validate_python(value))
        except ValidationError:
            raise ValueError(f"{value!r} is no size; write it as 512MB or 2GB") from None
    return value


Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
"""Bytes; as text with a unit, such as 2GB."""

MEMORY_LIMIT = 10**9


class StorageOptions(Options):
    """How the values are cut and compressed. A store keeps what it was made with as it grows."""

    format: Literal["zarr", "icechunk"] = Field(
        "zarr",
        description="zarr, or icechunk for a store that keeps its versions (extra icechunk); a "
        "store named .icechunk is one",
    )
    codec: Literal["zstd", "lz4", "zlib", "none"] = Field(
        "zstd", description="compression: lz4 is the fastest to read, zstd smaller, none is none"
    )
    level: int = Field(3, ge=0, le=9, description="how hard to compress, 1 to 9")
    chunk_steps: int | None = Field(
        None,
        ge=1,
        description="steps of a chunk, which is what is read at least; by default about 1 MB, and "
        "no more than 64 steps",
    )
    shard_size: Size | None = Field(
        None, description="size of a file of values before compression; about 100 MB by default"
    )
    memory_limit: Size = Field(
        MEMORY_LIMIT, description="memory that ingest may take, such as 2GB; 1GB by default"
    )

    @model_validator(mode="after")
    def _enough(self) -> "StorageOptions":
        if self.memory_limit < 4 * 10**8:
            raise ValueError("memory_limit must be at least 400MB")
        return self


def size_text(size: int) -> str:
    """Bytes as people write them."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
