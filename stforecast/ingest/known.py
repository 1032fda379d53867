"""What a store knows of the options and files that it was made of, for files that are added."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stforecast.ingest.provenance import (
    Checksums,
    SeenFile,
    check_unchanged,
    look_at,
    state_of,
)
from stforecast.options import DataOptions
from stforecast.remote import Location, is_address
from stforecast.store import StoreMeta

# Options that say which files there are and where they go, and not how they are read.
_OF_FILES = {"files", "store", "period", "split", "storage"}
# With these alone each time of a file stands for itself, whatever lies before it.
_BY_ITSELF = {"select", "coarsen", "variables"}
_BY_ITSELF_IN_VARIABLE = {"source", "index", "missing", "coarsen"}


def remembered(options: DataOptions) -> dict[str, Any]:
    """The options that a store keeps: how files are read, as plain values, without defaults."""
    return options.model_dump(mode="json", exclude_defaults=True, exclude=_OF_FILES)


def options_for(meta: StoreMeta, given: DataOptions) -> DataOptions:
    """The options that a store was made with, overridden by those the user gives."""
    own = given.model_dump(mode="json", exclude_defaults=True)
    return DataOptions.model_validate({**(meta.options or {}), **own})


def unknown_files(
    locations: Sequence[Location], meta: StoreMeta, options: DataOptions
) -> list[Location]:
    """The files of which a store does not have every time already, as their size and time tell.

    All of them where values are made of several times, which files may share, and where they are to
    be read in another way than they were, which is refused when that is seen.
    """
    if not _stand_alone(meta.recipe) or remembered(options) != (meta.options or {}):
        return list(locations)
    known = {
        (_path(entry), entry.get("size"), entry.get("mtime"))
        for entry in meta.sources
        if entry.get("period") == period_of(options)
    }
    fresh: list[Location] = []
    for location in locations:
        if isinstance(location, Path):
            state = state_of(look_at([location])[0])
            if (state["path"], state["size"], state["mtime"]) in known:
                continue
        fresh.append(location)
    return fresh


def period_of(options: DataOptions) -> list[str] | None:
    """The part of the files that was taken, as their entries in a store tell it."""
    return None if options.period is None else list(options.period)


def with_period(entries: Sequence[dict[str, Any]], options: DataOptions) -> list[dict[str, Any]]:
    """Entries of files with the part of them that was taken, if it is one."""
    period = period_of(options)
    return [entry if period is None else {**entry, "period": period} for entry in entries]


@contextmanager
def described(
    seen: Sequence[SeenFile], options: DataOptions
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What tells of files, once all of them are read; their checksums are computed meanwhile.

    It raises DataError when one of them has changed or gone since it was looked at.
    """
    with Checksums(seen) as checksums:

        def sources() -> list[dict[str, Any]]:
            told = with_period(checksums.describe(), options)
            check_unchanged(seen)
            return told

        yield sources


def all_sources(
    before: Sequence[dict[str, Any]], added: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The files of a store when others are added; one that is the same but for its time, once."""

    def content(entry: Mapping[str, Any]) -> tuple[Any, ...]:
        return _path(entry), entry.get("sha256"), entry.get("size")

    new = {content(entry) for entry in added}
    return [*(entry for entry in before if content(entry) not in new), *added]


def _path(entry: Mapping[str, Any]) -> str:
    """The path of an entry; older stores hold those relative to the folder they were made in."""
    path = str(entry.get("path", ""))
    return path if is_address(path) else os.path.abspath(path)


def _stand_alone(recipe: Mapping[str, Any] | None) -> bool:
    if recipe is None or not set(recipe) <= _BY_ITSELF:
        return False
    variables = recipe.get("variables", {})
    return all(set(made) <= _BY_ITSELF_IN_VARIABLE for made in variables.values())
