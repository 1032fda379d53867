"""Adding files to a tensor store: what is there stays, what is new comes in, all or nothing."""

import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from stforecast import names
from stforecast.errors import DataError, StForecastWarning, StoreError
from stforecast.folders import clear_leftovers
from stforecast.ingest.addition import Addition, MisfitError
from stforecast.ingest.blame import blamed
from stforecast.ingest.findings import Findings
from stforecast.ingest.fits import storage_kept
from stforecast.ingest.known import described, options_for, unknown_files
from stforecast.ingest.pipeline import Progress, ingest, made_of
from stforecast.ingest.provenance import look_at, naming_files
from stforecast.ingest.tally import findings_of
from stforecast.locking import locked
from stforecast.options import DataOptions
from stforecast.remote import Location, RemotePath, location
from stforecast.sources import open_source
from stforecast.sources.files import find_files
from stforecast.store import TensorStore
from stforecast.store.commit import repair, unwritten
from stforecast.store.repository import SUFFIX, is_repository
from stforecast.store.upload import refuse_growth

# Seconds that an append waits for another one.
PATIENCE = 60.0


def append(
    files: Sequence[str | Path],
    store: str | Location,
    options: DataOptions | None = None,
    *,
    base: str | Path = ".",
    reader: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Findings:
    """Add files to a tensor store, which afterwards is as if all had been ingested at once.

    Times that the store has are skipped where the values are the same, absent ones are filled, and
    new ones come in wherever they belong. Without a store there is made one. Options that are not
    given are those the store was made with. Two that add to one store do so one after the other.

    DataError when the files are not more of the same (variables, units, grid, time step, calendar,
    clock) or hold other values for times that the store has; StoreError when it cannot grow. In
    either case, and whenever the process dies, the store is as it was.
    """
    options = options or DataOptions()
    if reader is not None:
        options = options.model_copy(update={"reader": reader})
    path = location(store)
    if isinstance(path, RemotePath):
        if not path.name.endswith(SUFFIX):
            refuse_growth(path)
        return _append(files, path, options, Path(base), progress, dry_run=dry_run)
    if dry_run:
        return _append(files, path, options, Path(base), progress, dry_run=True)
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(path, patience=PATIENCE))
        except OSError as error:
            raise unwritten("a tensor store", path, error) from error
        findings = _append(files, path, options, Path(base), progress, dry_run=False)
        # also where it turned out that nothing is new
        clear_leftovers(Path(os.path.realpath(path)))
        return findings


def _append(
    files: Sequence[str | Path],
    path: Location,
    options: DataOptions,
    base: Path,
    progress: Progress | None,
    *,
    dry_run: bool,
) -> Findings:
    if isinstance(path, Path):
        repair(path)
    if not (path.exists() if isinstance(path, Path) else is_repository(path)):
        paths = [str(file) for file in files]
        return ingest(paths, path, options, base=base, dry_run=dry_run, progress=progress)
    own = TensorStore.open(path)
    if own.meta.sequence_name is not None:
        raise StoreError(
            f"{path} holds independent sequences, which do not grow in time; make it anew with "
            "all files and --overwrite"
        )
    kept = storage_kept(own, options.storage)
    if kept is not None:
        warnings.warn(kept, StForecastWarning, stacklevel=3)
    options = options_for(own.meta, options)
    if options.sources:  # which share their times, so that all are read
        return _add(own, files, options, base, progress, dry_run=dry_run)
    given = find_files(list(files), base)
    fresh = unknown_files(given, own.meta, options)
    if not fresh:
        return findings_of(own)
    try:
        try:
            return _add(own, fresh, options, base, progress, dry_run=dry_run)
        except MisfitError:
            if len(fresh) == len(given):
                raise
            # new files that go with the store only beside files that are known
            return _add(own, given, options, base, progress, dry_run=dry_run)
    except DataError as error:
        named = blamed(error, own, fresh, options, base)
        if named is None:
            raise
        raise named from error


def _add(
    own: TensorStore,
    files: Sequence[str | Location],
    options: DataOptions,
    base: Path,
    progress: Progress | None,
    *,
    dry_run: bool,
) -> Findings:
    ds = open_source(files, options, base)
    seen = look_at(ds.encoding.get(names.SOURCE_FILES, ()))
    with naming_files(seen):
        addition = Addition.of(own, ds, options)
        if dry_run:
            return addition.read(progress)
        with described(seen, options) as sources:
            parts = made_of(seen, options) if seen else None
            return addition.write(sources, progress, parts)
