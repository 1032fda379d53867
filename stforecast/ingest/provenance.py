"""Which files a store was made of."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from stforecast.errors import DataError
from stforecast.remote import Location, RemotePath, location
from stforecast.store.reading import ReadError

_BLOCK = 2**20


@dataclass(frozen=True)
class SeenFile:
    """A file, or the folder of a Zarr store, as it was when it was opened.

    What a server does not tell of a file elsewhere is None; its `tag` is another once it changes.
    """

    path: Location
    size: int | None
    mtime: float | None
    tag: str | None = None


def look_at(paths: Iterable[str | Location]) -> list[SeenFile]:
    """Size and time of change of files; DataError, naming it, for one that is gone."""
    return [_look_at(location(path)) for path in paths]


def check_unchanged(seen: Sequence[SeenFile]) -> None:
    """DataError if one of the files has changed or gone since it was looked at."""
    for before in seen:
        if _look_at(before.path) != before:
            raise DataError(f"{before.path} changed while it was read; ingest it again")


@contextmanager
def naming_files(seen: Sequence[SeenFile]) -> Iterator[None]:
    """Tell a source that fails while it is read as a DataError that names the file to get again."""
    try:
        yield
    except ReadError as error:
        named = str(seen[0].path) if len(seen) == 1 else f"one of {len(seen)} files"
        raise DataError(f"{error}: {named} is damaged or gone; get it again") from error


class Checksums:
    """The checksums of files, computed in a thread while their values are read.

    As a context it stops when the block ends, however it does.
    """

    def __init__(self, seen: Sequence[SeenFile]) -> None:
        self._seen = list(seen)
        self._stopped = Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checksum")

    def __enter__(self) -> "Checksums":
        self._digests = self._pool.submit(self._all)
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def describe(self) -> list[dict[str, Any]]:
        """Path, size in bytes, time of change and checksum of each file, as plain values.

        A file elsewhere is not read again for a checksum: the tag of its server stands for one.
        """
        return [
            {**state_of(file), **({"sha256": digest.hex()} if digest is not None else {})}
            for file, digest in zip(self._seen, self._digests.result(), strict=True)
        ]

    def _all(self) -> list[bytes | None]:
        return [
            _digest(file.path, self._stopped) if isinstance(file.path, Path) else None
            for file in self._seen
        ]


def describe_files(seen: Sequence[SeenFile]) -> list[dict[str, Any]]:
    """The same as :meth:`Checksums.describe`, at once."""
    with Checksums(seen) as checksums:
        return checksums.describe()


def state_of(file: SeenFile) -> dict[str, Any]:
    """Path, size in bytes and time of change of a file, as plain values, as far as known.

    The path leads to the file from any folder. Of an address what may be secret (user, password,
    query) is left out.
    """
    state: dict[str, Any] = {"path": str(_from_anywhere(file.path))}
    if file.size is not None:
        state["size"] = file.size
    if file.mtime is not None:
        changed = datetime.fromtimestamp(file.mtime, UTC)
        state["mtime"] = changed.isoformat(timespec="microseconds")
    if file.tag is not None:
        state["tag"] = file.tag
    return state


def _from_anywhere(path: Location) -> Location:
    """An absolute path without ``..``; a link stays the link that the user named."""
    if not isinstance(path, Path) or (path.is_absolute() and ".." not in path.parts):
        return path
    # what lies above the end of a link is not what lies above the link
    folder = path.parent.resolve() if ".." in path.parts else path.parent.absolute()
    return folder / path.name


def _look_at(path: Location) -> SeenFile:
    if isinstance(path, RemotePath):
        try:
            told = path.look()
        except OSError as error:
            raise DataError(f"{path} is gone or cannot be read: {error.strerror}") from None
        changed = None if told.changed is None else told.changed.timestamp()
        return SeenFile(path, told.size, changed, told.tag)
    try:
        parts = [part.stat() for part in _files(path)]
    except OSError:
        raise DataError(f"{path} is gone or cannot be read") from None
    if not parts:
        raise DataError(f"{path} is gone or cannot be read")
    return SeenFile(path, sum(part.st_size for part in parts), max(part.st_mtime for part in parts))


def _digest(path: Path, stopped: Event) -> bytes:
    """The checksum of a file; of a folder, that of the list of its files and their checksums."""
    try:
        if not path.is_dir():
            return _sha256(path, stopped)
        lines = [
            f"{_sha256(part, stopped).hex()} {part.relative_to(path).as_posix()}"
            for part in _files(path)
        ]
    except OSError:
        raise DataError(f"{path} is gone or cannot be read") from None
    return hashlib.sha256("\n".join(lines).encode()).digest()


def _sha256(path: Path, stopped: Event) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while not stopped.is_set() and (block := file.read(_BLOCK)):
            digest.update(block)
    return digest.digest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file())
    return [path]
