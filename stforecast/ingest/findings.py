"""What ingest found in the source and did about it, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from stforecast.ingest.marks import NO_QUANTITY
from stforecast.timeaxis import Stamp, TimeAxis, TimeStep, stamp_text

# Longer lists of days or of gaps are cut.
_LONGEST_LIST = 12
_DAY = 86_400
# What many files write there, and no quantity is likely to have as its extreme.
_WELL_KNOWN = (
    *(-999, -9999, -99999, -999.9, -9999.9, -999.99, -1000, -32767, -32768),
    *(1e15, 1e20, 9.999e20),
)
_NOTHING = "nothing amiss: every time is there once and in order, no value is missing"


@dataclass(frozen=True)
class Run:
    """Times that follow each other: the first, the last, how many; maybe whole days of them."""

    first: Stamp
    last: Stamp
    size: int
    whole_days: bool = False

    def text(self) -> str:
        """``2013-09-02 to 2013-09-30`` of whole days, ``2013-09-02 05:00``."""
        first, last = stamp_text(self.first), stamp_text(self.last)
        if self.whole_days:
            last = last.partition(" ")[0]
        return first if first == last else f"{first} to {last}"


@dataclass
class Cells:
    """Values of one channel over the times that are there.

    Cells are counted over the grid: `never` have no value at any time, `sometimes` lack it at some
    times. `whole` counts the fields that are missing altogether.
    """

    name: str
    size: int
    never: int = 0
    sometimes: int = 0
    share: float = 0.0
    whole: int = 0
    infinite: int = 0
    minimum: float | None = None
    maximum: float | None = None

    @property
    def kind(self) -> Literal["complete", "static", "varying", "all"]:
        """Whether values are missing, always in the same cells (land, sea) or not."""
        if self.minimum is None:
            return "all"
        if self.sometimes or self.whole:
            return "varying"
        return "static" if self.never else "complete"

    def lines(self) -> list[str]:
        """Sentences on what is missing."""
        lines = []
        if self.never:
            lines.append(
                f"{self.name}: {self.never} of {self.size} cells have no value at any time "
                "(such as land or sea); kept as missing"
            )
        if self.sometimes:
            which = "other cells" if self.never else f"of {self.size} cells"
            lines.append(
                f"{self.name}: {self.sometimes} {which} have no value at some times "
                f"({percentage(self.share)} of their values); kept as missing"
            )
        if self.whole:
            noun = "field has" if self.whole == 1 else "fields have"
            lines.append(f"{self.name}: {self.whole} {noun} no value in any cell; kept as missing")
        lines += self._marks()
        if self.infinite:
            noun = "value is" if self.infinite == 1 else "values are"
            lines.append(f"{self.name}: {self.infinite} {noun} infinite; kept as missing")
        return lines

    def _marks(self) -> list[str]:
        """Sentences on extremes that are marks of missing values, or look like such."""
        lines = []
        for word, value in (("smallest", self.minimum), ("largest", self.maximum)):
            if value is None:
                continue
            if abs(value) >= NO_QUANTITY:
                lines.append(
                    f"{self.name}: values as large as {abs(value):g} are marks of missing ones "
                    "that the files do not declare; name the mark, as the files have it, in "
                    f"data.variables.{self.name}.missing, such as missing: {value:g}"
                )
            elif any(np.float32(value) == np.float32(mark) for mark in _WELL_KNOWN):
                lines.append(
                    f"{self.name}: its {word} value is {value:g}, which many files write where "
                    "they have none; if these do, say so by "
                    f"data.variables.{self.name}.missing: {value:g}"
                )
        return lines


@dataclass
class Findings:
    """The mapping from the source to the store, and what was found on the way.

    `cells` is empty until the values were read.
    """

    step: TimeStep
    mapping: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    duplicated: list[Run] = field(default_factory=list)
    duplicated_differ: int = 0
    disorder: int = 0
    first_disorder: Stamp | None = None
    shifted: int = 0
    absent: list[Run] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)

    @property
    def n_duplicated(self) -> int:
        """Number of times that the source has more than once."""
        return sum(run.size for run in self.duplicated)

    @property
    def n_absent(self) -> int:
        """Number of times between first and last that the source does not have."""
        return sum(run.size for run in self.absent)

    def findings(self) -> list[str]:
        """One sentence for each thing found."""
        lines = self._mended()
        if self.absent:
            lines.append(f"{self._gaps()}; marked as absent")
        for cells in self.cells:
            lines += cells.lines()
        return lines

    def sentences_of_source(self) -> list[str]:
        """The notes, and what was found of the times, for a record that gets other times."""
        return self._mended() + ([self._gaps()] if self.absent else [])

    def _mended(self) -> list[str]:
        lines = list(self.notes)
        if self.disorder:
            times = "once" if self.disorder == 1 else f"{self.disorder} times"
            lines.append(
                f"the rows go back in time {times}, first after {stamp_text(self.first_disorder)}; "
                "sorted"
            )
        if self.duplicated:
            count, occur = self.count(self.n_duplicated), "occur"
            if self.n_duplicated == 1:
                occur = "occurs"
            days = listing([run.text() for run in self.duplicated])
            differ = self.duplicated_differ
            if differ == 0:
                which = "the copies agree and one is kept"
            elif differ == self.n_duplicated:
                which = "the copies differ and the fullest is kept"
            else:
                which = f"the copies of {differ} differ and the fullest is kept"
            lines.append(f"{count} {occur} more than once ({days}); {which}")
        if self.shifted:
            stamps = "stamp lies" if self.shifted == 1 else "stamps lie"
            lines.append(f"{self.shifted} {stamps} slightly off the time step; moved onto it")
        return lines

    def _gaps(self) -> str:
        gaps = "1 gap" if len(self.absent) == 1 else f"{len(self.absent)} gaps"
        texts = [f"{run.text()}, {self.count(run.size)}" for run in self.absent]
        verb = "is" if self.n_absent == 1 else "are"
        return (
            f"{self.count(self.n_absent)} {verb} absent, in {gaps} "
            f"({listing(texts, separator='; ')})"
        )

    def lines(self) -> list[str]:
        """The whole report: the mapping, the range of the values, then the findings."""
        mapping = [f"{what}: {text}" for what, text in self._mapping_and_ranges()]
        return mapping + (self.findings() or [_NOTHING])

    @property
    def table(self) -> Table:
        """The report for a terminal: the mapping in rows, the values of each variable."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for what, text in self._mapping_and_ranges():
            table.add_row(what, text)
        for index, line in enumerate(self.findings() or [_NOTHING]):
            table.add_row("found" if index == 0 else "", line)
        return table

    def _mapping_and_ranges(self) -> list[tuple[str, str]]:
        ranges = [
            (cells.name, f"{cells.minimum:g} to {cells.maximum:g}")
            for cells in self.cells
            if cells.minimum is not None and cells.maximum is not None
        ]
        return [*self.mapping.items(), *ranges]

    def count(self, n: int) -> str:
        """So many steps in words: ``696 hours``, ``20 steps of 30 minutes``."""
        label = self.step.label
        if label[0].isdigit():
            return f"{n} steps of {label}" if n != 1 else f"1 step of {label}"
        return f"{n} {label}" if n == 1 else f"{n} {label}s"


def runs(axis: TimeAxis, chosen: Sequence[int] | NDArray[np.int64]) -> list[Run]:
    """The chosen positions of an axis as runs of consecutive ones."""
    positions = np.asarray(chosen, np.int64)
    if positions.size == 0:
        return []
    found = []
    for part in np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1):
        first, last, after = axis.times_at([part[0], part[-1], part[-1] + 1])
        within_days = axis.step.is_fixed and axis.step.seconds < _DAY
        midnights = all(" " not in stamp_text(stamp) for stamp in (first, after))
        found.append(Run(first, last, int(part.size), within_days and midnights))
    return found


def listing(items: Sequence[str], separator: str = ", ") -> str:
    """Items one after the other, the end of a long list left out."""
    shown = list(items[:_LONGEST_LIST])
    if len(items) > len(shown):
        shown.append(f"and {len(items) - len(shown)} more")
    return separator.join(shown)


def percentage(share: float) -> str:
    """A share in percent, as precise as it must be."""
    percent = 100 * share
    return "under 0.01 %" if 0 < percent < 0.01 else f"{percent:.2g} %"
