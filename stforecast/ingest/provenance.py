"""Which files a store was made of."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stforecast.errors import DataError
from stforecast.store.manifest import sha256


@dataclass(frozen=True)
class SeenFile:
    """A file, or the folder of a Zarr store, as it was when it was opened."""

    path: Path
    size: int
    mtime: float


def look_at(paths: Iterable[str | Path]) -> list[SeenFile]:
    """Size and time of change of files; DataError, naming it, for one that is gone."""
    return [_look_at(Path(path)) for path in paths]


def check_unchanged(seen: Sequence[SeenFile]) -> None:
    """DataError if one of the files has changed or gone since it was looked at."""
    for before in seen:
        if _look_at(before.path) != before:
            raise DataError(f"{before.path} changed while it was read; ingest it again")


def describe_files(seen: Sequence[SeenFile]) -> list[dict[str, Any]]:
    """Path, size in bytes, time of change and checksum of each file, as plain values."""
    return [
        {
            "path": str(file.path),
            "size": file.size,
            "mtime": datetime.fromtimestamp(file.mtime, UTC).isoformat(timespec="seconds"),
            "sha256": _digest(file.path),
        }
        for file in seen
    ]


def _look_at(path: Path) -> SeenFile:
    try:
        parts = [part.stat() for part in _files(path)]
    except OSError:
        raise DataError(f"{path} is gone or cannot be read") from None
    if not parts:
        raise DataError(f"{path} is gone or cannot be read")
    return SeenFile(path, sum(part.st_size for part in parts), max(part.st_mtime for part in parts))


def _digest(path: Path) -> str:
    """The checksum of a file; of a folder, that of the list of its files and their checksums."""
    try:
        if not path.is_dir():
            return sha256(path)
        lines = [f"{sha256(part)} {part.relative_to(path).as_posix()}" for part in _files(path)]
    except OSError:
        raise DataError(f"{path} is gone or cannot be read") from None
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file())
    return [path]
