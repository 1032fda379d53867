"""How far members of an ensemble are to be drawn apart, or together, from errors of the past."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Where members hardly differ, a factor would make noise of rounding errors.
LARGEST_FACTOR: Final = 20.0
# Of a single stretch of time nothing can be said; two are supposed.
FEWEST_STRETCHES: Final = 2.0
# Times without which an exponent is not sought.
_FEWEST = 20
# Standard deviation of the logarithm of variances without which nothing can be learned from them.
_SAME = 1e-3


def predicted(members: Floats) -> Floats:
    """The squared error of the mean of members (I, L, M, ...), were observations one member more.

    The unbiased variance times (M + 1) / M (Fortin et al. 2014), (I, L, ...); two members or more.
    """
    count = members.shape[2]
    variance: Floats = members.var(axis=2, ddof=1) * ((count + 1) / count)
    return variance


def factor_of(errors: Floats, variances: Floats) -> float:
    """Root of mean squared error ÷ mean variance; 1 where there is neither."""
    error = float(np.square(errors, dtype=np.float64).sum())
    spread = float(variances.sum(dtype=np.float64))
    if spread <= 0 or errors.size == 0:
        return 1.0
    return float(min(np.sqrt(error / spread), LARGEST_FACTOR))


def exponent_of(errors: Floats, variances: Floats, stretches: float) -> tuple[float, float, float]:
    """What the spread of a time tells of its error, from means over the grid (I,) of past times.

    Times at which members differ more than usual are not always times of larger errors by as much:
    a model may, for one, spread in proportion to the day's own range. The logarithm of the squared
    error is regressed on that of the variance; a slope of one believes the spread, of zero takes it
    to be the same at all times. It is what the non-homogeneous regression of Gneiting et al. (2005)
    does with two coefficients of the variance, for fields whose scales are far apart. Of few
    stretches of time a slope is hardly known, and is drawn towards zero by the positive part of
    James and Stein (1961).

    Returns the usual variance, the slope, and a factor for all members that keeps the mean of
    what is drawn apart the same.
    """
    usable = (errors > 0) & (variances > 0)
    if usable.sum() < _FEWEST:
        return 1.0, 1.0, 1.0
    error, variance = (np.log(item[usable].astype(np.float64)) for item in (errors, variances))
    level = float(np.exp(variance.mean()))
    apart = variance - variance.mean()
    if apart.std() < _SAME:
        return level, 1.0, 1.0
    found = float((apart * error).sum() / np.square(apart).sum())
    beside = float(np.square(error - error.mean() - found * apart).sum())
    # F of the slope, with as many independent times as there are stretches
    known = found**2 * float(np.square(apart).sum()) * max(stretches, FEWEST_STRETCHES)
    slope = float(np.clip(found, 0.0, 1.0)) * max(0.0, 1 - beside / max(known, 1e-30))
    more = np.exp(variance).mean() / (level * np.exp(slope * apart).mean())
    return level * float(more), slope, float(np.sqrt(more))


def over_grid(values: Floats) -> Floats:
    """Means of the known values of each field (..., H, W); 0 where there are none."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=(-2, -1)), 1)
    mean: Floats = np.where(known, values, 0.0).sum(axis=(-2, -1), dtype=np.float64) / count
    return mean
