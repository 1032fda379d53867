"""Copies of remote files for as long as this process lives, where a library needs a real file."""

import atexit
import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
import threading
from pathlib import Path

from stforecast.remote.path import RemotePath

_PREFIX = "stforecast-copies"
_LOCK = threading.Lock()
_FOLDERS: dict[int, Path] = {}


def local_copy(remote: RemotePath) -> Path:
    """A copy of a remote file on this machine, which goes when this process ends.

    A file is brought once as long as its server tells that it is the same. OSError if it cannot be
    brought whole.
    """
    told = remote.told
    identity = f"{remote.url} {told.tag} {told.changed} {told.size}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    with _LOCK:
        folder = _folder() / digest
        copy = folder / (remote.name or "file")
        if copy.is_file() and (told.tag is not None or told.changed is not None):
            return copy
        folder.mkdir(exist_ok=True)
        beside = folder / ".partial"
        remote.get(beside)
        size = beside.stat().st_size
        if told.size is not None and size != told.size:
            beside.unlink()
            raise OSError(
                errno.EIO, f"only {size} of its {told.size} bytes came; get it again or try later"
            )
        os.replace(beside, copy)
        return copy


def _folder() -> Path:
    """The folder of this process; those of processes that are gone are removed."""
    pid = os.getpid()
    if pid not in _FOLDERS:
        _clear()
        prefix = f"{_PREFIX}-{pid}@{socket.gethostname()}-"
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        _FOLDERS[pid] = folder
        atexit.register(_remove, pid, folder)
    return _FOLDERS[pid]


def _remove(pid: int, folder: Path) -> None:
    if os.getpid() == pid:  # a forked process leaves what is not its own
        shutil.rmtree(folder, ignore_errors=True)


def _clear() -> None:
    pattern = re.compile(rf"{_PREFIX}-(\d+)@{re.escape(socket.gethostname())}-")
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        match = pattern.match(folder.name)
        if match is None:
            continue
        try:
            os.kill(int(match[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
