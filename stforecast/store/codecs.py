"""How shards are decoded: by zarrs, which is faster, where it is installed, else by Zarr itself.

zarrs overwrites files in place, and the files of a store may be shared by hard links: it only ever
reads. Its threads do not survive a fork, so a forked process reads with Zarr's own codecs.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

import zarr

from stforecast.remote import Location, RemotePath


@contextmanager
def fast_codecs(location: Location) -> Iterator[None]:
    """Arrays of a store on this machine that are opened meanwhile are decoded by zarrs, if there.

    For reading only: they must not be written to.
    """
    if isinstance(location, RemotePath) or find_spec("zarrs") is None:
        yield
        return
    with zarr.config.set({"codec_pipeline.path": _registered()}):
        yield


@cache
def _registered() -> str:
    """The name under which Zarr knows the codecs of zarrs, as they are used here."""
    from zarr.registry import register_pipeline
    from zarrs import ZarrsCodecPipeline

    class ReadingPipeline(ZarrsCodecPipeline):
        """Reads by zarrs in the process that this was made in, and never writes by it."""

        process: ClassVar[int] = os.getpid()

        @classmethod
        def from_array_metadata_and_store(cls, array_metadata: Any, store: Any) -> Any:
            with warnings.catch_warnings():
                # of text and other arrays that zarrs leaves to Zarr
                warnings.filterwarnings("ignore", "Array is unsupported by Zarrs")
                return super().from_array_metadata_and_store(array_metadata, store)

        def __reduce__(self) -> Any:
            return _again, (self.metadata, self.store)

        async def read(self, batch_info: Any, out: Any, drop_axes: tuple[int, ...] = ()) -> Any:
            if os.getpid() != self.process and self.python_impl is not None:
                return await self.python_impl.read(batch_info, out, drop_axes)
            return await super().read(batch_info, out, drop_axes)

        async def write(self, *arguments: Any, **named: Any) -> None:
            raise NotImplementedError("zarrs is for reading only, as it overwrites in place")

    register_pipeline(ReadingPipeline)
    return f"{ReadingPipeline.__module__}.{ReadingPipeline.__qualname__}"


def _again(metadata: Any, store: Any) -> Any:
    """The codecs of an array that came from another process."""
    from zarr.core.array import create_codec_pipeline

    if find_spec("zarrs") is None:
        return create_codec_pipeline(metadata, store=store)
    with zarr.config.set({"codec_pipeline.path": _registered()}):
        return create_codec_pipeline(metadata, store=store)
