"""Proving that the newest version of a store that keeps them can be read, value by value.

Icechunk addresses what it stores by content it never changes, and has no list of checksums to
compare with: that every shard decodes, and holds as many values as were counted, is the proof.
"""

from collections.abc import Callable

import numpy as np

from stforecast import names
from stforecast.errors import StoreError
from stforecast.remote import Location
from stforecast.store.checkup import Checkup, Problem
from stforecast.store.origins import changed_sources
from stforecast.store.repository import size_of
from stforecast.store.shards import first_sentence
from stforecast.store.tensor import TensorStore

Progress = Callable[[int, int], None]
_PIECE = 16 * 2**20
_NAMED = 3


def check_version(
    path: Location, *, quick: bool = False, sources: bool = False, progress: Progress | None = None
) -> Checkup:
    """Read the newest version of a store whole, or with `quick` all but its data."""
    result = Checkup(path, quick, must_have_sources=sources)
    result.files, result.size = size_of(path)
    try:
        record = TensorStore.open(path)
        record.present, record.valid_cells  # noqa: B018  read while it can be told
    except Exception as error:  # whatever broken bytes make Icechunk, Zarr and xarray raise
        result.problems.append(Problem("the newest version", f"cannot be read ({_words(error)})"))
        return result
    encoding = record.dataset[names.DATA].encoding
    shards = encoding.get("shards") or encoding["chunks"]
    result.shards = -(-record.n_sequences * record.shape[0] // int(shards[-4]))
    result.span = record.axis.span_text(0, record.shape[0] - 1)
    result.sources = [
        Problem(name, change) for name, change in changed_sources(record.meta.sources)
    ]
    if not quick:
        _read(record, result, progress)
    return result


def _read(record: TensorStore, result: Checkup, progress: Progress | None) -> None:
    n, channels, height, width = record.shape
    steps = max(1, _PIECE // (4 * channels * height * width))
    lead = record.meta.sequence_name is not None
    for sequence in range(record.n_sequences):
        valid = record.valid_cells[sequence] if lead else record.valid_cells
        for start in range(0, n, steps):
            stop = min(start + steps, n)
            try:
                values = record.read(start, stop, sequence)
            except Exception as error:  # as above
                fault = f"cannot be read ({_words(error)})"
                times = record.axis.span_text(start, stop - 1)
                result.problems.append(Problem(names.DATA, fault, times))
                continue
            found = np.isfinite(values).sum(axis=(-2, -1))
            wrong = np.flatnonzero((found != valid[start:stop]).any(axis=-1)) + start
            for at in wrong[:_NAMED]:
                told = record.axis.text_at(at)
                fault = "holds other values than were counted"
                result.problems.append(Problem(names.DATA, fault, told))
            if progress is not None:
                progress(sequence * n + stop, record.n_sequences * n)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, StoreError) else first_sentence(error)
