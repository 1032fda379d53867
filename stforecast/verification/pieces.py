"""Fields of all systems beside what was observed, in pieces that stay in the processor's cache."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fields = NDArray[np.float32]
Floats = NDArray[np.float64]
# Cells of the fields that are compared at once: 4 MiB of float64, which stay in the cache.
_CELLS_AT_ONCE = 2**19


@dataclass(frozen=True)
class Values:
    """What one system forecasts of a variable.

    ``mean`` (init, lead, …, y, x) is its forecast, of an ensemble the mean; ``members``
    (init, lead, …, member, y, x); ``bounds`` of an interval, each like the mean. In a piece, fields
    and cells are flat: (n, cells) and (n, member, cells).
    """

    mean: Fields
    members: Fields | None = None
    bounds: tuple[Fields, Fields] | None = None

    def flat(self, cells: int) -> "Values":
        """With fields one after the other, and their cells in a row."""
        return Values(
            self.mean.reshape(-1, cells),
            None if self.members is None else self.members.reshape(-1, self.n_members, cells),
            None
            if self.bounds is None
            else (self.bounds[0].reshape(-1, cells), self.bounds[1].reshape(-1, cells)),
        )

    @property
    def n_members(self) -> int:
        """How many members there are; 1 for a forecast without."""
        return 1 if self.members is None else self.members.shape[-3 if self.mean.ndim > 2 else 1]

    def part(self, chosen: slice) -> "Values":
        """Some of the flat fields."""
        return Values(
            self.mean[chosen],
            None if self.members is None else self.members[chosen],
            None if self.bounds is None else (self.bounds[0][chosen], self.bounds[1][chosen]),
        )

    @cached_property
    def ordered(self) -> Fields:
        """The members of each cell from the lowest to the highest, (n, member, cells)."""
        members = self.mean[:, None] if self.members is None else self.members
        return np.sort(members, axis=1)

    def interval(self, coverage: float) -> tuple[Fields, Fields] | None:
        """The bounds given, else the quantiles of the members that hold this share of them."""
        if self.bounds is not None or self.members is None:
            return self.bounds
        last = self.n_members - 1
        return (
            _quantile(self.ordered, (1 - coverage) / 2 * last),
            _quantile(self.ordered, (1 + coverage) / 2 * last),
        )


def _quantile(ordered: Fields, place: float) -> Fields:
    """Between the two members beside a place, linearly (as numpy's quantile has it)."""
    below = int(place)
    above = min(below + 1, ordered.shape[1] - 1)
    share = np.float32(place - below)
    quantile: Fields = ordered[:, below] + share * (ordered[:, above] - ordered[:, below])
    return quantile


@dataclass(frozen=True)
class Layout:
    """What the sums of all statistics have in common.

    ``groups`` are the names and sizes of the groups that scores are told apart by; ``weights``
    (cells, regions) of the cells in each region, of which the first is the whole grid.
    """

    systems: Sequence[str]
    variables: Sequence[str]
    groups: dict[str, int]
    weights: Floats
    grid: tuple[int, int]
    inits: int
    leads: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the groups and regions, which are the last dimensions of most sums."""
        return (*self.groups.values(), self.weights.shape[1])

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the same."""
        return (*self.groups, "region")


@dataclass(frozen=True)
class Piece:
    """Some fields (n, cells) of one variable, by all systems.

    ``common`` (n, cells) says where the observations and every system have a value; ``codes`` (n,)
    which group a field belongs to, ``inits`` and ``leads`` which times.
    """

    variable: int
    truth: Fields
    common: NDArray[np.bool_]
    values: list[Values]
    codes: NDArray[np.int64]
    inits: NDArray[np.int64]
    leads: NDArray[np.int64]

    @cached_property
    def missing(self) -> NDArray[np.bool_] | None:
        """Where a value does not count; None where all do."""
        return None if self.common.all() else ~self.common

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """Which of the fields count in all of their cells."""
        return np.asarray(self.common.all(axis=1))

    def sums(self, values: Any, weights: Floats) -> Floats:
        """Sums (n, regions) over the cells that count, of values (n, cells) in float64."""
        if self.missing is not None:
            values = np.where(self.missing, 0.0, values)
        summed: Floats = values @ weights
        return summed

    def error(self, system: int) -> Floats:
        """Forecast less observation, in float64, as sums of many float32 squares lose digits."""
        error: Floats = np.subtract(self.values[system].mean, self.truth, dtype=np.float64)
        return error


def pieces(
    variable: int,
    truth: Fields,
    values: list[Values],
    codes: NDArray[np.int64],
    first_init: int,
) -> Iterator[Piece]:
    """Fields (init, lead, …, y, x) of a block in pieces; ``codes`` (init, lead)."""
    cells = int(np.prod(truth.shape[-2:]))
    beside = int(np.prod(truth.shape[2:-2]))
    inits, leads = np.indices(codes.shape)
    flat = [item.flat(cells) for item in values]
    observed = truth.reshape(-1, cells)
    of_fields = [np.repeat(item.ravel(), beside) for item in (codes, inits + first_init, leads)]
    step = max(1, _CELLS_AT_ONCE // cells)
    for first in range(0, len(observed), step):
        part = slice(first, first + step)
        chosen = [item.part(part) for item in flat]
        common = np.isfinite(observed[part])
        for item in chosen:
            common &= np.isfinite(item.mean)
            for bound in item.bounds or ():
                common &= np.isfinite(bound)
        code, init, lead = (item[part] for item in of_fields)
        yield Piece(variable, observed[part], common, chosen, code, init, lead)


def collect(
    totals: NDArray[Any], place: tuple[Any, ...], codes: NDArray[np.int64], values: NDArray[Any]
) -> None:
    """Add values (n, regions) to the groups they belong to, in the part of totals at `place`.

    That part is (*groups, regions).
    """
    part = totals[place]
    flat = part.reshape(-1, part.shape[-1])
    for region in range(flat.shape[1]):
        summed = np.bincount(codes, weights=values[:, region], minlength=len(flat))
        flat[:, region] += summed.astype(totals.dtype)
    totals[place] = flat.reshape(part.shape)


def add_at(totals: NDArray[Any], place: Any, values: Any) -> None:
    """Add values at places of the totals, also where places come more than once."""
    np.add.at(totals, place, values)
