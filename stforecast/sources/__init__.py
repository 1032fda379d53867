"""One file per format: from files to a lazy dataset that follows CF. See :class:`base.Source`."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.options import DataOptions
from stforecast.remote import Location, RemotePath
from stforecast.sources.base import Source
from stforecast.sources.deepst import DeepST
from stforecast.sources.files import find_files
from stforecast.sources.frames import FrameFolders
from stforecast.sources.moving_mnist import MovingMNIST
from stforecast.sources.netcdf import NetCDF
from stforecast.sources.sniff import kind_of, why_not

__all__ = ["SOURCES", "Source", "find_source", "open_source"]

# The first that recognises a file reads it.
SOURCES: dict[str, Source] = {
    source.name: source for source in (DeepST(), NetCDF(), MovingMNIST(), FrameFolders())
}
_READS_ADDRESSES = ("deepst", "moving-mnist", "netcdf")


def open_source(
    files: Sequence[str | Location], options: DataOptions | None = None, base: Path | None = None
) -> xr.Dataset:
    """Files as one lazy dataset, read by the source that knows them or by ``options.reader``.

    `files` are paths and patterns relative to `base`, ``package:NAME/PATH``, or addresses such as
    ``s3://…``. The files found are in ``encoding["source_files"]``, those at addresses as
    :class:`stforecast.remote.RemotePath`. With ``options.sources`` it holds nothing itself, and the
    datasets of the sources are in ``encoding["source_parts"]``. Raises DataError, one sentence that
    names the file, for what is missing, broken, or of no known format; ConfigError for a reader
    that does not exist.
    """
    options = options or DataOptions()
    if options.sources:
        return _open_several(files, options, base)
    locations = find_files(files, base)
    source = _source(locations, options.reader)
    elsewhere = [at for at in locations if isinstance(at, RemotePath)]
    if elsewhere and source.name not in _READS_ADDRESSES:
        raise DataError(f"{elsewhere[0]} cannot be read by {source.name}; copy it here first")
    dataset = source.open(locations, options)
    dataset.encoding[names.SOURCE_FILES] = [
        str(at) if isinstance(at, Path) else at for at in locations
    ]
    return dataset


def _open_several(
    files: Sequence[str | Location], options: DataOptions, base: Path | None
) -> xr.Dataset:
    """The sources of ``options.sources``: a dataset of nothing, with theirs in its encoding."""
    if files:
        raise ConfigError(
            "the record is made of data.sources, which name their own files; leave other files "
            "out, and bring a store up to date with stforecast ingest --append"
        )
    parts = [open_source(one.files, options.of_source(one), base) for one in options.sources]
    together = xr.Dataset()
    together.encoding[names.SOURCE_PARTS] = parts
    together.encoding[names.SOURCE_FILES] = [
        file for part in parts for file in part.encoding[names.SOURCE_FILES]
    ]
    return together


def find_source(files: Sequence[str | Location], base: Path | None = None) -> str:
    """Name of the source that reads the files; DataError if there is none."""
    return _source(find_files(files, base), None).name


def _source(locations: Sequence[Location], reader: str | None) -> Source:
    if reader is not None:
        if reader not in SOURCES:
            raise ConfigError(f"there is no reader {reader!r}; there are {', '.join(SOURCES)}")
        return SOURCES[reader]
    found: dict[str, Location] = {}
    for location in locations:
        found.setdefault(_recognise(location).name, location)
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        raise DataError(
            f"{first} is a file of {one} and {second} one of {other}; ingest them by themselves"
        )
    return SOURCES[next(iter(found))]


def _recognise(location: Location) -> Source:
    for source in SOURCES.values():
        if source.recognises(location):
            return source
    if kind_of(location) is None:
        raise DataError(why_not(location))
    raise DataError(f"no reader knows {location}; name one with --reader")
