"""Intervals of stated coverage, and spreads of the size of the error, from forecasts of the past.

Split conformal prediction (Vovk, Gammerman and Shafer 2005; Lei et al. 2018): the errors of
forecasts that the model did not learn from say how far the next ones will err. Errors are signed,
so that intervals need not be symmetric, and are told apart by lead time, variable, cell and how
high the forecast is (Mondrian classes): each cell has classes between quantiles of its own
forecasts. Cells whose errors are of like size share their classes, scaled by that size, where
forecasts are too few for one cell alone.

Forecasts whose times overlap err together, however many there are, and so do all cells of a day.
How large errors are is then known from no more than the stretches of time that do not overlap;
where these are few, intervals are wider by as much as Student's t (1908) is wider than the normal
law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from stforecast.errors import ConfigError
from stforecast.forecast.apart import (
    FEWEST_STRETCHES,
    LARGEST_FACTOR,
    exponent_of,
    factor_of,
    over_grid,
)

Floats = NDArray[np.float32]

# Coverages whose intervals are kept; between them they are interpolated.
COVERAGES: Final = np.round(
    np.concatenate([np.arange(0.1, 0.95, 0.05), np.arange(0.95, 0.995, 0.01)]), 3
)
# Coverages that are tried where a variable has bounds.
_TRIED: Final = np.round(
    np.concatenate([np.arange(0.02, 0.9, 0.02), np.arange(0.9, 0.999, 0.005)]), 3
)
# Forecasts of a cell that a further class takes, classes at most, errors of one class of a group of
# cells, and groups at most. Chosen on TaxiNYC, on halves of a validation month and on an earlier
# year: with fewer errors to a class intervals cover too little, with one class they are wider.
_PER_CLASS = 150
_CLASSES = 5
_ERRORS = 150
_GROUPS = 256
# Errors without which a class is no class of its own.
_FEWEST = 20


class Bounds(NamedTuple):
    """Physical bounds of each value, of the shape of what they are bounds of."""

    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class Tables:
    """What past errors say, for L lead times and C variables on a grid.

    edges: (N - 1, L, C, H, W), forecasts between the N classes of each cell. scale: (L, C, H, W),
    mean absolute error. group: (L, C, H, W), which of G groups a cell is in. ends: (4, Q, L, C, G,
    N), error ÷ scale at the lower and the upper end of intervals of :data:`COVERAGES`, and at each
    end where all that may be missed is missed there. factor: (L, C, G, N), by how much the members
    of an ensemble are to be drawn apart from their mean; ones without members. level: (L, C), the
    usual variance of members so drawn apart, averaged over the grid. told: (L, C), the exponent
    with which the mean squared error of a time grows with that variance, see :func:`exponent_of`.
    minimum, maximum: (C,), bounds of the variables.
    """

    edges: Floats
    scale: Floats
    group: NDArray[np.int32]
    ends: Floats
    factor: Floats
    level: Floats
    told: Floats
    minimum: Floats
    maximum: Floats

    @property
    def lead_times(self) -> int:
        """How many lead times there are tables for."""
        return int(self.scale.shape[0])

    def bounds(self, forecast: Floats, coverage: float) -> Bounds:
        """The interval of each forecast (..., L', C, H, W), L' of the L lead times.

        Both ends miss equally often. Where the lower one lies below the variable's minimum nothing
        can fall short of it, and all that may be missed is missed above; likewise at the maximum.
        ConfigError for a coverage that the tables do not reach.
        """
        check_coverage(coverage)
        at = float(np.interp(coverage, COVERAGES, np.arange(COVERAGES.size)))
        below = min(int(at), COVERAGES.size - 2)
        share = at - below
        ends = (1 - share) * self.ends[:, below] + share * self.ends[:, below + 1]
        place = self._classes(forecast)
        scale = self.scale[: forecast.shape[-4]]
        low, high = (bound[:, None, None] for bound in (self.minimum, self.maximum))
        lower, upper = _interval(forecast, scale, [end[place] for end in ends], low, high)
        return Bounds(*(end.astype(np.float32) for end in (lower, upper)))

    def factors(self, forecast: Floats, variance: Floats) -> Floats:
        """The factor of the members around their mean (..., L', C, H, W), of the same shape.

        Args:
            forecast: the mean of the members (..., L', C, H, W).
            variance: of the members, as :func:`make_tables` has it, of the same shape.
        """
        factor = self.factor[self._classes(forecast)]
        leads = forecast.shape[-4]
        drawn = over_grid(factor**2 * variance)
        relative = drawn / self.level[:leads]
        # a power of the variance beside its usual size is how much of it is believed
        believed = np.where(relative > 0, relative, 1.0) ** (self.told[:leads] - 1)
        drawn_by: Floats = (factor * np.sqrt(believed)[..., None, None]).astype(np.float32)
        return np.minimum(drawn_by, LARGEST_FACTOR)

    def _classes(self, forecast: Floats) -> tuple[NDArray[np.intp], ...]:
        """Where in tables (L, C, G, N) each forecast finds its own."""
        leads, channels = forecast.shape[-4:-2]
        edges, group = self.edges[:, :leads], self.group[:leads]
        which = np.zeros(forecast.shape, np.intp)
        for edge in edges:
            which += forecast > edge
        lead = np.arange(leads)[:, None, None, None]
        channel = np.arange(channels)[:, None, None]
        parts = np.broadcast_arrays(lead, channel, group, which)
        return tuple(np.asarray(part, np.intp) for part in parts)


def check_coverage(coverage: float) -> None:
    """ConfigError for a coverage that no tables reach."""
    if not COVERAGES[0] <= coverage <= COVERAGES[-1]:
        raise ConfigError(
            f"an interval of coverage {coverage:g} cannot be given; choose one from "
            f"{COVERAGES[0]:g} to {COVERAGES[-1]:g}"
        )


def make_tables(
    mean: Floats,
    truth: Floats,
    variance: Floats | None = None,
    minimum: Sequence[float | None] | None = None,
    maximum: Sequence[float | None] | None = None,
    stretches: float = np.inf,
) -> Tables:
    """Tables from forecasts (I, L, C, H, W) and what was observed, NaN where nothing was.

    Args:
        mean: the forecasts, of an ensemble its mean.
        truth: of the same shape.
        variance: of the members, as :func:`stforecast.forecast.apart.predicted` has it; None
            without.
        minimum, maximum: bounds (C,) of the variables; None for one or for all without.
        stretches: of time that the forecasts are of and that do not overlap, one or more.
    """
    windows, leads, channels, height, width = mean.shape
    cells = height * width
    parts = int(np.clip(windows // _PER_CLASS, 1, _CLASSES))
    classes = parts + 1  # and that of forecasts at the minimum
    groups = int(np.clip(windows * cells // (_ERRORS * parts), 1, min(cells, _GROUPS)))
    edges = np.zeros((classes - 1, leads, channels, cells), np.float32)
    scale = np.zeros((leads, channels, cells), np.float32)
    group = np.zeros((leads, channels, cells), np.int32)
    ends = np.zeros((4, COVERAGES.size, leads, channels, groups, classes), np.float32)
    low, high = _bounds(minimum, channels, -np.inf), _bounds(maximum, channels, np.inf)
    factor = np.ones((leads, channels, groups, classes), np.float32)
    level = np.ones((leads, channels), np.float32)
    told = np.ones((leads, channels), np.float32)
    for lead in range(leads):
        for channel in range(channels):
            at = (lead, channel)
            x, y = (item[:, lead, channel].reshape(windows, cells) for item in (mean, truth))
            error = np.where(np.isfinite(x), y, np.nan) - x
            known = np.isfinite(error)
            edges[:, *at], which = _classify(x, known, classes, float(low[channel]))
            scale[at] = _sizes(error, known)
            group[at] = _alike(scale[at], groups)
            place = group[at] * classes + which
            whole = error.reshape(windows, height, width)
            order = np.argsort(place[known], kind="stable")
            limits = np.searchsorted(place[known][order], np.arange(groups * classes + 1))
            x, error, size = (
                np.broadcast_to(item, known.shape)[known][order] for item in (x, error, scale[at])
            )
            spread = None
            if variance is not None:
                spread = variance[:, lead, channel].reshape(windows, cells)[known][order]
            for number in reversed(range(groups * classes)):
                part = slice(limits[number], limits[number + 1])
                own, which_class = divmod(number, classes)
                to = (*at, own, which_class)
                if limits[number + 1] - limits[number] < _FEWEST and which_class < classes - 1:
                    # too few to tell: those of the next higher forecasts are no narrower
                    ends[:, :, *to] = ends[:, :, *at, own, which_class + 1]
                    factor[to] = factor[*at, own, which_class + 1]
                    continue
                ends[:, :, *to] = _ends(
                    x[part], error[part], size[part], low[channel], high[channel]
                )
                if spread is not None:
                    factor[to] = factor_of(error[part], spread[part])
            if variance is not None:
                by = factor[*at].ravel()[place].reshape(windows, height, width)
                drawn = over_grid(by**2 * variance[:, lead, channel])
                level[at], told[at], more = exponent_of(
                    over_grid(np.square(whole)), drawn, stretches
                )
                factor[at] *= more
    fields = (leads, channels, height, width)
    return Tables(
        edges.reshape(classes - 1, *fields),
        scale.reshape(fields),
        group.reshape(fields),
        _widened(ends, stretches),
        factor,
        level,
        told,
        low,
        high,
    )


def _widened(ends: Floats, stretches: float) -> Floats:
    """Ends (4, Q, ...) as far from the median error as few stretches of time ask for."""
    if not np.isfinite(stretches):
        return ends
    tail = (1 + COVERAGES) / 2
    wider = stdtrit(max(stretches, FEWEST_STRETCHES), tail) / ndtri(tail)
    median = ends[:2, :1].mean(axis=0, keepdims=True)
    shape = (1, COVERAGES.size, *(1,) * (ends.ndim - 2))
    widened: Floats = (median + (ends - median) * wider.reshape(shape)).astype(np.float32)
    return widened


def _classify(
    x: Floats, known: NDArray[np.bool_], classes: int, low: float
) -> tuple[Floats, NDArray[np.intp]]:
    """Edges (N - 1, cells) between classes, and the classes of `x`.

    The lowest class is of forecasts at the variable's minimum, as those of radiation at night are;
    the others hold as many forecasts each.
    """
    filled = np.where(known & (x > low), x, np.nan)
    filled[:, np.isnan(filled).all(axis=0)] = 0.0
    shares = np.arange(1, classes - 1) / (classes - 1)
    above = np.nanquantile(filled, shares, axis=0).reshape(classes - 2, x.shape[1])
    edges = np.concatenate([np.full((1, x.shape[1]), low), above]).astype(np.float32)
    which = np.zeros(x.shape, np.intp)
    for edge in edges:
        which += x > edge
    return edges, which


def _sizes(error: Floats, known: NDArray[np.bool_]) -> Floats:
    """Mean absolute error of each cell; never zero, so that errors can be divided by it."""
    count = known.sum(axis=0)
    size = np.where(known, np.abs(error), 0.0).sum(axis=0) / np.maximum(count, 1)
    least = max(1e-6 * float(size.max(initial=0.0)), 1e-30)
    found: Floats = np.maximum(size, least).astype(np.float32)
    return found


def _alike(scale: Floats, groups: int) -> NDArray[np.int32]:
    """The group of each cell: neighbours in the order of their errors are together."""
    rank = np.empty(scale.size, np.int64)
    rank[np.argsort(scale, kind="stable")] = np.arange(scale.size)
    return (rank * groups // scale.size).astype(np.int32)


def _ends(x: Floats, error: Floats, size: Floats, low: Any, high: Any) -> Floats:
    """Ends (4, Q) of the errors of one class, see :class:`Tables`."""
    if error.size == 0:
        return np.zeros((4, COVERAGES.size), np.float32)
    ordered = np.sort(error / size)
    if not (np.isfinite(low) or np.isfinite(high)):
        return _quantiles(ordered, COVERAGES)
    # What the bounds cut off counts too: the narrowest intervals that cover enough of the class.
    tried = _quantiles(ordered, _TRIED)
    lower, upper = _interval(x, size, list(tried[..., None]), low, high)
    truth = x + error
    slack = 1e-5 * (np.abs(truth) + size)  # of float32, where an error is an end itself
    inside = ((truth >= lower - slack) & (truth <= upper + slack)).sum(axis=1)
    enough = np.minimum(np.ceil((error.size + 1) * COVERAGES), error.size)
    reached = np.maximum.accumulate(inside)
    chosen = np.minimum(np.searchsorted(reached, enough), _TRIED.size - 1)
    found: Floats = tried[:, chosen]
    return found


def _quantiles(ordered: Floats, coverages: NDArray[np.float64]) -> Floats:
    """Ends (4, len(coverages)) of sorted errors, each an order statistic: at least what is asked.

    With n errors the one at ``ceil((n + 1) p)`` bounds the next error with probability p.
    """
    count = ordered.size
    missed = 1 - coverages
    # rounded, as a level such as 1 - 0.95 is a hair too large
    below = [np.floor(np.round((count + 1) * level, 6)) for level in (missed / 2, missed)]
    above = [np.ceil(np.round((count + 1) * level, 6)) for level in (1 - missed / 2, coverages)]
    ranks = np.stack([below[0], above[0], below[1], above[1]]).astype(np.int64) - 1
    found: Floats = ordered[np.clip(ranks, 0, count - 1)]
    return found


def _interval(
    x: Floats, scale: Floats, ends: Sequence[Floats], low: Any, high: Any
) -> tuple[Floats, Floats]:
    """Lower and upper bounds, within `low` and `high`, and one-sided where one of them is met."""
    lower, upper, lower_only, upper_only = (x + scale * end for end in ends)
    at_low = lower <= low
    at_high = ~at_low & (upper >= high)
    lower = np.where(at_high, lower_only, lower)
    upper = np.where(at_low, upper_only, upper)
    ordered = np.minimum(lower, upper), np.maximum(lower, upper)
    return np.clip(ordered[0], low, high), np.clip(ordered[1], low, high)


def _bounds(values: Sequence[float | None] | None, channels: int, default: float) -> Floats:
    given = values if values is not None else [None] * channels
    return np.asarray([default if value is None else value for value in given], np.float32)
