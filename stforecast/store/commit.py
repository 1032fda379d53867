"""Replacing a directory whole or not at all.

The new directory is written beside the old one as ``.<name>.partial-<pid>@<host>``, then the two
are swapped: by one atomic exchange where the system has it (Linux), else by two renames, between
which the old directory is called ``.<name>.previous-<pid>@<host>`` and is found again by
:func:`repair`.
"""

import ctypes
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stforecast.errors import StoreError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# How long a reader waits for a writer that is between its two renames.
_PATIENCE = 2.0


@contextmanager
def replaced(
    path: Path, *, what: str, overwrite: bool, ours: Callable[[Path], bool]
) -> Iterator[Path]:
    """A new empty directory to write into, which becomes `path` when the block ends well.

    When the block raises, or the process dies, `path` is as it was before. `what` names the thing
    in messages; `ours` tells whether an existing directory is such a thing: nothing else is ever
    replaced. StoreError when `path` is in the way or the system refuses to write.
    """
    target = Path(os.path.realpath(path))
    check_target(target, what=what, overwrite=overwrite, ours=ours)
    partial = target.with_name(f".{target.name}.partial-{_owner()}")
    try:
        _remove_leftovers(target)
        partial.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"cannot write {what} {path}: {_reason(error)}") from error
    try:
        yield partial
        _make_durable(partial)
        _swap(partial, target)
    except OSError as error:
        raise StoreError(
            f"cannot write {what} {path}: {_reason(error)}; what was there before is unchanged"
        ) from error
    finally:
        # after the exchange this is the old directory
        shutil.rmtree(partial, ignore_errors=True)


def check_target(path: Path, *, what: str, overwrite: bool, ours: Callable[[Path], bool]) -> None:
    """StoreError when something is in the way at `path`."""
    repair(path)
    if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path.is_dir() and ours(path)):
        raise StoreError(f"{path} exists and is not {what}; choose another name")
    if not overwrite:
        raise StoreError(f"{path} exists already; overwrite it with --overwrite or name another")


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
                raise StoreError(
                    f"{path} lies at {previous[0]} since a write was cut off, and cannot be moved "
                    f"back: {_reason(error)}"
                ) from error
            return
        time.sleep(0.05)
        waited += 0.05


def _swap(partial: Path, target: Path) -> None:
    if not target.exists():
        os.rename(partial, target)
    elif not _exchange(partial, target):
        previous = target.with_name(f".{target.name}.previous-{_owner()}")
        os.rename(target, previous)
        os.rename(partial, target)
        shutil.rmtree(previous, ignore_errors=True)
    _sync(target.parent)


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


def _remove_leftovers(target: Path) -> None:
    for kind in ("partial", "previous"):
        for leftover in _siblings(target, kind):
            if not _is_alive(leftover):
                shutil.rmtree(leftover, ignore_errors=True)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
