"""Many files, of each of which next to nothing is kept in memory.

xarray keeps for every variable of every file how it is opened and decoded, some ten kilobytes each:
for a record of one file an hour that is gigabytes, and grows with it. Here a file that was looked
at is closed, and opened again when its values are read.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, product
from pathlib import Path
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

# Files that are kept open: the variables of one are read one after the other.
_OPEN = 4
# Values that are kept rather than read again: stamps, bounds, whatever goes along with them.
_FEW = 2**14


class Reopened:
    """The files of a record that were opened again; closed when nothing refers to the record."""

    def __init__(self, opener: Callable[[Path], xr.Dataset]) -> None:
        """`opener` is a function of a module, as it may be sent to a worker."""
        self._opener = opener
        self._lock = Lock()
        self._open: OrderedDict[_File, xr.Dataset] = OrderedDict()

    def open(self, file: "_File") -> xr.Dataset:
        """The variables of a file; the one used longest ago is closed for it."""
        with self._lock:
            found = self._open.pop(file, None)
            if found is None:
                found = self._opener(Path(file.path))
            self._open[file] = found
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Reopened, (self._opener,)


def without_its_file(dataset: xr.Dataset, path: Path, files: Reopened) -> xr.Dataset:
    """The dataset of a file, in dask's blocks, with nothing that holds on to the file."""
    state = path.stat()
    file = _File(str(path), state.st_mtime_ns, state.st_size)
    changed: dict[Any, xr.Variable] = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is not None:
            blocks: Any = _blocks(files, file, str(name), variable)
            changed[name] = variable.copy(data=blocks)
        elif not variable._in_memory and variable.size <= _FEW:
            changed[name] = variable.copy().load()
    kept = {name: item for name, item in changed.items() if name in dataset.coords}
    fields = {name: item for name, item in changed.items() if name not in kept}
    return dataset.assign_coords(kept).assign(fields)


@dataclass(frozen=True)
class _File:
    """A file as it was when it was looked at."""

    path: str
    mtime_ns: int
    size: int


@dataclass(frozen=True)
class _Block:
    """Reads a block of a variable, when dask calls it."""

    files: Reopened
    file: _File
    name: str
    part: tuple[slice, ...]
    dtype: np.dtype[Any]

    def __call__(self) -> NDArray[Any]:
        variable = self.files.open(self.file).variables[self.name]
        return np.asarray(variable[self.part].values, self.dtype)


def _blocks(files: Reopened, file: _File, name: str, variable: xr.Variable) -> da.Array:
    key = f"{name}-{file.path}-{file.mtime_ns}-{file.size}"
    ends = [list(accumulate(sizes, initial=0)) for sizes in variable.chunks or ()]
    graph: dict[Any, Any] = {
        (key, *index): (
            _Block(
                files,
                file,
                name,
                tuple(slice(end[at], end[at + 1]) for end, at in zip(ends, index, strict=True)),
                variable.dtype,
            ),
        )
        for index in product(*(range(len(end) - 1) for end in ends))
    }
    layers = HighLevelGraph.from_collections(key, graph, dependencies=())
    return da.Array(layers, key, variable.chunks, variable.dtype)
