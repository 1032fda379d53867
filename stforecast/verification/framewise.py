"""Scores of whole frames, as the literature of video prediction has them.

A frame is all variables of one sequence at one valid time, scaled to [0, 1] by the range of each
variable. A frame that lacks a cell, in the observations or in any system, has no score and is
counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.verification.pieces import Fields, collect

Floats = NDArray[np.float64]
Window = Literal["uniform", "gaussian"]

# Side of the window: 7 cells, or 11 that a Gaussian with σ = 1.5 reaches (Wang et al. 2004).
_SIDE: dict[Window, int] = {"uniform": 7, "gaussian": 11}


@dataclass(frozen=True)
class FrameScaling:
    """How values become frames in [0, 1], and how alike two of these are.

    Attributes
    ----------
    ranges:
        Lowest and highest value of each variable, in its units.
    window:
        Of the local means in SSIM: 7 × 7 cells alike with sample covariances (the default of
        scikit-image), or a Gaussian of σ = 1.5 (Wang et al. 2004).
    ssim_range:
        Range of the values in the constants of SSIM, as a multiple of [0, 1].
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    window: Window = "uniform"
    ssim_range: float = 1.0

    def with_ranges_of(self, forecast: xr.Dataset) -> "FrameScaling":
        """The same, with the ranges that a forecast tells of its variables, where none are given.

        DataError where it tells them in another way than this project writes them.
        """
        text = forecast.attrs.get(names.VALUE_RANGES)
        if text is None:
            return self
        try:
            told = {
                name: (float(low), float(high)) for name, (low, high) in json.loads(text).items()
            }
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"the attribute {names.VALUE_RANGES} of the forecast cannot be read ({error}); "
                "make the forecast again"
            ) from error
        return replace(self, ranges={**told, **self.ranges})

    def check(
        self, metrics: Sequence[str], variables: Sequence[str], grid: tuple[int, int]
    ) -> None:
        """ConfigError where the metrics of frames asked for cannot be had."""
        for name in variables:
            if name not in self.ranges:
                raise ConfigError(
                    f"{metrics[0]} needs the range of the values of {name}; give "
                    f"data.variables.{name}.minimum and maximum, or ranges in Python"
                )
            low, high = self.ranges[name]
            if not low < high:
                raise ConfigError(
                    f"{metrics[0]} scales frames by the range of {name}, which is {low:g} to "
                    f"{high:g}; give data.variables.{name}.minimum and maximum"
                )
        side = _SIDE[self.window]
        if "ssim" in metrics and min(grid) < side:
            raise ConfigError(
                f"ssim needs frames of at least {side} × {side} cells, and these have "
                f"{grid[0]} × {grid[1]}; leave it out of verification.metrics"
            )

    def describe(self) -> str:
        """The ranges in words."""
        parts = {name: f"{low:g} to {high:g}" for name, (low, high) in self.ranges.items()}
        if len(set(parts.values())) == 1:
            return f"scaled to [0, 1] from {next(iter(parts.values()))}"
        listed = ", ".join(f"{name} {text}" for name, text in parts.items())
        return f"scaled to [0, 1] from {listed}"

    def describe_ssim(self) -> str:
        """Window and range of the structural similarity in words."""
        side = _SIDE[self.window]
        words = {
            "uniform": f"{side} × {side} cells alike, sample covariances",
            "gaussian": f"Gaussian of σ = 1.5 within {side} × {side} cells, population covariances",
        }[self.window]
        return f"{words}; K1 = 0.01, K2 = 0.03, range of the values {self.ssim_range:g}"


class FrameSums:
    """Scores of frames summed per system and group.

    ``totals[metric]`` (systems, *groups) for each metric asked for; ``frames`` (*groups) counts the
    frames in them, and ``left_out`` those that lack a cell.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        scaling: FrameScaling,
        variables: Sequence[str],
        systems: int,
        groups: tuple[int, ...],
    ) -> None:
        self.totals = {metric: np.zeros((systems, *groups)) for metric in metrics}
        self.frames = np.zeros(groups, np.int64)
        self.left_out = np.zeros(groups, np.int64)
        self.scaling = scaling
        self._variables = list(variables)
        self._systems = systems
        self._whole: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._sums: dict[str, Floats] = {}
        self._cells = 0

    def sums(self) -> list[NDArray[Any]]:
        """All sums so far, in a fixed order; each may be added to in place."""
        return [*self.totals.values(), self.frames, self.left_out]

    def begin(self) -> None:
        """Start with frames whose variables come one after the other."""
        self._sums = {}

    def add(self, variable: str, truth: Fields, fields: list[Fields]) -> None:
        """Take in one variable (init, lead, …, y, x) of the frames begun, by all systems."""
        height, width = truth.shape[-2:]
        low, high = self.scaling.ranges[variable]
        frames = [
            _scaled(array, low, high).reshape(-1, height, width) for array in (truth, *fields)
        ]
        whole = np.ones(len(frames[0]), np.bool_)
        for array in frames:
            whole &= np.isfinite(array).all(axis=(1, 2))
        if not self._sums:
            self._whole, self._cells = whole, 0
            self._sums = {metric: np.zeros((self._systems, len(whole))) for metric in self.totals}
        self._whole = self._whole & whole
        self._cells += height * width
        for system, frame in enumerate(frames[1:]):
            self._compare(system, frames[0], frame)

    def _compare(self, system: int, truth: Fields, forecast: Fields) -> None:
        """Sums over the cells of each frame of one variable; a mean for SSIM."""
        sums, whole = self._sums, self._whole
        if "mse_per_frame" in sums:
            sums["mse_per_frame"][system] += _squares(forecast, truth)
        if "mae_per_frame" in sums:
            sums["mae_per_frame"][system] += np.abs(forecast - truth).sum(
                axis=(1, 2), dtype=np.float64
            )
        if "psnr" not in sums and "ssim" not in sums:
            return
        clipped = np.clip(forecast, 0.0, 1.0)
        if "psnr" in sums:
            sums["psnr"][system] += _squares(clipped, truth)
        if "ssim" in sums:
            for number in np.flatnonzero(whole):
                sums["ssim"][system, number] += self._similarity(clipped[number], truth[number])

    def _similarity(self, forecast: Fields, truth: Fields) -> float:
        from skimage.metrics import structural_similarity

        gaussian = self.scaling.window == "gaussian"
        value = structural_similarity(
            forecast,
            truth,
            data_range=self.scaling.ssim_range,
            gaussian_weights=gaussian,
            use_sample_covariance=not gaussian,
        )
        return float(value)

    def end(self, codes: NDArray[np.int64]) -> None:
        """Add the frames begun to the groups (init, lead) that they belong to."""
        beside = len(self._whole) // codes.size
        of_frames = np.repeat(codes.ravel(), beside)
        whole = self._whole
        _collect(self.frames, of_frames, whole)
        _collect(self.left_out, of_frames, ~whole)
        for metric, sums in self._sums.items():
            values = sums
            if metric == "psnr":
                with np.errstate(divide="ignore", invalid="ignore"):
                    values = -10 * np.log10(sums / self._cells)
            elif metric == "ssim":
                values = sums / len(self._variables)
            for system in range(self._systems):
                _collect(self.totals[metric][system, ...], of_frames[whole], values[system, whole])

    def averaging(self) -> str:
        """What the scores are means over, in words."""
        words = f"over {int(self.frames.sum())} frames, all cells alike, "
        left = int(self.left_out.sum())
        if left:
            words += f"without {left} that lack a cell in the observations or a system, "
        return words + self.scaling.describe()

    def scores(self) -> Mapping[str, Floats]:
        """The metrics asked for (systems, *groups); NaN where no frame was whole."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return {metric: total / self.frames for metric, total in self.totals.items()}


def _collect(totals: NDArray[Any], codes: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Add values (n,) to the groups they belong to."""
    collect(totals[..., None], (), codes, values[:, None])


def _scaled(values: Fields, low: float, high: float) -> Fields:
    if (low, high) == (0.0, 1.0):
        return values
    scaled: Fields = ((values - np.float32(low)) / np.float32(high - low)).astype(np.float32)
    return scaled


def _squares(forecast: Fields, truth: Fields) -> Floats:
    summed: Floats = np.square(forecast - truth).sum(axis=(1, 2), dtype=np.float64)
    return summed
