"""Proving that a store is whole: files against the manifest, values against the counts."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stforecast import folders, names
from stforecast.errors import StForecastError, StoreError
from stforecast.folders import reason
from stforecast.store.commit import repair
from stforecast.store.manifest import MANIFEST, Entry, Manifest, sha256
from stforecast.store.open import is_store, read_group
from stforecast.store.origins import changed_sources
from stforecast.store.schema import StoreMeta
from stforecast.store.shards import Region, first_line, pieces, regions
from stforecast.store.tensor import TensorStore
from stforecast.timeaxis import TimeAxis, TimeStep, stamp_text

Progress = Callable[[int, int], None]
_THREADS = 8
_NAMED = 3  # of what there may be many
_DATA = f"{names.DATA}/c/"


@dataclass(frozen=True)
class Problem:
    """Something of a store that is not as it was written."""

    part: str
    """The file, by its key in the manifest, or the array."""
    fault: str
    covers: str = ""
    """The times, and sequences, that are in it."""

    def __str__(self) -> str:
        return f"{self.part} {self.fault}" + (f": {self.covers}" if self.covers else "")


@dataclass
class Checkup:
    """What a check of a store found. It is true when the store is whole."""

    path: Path
    quick: bool = False
    problems: list[Problem] = field(default_factory=list)
    sources: list[Problem] = field(default_factory=list)
    """Files that the store was made of and that are no longer as they were."""
    must_have_sources: bool = False
    notes: list[str] = field(default_factory=list)
    """What does not break the store: leftovers of writes that did not end, strange files."""
    files: int = 0
    size: int = 0
    """Bytes of the files in the manifest."""
    shards: int = 0
    empty: int = 0
    """Shards of the data that have a file, and those without as all their values are missing."""
    span: str = ""
    """The times of the record."""

    def __bool__(self) -> bool:
        return not (self.problems or (self.must_have_sources and self.sources))

    @property
    def sentence(self) -> str:
        """What is wrong, and the remedy; nothing for a store that is whole."""
        if self:
            return ""
        if not self.problems:
            more = f" and {len(self.sources) - 1} more" if len(self.sources) > 1 else ""
            return (
                f"the store {self.path} is whole, but not all that it was made of is as it was "
                f"({self.sources[0]}{more}); bring these files back, or make the store anew with "
                "stforecast ingest --overwrite"
            )
        more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        return (
            f"the store {self.path} is broken ({self.problems[0]}{more}); bring back what is named "
            "from a copy, or make the store anew with stforecast ingest --overwrite"
        )

    @property
    def summary(self) -> str:
        """What was looked at."""
        read = "present" if self.quick else "read and counted"
        empty = f", {self.empty} without values" if self.empty else ""
        state = "broken" if self.problems else "whole"
        shards = f"{self.shards} shard{'' if self.shards == 1 else 's'}"
        return (
            f"{self.path} is {state}: {self.files} files of {self.size:,} bytes, {shards} "
            f"{read}{empty}, {self.span}"
        )


def check(
    store: str | Path,
    *,
    quick: bool = False,
    sources: bool = False,
    progress: Progress | None = None,
) -> Checkup:
    """Prove that a tensor store is whole, or name all that is broken.

    Every file of the manifest must be there with its size and checksum, every shard must decode,
    the times must be regular, and the values of each must be as many as the store tells. Memory
    stays flat whatever the size.

    Args:
        store: a store on disk, also what a write that did not end left of one.
        quick: compare presence and sizes, and checksums of all but the data.
        sources: count it as a problem when a file that the store was made of is gone or has
            another size or time; else that is a note.
        progress: told how many files of how many are done.

    Returns:
        What was found, true when nothing is broken.

    Raises:
        StoreError: there is no store at all.
    """
    path = Path(store)
    _find(path)
    return _Check(path, quick, sources).run(progress)


def _find(path: Path) -> None:
    repair(path)
    if not path.exists():
        left = [left.path.name for left in folders.leftovers(path) if left.kind == "partial"]
        if left:
            raise StoreError(
                f"there is no tensor store at {path}, only {left[0]} of a write that did not end; "
                "run stforecast ingest again"
            )
        raise StoreError(f"there is no tensor store at {path}; make one with stforecast ingest")
    if not is_store(path) and not (path / MANIFEST).is_file():
        raise StoreError(f"{path} is not a tensor store of stforecast")


class _Check:
    """One check: what is found piles up in its result."""

    def __init__(self, path: Path, quick: bool, sources: bool) -> None:
        self.path = path
        self.quick = quick
        self.result = Checkup(path, quick, must_have_sources=sources)
        self.there = set(_keys_below(path)) - {MANIFEST}
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
            self.trouble = first_line(error)
        self._adding = threading.Lock()

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
        for name in sorted({key.split("/")[0] for key in self.there if "/" in key}):
            try:
                array = zarr.open_array(self.path / name, mode="r", zarr_format=3)
                yield from ((key, (array, region)) for key, region in regions(name, array))
            except Exception:
                continue

    def _compare_with_manifest(self) -> Mapping[str, Entry | None]:
        """The files to look at: those of the manifest, or without one those that are there."""
        try:
            manifest = Manifest.read(self.path)
        except StoreError:
            lost = not (self.path / MANIFEST).exists()
            fault = "is missing" if lost else "cannot be understood"
            self._add(MANIFEST, f"{fault}, so a lost shard looks like one without values")
            return dict.fromkeys(sorted(self.there))
        result, listed = self.result, manifest.files.keys() | manifest.empty
        result.files = len(manifest.files)
        result.size = sum(entry.size for entry in manifest.files.values())
        result.shards = sum(key.startswith(_DATA) for key in manifest.files)
        result.empty = sum(key.startswith(_DATA) for key in manifest.empty)
        for key in manifest.empty & self.there:
            self._add(key, "is there, though it had no values when the store was made")
        for key in self.covered.keys() - listed:
            self._add(key, "is not in the manifest")
        if strange := sorted(self.there - listed - self.covered.keys()):
            more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
            result.notes.append(f"not of the store: {', '.join(strange[:_NAMED])}{more}")
        return manifest.files

    def _look_at_files(
        self, entries: Mapping[str, Entry | None], progress: Progress | None
    ) -> None:
        """Look at every file, several at once, and count the values of the data."""
        told = None if self.record is None else self.record.valid_cells
        counted = None
        if (
            told is not None
            and not self.quick
            and any(key.startswith(_DATA) for key in self.covered)
        ):
            counted = np.zeros(told.shape, np.int64)
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
        told_already = {problem.part for problem in self.result.problems}
        if told is not None and counted is not None and not any(map(_is_series, told_already)):
            differs = told != counted
            for key in told_already & self.covered.keys():
                if key.startswith(_DATA):
                    differs[self.covered[key][1][:-2]] = False
            self._tell_steps(names.DATA, "holds other numbers of values than told", differs)

    def _look_at(
        self, key: str, entry: Entry | None, counted: NDArray[np.int64] | None
    ) -> str | None:
        """What is wrong with a file; the values that it holds of the data are counted."""
        path = self.path / key
        skipped = self.quick and key.startswith(_DATA)
        try:
            size = path.stat().st_size
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
                if counted is not None and key.startswith(_DATA):
                    number = np.isfinite(values).sum(axis=(-2, -1))
                    with self._adding:  # rows of one time may lie in several shards
                        counted[piece[:-2]] += number
        except Exception as error:  # codecs and Zarr raise many kinds for broken bytes
            return f"cannot be decoded ({first_line(error)})"
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
        first, last = (stamp_text(self.axis.times_at(at)[()]) for at in (start, stop - 1))
        return first if first == last else f"{first} to {last}"


def _is_series(key: str) -> bool:
    """Whether a file holds the times or what is told of each."""
    return key.split("/")[0] in (names.TIME, names.ABSENT, names.VALID_CELLS)


def _positions(what: str, start: int, stop: int) -> str:
    return f"{what} {start}" if stop == start + 1 else f"{what}s {start} to {stop - 1}"


def _keys_below(folder: Path) -> Iterator[str]:
    for root, _, files in os.walk(folder):
        for name in files:
            yield (Path(root) / name).relative_to(folder).as_posix()


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """A key for sorting, so that shard 2 comes before shard 10."""
    parts = re.split(r"(\d+)", text)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
