"""Stores and other directories that replace what was there whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stforecast import folders
from stforecast.errors import StForecastError, StoreError
from stforecast.folders import reason


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
    partial = folders.partial_beside(target)
    try:
        folders.clear_leftovers(target)
        partial.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"cannot write {what} {path}: {reason(error)}") from error
    try:
        yield partial
        folders.swap(partial, target)
    except OSError as error:
        raise StoreError(
            f"cannot write {what} {path}: {reason(error)}; what was there before is unchanged"
        ) from error
    finally:
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
