"""One writer at a time: a lock beside what is written, which goes with the process that holds it.

The lock is one of the system on the file ``.<name>.lock``: a process that is killed holds it no
longer, so there are no stale locks to recognise. In the file stands who holds it, for messages.
Where the file system knows no locks, or the system none of this kind, nothing is held.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stforecast.errors import StForecastError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PAUSE = 0.05
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
_held = threading.local()


class LockedError(StForecastError):
    """Another process is writing the same thing."""


@contextmanager
def locked(path: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of `path` until the block ends; the folder it lies in must exist.

    Another holder is waited for, for up to `patience` seconds; then LockedError names it. A thread
    that holds the lock may take it again.
    """
    target = Path(os.path.realpath(path))
    mine: set[Path] = _held.__dict__.setdefault("paths", set())
    if fcntl is None or target in mine:
        yield
        return
    file = target.with_name(f".{target.name}.lock")
    descriptor = _take(file, path, patience)
    mine.add(target)
    try:
        yield
    finally:
        mine.discard(target)
        if descriptor is not None:
            with suppress(OSError):  # while the lock is held, so that nobody holds a removed file
                os.unlink(file)
            os.close(descriptor)


def _take(file: Path, path: Path, patience: float) -> int | None:
    """Descriptor of the locked file; None where the file system has no locks."""
    until = time.monotonic() + patience
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= until:
                raise LockedError(
                    f"{path} is being written by {_holder(file)}; try again when that has ended"
                ) from None
            time.sleep(_PAUSE)
            continue
        except OSError as error:
            os.close(descriptor)
            if error.errno in _UNSUPPORTED:
                return None
            raise
        if _is_the_file(descriptor, file):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)  # its last holder removed it in between


def _is_the_file(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False


def _holder(file: Path) -> str:
    try:
        return file.read_text() or "another process"
    except (OSError, ValueError):
        return "another process"
