"""Which of many files keeps the others from being added to a store."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from stforecast.errors import DataError, StForecastError
from stforecast.ingest.addition import Addition, DiffersError
from stforecast.ingest.words import listed
from stforecast.options import DataOptions
from stforecast.remote import Location
from stforecast.sources import open_source
from stforecast.store import TensorStore
from stforecast.store.reading import ReadError

# Bytes of files whose values are read again to find the one that cannot be read, or differs.
_READ_AGAIN = 2 * 10**9


def blamed(
    error: DataError,
    store: TensorStore,
    files: Sequence[Location],
    options: DataOptions,
    base: Path,
) -> DataError | None:
    """The same error with the names of the files that are to blame, and what can be done.

    None where that cannot be told: the others would not go with the store either, or all values of
    many files would have to be read again.
    """
    if len(files) < 2:
        return None
    of_values = isinstance(error, DiffersError) or isinstance(error.__cause__, ReadError)
    if of_values and _size(files) > _READ_AGAIN:
        return None
    found: dict[Location, str] = {}
    for file in files:
        reason = _amiss(store, [file], options, base, values=of_values)
        if reason is not None:
            found[file] = reason
    others = [file for file in files if file not in found]
    if not found or not others:
        return None
    if _amiss(store, others, options, base, values=False) is not None:
        return None  # files that go together and not alone
    rest = "the other file" if len(others) == 1 else f"the other {len(others)} files"
    them = "it" if len(found) == 1 else "them"
    return DataError(
        f"nothing was added to {store.path} because of {listed(found)}: "
        f"{next(iter(found.values()))}; {rest} can be added without {them}"
    )


def _amiss(
    store: TensorStore,
    files: Sequence[Location],
    options: DataOptions,
    base: Path,
    *,
    values: bool,
) -> str | None:
    """Why files cannot be added by themselves; their `values` are read if asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            addition = Addition.of(store, open_source(files, options, base), options)
            if values:
                addition.read()
        except ReadError as error:
            return f"{error}; get it again"
        except StForecastError as error:
            return str(error)
    return None


def _size(files: Sequence[Location]) -> float:
    """Bytes of files; infinite where one lies elsewhere."""
    total = 0.0
    for file in files:
        try:
            total += file.stat().st_size if isinstance(file, Path) else float("inf")
        except OSError:
            continue
    return total
