"""The manifest of a store: each of its files with size and checksum.

Zarr reads a chunk without a file as all missing. So a shard that holds only missing values is not
written, and a shard that was lost would look the same: the manifest tells the two apart.
"""

import hashlib
import json
from collections.abc import Iterator
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import zarr

from stforecast.errors import StoreError

MANIFEST = "manifest.json"
_BLOCK = 2**20


def write_manifest(folder: Path) -> None:
    """List every file of a finished Zarr group, and the shards that are left out as empty."""
    files: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            key = path.relative_to(folder).as_posix()
            files[key] = {"size": path.stat().st_size, "sha256": sha256(path)}
    group = zarr.open_group(folder, mode="r")
    empty = sorted(
        key
        for name, array in group.arrays()
        for key in _chunk_keys(name, array)
        if key not in files
    )
    manifest = {"manifest_version": 1, "files": files, "empty": empty}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def check_manifest(folder: Path, *, checksums: bool = False) -> None:
    """StoreError if a file of the store is missing, has another size or, if asked, other bytes."""
    remedy = "bring it back or make the store anew with stforecast ingest --overwrite"
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files = {
            str(key): (entry["size"], entry["sha256"]) for key, entry in manifest["files"].items()
        }
        empty = list(manifest["empty"])
    except FileNotFoundError:
        raise StoreError(
            f"{folder} has no {MANIFEST}, so it is no whole tensor store; {remedy}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"the {MANIFEST} of {folder} cannot be read; {remedy}") from None
    for key, (size, digest) in files.items():
        path = folder / key
        try:
            found = path.stat().st_size
        except OSError:
            raise StoreError(f"the store {folder} has lost its file {key}; {remedy}") from None
        if found != size or (checksums and sha256(path) != digest):
            raise StoreError(f"the file {key} of the store {folder} is damaged; {remedy}")
    for key in empty:
        if (folder / key).exists():
            raise StoreError(f"the store {folder} was changed since it was made: {key} was empty")


def sha256(path: Path) -> str:
    """Checksum of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _chunk_keys(name: str, array: zarr.Array) -> Iterator[str]:
    shape = array.shards or array.chunks
    counts = [ceil(size / part) for size, part in zip(array.shape, shape, strict=True)]
    for index in product(*(range(count) for count in counts)):
        yield f"{name}/{array.metadata.encode_chunk_key(index)}"
