"""The best that straight lines can do: a ridge regression for each cell, variable and lead time.

Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634, in closed form. The training period is
read piece by piece; of it stay the sums of products of the inputs of each cell, which all fits,
those of fewer inputs too, are solved from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.climatology import clock
from stforecast.climatology.frames import Fields, Frames, Positions
from stforecast.climatology.means import zeros
from stforecast.verification.predictors import Reference, Task, latest_known
from stforecast.verification.usual import tells_weeks, usual

Floats = NDArray[np.float64]

# A share of the variance of the inputs, that is this many times the samples.
PENALTY = 1e-3
# Bytes of the inputs, and of the sums of their products, that are held at once.
_INPUTS = 64 * 2**20
_PRODUCTS = 64 * 2**20


class Linear(Reference):
    """A ridge regression per cell, variable and lead time.

    Inputs: the fields of the history, what is usual at their times and at the valid time, the last
    departure from it, what is usual at the valid time times how full the history was beside what is
    usual (variables that are never negative), and the same hour of the day and of the week before.
    Where one of them is missing, the forecast is that of a fit without it: without the week, the
    day, both, all of the history but its last field, and at last what is usual.
    """

    name = "linear"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        step = self.store.axis.step
        self.usual = usual(task)
        periods = {"day": clock.SECONDS_PER_DAY} if step.is_fixed else {}
        if tells_weeks(task):
            periods["week"] = 7 * clock.SECONDS_PER_DAY
        self.lags = {
            name: latest_known(self.leads, seconds // step.seconds)
            for name, seconds in periods.items()
            if seconds % step.seconds == 0 and seconds > step.seconds
        }
        self.columns = _columns(self.history, list(self.lags))
        self.fits = self.learn(self._fit)

    def _fit(self, sequences: Sequence[Frames]) -> "_Fits":
        """All fits, of the samples of some sequences together."""
        shape = sequences[0].shape
        channels, cells = shape[0], int(np.prod(shape))
        lowest = np.full(channels, np.inf)
        for frames in sequences:
            for _, fields in frames.period(*self.train):
                flat = fields.reshape(len(fields), channels, -1)
                lowest = np.fmin(lowest, np.nanmin(flat, axis=(0, 2), initial=np.inf))
        floors: Floats = np.repeat(lowest, cells // channels)
        positive = floors >= 0
        width = len(self.columns) + 2
        found = zeros((len(_LADDER), len(self.leads), cells, width - 1), np.float64)
        step = max(1, _PRODUCTS // (8 * len(self.leads) * width**2))
        for first in range(0, cells, step):
            part = slice(first, first + step)
            products = self._products(sequences, part, positive[part])
            for number, left_out in enumerate(_LADDER):
                chosen = [left_out.isdisjoint(kinds) for kinds in self.columns]
                found[number, :, part] = _solve(products, np.array(chosen))
        return _Fits(found, positive)

    def _products(
        self, sequences: Sequence[Frames], part: slice, positive: NDArray[np.bool_]
    ) -> Floats:
        """Sums of products (leads, cells, p + 2, p + 2) of inputs, 1 and target over samples."""
        cells, width = len(positive), len(self.columns) + 2
        total = np.zeros((len(self.leads), cells, width, width))
        step = max(1, _INPUTS // (8 * cells * width))
        for frames in sequences:
            for first in range(*self.train, step):
                inits = np.arange(first, min(first + step, self.train[1]))
                known = self._known(frames, inits, part, with_targets=True)
                for number in range(len(self.leads)):
                    table = self._inputs(known, inits, number, positive, beside=2)
                    table[:, -2] = 1.0
                    table[:, -1] = known.fields(inits + self.leads[number])
                    sample = np.asarray(np.isfinite(table).all(axis=1))
                    if not sample.all():
                        table = np.where(sample[:, None], table, 0.0)
                    total[number] += np.matmul(table, table.transpose(0, 2, 1))
        return total

    def _known(
        self, frames: Frames, inits: Positions, part: slice, *, with_targets: bool = False
    ) -> "_Known":
        """What inputs are made of; with the targets, within the training period alone."""
        past = [inits - back for back in range(self.history)]
        past += [inits + offset for offsets in self.lags.values() for offset in offsets]
        targets = [inits + lead for lead in self.leads]
        read = np.unique(np.concatenate([*past, *targets] if with_targets else past))
        fields = _cells(frames.take(read), part)
        if with_targets:
            fields[:, (read < self.train[0]) | (read >= self.train[1])] = np.nan
        times = np.unique(np.concatenate([*past[: self.history], *targets]))
        means = _cells(self.usual.at(times, frames.sequence), part)
        return _Known(read, fields, times, means)

    def _inputs(
        self,
        known: "_Known",
        inits: Positions,
        number: int,
        positive: NDArray[np.bool_],
        beside: int,
    ) -> Floats:
        """Inputs (cells, p + beside, inits) for a lead time, in the order of the columns."""
        table = np.empty((len(positive), len(self.columns) + beside, len(inits)))
        at_valid = known.usual(inits + self.leads[number])
        table[:, 0] = known.fields(inits)
        table[:, 1] = known.usual(inits)
        table[:, 2] = at_valid
        np.subtract(table[:, 0], table[:, 1], out=table[:, 3])
        full, expected = table[:, 0].copy(), table[:, 1].copy()
        for back in range(1, self.history):
            table[:, 2 + 2 * back] = known.fields(inits - back)
            table[:, 3 + 2 * back] = known.usual(inits - back)
            full += table[:, 2 + 2 * back]
            expected += table[:, 3 + 2 * back]
        # where nothing is expected, nothing can be fuller; without a zero a ratio has no meaning
        ratio = np.ones_like(full)
        np.divide(full, expected, out=ratio, where=expected > 1e-6 * self.history)
        scaled = 2 + 2 * self.history
        np.multiply(ratio, at_valid, out=table[:, scaled])
        table[~positive, scaled] = 0.0
        for place, offsets in enumerate(self.lags.values()):
            table[:, scaled + 1 + place] = known.fields(inits + offsets[number])
        return table

    def fields(self, inits: Positions, sequence: int) -> Fields:
        frames, fits = self.frames[sequence], self.fits[sequence]
        cells = len(fits.positive)
        result = np.empty((len(inits), len(self.leads), cells), np.float32)
        step = max(1, _INPUTS // (8 * cells * (len(self.columns) + 1)))
        for first in range(0, len(inits), step):
            part = slice(first, first + step)
            known = self._known(frames, inits[part], slice(None))
            for number in range(len(self.leads)):
                table = self._inputs(known, inits[part], number, fits.positive, beside=1)
                table[:, -1] = 1.0
                result[part, number] = fits.forecast(table, number).T
        return result.reshape(len(inits), len(self.leads), *self.store.shape[1:])

    def describe(self) -> str:
        lags = " and ".join(self.lags)
        before = f", the same hour a {lags} before" if lags else ""
        return (
            f"ridge regression per cell, variable and lead time (penalty {PENALTY:g} x samples, "
            f"inputs standardised) on the last {self.history} fields, what is usual at their times "
            "and at the valid time, the last departure from it, the usual scaled by how full the "
            f"last fields were{before}; where one is missing, a fit without it, at last the usual; "
            "not below zero where the training period never is; usual: "
            f"{self.usual.describe()}"
        )


# Which kinds of inputs are left out, from the best fit down.
_LADDER: tuple[frozenset[str], ...] = (
    frozenset(),
    frozenset({"week"}),
    frozenset({"day"}),
    frozenset({"week", "day"}),
    frozenset({"week", "day", "history"}),
)


def _columns(history: int, lags: list[str]) -> list[set[str]]:
    """What each input is of; that of none is in every fit."""
    last: list[set[str]] = [set(), set(), set(), set()]
    return [*last, *[{"history"}] * (2 * (history - 1) + 1), *({lag} for lag in lags)]


def _cells(fields: Fields, part: slice) -> Floats:
    """Some cells of fields (n, C, H, W), as (cells, n)."""
    flat = fields.reshape(len(fields), -1)[:, part]
    return np.ascontiguousarray(flat.T, np.float64)


@dataclass(frozen=True)
class _Known:
    """Fields, and what is usual, of some cells at some times."""

    read: Positions
    values: Floats
    times: Positions
    means: Floats

    def fields(self, positions: Positions) -> Floats:
        return self.values[:, np.searchsorted(self.read, positions)]

    def usual(self, positions: Positions) -> Floats:
        return self.means[:, np.searchsorted(self.times, positions)]


@dataclass(frozen=True)
class _Fits:
    """Weights (ladder, leads, cells, p + 1), the intercept last, and the cells never below zero."""

    weights: NDArray[Any]
    positive: NDArray[np.bool_]

    def forecast(self, table: Floats, number: int) -> Floats:
        """Forecasts (cells, inits) for a lead time from inputs (cells, p + 1, inits)."""
        known = np.isfinite(table)
        whole = known.all(axis=1)
        result: Floats = np.matmul(self.weights[0, number][:, None], table)[:, 0]
        lacking = ~whole.all(axis=0) | ~np.isfinite(result).all(axis=0)
        if lacking.any():
            part = self._stepped_down(table[..., lacking], known[..., lacking], number)
            result[:, lacking] = part
        return np.where(self.positive[:, None] & (result < 0), 0.0, result)

    def _stepped_down(self, table: Floats, known: NDArray[np.bool_], number: int) -> Floats:
        """The best forecast that the inputs known allow."""
        result = table[:, 2].copy()
        filled = np.where(known, table, 0.0)
        for weights in self.weights[::-1, number]:
            # an input that a fit leaves out weighs nothing
            possible = (known | (weights == 0)[..., None]).all(axis=1)
            made = np.matmul(weights[:, None], filled)[:, 0]
            result = np.where(possible & np.isfinite(made), made, result)
        return result


def _solve(products: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Weights of the raw inputs and the intercept, (leads, cells, p + 1).

    The inputs chosen are standardised; others, and those that never change, weigh nothing. NaN
    where there are no more samples than inputs.
    """
    samples = products[..., -2, -2]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = products[..., -2, :] / samples[..., None]
        spread = products / samples[..., None, None] - mean[..., :, None] * mean[..., None, :]
    variance = np.diagonal(spread, axis1=-2, axis2=-1)[..., :-2]
    changing = chosen & (variance > 1e-12 * mean[..., :-2] ** 2)
    scale = np.sqrt(np.where(changing, variance, 1.0))
    both = changing[..., :, None] & changing[..., None, :]
    matrix = np.where(both, spread[..., :-2, :-2] / scale[..., :, None] / scale[..., None, :], 0.0)
    matrix += PENALTY * np.eye(matrix.shape[-1])
    right = np.where(changing, spread[..., :-2, -1] / scale, 0.0)
    weights = np.linalg.solve(matrix, right[..., None])[..., 0] / scale
    intercept = mean[..., -1] - (weights * np.nan_to_num(mean[..., :-2])).sum(axis=-1)
    result = np.concatenate([weights, intercept[..., None]], axis=-1)
    result[samples <= chosen.sum()] = np.nan
    return result
