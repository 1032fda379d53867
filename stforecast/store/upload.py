"""A new store at an address: shards go there as they are written, the manifest last.

Without a manifest it is no store, so nobody reads one that is half there.
"""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from stforecast.errors import StoreError
from stforecast.folders import reason
from stforecast.remote import RemotePath
from stforecast.store.manifest import MANIFEST, Manifest

# Lies there while a store is written; what is beside it is no store and may be removed.
BEING_WRITTEN = "being-written.json"
_OTHERWISE = (
    "a plain store at an address is written once: write a new name, or one that ends in .icechunk "
    "for a store that grows and has versions"
)


class Upload:
    """The folder on this machine that a store is made in, and the address that it goes to."""

    def __init__(self, folder: Path, target: RemotePath) -> None:
        self.folder = folder
        self._target = target
        self._sent: list[str] = []

    def ship(self, keys: Sequence[str]) -> None:
        """Send files, which must not change any more, and remove them here."""
        for key in keys:
            self._sent.append(key)
            (self._target / key).put(self.folder / key)
            (self.folder / key).unlink()

    def finish(self) -> None:
        """Send what is left and, once all is there as it should be, the manifest."""
        manifest = Manifest.read(self.folder)
        self.ship([key for key in manifest.files if (self.folder / key).is_file()])
        sizes = self._target.sizes(list(manifest.files))
        for key, entry in manifest.files.items():
            if sizes[key] != entry.size:
                raise StoreError(
                    f"cannot write a tensor store {self._target}: its file {key} did not arrive "
                    "whole; try again"
                )
        self.ship([MANIFEST])

    def withdraw(self) -> None:
        """Remove what was sent, as far as that is possible."""
        for key in [*reversed(self._sent), BEING_WRITTEN]:
            with suppress(OSError):
                (self._target / key).remove()


@contextmanager
def uploaded(target: RemotePath, *, overwrite: bool) -> Iterator[Upload]:
    """A folder in which a store is made that appears at an address when the block ends well.

    When the block raises, what was sent is removed; when the process dies it stays, is no store,
    and is removed by the next try with `overwrite`. StoreError when something is in the way or the
    server refuses.
    """
    check_address(target, overwrite=overwrite)
    folder = Path(tempfile.mkdtemp(prefix="stforecast-upload-"))
    upload = Upload(folder, target)
    try:
        _clear(target)
        (target / BEING_WRITTEN).write_bytes(json.dumps(_owner()).encode())
        try:
            yield upload
            upload.finish()
            (target / BEING_WRITTEN).remove()
        except BaseException:
            upload.withdraw()
            raise
    except OSError as error:
        raise StoreError(f"cannot write a tensor store {target}: {reason(error)}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_address(target: RemotePath, *, overwrite: bool) -> None:
    """StoreError when a store could not be written at an address."""
    if target.is_http:
        raise StoreError(
            f"cannot write a tensor store {target}: web servers take no files; write it to a "
            "folder, or to s3:// or gs://"
        )
    try:
        if (target / MANIFEST).is_file():
            raise StoreError(f"{target} exists already; {_OTHERWISE}")
        left = _left_by(target)
        if left is None:
            if target.is_dir():
                raise StoreError(f"{target} exists and is no tensor store; choose another name")
        elif not overwrite:
            raise StoreError(
                f"at {target} lies what a write by {left} has left or is still writing; when it is "
                "dead, remove it with --overwrite or choose another name"
            )
    except OSError as error:
        raise StoreError(f"cannot write a tensor store {target}: {reason(error)}") from error


def refuse_address(target: RemotePath) -> NoReturn:
    """StoreError for what cannot be done to a store at an address: to change it."""
    raise StoreError(f"{target} cannot be changed: {_OTHERWISE}")


def refuse_growth(target: RemotePath) -> NoReturn:
    """StoreError for files that are to be added to a plain store at an address.

    It tells a store that is there from one that is still to be made.
    """
    try:
        there = (target / MANIFEST).is_file()
    except OSError as error:
        raise StoreError(f"{target} cannot be reached: {reason(error)}") from error
    if there:
        refuse_address(target)
    raise StoreError(
        f"there is no tensor store at {target} yet, and a plain one at an address does not grow: "
        "make it with stforecast ingest without --append, or name one that ends in .icechunk, "
        "which --append makes and lets grow"
    )


def _left_by(target: RemotePath) -> str | None:
    """Who began to write what lies at an address, if somebody did."""
    try:
        owner = json.loads((target / BEING_WRITTEN).read_text())
        return f"process {owner['process']} on {owner['host']} since {owner['since']}"
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return "somebody"


def _clear(target: RemotePath) -> None:
    if _left_by(target) is not None:
        target.remove(recursive=True)


def _owner() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since}
