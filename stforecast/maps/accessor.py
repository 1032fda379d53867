"""``forecast.stforecast``: maps from a notebook. Loads no graphics before they are asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@xr.register_dataset_accessor("stforecast")
class ForecastAccessor:
    """Maps of a forecast held as an ``xr.Dataset``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def map(
        self,
        variable: str | None = None,
        lead_time: Sequence[Any] | Any = None,
        *,
        observed: xr.Dataset | None = None,
        **options: Any,
    ) -> "Figure":
        """A figure of one variable, a panel for each lead time.

        See :func:`stforecast.maps.map_figure` for ``init_time``, ``overlay``, ``projection`` and
        ``cmap``.
        """
        from stforecast.maps.figure import map_figure

        return map_figure(self._dataset, variable, lead_time, observed=observed, **options)

    def frames(
        self,
        variable: str | Sequence[str] | None = None,
        lead_time: Sequence[Any] | Any = None,
        *,
        observed: xr.Dataset | None = None,
        **options: Any,
    ) -> "Figure":
        """A figure of independent sequences, such as videos: inputs, truth and prediction.

        See :func:`stforecast.maps.sequence_figure` for ``sequences``, ``init_time`` and ``cmap``.
        """
        from stforecast.maps.sequence_panels import sequence_figure

        return sequence_figure(self._dataset, variable, lead_time, observed=observed, **options)

    def plot(self, folder: str | Path, **options: Any) -> list[Path]:
        """Draw one PNG for each variable into a folder: see :func:`stforecast.maps.plot`."""
        from stforecast.maps.plotting import plot

        return plot(self._dataset, folder, **options)
