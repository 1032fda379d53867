"""Colours that suit what is shown, and one scale for all panels.

Every colour map is perceptually uniform or a ColorBrewer scheme, and safe for colour-blind readers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stforecast.errors import MapError

Extend = Literal["neither", "min", "max", "both"]

# Parts of the values, at either end, that may lie beyond the colour scale.
_TAIL = 1.0
# Where half the values are below this part of the range, a linear scale would show only the rest.
_SKEWED = 0.1
_TEMPERATURE_UNITS = {
    "k",
    "kelvin",
    "degc",
    "deg_c",
    "c",
    "°c",
    "celsius",
    "degree_celsius",
    "degf",
}
_WATER = ("precip", "rain", "snow", "humidity", "vapour", "vapor", "cloud", "runoff", "soil_moist")
_RADIATION = ("radiation", "radiative", "irradiance", "shortwave", "longwave", "heat_flux", "solar")
_COUNT_UNITS = {"1", "count", "counts", "vehicles", "vehicle", "people", "trips", "bikes", "taxis"}
_SIGNED = (
    "anomal",
    "departure",
    "tendency",
    "eastward",
    "northward",
    "_wind",
    "velocity",
    "vortic",
)

ERROR_MAP = "RdBu_r"


@dataclass(frozen=True)
class Scale:
    """A colour map, the values its ends stand for, and whether values lie beyond them."""

    cmap: Colormap
    norm: Normalize
    extend: Extend

    @property
    def ticks(self) -> list[float] | None:
        """Where the colour bar is to have numbers; None leaves it to matplotlib."""
        if not isinstance(self.norm, PowerNorm) or not self.norm.vmax:
            return None
        parts = (self.norm.vmax * part**2 for part in (0.2, 0.4, 0.6, 0.8, 1.0))
        return sorted({0.0, *(float(f"{part:.1g}") for part in parts), float(self.norm.vmax)})

    @property
    def digits(self) -> int:
        """Characters of the longest number at the colour bar, about."""
        ticks = MaxNLocator(nbins=9, steps=[1, 2, 2.5, 5, 10]).tick_values(*self.norm_limits)
        size = float(np.abs(ticks).max())
        if size >= 1e6 or size < 1e-3:
            return 5  # they have a common factor above the bar
        return max(len(f"{tick:g}") for tick in np.round(ticks, 9))

    @property
    def norm_limits(self) -> tuple[float, float]:
        """The values at the ends of the colour bar."""
        return float(self.norm.vmin or 0.0), float(self.norm.vmax or 0.0)

    @property
    def note(self) -> str:
        """What a reader has to know of the scale beside its numbers."""
        return "square-root scale" if isinstance(self.norm, PowerNorm) else ""


def field_scale(
    variable: xr.DataArray, fields: Sequence[NDArray[Any]], cmap: str | None = None
) -> Scale:
    """One scale for all panels of a variable: from its 1st to its 99th percentile, rounded.

    Fields of both signs, such as anomalies and winds, get a diverging map about zero; amounts that
    are never negative begin at zero, on a square-root scale where most of them are near it (rain,
    traffic). MapError for a colour map that matplotlib does not know.
    """
    values = _finite(fields)
    colours = colour_map(cmap or default_map(variable, values))
    if values.size == 0:
        return Scale(colours, Normalize(0, 1), "neither")
    low, high = np.percentile(values, [_TAIL, 100 - _TAIL])
    if cmap is None and _is_signed(variable, values):
        return _symmetric(colours, values)
    if values.min() >= 0 and low <= 0.3 * high:
        low = 0.0
        if np.median(values) < _SKEWED * high:
            return _scale(colours, values, *_rounded(low, float(high)), PowerNorm)
    return _scale(colours, values, *_rounded(float(low), float(high)))


def error_scale(errors: Sequence[NDArray[Any]]) -> Scale:
    """A diverging scale, alike on both sides of zero."""
    return _symmetric(colour_map(ERROR_MAP), _finite(errors))


def default_map(variable: xr.DataArray, values: NDArray[Any]) -> str:
    """The name of the colour map that suits a variable, by what its attributes say it is."""
    attrs = variable.attrs
    parts = (attrs.get("standard_name"), attrs.get("long_name"), variable.name)
    words = " ".join(str(part) for part in parts if part).lower().replace(" ", "_")
    units = str(attrs.get("units", "")).strip().lower()
    if _is_signed(variable, values):
        return "PuOr_r"
    if units in _TEMPERATURE_UNITS or "temperature" in words:
        return "plasma"
    if any(word in words for word in _WATER):
        return "YlGnBu"
    if any(word in words for word in _RADIATION):
        return "inferno"
    if units in _COUNT_UNITS or (not units and values.size and values.min() >= 0):
        return "magma_r"
    return "viridis"


def colour_map(name: str) -> Colormap:
    """A colour map of matplotlib by its name, missing values left open; MapError for no name."""
    try:
        colours = matplotlib.colormaps[name]
    except KeyError:
        raise MapError(
            f"matplotlib has no colour map {name!r}; viridis, plasma and YlGnBu are some of those "
            "it has"
        ) from None
    return colours.with_extremes(bad=(0, 0, 0, 0))


def _is_signed(variable: xr.DataArray, values: NDArray[Any]) -> bool:
    if values.size == 0:
        return False
    parts = (variable.attrs.get("standard_name"), variable.attrs.get("long_name"), variable.name)
    words = " ".join(str(part) for part in parts if part).lower().replace(" ", "_")
    low, high = np.percentile(values, [_TAIL, 100 - _TAIL])
    both = low < 0 < high
    if any(word in words for word in _SIGNED):
        return bool(both)
    is_temperature = str(variable.attrs.get("units", "")).lower() in _TEMPERATURE_UNITS
    return bool(both and min(-low, high) > 0.25 * max(-low, high)) and not is_temperature


def _finite(fields: Sequence[NDArray[Any]]) -> NDArray[Any]:
    parts = [field[np.isfinite(field)].ravel() for field in fields]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


def _rounded(low: float, high: float) -> tuple[float, float]:
    """The range widened to whole ticks of a colour bar."""
    if not high > low:
        pad = abs(low) * 0.01 or 1.0
        low, high = low - pad, high + pad
    ticks = MaxNLocator(nbins=10, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return float(ticks[0]), float(ticks[-1])


def _symmetric(colours: Colormap, values: NDArray[Any]) -> Scale:
    size = float(np.percentile(np.abs(values), 100 - _TAIL)) if values.size else 1.0
    _, high = _rounded(-size, size) if size > 0 else (-1.0, 1.0)
    return _scale(colours, values, -high, high)


def _scale(
    colours: Colormap,
    values: NDArray[Any],
    low: float,
    high: float,
    norm: type[Normalize] = Normalize,
) -> Scale:
    below = values.size > 0 and float(values.min()) < low - 1e-9 * (high - low)
    above = values.size > 0 and float(values.max()) > high + 1e-9 * (high - low)
    extend: Extend = (
        "both" if below and above else "min" if below else "max" if above else "neither"
    )
    made = PowerNorm(0.5, low, high) if norm is PowerNorm else Normalize(low, high)
    return Scale(colours, made, extend)
