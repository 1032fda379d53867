"""From files to a tensor store, or to a tensor in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError
from stforecast.generators import Generation
from stforecast.ingest.assemble import description, tensor, with_generation
from stforecast.ingest.findings import Findings
from stforecast.ingest.known import described, remembered
from stforecast.ingest.provenance import SeenFile, look_at, naming_files
from stforecast.ingest.survey import cells
from stforecast.ingest.tally import counted, history_of
from stforecast.ingest.timeline import Timeline
from stforecast.ingest.transform import build_record
from stforecast.options import DataOptions, StorageOptions
from stforecast.remote import Location
from stforecast.sources import open_source
from stforecast.sources.axis import with_time_axis
from stforecast.sources.times import time_coordinate
from stforecast.store import StoreMeta, TensorStore, check_store_target, write_store
from stforecast.store.counts import Counts
from stforecast.store.reading import pieces

Progress = Callable[[int, int], None]
# Records up to this size are kept in memory by Prepared.store.
_MEMORY_BYTES = 2 * 2**30


@dataclass
class Prepared:
    """A record in the tensor layout, still lazy, and what is known of it so far."""

    dataset: xr.Dataset
    findings: Findings
    timeline: Timeline = field(repr=False)

    def survey(self, progress: Progress | None = None) -> Findings:
        """Read every value once, keep none, and complete the findings."""
        self._read(progress)
        return self.findings

    def write(
        self,
        path: str | Location,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
        provenance: Callable[[], list[dict[str, Any]]] | None = None,
        storage: StorageOptions | None = None,
        made_of: Any = None,
    ) -> Findings:
        """Write the store in one pass, complete the findings and put them into it.

        `provenance` is asked for the sources when all is read; when it raises, so does this.
        `made_of` is what a later try must be made of to go on from this one, if it is cut off.
        """

        def describe(meta: StoreMeta, counts: Counts) -> StoreMeta:
            self.findings.cells = cells(self._channels, counts)
            sources = [] if provenance is None else provenance()
            return meta.model_copy(
                update={
                    "findings": self.findings.findings(),
                    "history": history_of(self.findings),
                    "counts": counted(counts),
                    "sources": sources,
                }
            )

        write_store(
            self.dataset,
            path,
            overwrite=overwrite,
            progress=progress,
            describe=describe,
            storage=storage,
            made_of=made_of,
        )
        return self.findings

    def store(self, progress: Progress | None = None) -> TensorStore:
        """The record as a store without files: in memory, or lazy where it is over 2 GiB."""
        data = self.dataset[names.DATA]
        kept = np.empty(data.shape, np.float32) if data.size * 4 <= _MEMORY_BYTES else None
        valid = self._read(progress, kept)
        meta = StoreMeta.from_json(self.dataset.attrs[names.META_ATTRIBUTE])
        meta.findings = self.findings.findings()
        values = data.where(~np.isinf(data)).data if kept is None else kept
        dataset = self.dataset.assign(
            {
                names.DATA: (data.dims, values),
                names.VALID_CELLS: (data.dims[:-2], valid),
            }
        )
        return TensorStore(dataset.assign_attrs({names.META_ATTRIBUTE: meta.to_json()}))

    def _read(
        self, progress: Progress | None, into: NDArray[np.float32] | None = None
    ) -> NDArray[np.int32]:
        """Read all values, once, and count the valid cells ``([sequence,] time, channel)``."""
        data = self.dataset[names.DATA].variable
        counts = Counts.of_none(data.shape[-3:])
        valid = np.empty(data.shape[:-2], np.int32)
        row = 0
        frames = valid.size // valid.shape[-1]
        for piece in pieces(data if data.chunks is None else data.data):
            piece, counted = counts.add(piece)
            rows = slice(row, row + len(piece))
            valid[rows] = counted
            if into is not None:
                into[rows] = piece
            row = rows.stop
            if progress is not None:
                progress(row * frames // len(valid), frames)
        absent = int((~self.timeline.present).sum()) * (frames // self.timeline.present.size)
        self.findings.cells = cells(self._channels, counts.without(absent))
        return valid

    @property
    def _channels(self) -> list[str]:
        return [str(name) for name in self.dataset[names.CHANNEL].values]


def prepare(ds: xr.Dataset, options: DataOptions | None = None) -> Prepared:
    """Bring a CF dataset into the tensor layout, lazily.

    Axes are found, variables, level, region and period taken, times put on a regular axis. Only
    the rows of duplicated times, and up to three frames, are read. DataError and ConfigError say
    what does not fit.
    """
    options = options or DataOptions()
    timezone = _timezone(options.timezone)
    if options.time_step is not None and time_coordinate(ds) is None:
        ds = with_time_axis(ds)  # a record of one time, which grows
    record = build_record(ds, options)
    layout, timeline = record.layout, record.timeline
    findings = record.findings(timezone)
    meta = description(layout, timeline, timezone)
    meta.recipe, meta.done = record.recipe, record.done
    meta.options = remembered(options)
    meta.findings = findings.findings()
    dataset = tensor(layout, timeline)
    generation: Generation | None = ds.encoding.get(names.GENERATION)
    if generation is not None:
        dataset = with_generation(dataset, meta, generation)
    dataset = dataset.assign_attrs({names.META_ATTRIBUTE: meta.to_json()})
    return Prepared(dataset=dataset, findings=findings, timeline=timeline)


def ingest(
    files: Sequence[str],
    store: str | Location,
    options: DataOptions | None = None,
    *,
    base: str | Path = ".",
    reader: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Findings:
    """Read files and write them as a tensor store, whole or not at all.

    Paths and patterns are relative to `base`. With `dry_run` everything is read and nothing
    written. StoreError when a store is in the way or cannot be written; DataError and ConfigError
    for files and options that do not fit, also for files that change while they are read.
    """
    options = options or DataOptions()
    if reader is not None:
        options = options.model_copy(update={"reader": reader})
    if not dry_run:
        check_store_target(store, overwrite=overwrite)
    ds = open_source(list(files), options, Path(base))
    seen = look_at(ds.encoding.get(names.SOURCE_FILES, ()))
    with naming_files(seen):
        prepared = prepare(ds, options)
        if dry_run:
            return prepared.survey(progress)
        with described(seen, options) as provenance:
            return prepared.write(
                store,
                overwrite=overwrite,
                progress=progress,
                provenance=provenance,
                storage=options.storage,
                made_of=made_of(seen, options) if seen else None,
            )


def made_of(seen: Sequence[SeenFile], options: DataOptions) -> Any:
    """What the values of a store depend on: files by size and time, and options."""
    files = [
        [
            str(file.path.resolve() if isinstance(file.path, Path) else file.path),
            file.size,
            file.mtime,
            file.tag,
        ]
        for file in seen
    ]
    kept = options.model_dump(mode="json", exclude={"files", "store", "storage", "split"})
    return {"files": files, "options": kept}


def _timezone(name: str | None) -> str:
    if name is None:
        return "UTC"
    try:
        return str(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"data.timezone: {name!r} is not in the IANA database; write it as Europe/Berlin or UTC"
        ) from None
