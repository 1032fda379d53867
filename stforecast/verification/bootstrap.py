"""How far scores and their differences would scatter: intervals by a moving-block bootstrap.

Whole initial times are drawn anew, in blocks of neighbours (Künsch 1989,
doi:10.1214/aos/1176347265), as the errors of one forecast are much those of the next. All systems
are drawn alike, so that what they have in common does not blur their differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.timeaxis import normalise_stamps
from stforecast.verification.cells import CellSums, Scores
from stforecast.verification.pieces import Floats

BESIDE = "beside"
LIMITS = (0.025, 0.975)
_SEED = 0
# Fewer blocks tell nothing of how they scatter.
_FEWEST = 5
_AT_ONCE = 100
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Resampling:
    """Which initial times are drawn: ``order`` of those used, in blocks of ``block``."""

    samples: int
    order: NDArray[np.int64]
    block: int

    @classmethod
    def of(cls, samples: int, frame: xr.Dataset, used: NDArray[np.bool_]) -> "Resampling":
        """For the initial times ``used`` (init,) of a forecast.

        A block is as long as a day or the longest lead time, whichever is longer; of forecasts that
        count lead times in steps of a calendar, as many initial times as the longest has steps.
        """
        inits = normalise_stamps(frame[names.INIT_TIME].values)
        order = np.flatnonzero(used)
        order = order[np.argsort(inits[order], kind="stable")]
        leads = frame[names.LEAD_TIME].values
        if leads.dtype.kind != "m":
            return cls(samples, order, max(1, int(np.max(leads))))
        apart = [pd.Timedelta(span) for span in np.diff(inits[order])]
        spacing = sorted(apart)[len(apart) // 2] if apart else _DAY
        longest = max(_DAY, pd.Timedelta(leads.max()))
        return cls(samples, order, max(1, -int(-longest // spacing)))

    @property
    def possible(self) -> bool:
        """Whether there are samples to draw, and blocks enough to draw them from."""
        return self.samples > 0 and len(self.order) >= _FEWEST * self.block

    def describe(self) -> str:
        """What the intervals are, in words."""
        if self.samples == 0:
            return "none asked for (verification.bootstrap is 0)"
        if not self.possible:
            return (
                f"none: it takes {_FEWEST} blocks of {self.block} initial times, and there "
                f"{'is' if len(self.order) == 1 else 'are'} {len(self.order)}"
            )
        return (
            f"from {100 * LIMITS[0]:g} to {100 * LIMITS[1]:g} % of {self.samples} samples, of "
            f"{len(self.order)} initial times each, drawn anew in blocks of {self.block} that "
            f"follow one another (moving-block bootstrap, seed {_SEED})"
        )

    def draws(self) -> Iterator[Floats]:
        """How often each of the initial times in order is drawn, (samples, inits), in parts."""
        random = np.random.default_rng(_SEED)
        size = len(self.order)
        number = -(-size // self.block)
        for first in range(0, self.samples, _AT_ONCE):
            samples = min(_AT_ONCE, self.samples - first)
            starts = random.integers(0, size - self.block + 1, (samples, number))
            drawn = (starts[..., None] + np.arange(self.block)).reshape(samples, -1)[:, :size]
            drawn += np.arange(samples)[:, None] * size
            counts = np.bincount(drawn.ravel(), minlength=samples * size)
            yield counts.reshape(samples, size).astype(np.float64)


def intervals(
    cells: CellSums, codes: NDArray[np.int64], resampling: Resampling, references: int
) -> Scores:
    """Intervals of RMSE, of skill and of differences in RMSE, and what they are of over all groups.

    ``codes`` (init, lead): the group of each field. The last ``references`` systems are references.
    """
    layout = cells.layout
    squares = np.stack([_grouped(item, codes, layout.sizes) for item in cells.case_squares])
    weight = _grouped(cells.case_weight, codes, layout.sizes)
    found: dict[str, list[Any]] = {}
    for number in range(len(layout.variables)):
        for name, values in _of_variable(
            squares[:, number], weight[number], resampling, references
        ).items():
            found.setdefault(name, []).append(values)
    regions = layout.weights.shape[1]
    result: Scores = {}
    for name, parts in found.items():
        overall = name.startswith("overall_")
        first: tuple[str, ...] = (names.SYSTEM,)
        first += (names.REFERENCE,) if "skill" in name else ()
        first += (BESIDE,) if "difference" in name else ()
        stacked = np.stack(parts, axis=len(first))
        shape = stacked.shape[: len(first) + 1]
        tail = ("region",) if overall else layout.dims
        sizes = (regions,) if overall else layout.sizes
        result[name] = ((*first, names.VARIABLE, *tail), stacked.reshape(*shape, *sizes))
    return result


def _grouped(cases: Floats, codes: NDArray[np.int64], sizes: tuple[int, ...]) -> Floats:
    """Sums (variables, inits, groups · regions) of cases (variables, inits, leads, regions)."""
    groups = int(np.prod(sizes[:-1], dtype=np.int64))
    result = np.zeros((*cases.shape[:2], groups, sizes[-1]))
    inits = np.arange(cases.shape[1])
    for lead in range(cases.shape[2]):
        result[:, inits, codes[:, lead]] += cases[:, :, lead]
    return result


def _of_variable(
    squares: Floats, weight: Floats, resampling: Resampling, references: int
) -> dict[str, Floats]:
    """Of squares (systems, inits, groups, regions) and their weight: by name the values.

    (systems[, references or systems], groups, regions), without groups for ``overall_…``.
    """
    systems, _, groups, regions = squares.shape
    chosen = squares[:, resampling.order].swapaxes(0, 1)
    own = weight[resampling.order]
    size = len(chosen)
    table = np.concatenate([chosen, own[:, None]], axis=1).reshape(size, -1)
    shape = (-1, systems + 1, groups, regions)

    def scores(totals: Floats) -> dict[str, Floats]:
        summed = totals.reshape(shape)
        found: dict[str, Floats] = {}
        for prefix, sums in (("", summed), ("overall_", summed.sum(axis=2))):
            with np.errstate(invalid="ignore", divide="ignore"):
                rmse = np.sqrt(sums[:, :-1] / sums[:, -1:])
                found[f"{prefix}rmse"] = rmse
                if references:
                    of = rmse[:, systems - references :]
                    ratio = rmse[:, :, None] / np.where(of > 0, of, np.nan)[:, None]
                    found[f"{prefix}skill"] = 1 - ratio
                if systems > 1:
                    found[f"{prefix}rmse_difference"] = rmse[:, :, None] - rmse[:, None]
        return found

    whole = {name: values[0] for name, values in scores(table.sum(axis=0)).items()}
    result = {name: values for name, values in whole.items() if name != "rmse"}
    if resampling.possible:
        parts = [scores(draws @ table) for draws in resampling.draws()]
        for name in whole:
            drawn = np.concatenate([part[name] for part in parts])
            lower, upper = _limits(drawn)
            result |= {f"{name}_lower": lower, f"{name}_upper": upper}
    return result


def _limits(drawn: Floats) -> tuple[Floats, Floats]:
    """The limits of all samples; NaN where a sample has no score."""
    with np.errstate(invalid="ignore"):
        limits = np.quantile(drawn, LIMITS, axis=0)
    return limits[0], limits[1]
