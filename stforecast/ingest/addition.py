"""Files that are added to a store: held against it, read, and written into it."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from stforecast import names
from stforecast._version import __version__
from stforecast.errors import DataError, StForecastError, StForecastWarning
from stforecast.ingest.assemble import times_text
from stforecast.ingest.changes import Changes
from stforecast.ingest.findings import Findings, listing, runs
from stforecast.ingest.fits import check_fits, order_of_channels, scalars_kept
from stforecast.ingest.growth import Growth, grow
from stforecast.ingest.joining import differing_fields, join_coordinates, new_fields
from stforecast.ingest.known import all_sources
from stforecast.ingest.pipeline import Prepared, Progress, prepare
from stforecast.ingest.survey import cells
from stforecast.ingest.tally import counted, history_of, merge_history
from stforecast.ingest.transform.recipe import is_resampled, recipe_of
from stforecast.ingest.variables import without_known
from stforecast.ingest.words import listed
from stforecast.options import DataOptions
from stforecast.sources.times import holds_stamps
from stforecast.store import ChannelMeta, StoreMeta, TensorStore
from stforecast.store.append import grown
from stforecast.store.block import BlockDone
from stforecast.store.counts import Counts
from stforecast.store.reading import Block, pieces
from stforecast.timeaxis import stamp_text

# Times with other values that are named.
_NAMED = 4


class MisfitError(DataError):
    """Files are not more of what a store holds."""


class DiffersError(DataError):
    """Files hold other values for times that a store has."""


@dataclass(frozen=True)
class Addition:
    """A store, and the record of files that go with it; nothing but times was read yet."""

    store: TensorStore
    files: Prepared
    growth: Growth
    options: DataOptions

    @classmethod
    def of(cls, store: TensorStore, ds: xr.Dataset, options: DataOptions) -> "Addition":
        """Of the dataset of files; MisfitError, which names the store, when they do not fit."""
        try:
            if _is_timeless(ds):
                raise DataError(
                    f"they hold fields without a time alone ({listed(ds.data_vars)}); name them "
                    "together with a file of more times, or with one that the store has"
                )
            files = _prepare(store, ds, options)
            added = TensorStore(files.dataset)
            check_fits(store, added)
            others = differing_fields(store, added)
            growth = grow(
                store.axis,
                store.present,
                files.timeline.axis,
                files.timeline.present,
                any_step=options.time_step is not None,
            )
        except DataError as error:
            raise MisfitError(f"the files do not fit the store {store.path}: {error}") from error
        if others:
            warnings.warn(
                f"{listed(others)} of the files {'is' if len(others) == 1 else 'are'} not the same "
                f"as in the store {store.path}, which keeps its own",
                StForecastWarning,
                stacklevel=2,
            )
        lacking = [name for name in store.channels if name not in added.channels]
        if lacking and growth.added.any():
            texts = [run.text() for run in runs(growth.axis, np.flatnonzero(growth.added))]
            warnings.warn(
                f"the files hold no {listed(lacking, 'or')} for {listing(texts)}, missing in the "
                f"store {store.path} until files that have it are added too",
                StForecastWarning,
                stacklevel=2,
            )
        return cls(store, files, growth, options)

    def read(self, progress: Progress | None = None) -> Findings:
        """Read and compare everything, write nothing; the findings as they would be."""
        told = _Told(self, progress)
        changes = self._changes(told)
        values = changes.values()
        for block in told.expect(changes.blocks):
            counts = Counts.of_none(self.store.shape[1:])
            valid = []
            for piece in pieces(values[block.start : block.stop]):
                valid.append(counts.add(piece)[1])
                told.add(len(piece))
            changes.add(BlockDone(block, np.concatenate(valid), counts, {}))
        return self._findings(changes, changes.counts())

    def write(
        self,
        sources: Callable[[], list[dict[str, Any]]],
        progress: Progress | None = None,
        made_of: Any = None,
    ) -> Findings:
        """Let the store grow; `sources` is asked for the files when all is read.

        `made_of` is what a later try must be made of to go on from this one, if it is cut off.
        DataError, naming the times, when the files hold other values for times of the store. The
        store is then as it was, and so it is when `sources` or the system refuses.
        """
        told = _Told(self, progress)
        changes = self._changes(told)
        before = self.store.meta.sources
        fields = new_fields(self.store.meta, self.files_meta)
        nothing = not changes.blocks and not fields
        if nothing and all_sources(before, sources()) == before:
            return self._findings(changes, changes.counts())
        meta = self.store.meta.model_copy(
            update={
                "time_anchor": self.growth.axis.step.anchor,
                "attrs": _agreed(self.store.meta.attrs, self.files_meta.attrs),
                "channels": self._channels(),
                "scalars": scalars_kept(self.store.meta.scalars, self.files_meta.scalars),
                "static": [*self.store.meta.static, *fields],
                "stforecast_version": __version__,
            }
        )
        late = np.flatnonzero(changes.filled.any(axis=1))
        coords = join_coordinates(self.store, self.files.dataset, self.growth, late)
        coords = coords.assign_attrs({names.META_ATTRIBUTE: meta.to_json()})
        limit = self.options.storage.memory_limit
        with grown(self.store, coords, changes.blocks, made_of=made_of) as growing:
            told.expect(changes.blocks)
            for done in growing.write(changes.values(), limit):
                changes.add(done)
                told.add(done.block.frames)
            counts = changes.counts()
            findings = self._findings(changes, counts)
            meta.findings = findings.findings()
            meta.history = history_of(findings)
            meta.counts = counted(counts)
            meta.sources = all_sources(before, sources())
            now = datetime.now(UTC)
            meta.updated = now.isoformat(timespec="microseconds")
            if self.growth.moves:
                # who has it open must know that its times are elsewhere now
                meta.created = now.isoformat(timespec="microseconds")
            growing.finish(meta, changes.valid_cells, counts.missing)
        return findings

    @cached_property
    def files_meta(self) -> StoreMeta:
        """What the files say of themselves, as a store would."""
        return StoreMeta.from_json(self.files.dataset.attrs[names.META_ATTRIBUTE])

    @property
    def compared(self) -> int:
        """How many steps both have."""
        return int(self.growth.shared.sum())

    def _changes(self, told: "_Told") -> Changes:
        """Compare what both have; DataError, naming the times, where their values differ."""
        order = order_of_channels(self.store.meta, self.files_meta)
        limit = self.options.storage.memory_limit
        changes = Changes(self.store, self.files.dataset, self.growth, order, told.add, limit)
        if changes.differing.size:
            stamps = self.growth.axis.times_at(changes.differing[:_NAMED])
            texts = [stamp_text(stamp) for stamp in stamps]
            if changes.differing.size > len(texts):
                texts.append(f"{changes.differing.size - len(texts)} more")
            raise DiffersError(
                f"the files hold other values than the store {self.store.path} for "
                f"{listed(texts)}; nothing was changed: leave these times out, or make the store "
                "anew with --overwrite"
            )
        return changes

    def _channels(self) -> list[ChannelMeta]:
        """The channels of the store, with those of their attributes that the files agree on."""
        theirs = {channel.name: channel for channel in self.files_meta.channels}
        return [
            channel.model_copy(update={"attrs": _agreed(channel.attrs, theirs[channel.name].attrs)})
            if channel.name in theirs
            else channel
            for channel in self.store.meta.channels
        ]

    def _findings(self, changes: Changes, counts: Counts) -> Findings:
        growth = self.growth
        found = merge_history(self.store.meta, growth.axis, self.files.findings)
        found.absent = runs(growth.axis, np.flatnonzero(~growth.present))
        found.cells = cells(self.store.channels, counts)
        positions = np.arange(growth.axis.size)
        inside = (positions >= growth.old.at) & (positions < growth.old.stop)
        late = changes.filled.any(axis=1)
        parts = {
            "added": growth.added & ~inside,
            "filled": growth.added & inside,
            "completed": late,
            "already there": growth.shared & ~late,
        }
        found.mapping = {**found.mapping, "times": times_text(growth.axis)}
        for what, chosen in parts.items():
            if chosen.any():
                texts = [run.text() for run in runs(growth.axis, np.flatnonzero(chosen))]
                found.mapping[what] = f"{found.count(int(chosen.sum()))} ({listing(texts)})"
        return found


class _Told:
    """Tells how many of the steps that are compared and written are done."""

    def __init__(self, addition: Addition, progress: Progress | None) -> None:
        self._done = 0
        self._total = addition.compared
        self._progress = progress

    def expect(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """The blocks that are still to come, which count from now on."""
        self._total += sum(block.frames for block in blocks)
        return blocks

    def add(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done, self._total)


def _prepare(store: TensorStore, ds: xr.Dataset, options: DataOptions) -> Prepared:
    """The record of the files, in the time step of the store; DataError if they have another.

    Variables that the store has need not be in the files, also if options name them.
    """
    own = without_known(ds, options, {*store.channels, *store.static_fields})
    files = _in_step_of(store, ds, own)
    if own is not options:
        meta = StoreMeta.from_json(files.dataset.attrs[names.META_ATTRIBUTE])
        meta.recipe = recipe_of(options)
        files.dataset.attrs[names.META_ATTRIBUTE] = meta.to_json()
    return files


def _in_step_of(store: TensorStore, ds: xr.Dataset, options: DataOptions) -> Prepared:
    if is_resampled(store.meta.recipe):
        return prepare(ds, options)  # the step of the files is another one
    ours = store.axis.step
    try:
        return prepare(ds, options.model_copy(update={"time_step": ours.text}))
    except DataError as error:
        try:
            theirs = prepare(ds, options).timeline.axis.step
        except StForecastError:
            raise error from None
        if (theirs.seconds, theirs.months) == (ours.seconds, ours.months):
            raise
        raise DataError(
            f"they have a time step of {theirs.text}, the store has one of {ours.text}"
        ) from error


def _agreed(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Attributes that still hold for all files: those that others contradict go."""
    return {key: value for key, value in ours.items() if theirs.get(key, value) == value}


def _is_timeless(ds: xr.Dataset) -> bool:
    """Whether all that a dataset holds are fields of rows and columns, and nothing tells a time."""
    fields = all(values.squeeze().ndim == 2 for values in ds.values())
    return bool(ds) and fields and not any(holds_stamps(coord) for coord in ds.coords.values())
