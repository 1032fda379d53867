"""Whether thresholds are reached: contingency tables, and fractions of neighbourhoods."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError
from stforecast.verification.cells import Scores, Statistic
from stforecast.verification.pieces import Fields, Floats, Layout, Piece, collect

Thresholds = Mapping[str, Sequence[float]]

THRESHOLD = "threshold"
SCALE = "scale"


def all_thresholds(thresholds: Thresholds, variables: Sequence[str]) -> Floats:
    """The thresholds of all variables in order; ConfigError for a variable that is not scored."""
    for name in thresholds:
        if name not in variables:
            raise ConfigError(
                f"verification.thresholds has the variable {name}, which is not scored; there are "
                f"{', '.join(variables)}"
            )
    found = {float(value) for values in thresholds.values() for value in values}
    return np.array(sorted(found), np.float64)


class Events(Statistic):
    """Weights of hits, misses and false alarms: an event is a value of the threshold or above."""

    totals = ("tables",)

    def __init__(self, layout: Layout, thresholds: Thresholds) -> None:
        self.layout = layout
        self.thresholds = all_thresholds(thresholds, layout.variables)
        self.wanted = [set(map(float, thresholds.get(name, ()))) for name in layout.variables]
        shape = (len(layout.systems), len(layout.variables), len(self.thresholds), *layout.sizes)
        self.tables = {name: np.full(shape, np.nan) for name in ("hits", "misses", "false_alarms")}
        for number, wanted in enumerate(self.wanted):
            for at in np.flatnonzero([value in wanted for value in self.thresholds]):
                for table in self.tables.values():
                    table[:, number, at] = 0.0

    def add(self, piece: Piece) -> None:
        weights, codes = self.layout.weights, piece.codes
        for at, threshold in enumerate(self.thresholds):
            if threshold not in self.wanted[piece.variable]:
                continue
            level = np.float32(threshold)  # a value that is written alike is not below it
            observed = piece.common & (piece.truth >= level)
            for system, values in enumerate(piece.values):
                forecast = piece.common & (values.mean >= level)
                place = (system, piece.variable, at)
                both = (forecast & observed) @ weights
                collect(self.tables["hits"], place, codes, both)
                collect(self.tables["misses"], place, codes, (observed & ~forecast) @ weights)
                alarms = (forecast & ~observed) @ weights
                collect(self.tables["false_alarms"], place, codes, alarms)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, THRESHOLD, *self.layout.dims)
        found = dict(self.tables)
        found |= event_scores(found["hits"], found["misses"], found["false_alarms"])
        return {name: (dims, values) for name, values in found.items()}


def event_scores(hits: Floats, misses: Floats, false_alarms: Floats) -> dict[str, Floats]:
    """Scores of contingency tables; NaN where there was no event to judge by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "csi": hits / (hits + misses + false_alarms),
            "pod": hits / (hits + misses),
            "far": false_alarms / (hits + false_alarms),
            "frequency_bias": (hits + false_alarms) / (hits + misses),
        }


class Fractions(Statistic):
    """Squares of differences of the fractions of neighbourhoods that events fill.

    Neighbourhoods are squares of so many cells a side that lie within the grid and lack no cell;
    one belongs to the regions of the cell in its middle. Areas do not weigh.
    """

    totals = ("differences", "largest")

    def __init__(self, layout: Layout, thresholds: Thresholds, scales: Sequence[int]) -> None:
        self.layout = layout
        self.thresholds = all_thresholds(thresholds, layout.variables)
        self.wanted = [set(map(float, thresholds.get(name, ()))) for name in layout.variables]
        self.scales = list(scales)
        height, width = layout.grid
        for scale in self.scales:
            if scale > min(height, width):
                raise ConfigError(
                    f"verification.fss_scales has {scale}, and the grid has {height} × {width} "
                    "cells; give scales that fit into it"
                )
        shape = (
            *(len(layout.systems), len(layout.variables), len(self.thresholds), len(self.scales)),
            *layout.sizes,
        )
        self.differences, self.largest = np.zeros(shape), np.zeros(shape)
        regions = (layout.weights > 0).astype(np.float64).T.reshape(-1, height, width)
        regions[0] = 1.0
        self.regions = [
            regions[
                :,
                (scale - 1) // 2 : (scale - 1) // 2 + height - scale + 1,
                (scale - 1) // 2 : (scale - 1) // 2 + width - scale + 1,
            ].reshape(len(regions), -1)
            for scale in self.scales
        ]

    def add(self, piece: Piece) -> None:
        for at, threshold in enumerate(self.thresholds):
            if threshold not in self.wanted[piece.variable]:
                continue
            level = np.float32(threshold)  # a value that is written alike is not below it
            observed = self._integral(piece.common & (piece.truth >= level))
            known = self._integral(piece.common)
            events = [self._integral(piece.common & (item.mean >= level)) for item in piece.values]
            for number, scale in enumerate(self.scales):
                whole = _windows(known, scale) == scale**2
                truth = _windows(observed, scale) / scale**2
                for system, event in enumerate(events):
                    fraction = _windows(event, scale) / scale**2
                    place = (system, piece.variable, at, number)
                    for totals, values in (
                        (self.differences, (fraction - truth) ** 2),
                        (self.largest, fraction**2 + truth**2),
                    ):
                        summed = np.where(whole, values, 0.0) @ self.regions[number].T
                        collect(totals, place, piece.codes, summed)

    def _integral(self, fields: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Sums of all cells above and left, with a row and a column of zeros before."""
        height, width = self.layout.grid
        result = np.zeros((len(fields), height + 1, width + 1), np.int64)
        result[:, 1:, 1:] = fields.reshape(-1, height, width)
        np.cumsum(result, axis=1, out=result)
        return np.cumsum(result, axis=2, out=result)

    def scores(self) -> Scores:
        dims = (names.SYSTEM, names.VARIABLE, THRESHOLD, SCALE, *self.layout.dims)
        with np.errstate(invalid="ignore", divide="ignore"):
            fss = 1 - self.differences / np.where(self.largest > 0, self.largest, np.nan)
        return {"fss": (dims, fss), "fss_weight": (dims, self.largest)}


def _windows(integral: NDArray[np.int64], side: int) -> Fields:
    """Sums (n, windows) over all squares of a side."""
    inner = (
        integral[:, side:, side:]
        - integral[:, :-side, side:]
        - integral[:, side:, :-side]
        + integral[:, :-side, :-side]
    )
    return inner.reshape(len(integral), -1).astype(np.float32)
