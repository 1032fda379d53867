"""Many files, of each of which next to nothing is kept in memory.

xarray keeps for every variable of every file how it is opened and decoded, some ten kilobytes each,
and dask as much for every block: for a record of one file an hour that is gigabytes, and grows with
it. Here a file that was looked at is closed, and opened again when its values are read; a variable
of all files is one array, which finds the file of a row by its number.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import Lock, local
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

# Files that are read at once, and kept open (each takes a megabyte): the variables of one are read
# one after the other.
_OPEN = 4
# Values that are kept rather than read again: stamps, bounds, whatever goes along with them.
FEW = 2**14
# Threads may read values of files at once, but the library cannot open one meanwhile.
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was when it was looked at."""

    path: str
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> "SourceFile":
        """The file as it is now."""
        state = path.stat()
        return cls(str(path), state.st_mtime_ns, state.st_size)


class Reopened:
    """The files of a record that were opened again; closed when nothing refers to the record."""

    def __init__(self, opener: Callable[[Path], xr.Dataset]) -> None:
        """`opener` is a function of a module, as it may be sent to a worker."""
        self._opener = opener
        self._own = local()

    def read(self, file: SourceFile, name: Hashable, index: dict[Any, slice]) -> xr.Variable:
        """A part of a variable of a file, in memory; dimensions that it lacks do not count."""
        with _one_at_a_time:
            return self._open(file).variables[name].isel(index, missing_dims="ignore").load()

    def _open(self, file: SourceFile) -> xr.Dataset:
        """The variables of a file; the one that this thread used longest ago is closed for it."""
        opened: OrderedDict[SourceFile, xr.Dataset] | None = getattr(self._own, "opened", None)
        if opened is None:
            opened = self._own.opened = OrderedDict()
        found = opened.pop(file, None)
        if found is None:
            found = self._opener(Path(file.path))
        opened[file] = found
        if len(opened) > _OPEN:
            opened.popitem(last=False)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Reopened, (self._opener,)


def without_its_file(dataset: xr.Dataset, file: SourceFile, reopened: Reopened) -> xr.Dataset:
    """The dataset of a file, in dask's blocks, with nothing that holds on to the file."""
    changed: dict[Any, xr.Variable] = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is not None:
            sizes = [variable.chunks[0]]
            changed[name] = variable.copy(
                data=one_after_another(name, variable, variable.dims[0], [file], sizes, reopened)
            )
        elif not variable._in_memory and variable.size <= FEW:
            changed[name] = variable.copy().load()
    kept = {name: item for name, item in changed.items() if name in dataset.coords}
    fields = {name: item for name, item in changed.items() if name not in kept}
    return dataset.assign_coords(kept).assign(fields)


def one_after_another(
    name: Hashable,
    like: xr.Variable,
    dim: Hashable,
    files: Sequence[SourceFile],
    sizes: Sequence[tuple[int, ...]],
    reopened: Reopened,
    most: int = 1,
) -> Any:
    """A variable of files that follow one another along a dimension, as one array of dask.

    In each it is `like` but for its length; `sizes` are its blocks along `dim` in each. Files of
    one block each are read together where they have at most `most` cells.
    """
    axis = like.dims.index(dim)
    ends = np.cumsum([0, *(sum(own) for own in sizes)])
    shape = (*like.shape[:axis], int(ends[-1]), *like.shape[axis + 1 :])
    frame = prod(like.shape[:axis]) * prod(like.shape[axis + 1 :])
    chunks = list(like.chunks or ((size,) for size in like.shape))
    chunks[axis] = tuple(_blocks(sizes, max(1, most // max(1, frame))))
    values = _Together(reopened, files, ends, name, like.dims, axis, shape, like.dtype)
    key = f"{name}-{tokenize(name, *((file.path, file.mtime_ns, file.size) for file in files))}"
    return da.from_array(
        indexing.ImplicitToExplicitIndexingAdapter(indexing.LazilyIndexedArray(values)),
        chunks=tuple(chunks),
        name=key,
        meta=np.empty((0,) * like.ndim, like.dtype),
    )


def _blocks(sizes: Sequence[tuple[int, ...]], most: int) -> Iterator[int]:
    """The blocks of all files: those of files that have one only are put together."""
    rows = files = 0
    for own in sizes:
        alone = len(own) != 1
        if files and (alone or files == _OPEN or rows + own[0] > most):
            yield rows
            rows = files = 0
        if alone:
            yield from own
        else:
            rows, files = rows + own[0], files + 1
    if files:
        yield rows


class _Together(BackendArray):
    """The values of a variable of several files, read when they are asked for."""

    def __init__(
        self,
        reopened: Reopened,
        files: Sequence[SourceFile],
        ends: NDArray[np.int64],
        name: Hashable,
        dims: tuple[Hashable, ...],
        axis: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self._reopened = reopened
        self._files = files
        self._ends = ends
        self._name = name
        self._dims = dims
        self._axis = axis

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        parts = [part if isinstance(part, slice) else slice(part, int(part) + 1) for part in key]
        counts = [range(*part.indices(size)) for part, size in zip(parts, self.shape, strict=True)]
        values = np.empty([len(count) for count in counts], self.dtype)
        rows = counts[self._axis]
        first = int(np.searchsorted(self._ends, rows.start, side="right")) - 1
        done = 0
        while done < len(rows):
            begin, end = int(self._ends[first]), int(self._ends[first + 1])
            own = rows[done : bisect_left(rows, end)]
            if own:
                parts[self._axis] = slice(own.start - begin, own.stop - begin, own.step)
                slot = [slice(None)] * len(parts)
                slot[self._axis] = slice(done, done + len(own))
                index = dict(zip(self._dims, parts, strict=True))
                read = self._reopened.read(self._files[first], self._name, index).values
                # a file of one time may have it as a scalar only
                values[tuple(slot)] = (
                    read if read.ndim == values.ndim else np.expand_dims(read, self._axis)
                )
                done += len(own)
            first += 1
        dropped = tuple(slice(None) if isinstance(part, slice) else 0 for part in key)
        return values[dropped]
