"""Directories that are replaced whole or not at all, and found again after a crash.

A new directory is written beside the old one as ``.<name>.partial-<owner>``, then the two are
swapped: by one atomic exchange where the system has it (Linux), else by two renames, between which
the old directory is called ``.<name>.previous-<owner>`` and is found again by :func:`repair`. The
owner is ``<pid>.<start of the process>@<host>``: numbers of processes come again, also after a
crash.
"""

import ctypes
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stforecast.errors import StForecastError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# How long a reader waits for a writer that is between its two renames.
_PATIENCE = 2.0
# Seconds after which nobody on another machine is at work on a directory that did not change.
_SILENCE = 600.0
# The owner of a partial directory that its process has given up for a later one.
_NOBODY = "0"

Kind = Literal["partial", "previous"]


@dataclass(frozen=True)
class Leftover:
    """What lies beside a directory since a process began to replace it."""

    path: Path
    kind: Kind
    alive: bool
    """Whether the process may still be at work."""


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
        copy_function=link,
    )


def swap(new: Path, path: Path, *, last: Callable[[Path], None] | None = None) -> None:
    """Let `new` take the name `path`; what was there goes.

    `last` is done to `new` when all else is on the disk.

    Everything in `new` is on the disk itself before. A process that dies on the way leaves one of
    the two at `path`, or the old one for :func:`repair`; and perhaps the other one beside it, for
    :func:`clear_leftovers`.
    """
    _make_durable(new)
    if last is not None:
        last(new)
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


def leftovers(path: Path) -> list[Leftover]:
    """What processes that write `path`, or died of it, have beside it."""
    kinds: tuple[Kind, ...] = ("partial", "previous")
    return [
        Leftover(sibling, kind, _is_alive(sibling))
        for kind in kinds
        for sibling in sorted(_siblings(path, kind))
    ]


def clear_leftovers(path: Path, but: Path | None = None) -> None:
    """Remove what processes that are gone left beside `path`, but what was adopted."""
    for leftover in leftovers(path):
        if not leftover.alive and leftover.path != but:
            shutil.rmtree(leftover.path, ignore_errors=True)


def adopt(path: Path, fits: Callable[[Path], bool]) -> Path | None:
    """Take over what a process that is gone had written of `path`, to go on from there.

    The newest of the partial directories that `fits` gets the name of :func:`partial_beside`; None
    if there is none. Of several processes that try, one gets it.
    """
    own = partial_beside(path)
    found = [left.path for left in leftovers(path) if left.kind == "partial" and not left.alive]
    for leftover in sorted(found, key=_last_change, reverse=True):
        with suppress(OSError):
            if fits(leftover):
                os.rename(leftover, own)
                return own
    return None


def release(partial: Path, path: Path) -> None:
    """Leave this process's partial directory of `path` for a later :func:`adopt`, by any process.

    An older one that was left so goes.
    """
    kept = path.with_name(f".{path.name}.partial-{_NOBODY}@{socket.gethostname()}")
    shutil.rmtree(kept, ignore_errors=True)
    os.rename(partial, kept)


def identity(path: Path) -> tuple[int, int] | None:
    """Changes when another directory takes the place of this one, and sometimes without.

    None if there is none.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def reason(error: OSError) -> str:
    """Why the system refused, as part of a sentence."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def link(source: str | Path, copy: str | Path) -> None:
    """The same file under another name, or a copy of it where the file system has no links."""
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
    return f"{os.getpid()}.{_start_of(os.getpid())}@{socket.gethostname()}"


def _siblings(path: Path, kind: Kind) -> list[Path]:
    prefix = f".{path.name}.{kind}-"
    if not path.parent.is_dir():
        return []
    return [entry for entry in path.parent.iterdir() if entry.name.startswith(prefix)]


def _is_alive(leftover: Path) -> bool:
    """Whether the process that a leftover is named after may still be at work."""
    owner = re.split(r"\.(?:partial|previous)-", leftover.name)[-1]
    process, _, host = owner.partition("@")
    pid, _, start = process.partition(".")
    if pid == _NOBODY:
        return False
    if host != socket.gethostname() or not pid.isdigit():
        return time.time() - _last_change(leftover) < _SILENCE
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    now = _start_of(int(pid))
    return not (start and now) or start == now


def _start_of(pid: int) -> str:
    """When a process began, in ticks since the machine did; nothing where that is not told."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]


def _last_change(folder: Path) -> float:
    """When something in a directory was written last; 0 for one that is gone."""
    newest = 0.0
    for root, _, files in os.walk(folder):
        for path in (root, *(os.path.join(root, name) for name in files)):
            with suppress(OSError):
                newest = max(newest, os.stat(path).st_mtime)
    return newest
