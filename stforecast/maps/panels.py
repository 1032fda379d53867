"""What one figure of maps shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.grid import Grid
from stforecast.maps.labels import Times

Fields = NDArray[np.float32]


@dataclass
class Panels:
    """Fields (lead, y, x) of each row of panels.

    The first ``known`` columns are of times before the forecast begins: they have an observation
    and nothing else. Of ``members`` the mean is shown. ``heading`` stands in place of the initial
    time, ``row_names`` in place of the usual names of rows. Without ``valid_times`` the panels are
    of lead times alone, and their errors, being scores already, are not scored again.
    """

    variable: xr.DataArray
    rows: dict[str, Fields]
    grid: Grid
    times: Times
    init_time: Any
    lead_times: NDArray[Any]
    valid_times: NDArray[Any] | None
    known: int = 0
    members: int = 1
    heading: str | None = None
    row_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """Under the title: from when the forecast is, unless something else is to stand there."""
        if self.heading is not None:
            return self.heading
        init = f"{self.times.stamp(self.init_time)} {self.times.zone}".rstrip()
        mean = f", mean of {self.members} members" if self.members > 1 else ""
        return f"{'After' if self.times.frames else 'Initial time'} {init}{mean}"

    def error_scores(self, error: Fields) -> tuple[float, float] | None:
        """RMSE and bias of a field (y, x) of errors, by the area of cells; None of none."""
        there = np.isfinite(error)
        if not there.any():
            return None
        weights = self.grid.area_weights()
        weight = np.ones(error.shape) if weights is None else weights.values
        errors = error[there].astype(np.float64)
        rmse = np.sqrt(np.average(errors**2, weights=weight[there]))
        return float(rmse), float(np.average(errors, weights=weight[there]))
