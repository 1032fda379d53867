"""The sums that scores are made of, part by part: each from nothing, then added in order.

So they are the same, to the last digit, whoever makes them: this process or the workers of a
cluster.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stforecast import cluster
from stforecast.verification.details import Details
from stforecast.verification.framewise import FrameScaling, FrameSums
from stforecast.verification.pieces import Layout, pieces
from stforecast.verification.statistics import Statistics
from stforecast.verification.systems import Block, Comparison

Progress = Callable[[int, int], None]
Arrays = list[NDArray[np.generic]]

# Bytes of the fields of one system that are held at once.
_BLOCK = 32 * 2**20
# Blocks whose sums are made together: sums of each cell are as large as a field or larger.
_TOGETHER = 4
# Bytes of what is compared, if it is not in files, that are sent to the workers of a cluster.
_SENT = 512 * 2**20


@dataclass(frozen=True)
class Sums:
    """Sums of statistics and of frames."""

    statistics: Statistics
    frames: FrameSums | None

    def arrays(self) -> tuple[Arrays, Arrays]:
        """All sums, and those of each initial time, which is the third axis from the end."""
        found = self.statistics.sums()
        if self.frames is not None:
            found += self.frames.sums()
        return found, self.statistics.cells.cases()

    def take(self, part: tuple[Arrays, Arrays], inits: slice) -> None:
        """Add the sums of a part, which has some of the initial times."""
        totals, cases = self.arrays()
        for total, found in zip(totals, part[0], strict=True):
            np.add(total, found, out=total)
        for total, found in zip(cases, part[1], strict=True):
            chosen = total[..., inits, :, :]
            np.add(chosen, found, out=chosen)


@dataclass(frozen=True)
class Plan:
    """What is compared, in which groups, and which sums are made of it.

    ``codes`` (init, lead) tell the group of each field.
    """

    comparison: Comparison
    layout: Layout
    metrics: Sequence[str]
    details: Details
    stated: dict[str, float]
    of_frames: Sequence[str]
    scaling: FrameScaling
    codes: NDArray[np.int64]

    def sums(self, inits: int | None = None) -> Sums:
        """Sums of nothing, for all initial times or for so many."""
        layout = self.layout if inits is None else replace(self.layout, inits=inits)
        rows_and_columns = (self.comparison.dims[-2], self.comparison.dims[-1])
        members = [system.members for system in self.comparison.systems]
        statistics = Statistics(
            layout, self.metrics, self.details, members, self.stated, rows_and_columns
        )
        if not self.of_frames:
            return Sums(statistics, None)
        frames = FrameSums(
            self.of_frames,
            self.scaling,
            layout.variables,
            len(layout.systems),
            tuple(layout.groups.values()),
        )
        return Sums(statistics, frames)

    def parts(self) -> Iterator[list[Block]]:
        """Blocks that follow one another, some at a time."""
        blocks = list(self.comparison.blocks(_BLOCK))
        for first in range(0, len(blocks), _TOGETHER):
            yield blocks[first : first + _TOGETHER]


def count(plan: Plan, progress: Progress | None = None) -> Sums:
    """The sums of all fields, made by the workers of a cluster where there is one.

    ``progress`` is told how many initial times of how many are done.
    """
    total = plan.sums()
    parts = list(plan.parts())
    client = cluster.current_client()
    if client is not None and cluster.can_send(plan, _SENT):
        made = cluster.spread(_summed, ((part,) for part in parts), common=plan, client=client)
    else:
        made = _summed_here(plan, parts)
    for part, found in zip(parts, made, strict=True):
        inits = _inits(part)
        total.take(found, inits)
        if progress is not None:
            progress(min(inits.stop, plan.layout.inits), plan.layout.inits)
    return total


def _summed_here(plan: Plan, parts: list[list[Block]]) -> Iterator[tuple[Arrays, Arrays]]:
    with cluster.here():
        for part in parts:
            yield _summed(plan, part)


def _summed(plan: Plan, part: list[Block]) -> tuple[Arrays, Arrays]:
    """The sums of some blocks: see :meth:`Sums.arrays`."""
    inits = _inits(part)
    number = min(inits.stop, plan.layout.inits) - inits.start
    sums = plan.sums(number)
    for block in part:
        _add(plan, block, inits.start, sums)
    return sums.arrays()


def _inits(part: list[Block]) -> slice:
    return slice(part[0].inits.start, part[-1].inits.stop)


def _add(plan: Plan, block: Block, first: int, sums: Sums) -> None:
    """Take in a block of fields; initial times are counted from the first of the part."""
    comparison, frames = plan.comparison, sums.frames
    codes = plan.codes[block.inits]
    truths = comparison.truth(block)
    by_system = [system.values(comparison.variables, block) for system in comparison.systems]
    if frames is not None:
        frames.begin()
    for number, variable in enumerate(comparison.variables):
        values = [found[number] for found in by_system]
        for piece in pieces(number, truths[number], values, codes, block.inits.start - first):
            sums.statistics.add(piece)
        if frames is not None:
            frames.add(variable, truths[number], [item.mean for item in values])
    if frames is not None:
        frames.end(codes)
