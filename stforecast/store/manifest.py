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

MANIFEST = "manifest.json"
REMEDY = "bring it back or make the store anew with stforecast ingest --overwrite"
_VERSION = 1
_SHA256 = re.compile("[0-9a-f]{64}")
_BLOCK = 2**20
# A file of more bytes is not read whole each time that a store is opened.
_SMALL = 8 * 2**20


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
    def read(cls, folder: Path) -> "Manifest":
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


def write_manifest(folder: Path) -> None:
    """List every file of a finished Zarr group, and the shards that are left out as empty."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            files[path.relative_to(folder).as_posix()] = Entry(path.stat().st_size, sha256(path))
    group = zarr.open_group(folder, mode="r")
    keys = (key for name, array in group.arrays() for key in chunk_keys(name, array))
    Manifest(files, frozenset(key for key in keys if key not in files)).write(folder)


def check_manifest(folder: Path, *, checksums: bool = False) -> None:
    """StoreError if a file of the store is missing or damaged.

    Sizes tell; and checksums of what is read as the store is opened (its description, times and
    coordinates), or with `checksums` of everything.
    """
    manifest = Manifest.read(folder)
    for key, entry in manifest.files.items():
        path = folder / key
        try:
            found = path.stat().st_size
        except OSError:
            raise StoreError(f"the store {folder} has lost its file {key}; {REMEDY}") from None
        told = checksums or is_read_at_once(key, entry)
        if found != entry.size or (told and sha256(path) != entry.sha256):
            raise StoreError(f"the file {key} of the store {folder} is damaged; {REMEDY}")
    for key in manifest.empty:
        if (folder / key).exists():
            raise StoreError(f"the store {folder} was changed since it was made: {key} was empty")


def is_read_at_once(key: str, entry: Entry) -> bool:
    """Whether a file is small and no shard of the data: it is read whole as the store is opened."""
    return entry.size <= _SMALL and not key.startswith(f"{names.DATA}/c/")


def sha256(path: Path) -> str:
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
