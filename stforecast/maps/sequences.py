"""Which sequences of a forecast to draw, and their frames: inputs, truth, prediction, error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import DataError, MapError
from stforecast.maps.choice import LeadTime, choose_init, choose_leads, choose_variables
from stforecast.maps.labels import Times
from stforecast.product.conform import forecast_variables
from stforecast.product.observed import check_units, compare_grids
from stforecast.product.place import grid_of
from stforecast.product.sequences import same_sequences
from stforecast.timeaxis import normalise_stamps

Fields = NDArray[np.float32]

COLOURS: Final = ("red", "green", "blue")
# Sequences and frames of each that are drawn unless the user says which.
_FEW, _FRAMES = 2, 10
_BESIDE = (names.INIT_TIME, names.LEAD_TIME, names.MEMBER)


@dataclass(frozen=True)
class Frames:
    """Frames of all sequences drawn (sequence, n, channel, y, x), and a label for each of n."""

    values: Fields
    labels: list[str]


@dataclass(frozen=True)
class Clips:
    """What one picture shows.

    Attributes
    ----------
    variable:
        The variable, or the first of three colours.
    is_colour:
        Whether the channels are red, green and blue.
    names:
        What the sequences are called.
    rows:
        ``prediction``, and where they are known ``input``, ``truth`` and ``error``, from the top.
    last_input:
        The frame that forecasts start from (sequence, 1, channel, y, x), if it is known.
    headline:
        From when the forecast is, in words.
    init_text:
        The initial time as names of files have it.
    """

    variable: xr.DataArray
    is_colour: bool
    names: list[str]
    rows: dict[str, Frames]
    last_input: Fields | None
    headline: str
    init_text: str


def sequence_dimension(forecast: xr.Dataset) -> str | None:
    """The dimension of independent sequences on a grid without a place; None if there is none.

    `forecast` is in the form of :func:`stforecast.product.conform`.
    """
    for name in forecast_variables(forecast):
        further = [str(dim) for dim in forecast[name].dims if dim not in _BESIDE]
        if len(further) == 3:
            grid = grid_of(forecast, name, (*_BESIDE, further[0]))
            return further[0] if grid.kind == "bare" else None
    return None


def pictures(forecast: xr.Dataset, wanted: Sequence[str] | None) -> list[tuple[str, ...]]:
    """The variables of each picture: red, green and blue share one, all others have their own."""
    known = choose_variables(forecast, wanted)
    if wanted is None and set(COLOURS) <= set(known):
        return [COLOURS, *((name,) for name in known if name not in COLOURS)]
    return [(name,) for name in known]


def choose_sequences(forecast: xr.Dataset, dim: str, wanted: Sequence[Any] | None) -> list[int]:
    """Positions of the sequences named; by default the first two. MapError for one not there."""
    labels = sequence_names(forecast, dim)
    if wanted is None:
        return list(range(min(_FEW, len(labels))))
    positions = []
    for label in map(str, wanted):
        if label not in labels:
            shown = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
            raise MapError(f"the forecast has no {dim} {label}; it has {shown}")
        positions.append(labels.index(label))
    return positions


def sequence_names(forecast: xr.Dataset, dim: str) -> list[str]:
    """What the sequences are called: by their coordinate, else by their number."""
    return [str(label) for label in forecast[dim].values]


def find_clips(
    forecast: xr.Dataset,
    variables: tuple[str, ...],
    lead_time: Sequence[LeadTime] | LeadTime | None = None,
    *,
    sequences: Sequence[Any] | None = None,
    observed: xr.Dataset | None = None,
    init_time: Any = None,
) -> Clips:
    """The frames to draw of one variable, or of red, green and blue.

    `forecast` is in the form of :func:`stforecast.product.conform`. MapError, DataError where there
    is nothing to draw.
    """
    dim = sequence_dimension(forecast)
    if dim is None:
        raise MapError("the forecast has no independent sequences without a place on a map")
    for name in variables:
        choose_variables(forecast, [name])
    positions = choose_sequences(forecast, dim, sequences)
    chosen = forecast[list(variables)].isel({dim: positions})
    leads = _spread(range(chosen.sizes[names.LEAD_TIME]))
    if lead_time is not None:
        leads = choose_leads(chosen, lead_time)
    seen = None
    if observed is not None and all(name in observed.data_vars for name in variables):
        seen = _Seen(_same_of(observed, forecast, dim, positions), chosen, dim)
    valid = normalise_stamps(chosen[names.VALID_TIME].values)
    init = choose_init(chosen, init_time, leads, None if seen is None else seen.find(valid))
    times = Times(chosen)
    at = chosen[names.INIT_TIME].values[init]
    grid = grid_of(chosen, variables[0], (*_BESIDE, dim))
    made = chosen.isel({names.INIT_TIME: init, names.LEAD_TIME: leads}, drop=True)
    order = (dim, names.LEAD_TIME, grid.y_name, grid.x_name)
    values = np.stack([made[name].transpose(*order).values for name in variables], axis=2)
    prediction = values.astype(np.float32)
    labels = [times.lead(lead) for lead in chosen[names.LEAD_TIME].values[leads]]
    if times.frames:
        labels = [times.stamp(stamp) for stamp in valid[init, leads]]
    rows: dict[str, Frames] = {}
    last = None
    if seen is not None:
        history = int(forecast.attrs.get("stforecast_history", chosen.sizes[names.LEAD_TIME]))
        rows, last = _inputs(seen, normalise_stamps(np.asarray(at))[()], history, times)
        truth = seen.read(seen.find(valid[init, leads]))
        if np.isfinite(truth).any():
            rows["truth"] = Frames(truth, labels)
    rows["prediction"] = Frames(prediction, labels)
    if "truth" in rows:
        rows["error"] = Frames(prediction - rows["truth"].values, labels)
    return Clips(
        variable=chosen[variables[0]],
        is_colour=len(variables) == 3,
        names=[f"{dim} {label}" for label in sequence_names(chosen, dim)],
        rows=rows,
        last_input=last,
        headline=f"after {times.stamp(at)}" if times.frames else f"initial time {times.stamp(at)}",
        init_text=times.file_stamp(at),
    )


def _same_of(
    observed: xr.Dataset, forecast: xr.Dataset, dim: str, positions: list[int]
) -> xr.Dataset:
    """The sequences drawn, of the observations."""
    same = same_sequences(observed, forecast, dim)
    if same.sizes.get(dim) != forecast.sizes[dim]:
        raise DataError(
            f"the forecast has {forecast.sizes[dim]} of the dimension {dim}, the observations have "
            f"{same.sizes.get(dim, 0)} and do not tell which of them these are"
        )
    return same.isel({dim: positions})


def _inputs(seen: "_Seen", init: Any, history: int, times: Times) -> tuple[dict[str, Frames], Any]:
    """The frames that a forecast was made from, and the last of them; nothing if none is there."""
    last = int(seen.find(np.asarray(init))[()])
    if last < 0:
        return {}, None
    first = max(0, last - history + 1)
    at = np.asarray(_spread(range(first, last + 1)))
    labels = (
        [times.stamp(stamp) for stamp in seen.times[at]]
        if times.frames
        else [_offset_text(times, seen.times, position, last) for position in at]
    )
    frames = seen.read(at)
    return {"input": Frames(frames, labels)}, frames[:, -1:]


class _Seen:
    """Observed frames of the sequences drawn, by their times."""

    def __init__(self, observed: xr.Dataset, forecast: xr.Dataset, dim: str) -> None:
        self._variables = [str(name) for name in forecast.data_vars]
        name = self._variables[0]
        self._time = self._time_dimension(observed[name])
        dims = (names.INIT_TIME, names.LEAD_TIME, dim)
        grid = grid_of(observed, name, (self._time, dim))
        compare_grids(grid_of(forecast, name, dims), grid, "forecast", "observations")
        for variable in self._variables:
            check_units(
                variable, forecast[variable], observed[variable], "forecast", "observations"
            )
        self._observed = observed
        self._order = (dim, self._time, grid.y_name, grid.x_name)
        self.times = normalise_stamps(observed[self._time].values)
        if self.times.dtype.kind == "M":
            self.times = self.times.astype("datetime64[us]")

    @staticmethod
    def _time_dimension(field: xr.DataArray) -> str:
        for dim in field.dims:
            if isinstance(field.indexes.get(dim), (pd.DatetimeIndex, xr.CFTimeIndex)):
                return str(dim)
        raise DataError(f"{field.name} of the observations has no dimension of times with dates")

    def find(self, stamps: NDArray[Any]) -> NDArray[np.int64]:
        """Where each time stands, -1 for nowhere."""
        wanted = stamps.astype("datetime64[us]") if self.times.dtype.kind == "M" else stamps
        index = pd.Index(self.times)
        if not index.is_unique:
            raise DataError("the observations have a time twice; ingest them first")
        found = index.get_indexer(pd.Index(np.ravel(wanted)))
        return np.asarray(found, np.int64).reshape(stamps.shape)

    def read(self, positions: NDArray[np.int64]) -> Fields:
        """Frames (sequence, n, channel, y, x) at positions; NaN for -1."""
        part = self._observed.isel({self._time: np.maximum(positions, 0)})
        values = [part[name].transpose(*self._order).values for name in self._variables]
        frames = np.stack(values, axis=2).astype(np.float32)
        frames[:, positions < 0] = np.nan
        return frames


def _offset_text(times: Times, stamps: NDArray[Any], position: int, last: int) -> str:
    """How long before the initial time a frame is: ``−3 s``, ``0``."""
    if position == last:
        return "0"
    if times.months_per_lead:
        text = times.lead(last - position)
    else:
        text = times.lead(np.timedelta64(stamps[last] - stamps[position], "ns"))
    return text.replace("+", "\N{MINUS SIGN}", 1)


def _spread(positions: range) -> list[int]:
    """Up to ten of the positions, evenly spread, the first and the last among them."""
    few = np.linspace(positions[0], positions[-1], min(_FRAMES, len(positions)))
    return [int(at) for at in np.unique(np.rint(few))]
