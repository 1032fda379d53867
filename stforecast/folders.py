"""Directories that are replaced whole or not at all, and found again after a crash.

A new directory is written beside the old one as ``.<name>.partial-<pid>@<host>``, then the two are
swapped: by one atomic exchange where the system has it (Linux), else by two renames, between which
the old directory is called ``.<name>.previous-<pid>@<host>`` and is found again by :func:`repair`.
"""

import ctypes
import errno
import os
import re
import shutil
import socket
import time
from pathlib import Path

from stforecast.errors import StForecastError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# How long a reader waits for a writer that is between its two renames.
_PATIENCE = 2.0


def partial_beside(path: Path) -> Path:
    """Where this process writes the directory that will take the place of `path`."""
    return path.with_name(f".{path.name}.partial-{_owner()}")


def clone(folder: Path, copy: Path) -> None:
    """A directory of the same files, by hard links where the file system has them.

    Files of the clone are replaced, never changed in place: they may be those of `folder`.
    What another process is just writing stays behind.
    """
    shutil.copytree(
        folder,
        copy,
        symlinks=True,
        ignore=shutil.ignore_patterns(".*.partial-*"),
        copy_function=_link,
    )


def swap(new: Path, path: Path) -> None:
    """Let `new` take the name `path`; what was there goes.

    Everything in `new` is on the disk itself before. A process that dies on the way leaves one of
    the two at `path`, or the old one for :func:`repair`; and perhaps the other one beside it, for
    :func:`clear_leftovers`.
    """
    _make_durable(new)
    old = new
    if not path.exists():
        os.rename(new, path)
    elif not _exchange(new, path):
        old = path.with_name(f".{path.name}.previous-{_owner()}")
        os.rename(path, old)
        try:
            os.rename(new, path)
        except OSError:
            os.rename(old, path)
            raise
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def repair(path: Path) -> None:
    """Bring back a directory whose replacement was cut off between two renames."""
    path = Path(os.path.realpath(path))
    waited = 0.0
    while not path.exists():
        previous = sorted(_siblings(path, "previous"))
        if not previous:
            return
        if not _is_alive(previous[0]) or waited >= _PATIENCE:
            try:
                os.rename(previous[0], path)
            except FileNotFoundError:  # someone else was faster
                continue
            except OSError as error:
                raise StForecastError(
                    f"{path} lies at {previous[0]} since a write was cut off, and cannot be moved "
                    f"back: {reason(error)}; rename it by hand"
                ) from error
            return
        time.sleep(0.05)
        waited += 0.05


def clear_leftovers(path: Path) -> None:
    """Remove what processes that are gone left beside `path`."""
    for kind in ("partial", "previous"):
        for leftover in _siblings(path, kind):
            if not _is_alive(leftover):
                shutil.rmtree(leftover, ignore_errors=True)


def reason(error: OSError) -> str:
    """Why the system refused, as part of a sentence."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def _link(source: str, copy: str) -> None:
    try:
        os.link(source, copy, follow_symlinks=False)
    except OSError:  # another file system's ways, or a limit on links
        shutil.copy2(source, copy, follow_symlinks=False)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two directories in one step; False where the system or file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    failed = rename(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _make_durable(folder: Path) -> None:
    """Put every file on the disk itself before the swap makes it count."""
    for root, _, files in os.walk(folder):
        for name in files:
            _sync(Path(root) / name)
        _sync(Path(root))


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows does not open directories
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _owner() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _siblings(path: Path, kind: str) -> list[Path]:
    prefix = f".{path.name}.{kind}-"
    if not path.parent.is_dir():
        return []
    return [entry for entry in path.parent.iterdir() if entry.name.startswith(prefix)]


def _is_alive(leftover: Path) -> bool:
    """Whether the process that a leftover is named after may still be at work."""
    owner = re.split(r"\.(?:partial|previous)-", leftover.name)[-1]
    pid, _, host = owner.partition("@")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
