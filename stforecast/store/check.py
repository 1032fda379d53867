"""Proving that a store is whole: files against the manifest, values against the counts."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stforecast import folders, names
from stforecast.errors import StForecastError, StoreError
from stforecast.folders import reason
from stforecast.remote import Location, RemotePath, location, zarr_store
from stforecast.store.check_version import check_version
from stforecast.store.checkup import Checkup, Problem
from stforecast.store.commit import repair
from stforecast.store.manifest import MANIFEST, SHARDS, Entry, Manifest, sha256, sizes_of
from stforecast.store.open import check_address, is_store, read_group
from stforecast.store.origins import changed_sources
from stforecast.store.repository import is_repository
from stforecast.store.schema import StoreMeta
from stforecast.store.shards import Region, first_sentence, pieces, regions
from stforecast.store.tensor import TensorStore
from stforecast.timeaxis import TimeAxis, TimeStep

Progress = Callable[[int, int], None]
_THREADS = 8
_NAMED = 3  # of what there may be many


def check(
    store: str | Location,
    *,
    quick: bool = False,
    sources: bool = False,
    progress: Progress | None = None,
) -> Checkup:
    """Prove that a tensor store is whole, or name all that is broken.

    Every file of the manifest must be there with its size and checksum, every shard must decode,
    the times must be regular, and the values of each must be as many as the store tells. Memory
    stays flat whatever the size. Of a store that keeps versions the newest is read.

    Args:
        store: a store on this machine or at an address, also what a write that did not end left.
        quick: compare presence and sizes, and checksums of all but the data.
        sources: count it as a problem when a file that the store was made of is gone or has
            another size or time; else that is a note.
        progress: told how many files of how many are done.

    Returns:
        What was found, true when nothing is broken.

    Raises:
        StoreError: there is no store at all, or it cannot be reached.
    """
    path = location(store)
    try:
        if is_repository(path):
            return check_version(path, quick=quick, sources=sources, progress=progress)
        _find(path)
        return _Check(path, quick, sources).run(progress)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {reason(error)}") from error


def _find(path: Location) -> None:
    if isinstance(path, Path):
        repair(path)
    if isinstance(path, Path) and not path.exists():
        left = [left.path.name for left in folders.leftovers(path) if left.kind == "partial"]
        if left:
            raise StoreError(
                f"there is no tensor store at {path}, only {left[0]} of a write that did not end; "
                "run stforecast ingest again"
            )
        raise StoreError(f"there is no tensor store at {path}; make one with stforecast ingest")
    told = is_store(path)
    if isinstance(path, RemotePath) and (told or not (path / MANIFEST).is_file()):
        # parts of files are read too, which not every server sends
        check_address(path)
    if not told and not (path / MANIFEST).is_file():
        raise StoreError(
            f"{path} is not a tensor store of stforecast; name one that stforecast ingest made"
        )


class _Check:
    """One check: what is found piles up in its result."""

    def __init__(self, path: Location, quick: bool, sources: bool) -> None:
        self.path = path
        self.quick = quick
        self.result = Checkup(path, quick, must_have_sources=sources)
        self.manifest = _manifest(path)
        self.sizes = _sizes_below(path, self.manifest)
        self.covered = dict(self._regions())
        self.record: TensorStore | None = None
        self.axis: TimeAxis | None = None
        self.trouble = ""
        try:
            dataset = read_group(path)
            meta = StoreMeta.from_json(dataset.attrs.get(names.META_ATTRIBUTE), str(path))
            step = TimeStep.parse(meta.time_step, meta.time_anchor)
            self.axis = TimeAxis.from_times(dataset[names.TIME].values, step)
            record = TensorStore(dataset, where=str(path))
            record.present, record.valid_cells  # noqa: B018  read while it can be told
            self.record = record
        except Exception as error:  # whatever broken bytes make Zarr and xarray raise
            self.trouble = first_sentence(error)

    def run(self, progress: Progress | None) -> Checkup:
        """All of it, as far as what is broken lets it."""
        entries = self._compare_with_manifest()
        self._look_at_files(entries, progress)
        if self.record is not None:
            if not any(_is_series(problem.part) for problem in self.result.problems):
                self._compare_times(self.record)
            found = changed_sources(self.record.meta.sources)
            self.result.sources = [Problem(name, change) for name, change in found]
        elif not self.result.problems:
            self._add("zarr.json", f"does not describe a tensor store ({self.trouble})")
        self._tell_leftovers()
        self.result.problems.sort(key=lambda problem: _natural(problem.part))
        return self.result

    def _add(self, part: str, fault: str, covers: str | None = None) -> None:
        covers = self._covers(part) if covers is None else covers
        self.result.problems.append(Problem(part, fault, covers))

    def _regions(self) -> Iterator[tuple[str, tuple[zarr.Array, Region]]]:
        """What each chunk or shard covers, by the arrays' own descriptions.

        None of an array whose description is broken: the checksum of that tells.
        """
        for name in sorted({key.split("/")[0] for key in self.sizes if "/" in key}):
            try:
                array = zarr.open_array(zarr_store(self.path / name), mode="r", zarr_format=3)
                yield from ((key, (array, region)) for key, region in regions(name, array))
            except Exception:
                continue

    def _compare_with_manifest(self) -> Mapping[str, Entry | None]:
        """The files to look at: those of the manifest, or without one those that are there."""
        there, manifest = self.sizes.keys(), self.manifest
        if manifest is None:
            fault = "cannot be understood" if (self.path / MANIFEST).exists() else "is missing"
            self._add(MANIFEST, f"{fault}, so a lost shard looks like one without values")
            return dict.fromkeys(sorted(there))
        result, listed = self.result, manifest.files.keys() | manifest.empty
        result.files = len(manifest.files)
        result.size = sum(entry.size for entry in manifest.files.values())
        result.shards = sum(map(_is_data, manifest.files))
        result.empty = sum(map(_is_data, manifest.empty))
        for key in manifest.empty & there:
            self._add(key, "is there, though it had no values when the store was made")
        for key in self.covered.keys() - listed:
            self._add(key, "is not in the manifest")
        if strange := sorted(there - listed - self.covered.keys()):
            more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
            result.notes.append(f"not of the store: {', '.join(strange[:_NAMED])}{more}")
        return manifest.files

    def _look_at_files(
        self, entries: Mapping[str, Entry | None], progress: Progress | None
    ) -> None:
        """Look at every file, several at once, and count the values of the data."""
        counted = self._counted()
        workers = min(_THREADS, os.cpu_count() or 1)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="check")
        try:
            waiting = {
                pool.submit(self._look_at, key, entry, counted): key
                for key, entry in entries.items()
            }
            for done, future in enumerate(as_completed(waiting), start=1):
                key = waiting[future]
                if fault := future.result():
                    self._add(key, fault)
                if progress is not None:
                    progress(done, len(waiting))
        finally:
            pool.shutdown(cancel_futures=True)
        if counted is not None and self.record is not None:
            self._compare_counts(self.record, counted)

    def _counted(self) -> "_Counted | None":
        """What values are counted into; None if they are not, or nothing tells how many must be."""
        if self.record is None or self.quick or not any(map(_is_data, self.covered)):
            return None
        return _Counted(self.record.valid_cells.shape, self.record.dataset[names.DATA].shape[-3:])

    def _compare_counts(self, record: TensorStore, counted: "_Counted") -> None:
        """Hold the values that were found against what the store tells of them."""
        broken = {problem.part for problem in self.result.problems}
        if any(map(_is_series, broken)):
            return
        differs = record.valid_cells != counted.valid
        for key in broken & self.covered.keys():  # told already
            if _is_data(key):
                differs[self.covered[key][1][:-2]] = False
        self._tell_steps(names.DATA, "holds other numbers of values than told", differs)
        if not self.result.problems and names.MISSING in record.dataset:
            frames = int(record.present.sum()) * record.n_sequences
            told = record.dataset[names.MISSING].values
            if not np.array_equal(told, frames - counted.cells):
                self._add(names.MISSING, "tells other numbers of missing values than there are", "")

    def _look_at(self, key: str, entry: Entry | None, counted: "_Counted | None") -> str | None:
        """What is wrong with a file; the values that it holds of the data are counted."""
        path = self.path / key
        skipped = self.quick and _is_data(key)
        size = self.sizes.get(key)
        if size is None:
            return "is missing"
        try:
            if entry is not None and size != entry.size:
                return f"has {size} bytes instead of {entry.size}"
            if entry is not None and not skipped and sha256(path) != entry.sha256:
                return "has other bytes than were written"
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({reason(error)})"
        if key not in self.covered or skipped:
            return None
        try:
            for piece, values in pieces(*self.covered[key]):
                if counted is not None and _is_data(key):
                    counted.add(piece, values)
        except Exception as error:  # codecs and Zarr raise many kinds for broken bytes
            return f"cannot be decoded ({first_sentence(error)})"
        return None

    def _compare_times(self, record: TensorStore) -> None:
        """Hold the times against their axis, and the counts against what must be."""
        axis, times = record.axis, record.dataset[names.TIME].values
        self.result.span = self._span(0, axis.size)
        if not np.array_equal(axis.positions(times), np.arange(axis.size)):
            self._add(names.TIME, "is not in order", "")
        valid = record.valid_cells
        cells = record.shape[2] * record.shape[3]
        self._tell_steps(names.VALID_CELLS, "cannot be", (valid < 0) | (valid > cells))
        absent = ~record.present[:, np.newaxis] & (valid != 0)
        self._tell_steps(names.ABSENT, "marks times that have values", absent)
        try:
            _ = record.generator
        except StForecastError as error:
            self._add("zarr.json", f"tells of sequences that cannot be drawn ({error})", "")

    def _tell_steps(self, part: str, fault: str, wrong: NDArray[np.bool_]) -> None:
        """A problem of some times, `wrong` being ``([sequence,] time, channel)``."""
        steps = np.flatnonzero(wrong.any(axis=-1).reshape(-1, wrong.shape[-2]).any(axis=0))
        if steps.size:
            more = f" and {steps.size - _NAMED} more" if steps.size > _NAMED else ""
            named = ", ".join(self._span(step, step + 1) for step in steps[:_NAMED])
            self._add(part, fault, named + more)

    def _tell_leftovers(self) -> None:
        if not isinstance(self.path, Path):
            return
        for left in folders.leftovers(self.path):
            whose = "is being written" if left.alive else "was left by a write that did not end"
            self.result.notes.append(f"{left.path.name} beside it {whose}")

    def _covers(self, key: str) -> str:
        """The times and sequences of which a file holds values."""
        if key not in self.covered:
            return ""
        array, region = self.covered[key]
        dims: Any = array.metadata.to_dict().get("dimension_names") or ()
        parts = dict(zip(dims, region, strict=False))
        words = []
        if (part := parts.get(names.SEQUENCE)) is not None:
            words.append(_positions("sequence", part.start, part.stop))
        if (part := parts.get(names.TIME)) is not None:
            words.append(self._span(part.start, part.stop))
        return ", ".join(words)

    def _span(self, start: int, stop: int) -> str:
        """The times from position `start` to before `stop`, or as steps if the axis is broken."""
        if self.axis is None:
            return _positions("step", start, stop)
        return self.axis.span_text(start, stop - 1)


class _Counted:
    """How many values there are, of each time and of each cell."""

    def __init__(self, times: tuple[int, ...], cells: tuple[int, ...]) -> None:
        """`times` is the shape ``([sequence,] time, channel)``, `cells` is ``(channel, y, x)``."""
        self.valid = np.zeros(times, np.int64)
        self.cells = np.zeros(cells, np.int64)
        self._adding = threading.Lock()

    def add(self, piece: Region, values: NDArray[Any]) -> None:
        """Count the values of a piece of the data; several threads may."""
        there = np.isfinite(values)
        valid = there.sum(axis=(-2, -1))
        cells = there.sum(axis=tuple(range(there.ndim - 3)))
        with self._adding:  # rows of one time may lie in several shards
            self.valid[piece[:-2]] += valid
            self.cells[piece[-3:]] += cells


def _is_data(key: str) -> bool:
    return key.startswith(SHARDS)


def _is_series(key: str) -> bool:
    """Whether a file holds the times or what is told of each."""
    return key.split("/")[0] in (names.TIME, names.ABSENT, names.VALID_CELLS)


def _positions(what: str, start: int, stop: int) -> str:
    return f"{what} {start}" if stop == start + 1 else f"{what}s {start} to {stop - 1}"


def _manifest(path: Location) -> Manifest | None:
    try:
        return Manifest.read(path)
    except StoreError:
        return None


def _sizes_below(path: Location, manifest: Manifest | None) -> dict[str, int]:
    """The size of each file of a store but the manifest; at an address, of those it should have."""
    if isinstance(path, Path):
        found = (Path(root) / name for root, _, files in os.walk(path) for name in files)
        sizes = {file.relative_to(path).as_posix(): file.lstat().st_size for file in found}
        sizes.pop(MANIFEST, None)
        return sizes
    keys = [] if manifest is None else [*manifest.files, *manifest.empty]
    return {key: size for key, size in sizes_of(path, keys).items() if size is not None}


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """A key for sorting, so that shard 2 comes before shard 10."""
    parts = re.split(r"(\d+)", text)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
