"""Sequences as papers show them: inputs, truth, prediction and error, frame by frame."""

from collections.abc import Sequence
from typing import Any, Final

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from stforecast.errors import MapError
from stforecast.maps.cells import MISSING
from stforecast.maps.choice import LeadTime
from stforecast.maps.colours import Scale, colour_map, error_scale, field_scale
from stforecast.maps.composition import MapFigure
from stforecast.maps.labels import unit_text, variable_title
from stforecast.maps.sequences import Clips, Fields, find_clips, pictures
from stforecast.product.conform import conform
from stforecast.product.uncertainty import ensemble_mean

_TITLES: Final = {
    "input": "Input",
    "truth": "Truth",
    "prediction": "Prediction",
    "error": "Error",
}
# Lengths in inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.82, 0.72, 0.56, 0.1
_HEADING, _LABELS, _GAP, _BETWEEN = 0.26, 0.18, 0.04, 0.16
_WIDTH, _WIDEST, _NARROWEST = 7.4, 1.3, 0.5


def sequence_figure(
    forecast: xr.Dataset,
    variable: str | Sequence[str] | None = None,
    lead_time: Sequence[LeadTime] | LeadTime | None = None,
    *,
    sequences: Sequence[Any] | None = None,
    observed: xr.Dataset | None = None,
    init_time: Any = None,
    cmap: str | None = None,
) -> MapFigure:
    """Frames of some sequences, a column for each time, from one initial time.

    Args:
        forecast: a product of independent sequences on a grid without a place, such as videos.
        variable: the only one, unless named; ``("red", "green", "blue")`` are drawn as colours.
        lead_time: in steps or as durations; by default all, or ten of them.
        sequences: by their names or numbers; the first two by default.
        observed: observations, for the inputs, the truth and the error.
        init_time: a date as text, a stamp, or a number; by default the last one observed.
        cmap: colour map of the frames; by default grey for values in [0, 1].

    Returns:
        A figure that belongs to nobody: no backend is chosen, and there is nothing to close.

    Raises:
        MapError, DataError: where there is nothing to draw, in a sentence.
    """
    forecast = ensemble_mean(conform(forecast))
    if variable is None:
        (variables, *others) = pictures(forecast, None)
        if others:
            known = [name for group in (variables, *others) for name in group]
            raise MapError(f"the forecast has {', '.join(known)}; say which to draw")
    else:
        variables = (variable,) if isinstance(variable, str) else tuple(variable)
    clips = find_clips(
        forecast,
        variables,
        lead_time,
        sequences=sequences,
        observed=observed,
        init_time=init_time,
    )
    with matplotlib.style.context("default"):
        figure = _Sheet(clips, forecast, cmap).figure
    figure.init_text = clips.init_text
    return figure


class _Sheet:
    """Lays out the frames, in inches, and draws them."""

    def __init__(self, clips: Clips, forecast: xr.Dataset, cmap: str | None) -> None:
        self.clips = clips
        self.scales = _scales(clips, cmap)
        height, width = clips.rows["prediction"].values.shape[-2:]
        self.columns = max(len(frames.labels) for frames in clips.rows.values())
        self.frame_width = float(np.clip(_WIDTH / self.columns, _NARROWEST, _WIDEST))
        self.frame_height = self.frame_width * height / width
        self.labelled = [row for row in ("input", "truth", "prediction") if row in clips.rows]
        if "truth" in self.labelled:
            self.labelled.remove("prediction")
        self.clip_height = (
            _HEADING
            + len(clips.rows) * (self.frame_height + _GAP)
            + len(self.labelled) * _LABELS
            + _BETWEEN
        )
        self.width = _LEFT + self.columns * (self.frame_width + _GAP) + _RIGHT
        self.height = _TOP + len(clips.names) * self.clip_height + _BOTTOM
        self.figure = MapFigure(figsize=(self.width, self.height), facecolor="white")
        FigureCanvasAgg(self.figure)
        self._text(0.12, 0.1, self._title(), fontsize=11, weight="bold", va="top")
        self._text(0.12, 0.33, self._subtitle(forecast), fontsize=8.5, color="0.25", va="top")
        for number in range(len(clips.names)):
            self._clip(number)

    def _title(self) -> str:
        return "Colours" if self.clips.is_colour else variable_title(self.clips.variable)

    def _subtitle(self, forecast: xr.Dataset) -> str:
        parts = []
        if "stforecast_model" in forecast.attrs:
            parts.append(f"model {forecast.attrs['stforecast_model']}")
        if "stforecast_run" in forecast.attrs:
            parts.append(f"run {forecast.attrs['stforecast_run']}")
        parts.append(self.clips.headline)
        return ", ".join(parts)

    def _clip(self, number: int) -> None:
        clips = self.clips
        y = _TOP + number * self.clip_height
        self._text(_LEFT, y, clips.names[number], fontsize=9, weight="bold", va="top")
        note = self._note(number)
        if note:
            right = self.width - _RIGHT - _GAP
            self._text(right, y, note, fontsize=8, color="0.25", va="top", ha="right")
        y += _HEADING
        tops = {}
        for row, frames in clips.rows.items():
            y += _LABELS if row in self.labelled else 0.0
            tops[row] = y
            self._text(
                _LEFT - 0.08, y + self.frame_height / 2, _TITLES[row], fontsize=8.5, ha="right"
            )
            for column, label in enumerate(frames.labels):
                x = _LEFT + column * (self.frame_width + _GAP)
                self._frame(x, y, frames.values[number, column], row, f"{row} {number} {column}")
                if row in self.labelled:
                    middle = x + self.frame_width / 2
                    self._text(middle, y - 0.03, label, fontsize=7, ha="center", va="bottom")
            y += self.frame_height + _GAP
        if number == 0:
            self._colour_bars(tops)

    def _note(self, number: int) -> str:
        """The error of the frames drawn, beside that of repeating the last frame."""
        rows = self.clips.rows
        if "error" not in rows:
            return ""
        note = f"RMSE {_rms(rows['error'].values[number]):.3g}"
        if self.clips.last_input is not None:
            repeated = self.clips.last_input[number] - rows["truth"].values[number]
            note += f"; repeating the last frame {_rms(repeated):.3g}"
        return note

    def _frame(self, x: float, y: float, frame: Fields, row: str, label: str) -> None:
        box = self._box(x, y, self.frame_width, self.frame_height)
        ax: Any = self.figure.add_axes(box, label=label)
        ax.set_facecolor(MISSING)
        options: dict[str, Any] = {"interpolation": "nearest", "aspect": "auto"}
        if row != "error" and self.clips.is_colour:
            opaque = np.isfinite(frame).all(axis=0, keepdims=True)
            image = np.concatenate([np.clip(np.nan_to_num(frame), 0, 1), opaque])
            ax.imshow(np.moveaxis(image, 0, -1), **options)
        else:
            scale = self.scales[row]
            # of colours the error is the mean of the three
            ax.imshow(frame.mean(axis=0), cmap=scale.cmap, norm=scale.norm, **options)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_linewidth(0.4)
            spine.set_edgecolor("0.4")

    def _colour_bars(self, tops: dict[str, float]) -> None:
        shown = [row for row in tops if row != "error"]
        if not self.clips.is_colour:
            bottom = tops[shown[-1]] + self.frame_height
            self._colour_bar(tops[shown[0]], bottom, self.scales[shown[0]])
        if "error" in tops:
            self._colour_bar(tops["error"], tops["error"] + self.frame_height, self.scales["error"])

    def _colour_bar(self, top: float, bottom: float, scale: Scale) -> None:
        length = min(bottom - top, 1.4)
        x = _LEFT + self.columns * (self.frame_width + _GAP) + 0.08
        box = self._box(x, (top + bottom - length) / 2, 0.1, length)
        ax = self.figure.add_axes(box, label="colours")
        bar = self.figure.colorbar(
            ScalarMappable(scale.norm, scale.cmap), cax=ax, extend=scale.extend, extendfrac=0.05
        )
        bar.outline.set_linewidth(0.4)
        bar.ax.tick_params(labelsize=6.5, length=2, width=0.4, pad=2)
        units = unit_text(self.clips.variable)
        if units:
            bar.set_label(units, fontsize=7, labelpad=3)

    def _box(self, x: float, y: float, width: float, height: float) -> Any:
        """A box given from the upper left corner, in inches, as parts of the figure."""
        return (
            x / self.width,
            1 - (y + height) / self.height,
            width / self.width,
            height / self.height,
        )

    def _text(self, x: float, y: float, text: str, **options: Any) -> None:
        options = {"ha": "left", "va": "center", **options}
        self.figure.text(x / self.width, 1 - y / self.height, text, **options)


def _scales(clips: Clips, cmap: str | None) -> dict[str, Scale]:
    """Colours of each row: one scale for all that was seen and forecast, another for errors."""
    values = [frames.values for row, frames in clips.rows.items() if row != "error"]
    seen = clips.rows.get("truth") or clips.rows.get("input") or clips.rows["prediction"]
    scale = field_scale(clips.variable, values, cmap)
    if cmap is None and _is_intensity(clips.variable, seen.values):
        scale = Scale(colour_map("gray"), Normalize(0, 1), "neither")
    scales = dict.fromkeys(clips.rows, scale)
    if "error" in scales:
        scales["error"] = error_scale([clips.rows["error"].values.mean(axis=2)])
    return scales


def _is_intensity(variable: xr.DataArray, values: Fields) -> bool:
    """Whether values are the brightness of an image, from black at 0 to white at 1."""
    finite = values[np.isfinite(values)]
    without_units = unit_text(variable) == ""
    return bool(without_units and finite.size and finite.min() >= 0 and finite.max() <= 1)


def _rms(error: Fields) -> float:
    finite = error[np.isfinite(error)].astype(np.float64)
    return float(np.sqrt(np.mean(finite**2))) if finite.size else float("nan")
