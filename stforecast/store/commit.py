"""Stores and other directories that replace what was there whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from stforecast import folders
from stforecast.errors import StForecastError, StoreError
from stforecast.folders import reason
from stforecast.locking import locked
from stforecast.remote import Location


@contextmanager
def replaced(
    path: Path,
    *,
    what: str,
    overwrite: bool,
    ours: Callable[[Path], bool],
    resume: Callable[[Path], bool] | None = None,
    last: Callable[[Path], None] | None = None,
) -> Iterator[Path]:
    """A directory to write into, which becomes `path` when the block ends well.

    When the block raises, or the process dies, `path` is as it was before. `what` names the thing
    in messages; `ours` tells whether an existing directory is such a thing: nothing else is ever
    replaced. StoreError when `path` is in the way or the system refuses to write; LockedError when
    another process is writing it.

    The directory is new and empty, unless `resume` accepts what an earlier try left: then it is
    that, and a try that fails is left for the next one if `resume` accepts it. Without `resume`
    nothing is left of a try that raises. `last` is done just before the directory gets its name.
    """
    target = Path(os.path.realpath(path))
    check_target(target, what=what, overwrite=overwrite, ours=ours)
    with ExitStack() as held:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(target))
        except OSError as error:
            raise unwritten(what, path, error) from error
        yield from _replaced(path, target, what, resume, last)


def _replaced(
    path: Path,
    target: Path,
    what: str,
    resume: Callable[[Path], bool] | None,
    last: Callable[[Path], None] | None,
) -> Iterator[Path]:
    partial = folders.partial_beside(target)
    try:
        adopted = None if resume is None else folders.adopt(target, resume)
        folders.clear_leftovers(target, but=adopted)
        if adopted is None:
            partial.mkdir()
    except OSError as error:
        raise unwritten(what, path, error) from error
    try:
        yield partial
        folders.swap(partial, target, last=last)
    except OSError as error:
        raise unwritten(what, path, error) from error
    finally:
        _leave(partial, target, resume)


def unwritten(what: str, path: Location, error: OSError) -> StoreError:
    """What is said when the system refuses to write `what` there."""
    return StoreError(
        f"cannot write {what} {path}: {reason(error)}; what was there before is unchanged"
    )


def _leave(partial: Path, target: Path, resume: Callable[[Path], bool] | None) -> None:
    """Keep what a later try can go on from, and nothing else."""
    with suppress(OSError):
        if resume is not None and partial.is_dir() and resume(partial):
            folders.release(partial, target)
            return
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
    try:
        folders.repair(path)
    except StForecastError as error:
        raise StoreError(str(error)) from error
