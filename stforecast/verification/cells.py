"""Errors summed over cells and initial times, per system, variable, group and region.

Sums of squares are summed and divided at the very end, so that the root is taken of the mean over
all cells and initial times, and is never a mean of roots.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.verification.pieces import Floats, Layout, Piece, add_at, collect

Scores = dict[str, tuple[tuple[str, ...], Any]]


class Statistic(ABC):
    """Sums over all pieces, from which scores are made at the end.

    ``totals`` names the attributes that are such sums, arrays or mappings to arrays.
    """

    totals: ClassVar[tuple[str, ...]]

    def sums(self) -> list[NDArray[Any]]:
        """All sums so far, in a fixed order; each may be added to in place."""
        found: list[NDArray[Any]] = []
        for name in self.totals:
            total = getattr(self, name)
            found += total.values() if isinstance(total, Mapping) else [total]
        return found

    @abstractmethod
    def add(self, piece: Piece) -> None:
        """Take in a piece."""

    @abstractmethod
    def scores(self) -> Scores:
        """By name: dimensions and values; NaN where nothing was compared."""


class CellSums(Statistic):
    """Squared, absolute and signed errors; and those of each initial and lead time for themselves.

    ``case_squares`` (systems, variables, inits, leads, regions) and ``case_weight`` (variables,
    inits, leads, regions) are what intervals are drawn from.
    """

    totals = ("errors", "magnitude", "weight", "count")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        shape = (len(layout.variables), *layout.sizes)
        systems = len(layout.systems)
        self.errors = {
            name: np.zeros((systems, *shape)) for name in ("squares", "absolute", "signed")
        }
        self.magnitude = np.zeros(shape)
        self.weight = np.zeros(shape)
        self.count = np.zeros(shape, np.int64)
        cases = (len(layout.variables), layout.inits, layout.leads, layout.weights.shape[1])
        self.case_weight = np.zeros(cases)
        self.case_squares = np.zeros((systems, *cases))
        self._inside = (layout.weights > 0).astype(np.float64)
        self._inside[:, 0] = 1.0

    def cases(self) -> list[NDArray[Any]]:
        """The sums of each initial and lead time."""
        return [self.case_weight, self.case_squares]

    def add(self, piece: Piece) -> None:
        place, weights = (piece.variable,), self.layout.weights
        weight = piece.common @ weights
        collect(self.weight, place, piece.codes, weight)
        collect(self.count, place, piece.codes, np.rint(piece.common @ self._inside))
        collect(self.magnitude, place, piece.codes, piece.sums(np.abs(piece.truth), weights))
        case = (piece.variable, piece.inits, piece.leads)
        add_at(self.case_weight, case, weight)
        for system in range(len(piece.values)):
            error = piece.error(system)
            if piece.missing is not None:
                error[piece.missing] = 0.0
            collect(self.errors["signed"], (system, *place), piece.codes, error @ weights)
            np.abs(error, out=error)
            collect(self.errors["absolute"], (system, *place), piece.codes, error @ weights)
            np.square(error, out=error)
            squares = error @ weights
            collect(self.errors["squares"], (system, *place), piece.codes, squares)
            add_at(self.case_squares[system], case, squares)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, *self.layout.dims)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = {name: total / self.weight for name, total in self.errors.items()}
            magnitude = self.magnitude / self.weight
            wape = 100 * means["absolute"] / np.where(magnitude > 0, magnitude, np.nan)
        return {
            "rmse": (dims, np.sqrt(means["squares"])),
            "mae": (dims, means["absolute"]),
            "bias": (dims, means["signed"]),
            "mse": (dims, means["squares"]),
            "wape": (dims, wape),
            "observed_magnitude": (dims[1:], magnitude),
            "weight": (dims[1:], self.weight),
            "count": (dims[1:], self.count),
        }


class RelativeErrors(Statistic):
    """Errors as shares of what was observed, where that is large enough."""

    totals = ("total", "weight")

    def __init__(self, layout: Layout, threshold: float) -> None:
        self.layout = layout
        self.threshold = threshold
        shape = (len(layout.variables), *layout.sizes)
        self.total = np.zeros((len(layout.systems), *shape))
        self.weight = np.zeros(shape)

    def add(self, piece: Piece) -> None:
        weights, size = self.layout.weights, np.abs(piece.truth, dtype=np.float64)
        enough = piece.common & (size >= self.threshold)
        collect(self.weight, (piece.variable,), piece.codes, enough @ weights)
        for system in range(len(piece.values)):
            share = np.zeros_like(size)
            np.divide(np.abs(piece.error(system)), size, out=share, where=enough)
            place = (system, piece.variable)
            collect(self.total, place, piece.codes, share @ weights)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, *self.layout.dims)
        with np.errstate(invalid="ignore", divide="ignore"):
            mape = 100 * self.total / self.weight
        return {"mape": (dims, mape), "mape_weight": (dims[1:], self.weight)}


class Anomalies(Statistic):
    """Products of departures from a climatology, which is one of the systems."""

    totals = ("products", "weight")

    def __init__(self, layout: Layout, climatology: int) -> None:
        self.layout = layout
        self.climatology = climatology
        shape = (len(layout.variables), *layout.sizes)
        systems = len(layout.systems)
        self.products: Mapping[str, Floats] = {
            name: np.zeros((systems, *shape)) for name in ("product", "forecast", "observed")
        }
        self.weight = np.zeros(shape)

    def add(self, piece: Piece) -> None:
        weights = self.layout.weights
        usual = piece.values[self.climatology].mean.astype(np.float64)
        observed = piece.truth - usual
        collect(self.weight, (piece.variable,), piece.codes, piece.common @ weights)
        squares = piece.sums(observed**2, weights)
        for system, values in enumerate(piece.values):
            place = (system, piece.variable)
            forecast = values.mean - usual
            products = piece.sums(forecast * observed, weights)
            collect(self.products["product"], place, piece.codes, products)
            own = piece.sums(forecast**2, weights)
            collect(self.products["forecast"], place, piece.codes, own)
            collect(self.products["observed"], place, piece.codes, squares)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, *self.layout.dims)
        with np.errstate(invalid="ignore", divide="ignore"):
            sizes = np.sqrt(self.products["forecast"]) * np.sqrt(self.products["observed"])
            acc = self.products["product"] / np.where(sizes > 0, sizes, np.nan)
            forecast = np.sqrt(self.products["forecast"] / self.weight)
            observed = np.sqrt(self.products["observed"][0] / self.weight)
        return {
            "acc": (dims, acc),
            "anomaly_forecast": (dims, forecast),
            "anomaly_observed": (dims[1:], observed),
        }
