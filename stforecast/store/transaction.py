"""Writing a version of a store in an Icechunk repository: all of it in one transaction."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from stforecast import folders, names
from stforecast.errors import StoreError
from stforecast.locking import locked
from stforecast.remote import Location, RemotePath
from stforecast.store.commit import check_target, replaced, unwritten
from stforecast.store.manifest import MANIFEST, SHARDS
from stforecast.store.open import is_store
from stforecast.store.repository import (
    BRANCH,
    first_words,
    holds_store,
    is_repository,
    package,
    repository,
)

WHAT = "a tensor store"
_METADATA = "zarr.json"
_DATA = f"{names.DATA}/"


class Transaction:
    """A folder in which a store is made as a plain one, and the session that its files go to."""

    def __init__(self, folder: Path, session: Any, path: Location) -> None:
        self.folder = folder
        self._session = session
        self._path = path
        self._has_data = False

    def ship(self, keys: Sequence[str]) -> None:
        """Take in files of ``data``, which must not change any more, and remove them here."""
        self._describe_data()
        for key in keys:
            self._set(key, (self.folder / key).read_bytes())
            (self.folder / key).unlink()

    def get(self, key: str) -> bytes:
        """A file as it is in the session."""
        found = sync(self._session.store.get(key, default_buffer_prototype()))
        if found is None:
            raise StoreError(f"the store {self._path} lacks {key}")
        content: bytes = found.to_bytes()
        return content

    def shards(self) -> list[str]:
        """The keys of all shards of ``data``."""

        async def listed() -> list[str]:
            keys = self._session.store.list_prefix(_DATA)
            return [key async for key in keys if key.startswith(SHARDS)]

        return sync(listed())

    def remove(self, keys: Sequence[str]) -> None:
        """Remove shards that are there."""
        for key in keys:
            sync(self._session.store.delete(key))

    def clear(self) -> None:
        """Remove everything, for a store that is made anew."""
        sync(self._session.store.clear())

    def finish(self, message: str) -> None:
        """Take in all that is left, and make it the newest version."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        self._describe_data()
        left = [file for file in self.folder.rglob("*") if file.is_file()]
        # hidden ones, such as those by whose way values went, are no part of the store
        inside = [file.relative_to(self.folder) for file in left]
        keys = sorted(
            path.as_posix()
            for path in inside
            if not any(part.startswith(".") for part in path.parts)
        )
        for array in {key.split("/")[0] for key in keys if "/" in key} - {names.DATA}:
            sync(self._session.store.delete_dir(array))
        # arrays are described before they have chunks
        for key in sorted(keys, key=lambda key: (not key.endswith(_METADATA), key)):
            content = (self.folder / key).read_bytes()
            self._set(key, _alone(content) if key == _METADATA else content)
        self._session.commit(message)

    def _describe_data(self) -> None:
        if not self._has_data:
            for key in (_METADATA, _DATA + _METADATA):
                content = (self.folder / key).read_bytes()
                self._set(key, _alone(content) if key == _METADATA else content)
            self._has_data = True

    def _set(self, key: str, content: bytes) -> None:
        buffer = default_buffer_prototype().buffer.from_bytes(content)
        sync(self._session.store.set(key, buffer))


@contextmanager
def transaction(path: Location, *, overwrite: bool, anew: bool = True) -> Iterator[Transaction]:
    """A transaction that becomes the newest version when the block has finished it.

    Without a repository at `path` there is made one, which appears with its first version. One
    that is there keeps its versions; `anew` begins with nothing, else with the newest. When the
    block raises, or the process dies, the newest version is the one that was. StoreError when
    something is in the way, or the system refuses to write.
    """
    if isinstance(path, RemotePath):
        with _failures(path), _beneath_temporary() as work:
            yield _elsewhere(path, work, overwrite=overwrite, anew=anew)
        return
    target = Path(os.path.realpath(path))
    if not is_repository(target):
        with (
            replaced(path, what=WHAT, overwrite=overwrite, ours=is_store) as folder,
            _work(folder / ".work") as work,
            _failures(path),
        ):
            repo = repository(folder, create=True)
            yield Transaction(work, repo.writable_session(BRANCH), path)
        return
    check_target(target, what=WHAT, overwrite=overwrite, ours=is_store)
    with locked(target), _failures(path):
        folders.clear_leftovers(target)
        with _work(folders.partial_beside(target)) as work:
            begun = Transaction(work, repository(target).writable_session(BRANCH), path)
            if anew:
                begun.clear()
            yield begun


def _elsewhere(path: RemotePath, work: Path, *, overwrite: bool, anew: bool) -> Transaction:
    """At an address, where no lock can be held: of two writers the later one to end fails."""
    there = is_repository(path)
    if there and holds_store(path) and not overwrite:
        raise StoreError(f"{path} exists already; overwrite it with --overwrite or name another")
    begun = Transaction(work, repository(path, create=not there).writable_session(BRANCH), path)
    if anew:
        begun.clear()
    return begun


@contextmanager
def _beneath_temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stforecast-") as folder:
        yield Path(folder)


@contextmanager
def _work(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _failures(path: Location) -> Iterator[None]:
    """Tell what Icechunk and the system say as a StoreError."""
    icechunk = package(path)
    try:
        yield
    except icechunk.ConflictError as error:
        raise StoreError(f"{path} was written by another process meanwhile; try again") from error
    except icechunk.IcechunkError as error:
        raise StoreError(f"cannot write {WHAT} {path}: {first_words(error)}") from error
    except OSError as error:
        raise unwritten(WHAT, path, error) from error


def _alone(content: bytes) -> bytes:
    """The description of a group without copies of those of its arrays, which would age."""
    described = json.loads(content)
    described.pop("consolidated_metadata", None)
    return json.dumps(described, indent=2).encode()
