"""Scores of how sure a forecast is: of its members, and of intervals."""

from collections.abc import Sequence

import numpy as np

from stforecast import names
from stforecast.verification.cells import Scores, Statistic
from stforecast.verification.pieces import Floats, Layout, Piece, Values, collect


class EnsembleSums(Statistic):
    """CRPS and variance of the members. A forecast without members has its absolute error."""

    totals = ("crps", "variance", "weight")

    def __init__(self, layout: Layout, members: Sequence[int]) -> None:
        """``members`` of each system, 1 for one that has none."""
        self.layout = layout
        shape = (len(layout.systems), len(layout.variables), *layout.sizes)
        self.crps = np.zeros(shape)
        self.variance = np.zeros(shape)
        self.weight = np.zeros(shape[1:])
        self.members = np.array(members, np.int64)

    def add(self, piece: Piece) -> None:
        weights = self.layout.weights
        collect(self.weight, (piece.variable,), piece.codes, piece.common @ weights)
        for system, values in enumerate(piece.values):
            place = (system, piece.variable)
            crps = piece.sums(fair_crps(values, piece.truth), weights)
            collect(self.crps, place, piece.codes, crps)
            if values.n_members > 1:
                variance = values.ordered.var(axis=1, ddof=1, dtype=np.float64)
                collect(self.variance, place, piece.codes, piece.sums(variance, weights))

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, *self.layout.dims)
        with np.errstate(invalid="ignore", divide="ignore"):
            crps, variance = self.crps / self.weight, self.variance / self.weight
        variance[self.members == 1] = np.nan
        return {
            "crps": (dims, crps),
            "spread": (dims, np.sqrt(variance)),
            "members": ((names.SYSTEM,), self.members),
        }


def fair_crps(values: Values, truth: np.ndarray) -> Floats:
    """The fair CRPS (n, cells) of members, or the absolute error of a single forecast.

    mean |x - y| - sum over pairs |x_i - x_j| / (M (M - 1)), each pair once (Ferro 2014,
    doi:10.1002/qj.2270).
    """
    members = values.n_members
    if members == 1:
        error: Floats = np.abs(np.subtract(values.mean, truth, dtype=np.float64))
        return error
    ordered = values.ordered
    result = np.zeros(truth.shape)
    for rank in range(members):
        # the member of this rank is the greater in `rank` pairs and the smaller in the others
        share = (2 * rank - members + 1) / (members * (members - 1))
        member = ordered[:, rank].astype(np.float64)
        result += np.abs(member - truth) / members - share * member
    return result


class IntervalSums(Statistic):
    """How often observations lie within an interval, and how wide it is."""

    totals = ("parts", "weight", "of_members")

    def __init__(self, layout: Layout, coverage: float, stated: dict[str, float]) -> None:
        """``coverage`` of intervals of members; ``stated`` that of the bounds of a system."""
        self.layout = layout
        self.coverage = coverage
        self.stated = [stated.get(name, np.nan) for name in layout.systems]
        shape = (len(layout.systems), len(layout.variables), *layout.sizes)
        self.parts = {name: np.zeros(shape) for name in ("inside", "width", "outside")}
        self.weight = np.zeros(shape)
        # systems whose intervals are those of their members
        self.of_members = np.zeros(len(layout.systems), np.bool_)

    def add(self, piece: Piece) -> None:
        weights = self.layout.weights
        weight = piece.common @ weights
        for system, values in enumerate(piece.values):
            found = values.interval(self.coverage)
            if found is None:
                continue
            if values.bounds is None:
                self.of_members[system] = True
            lower, upper = (bound.astype(np.float64) for bound in found)
            truth, place = piece.truth, (system, piece.variable)
            inside = (truth >= lower) & (truth <= upper)
            outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
            for name, of_cells in (
                ("inside", inside),
                ("width", upper - lower),
                ("outside", outside),
            ):
                collect(self.parts[name], place, piece.codes, piece.sums(of_cells, weights))
            collect(self.weight, place, piece.codes, weight)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, *self.layout.dims)
        stated = np.where(self.of_members, self.coverage, self.stated)
        alpha = 1 - stated.reshape(-1, *(1,) * (len(dims) - 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            inside, width, outside = (self.parts[name] / self.weight for name in self.parts)
            score = width + 2 / alpha * outside
        return {
            "coverage": (dims, inside),
            "interval_width": (dims, width),
            "interval_score": (dims, score),
            "stated_coverage": ((names.SYSTEM,), stated),
        }
