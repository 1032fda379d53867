"""The files that a store was made of, as they are now."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from stforecast.remote import RemotePath, is_address


def changed_sources(sources: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The name of each source that is not as it was, and what happened: by size and time.

    `sources` are those of a :class:`StoreMeta`; a file that was read several times as it grew is
    there as often, and unchanged if it is as it was at any of them. A folder is the sum of its
    files.
    """
    told: dict[str, list[Mapping[str, Any]]] = {}
    for source in sources:
        told.setdefault(str(source.get("path", "")), []).append(source)
    for name, states in told.items():
        change = _elsewhere(name, states) if is_address(name) else _change(Path(name), states)
        if change:
            yield name, change


def _change(path: Path, told: Sequence[Mapping[str, Any]]) -> str | None:
    try:
        parts = [path]
        if path.is_dir():
            parts = [part for part in path.rglob("*") if part.is_file()]
        states = [part.stat() for part in parts]
    except OSError:
        states = []
    if not states:
        return "is gone" if path.is_absolute() else "is not found from this folder"
    size = sum(state.st_size for state in states)
    mtime = max(state.st_mtime for state in states)
    alike = [source for source in told if source.get("size", size) == size]
    if not alike:
        return "has changed its size"
    if not any("mtime" not in source or _same(mtime, source["mtime"]) for source in alike):
        return "was written again"
    return None


def _elsewhere(address: str, told: Sequence[Mapping[str, Any]]) -> str | None:
    """The same of a file at an address, from which what was secret in it is gone."""
    try:
        now = RemotePath(address).look()
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    alike = [source for source in told if source.get("size", now.size) == now.size]
    if not alike:
        return "has changed its size"
    if now.tag is not None and not any(source.get("tag", now.tag) == now.tag for source in alike):
        return "was written again"
    return None


def _same(mtime: float, told: Any) -> bool:
    """Whether a time of change is the one told, in whole seconds or with their fraction."""
    try:
        then = datetime.fromisoformat(told).timestamp()
    except (TypeError, ValueError):
        return False
    return abs(mtime - then) < 2e-6 or (then.is_integer() and int(mtime) == then)
