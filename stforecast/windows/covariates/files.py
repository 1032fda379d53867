"""Covariates from the user's own files."""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError, StForecastWarning
from stforecast.options.covariates import FileCovariate
from stforecast.store import TensorStore
from stforecast.timeaxis import TimeStep, stamp_text
from stforecast.timeaxis.stamps import SECOND, Clock
from stforecast.windows.covariates.base import Floats, Kind, Positions, Setting
from stforecast.windows.covariates.clock import RecordClock, check_zone, to_utc
from stforecast.windows.covariates.tables import NotInFileError, Table, read_table

# A row holds until the next, unless that is late by more than this part of what is usual.
_LATE: Final = 1.5

FORECAST: Final = "the forecast"
_BRING: Final = "bring what is missing with --future FILE (future= in Python)"

Instants = NDArray[np.int64]


class FileCovariates:
    """Columns of a file, and of what is brought to go on with it.

    A row counts as known from its time on, and holds until the next one is due: so daily values
    serve an hourly record, and observations at nine minutes to the hour the hour.
    """

    def __init__(
        self,
        options: FileCovariate,
        store: TensorStore,
        tables: Sequence[Table],
        where: str,
        brought: Sequence[int] = (),
    ) -> None:
        """`brought` numbers the given things that tables are from.

        Later tables take the place of earlier ones at the times that they have.

        DataError where what is said of the file's times does not go with it.
        """
        first = tables[0]
        self.kind: Kind = options.known or ("static" if first.times is None else "past")
        self.names = first.names
        self.where = where
        self.brought = tuple(brought)
        self._tables = list(tables)
        self._shape = first.values.shape[1:]
        if self.kind == "static" and first.times is not None and first.values.shape[0] > 1:
            raise DataError(f"{where} has {len(first.times)} times and is said to be static")
        if self.kind != "static":
            if first.times is None:
                raise DataError(f"{where} has no times, and is said to be {self.kind}")
            self._line = _Line(options, store, tables)

    @classmethod
    def of(cls, options: FileCovariate, setting: Setting) -> "FileCovariates | LostCovariates":
        """Those asked for, from their files and from all that is brought and has their columns."""
        columns = tuple(options.columns) if options.columns else None
        tables: list[Table] = []
        brought: list[int] = []
        missing: DataError | None = None
        try:
            tables.append(read_table(options.file, options, setting.store.grid))
        except NotInFileError:
            raise
        except DataError as error:
            if not setting.trained:
                raise
            missing = error
        if options.known != "static":
            for number, given in enumerate(setting.given):
                try:
                    tables.append(read_table(given, options, setting.store.grid, columns))
                except NotInFileError:
                    continue
                brought.append(number)
        if not tables:
            return LostCovariates(options, setting.store, str(missing))
        if any(table.values.shape[1:] != tables[0].values.shape[1:] for table in tables):
            raise DataError(
                f"{tables[-1].where} has {_words(tables[-1])} where {tables[0].where} has "
                f"{_words(tables[0])}"
            )
        return cls(options, setting.store, tables, tables[0].where, brought)

    @property
    def origin(self) -> dict[str, str]:
        """The files, each with its SHA-256."""
        return {name: sha for table in self._tables for name, sha in table.files.items()}

    def values(self, positions: Positions) -> Floats:
        """Values (n, K) or (n, K, H, W), NaN where missing, see :class:`base.Covariate`."""
        if self.kind == "static":
            return np.repeat(self._tables[0].take(np.zeros(1, np.int64)), len(positions), axis=0)
        found = np.full((len(positions), *self._shape), np.nan, np.float32)
        for table, rows in zip(self._tables, self._line.rows(positions), strict=True):
            there = rows >= 0
            if there.any():
                found[there] = table.take(rows[there])
        return found

    def require(self, positions: Positions, purpose: str, masked: Sequence[bool]) -> None:
        """See :class:`base.Limited`; single missing values are warned of where no mask tells."""
        if self.kind == "static" or not positions.size:
            return
        first, last = int(positions.min()), int(positions.max())
        begin, end = self._line.reach()
        instants = self._line.instants(np.array([first, last]))
        if instants[0] < begin or instants[1] >= end:
            here, there = (stamp_text(stamp) for stamp in self._line.ends())
            raise DataError(
                f"{self.where} has {_listed(self.names)} ({self.kind}) from {here} to {there}, and "
                f"{purpose} needs {_them(self.names)} from {self._text(first)} to "
                f"{self._text(last)}; {_remedy(purpose)}"
            )
        if len(self._shape) == 1 and not all(masked):
            missing = np.isnan(self.values(positions)) & ~np.asarray(masked)
            count = int(missing.any(axis=1).sum())
            if count:
                at = self._text(int(positions[missing.any(axis=1)][0]))
                warnings.warn(
                    f"{self.where} lacks {_listed(self.names)} at {count} of the "
                    f"{len(positions)} times that {purpose} needs (the first is {at}); the mean of "
                    "the training period stands in",
                    StForecastWarning,
                    stacklevel=3,
                )

    def span(self) -> str:
        """See :class:`base.Measured`."""
        if self.kind == "static":
            return ""
        first, last = (stamp_text(stamp) for stamp in self._line.ends())
        return f" (it has {first} to {last})"

    def _text(self, position: int) -> str:
        return stamp_text(self._line.axis.times_at(position)[()])


class _Line:
    """The rows that hold at positions of a record's axis, by instants on one clock.

    Where record and file have the same clock, that is it, else UTC. All in microseconds.
    """

    def __init__(self, options: FileCovariate, store: TensorStore, tables: Sequence[Table]) -> None:
        self.axis = store.axis
        self._tables = tables
        record = store.meta.timezone
        zone = record if options.timezone is None else check_zone(options.timezone, "timezone")
        self._by_utc = zone != record or any(table.in_utc for table in tables)
        self._record = RecordClock(store.axis, record) if self._by_utc else None
        self._clock = Clock.of(store.axis.times(0, 1))
        self._starts: list[Instants] = []
        self._ends: list[Instants] = []
        for table in tables:
            assert table.times is not None  # of those that are not static
            times = table.times
            if self._by_utc and not table.in_utc:
                times = to_utc(times, zone)
            starts = self._clock.to_micros(times)
            self._starts.append(starts)
            self._ends.append(_holding(starts, options.max_age, self.axis.step))

    def instants(self, positions: Positions) -> Instants:
        """Of positions (n,)."""
        if self._record is not None:
            return self._record.utc(positions).astype(np.int64)
        return np.asarray(self._clock.to_micros(self.axis.times_at(positions)), np.int64)

    def rows(self, positions: Positions) -> list[NDArray[np.int64]]:
        """For each table the rows (n,) that hold; -1 where none does."""
        instants = self.instants(positions)
        found = []
        for starts, ends in zip(self._starts, self._ends, strict=True):
            row = np.searchsorted(starts, instants, side="right") - 1
            found.append(np.where((row >= 0) & (instants < ends[row]), row, -1))
        return found

    def reach(self) -> tuple[int, int]:
        """The first instant at which a row holds and the first after the last one."""
        return min(int(each[0]) for each in self._starts), max(int(each[-1]) for each in self._ends)

    def ends(self) -> tuple[Any, Any]:
        """Stamps of the first and the last row, in the clock of the record."""
        instants = np.array(
            [min(each[0] for each in self._starts), max(each[-1] for each in self._starts)]
        )
        stamps = self._clock.from_micros(instants)
        if self._record is not None:
            import pandas as pd

            local = pd.DatetimeIndex(stamps, tz="UTC").tz_convert(self._record.zone)
            stamps = local.tz_localize(None).to_numpy("datetime64[us]")
        return stamps[0], stamps[1]


def _holding(starts: Instants, max_age: str | None, step: TimeStep) -> Instants:
    """Until when each row holds."""
    if max_age is not None:
        ages = np.full(len(starts), TimeStep.parse(max_age).seconds * SECOND)
    elif len(starts) < 2:
        seconds = step.seconds if step.is_fixed else step.months * 30 * 86_400
        ages = np.full(1, seconds * SECOND)
    else:
        apart = np.diff(starts)
        usual = int(np.median(apart))
        ages = np.append(np.where(apart <= _LATE * usual, apart, usual), usual)
    return np.asarray(starts + ages, np.int64)


class LostCovariates:
    """What a run was told from a file that is not there any more, or cannot be read."""

    def __init__(self, options: FileCovariate, store: TensorStore, why: str) -> None:
        self.kind: Kind = options.known or "past"
        self.names = tuple(options.columns or ())
        self._why = why
        self._axis = store.axis

    def values(self, positions: Positions) -> Floats:
        """There are none: DataError."""
        raise DataError(f"the run was told {_listed(self.names)}, and {self._why}")

    def require(self, positions: Positions, purpose: str, masked: Sequence[bool]) -> None:
        """There are none: DataError, see :class:`base.Limited`."""
        needed = ""
        if self.kind != "static":
            ends = self._axis.times_at([positions.min(), positions.max()])
            needed = f" for {purpose} from {stamp_text(ends[0])} to {stamp_text(ends[1])}"
        raise DataError(
            f"the run is to be told {_listed(self.names)} ({self.kind}){needed}, and {self._why}; "
            "put it back" + (f", or {_BRING}" if self.kind != "static" else "")
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if names[4:] else "")


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _remedy(purpose: str) -> str:
    if purpose != FORECAST:
        return "bring the file up to date, or move the period in data.split"
    return f"{_BRING}, or forecast from an earlier time"


def _words(table: Table) -> str:
    return "fields" if table.values.ndim == 4 else "a series"
