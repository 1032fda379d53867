"""The manifest of a store: each of its files with size and checksum.

Zarr reads a chunk without a file as all missing. So a shard that holds only missing values is not
written, and a shard that was lost would look the same: the manifest tells the two apart.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import zarr

from stforecast import names
from stforecast.errors import StoreError
from stforecast.remote import Location, RemotePath

MANIFEST = "manifest.json"
# What the keys of the shards of the data begin with.
SHARDS = f"{names.DATA}/c/"
REMEDY = "bring it back or make the store anew with stforecast ingest --overwrite"
_VERSION = 1
_SHA256 = re.compile("[0-9a-f]{64}")
_BLOCK = 2**20
# A file of more bytes is not read whole each time that a store is opened.
_SMALL = 8 * 2**20
# Files that are fetched from another machine together.
_AT_ONCE = 8


@dataclass(frozen=True)
class Entry:
    """A file of a store: its size in bytes and the checksum of these bytes, in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a store consists of, by keys: paths below its folder, with slashes."""

    files: Mapping[str, Entry]
    empty: frozenset[str]
    """Chunks and shards without a file, as all their values are the fill value."""

    @classmethod
    def read(cls, folder: Location) -> "Manifest":
        """The manifest of a store; StoreError if it has none or one that cannot be understood."""
        try:
            found = json.loads((folder / MANIFEST).read_text())
            if found["manifest_version"] != _VERSION:
                raise ValueError
            files = {str(key): _entry(key, value) for key, value in found["files"].items()}
            empty = frozenset(str(key) for key in found["empty"])
        except FileNotFoundError:
            raise StoreError(
                f"{folder} has no {MANIFEST}, so it is no whole tensor store; {REMEDY}"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise StoreError(f"the {MANIFEST} of {folder} cannot be read; {REMEDY}") from None
        return cls(files, empty)

    def write(self, folder: Path) -> None:
        """Put the manifest into the folder of its store."""
        files = {
            key: {"size": entry.size, "sha256": entry.sha256}
            for key, entry in sorted(self.files.items())
        }
        text = {"manifest_version": _VERSION, "files": files, "empty": sorted(self.empty)}
        (folder / MANIFEST).write_text(json.dumps(text, indent=1))


def write_manifest(folder: Path, known: Mapping[str, Entry] | None = None) -> None:
    """List every file of a finished Zarr group, and the shards that are left out as empty.

    Files that are `known` are not read again. Hidden files are no part of the store.
    """
    files = dict(known or {})
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        key = inside.as_posix()
        if key in files or key == MANIFEST or any(part.startswith(".") for part in inside.parts):
            continue
        if path.is_file():
            files[key] = Entry(path.stat().st_size, sha256(path))
    group = zarr.open_group(folder, mode="r")
    keys = (key for name, array in group.arrays() for key in chunk_keys(name, array))
    Manifest(files, frozenset(key for key in keys if key not in files)).write(folder)


def check_manifest(folder: Location, *, checksums: bool = False) -> None:
    """StoreError if a file of the store is missing or damaged.

    Sizes tell; and checksums of what is read as the store is opened (its description, times and
    coordinates), or with `checksums` of everything.
    """
    manifest = Manifest.read(folder)
    read = [
        key for key, entry in manifest.files.items() if checksums or is_read_at_once(key, entry)
    ]
    try:
        sizes = sizes_of(folder, [*manifest.files, *manifest.empty])
        for key, entry in manifest.files.items():
            if sizes[key] is None:
                raise StoreError(f"the store {folder} has lost its file {key}; {REMEDY}")
            if sizes[key] != entry.size:
                raise StoreError(f"the file {key} of the store {folder} is damaged; {REMEDY}")
        for key, digest in _digests(folder, read):
            if digest != manifest.files[key].sha256:
                raise StoreError(f"the file {key} of the store {folder} is damaged; {REMEDY}")
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror or error}") from None
    for key in manifest.empty:
        if sizes[key] is not None:
            raise StoreError(f"the store {folder} was changed since it was made: {key} was empty")


def sizes_of(folder: Location, keys: list[str]) -> dict[str, int | None]:
    """Sizes of files in bytes, None for one that is not there."""
    if isinstance(folder, RemotePath):
        return folder.sizes(keys)
    sizes: dict[str, int | None] = {}
    for key in keys:
        try:
            sizes[key] = (folder / key).stat().st_size
        except FileNotFoundError:
            sizes[key] = None
    return sizes


def _digests(folder: Location, keys: list[str]) -> Iterator[tuple[str, str]]:
    """Checksums of files, a few at once where each takes its time to come."""
    if isinstance(folder, Path):
        for key in keys:
            yield key, sha256(folder / key)
        return
    for start in range(0, len(keys), _AT_ONCE):
        for key, content in folder.contents(keys[start : start + _AT_ONCE]).items():
            yield key, hashlib.sha256(content).hexdigest()


def is_read_at_once(key: str, entry: Entry) -> bool:
    """Whether a file is small and no shard of the data: it is read whole as the store is opened."""
    return entry.size <= _SMALL and not key.startswith(SHARDS)


def sha256(path: Location) -> str:
    """Checksum of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def chunk_keys(name: str, array: zarr.Array) -> Iterator[str]:
    """The key of every chunk of an array, or of every shard where it has shards."""
    shape = array.shards or array.chunks
    counts = [ceil(size / part) for size, part in zip(array.shape, shape, strict=True)]
    for index in product(*(range(count) for count in counts)):
        yield f"{name}/{array.metadata.encode_chunk_key(index)}"


def _entry(key: str, value: Any) -> Entry:
    size, digest = value["size"], value["sha256"]
    if type(size) is not int or size < 0 or not _SHA256.fullmatch(digest):
        raise ValueError
    if not key or key.startswith("/") or ".." in key.split("/"):
        raise ValueError  # no file of this folder
    return Entry(size, digest)
