"""Where the sun stands over each cell."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from stforecast.errors import ConfigError
from stforecast.options.covariates import SunCovariate
from stforecast.store import ChannelMeta, TensorStore
from stforecast.sun import irradiance, is_night, sine_of_elevation, upwards
from stforecast.windows.covariates.base import Floats, Positions, Setting
from stforecast.windows.covariates.clock import RecordClock


class SunCovariates:
    """The sun over the cells of a record, at its instants or over its steps."""

    kind: Final = "future"

    def __init__(self, options: SunCovariate, store: TensorStore) -> None:
        """ConfigError where the cells have no place on earth."""
        self._fields = tuple(options.sun)
        self._sky = Sky(store, "windows.covariates: the sun")
        self.names = tuple(f"sun_{field}" for field in self._fields)

    @classmethod
    def of(cls, options: SunCovariate, setting: Setting) -> "SunCovariates":
        """Those asked for, over the cells of a record."""
        return cls(options, setting.store)

    def values(self, positions: Positions) -> Floats:
        """Values (n, K, H, W), see :class:`base.Covariate`."""
        made = {"elevation": self._sky.elevation, "irradiance": self._sky.irradiance}
        return np.stack([made[field](positions) for field in self._fields], axis=1)


def sky_of(store: TensorStore, channels: Sequence[ChannelMeta]) -> "Sky | None":
    """The sun over a record, where a variable is zero without it; ConfigError without a place."""
    of_daylight = next((channel for channel in channels if channel.daylight), None)
    if of_daylight is None:
        return None
    return Sky(store, f"data.variables.{of_daylight.name}.daylight")


class Sky:
    """The sun over the cells of a record."""

    def __init__(self, store: TensorStore, what: str) -> None:
        """`what` needs the place of the cells; ConfigError where they have none."""
        places = store.grid.places()
        if places is None:
            raise ConfigError(
                f"{what} needs to know where the cells lie; give the outer edges of the grid in "
                "data.grid and ingest the files again"
            )
        self._up = upwards(*places)
        self._axis = store.axis
        self._clock = RecordClock(store.axis, store.meta.timezone)

    def elevation(self, positions: Positions) -> Floats:
        """Sine of the elevation (n, H, W)."""
        days = self._clock.sun_days(positions)
        return sine_of_elevation(days, self._up).astype(np.float32)

    def irradiance(self, positions: Positions) -> Floats:
        """Mean over the steps that end at positions, see :func:`stforecast.sun.irradiance`."""
        return self._each(positions, irradiance).astype(np.float32)

    def night(self, positions: Positions) -> np.ndarray:
        """Whether no sun shows in the whole of the steps that end at positions (n, H, W), bool."""
        return self._each(positions, is_night).astype(bool)

    def _each(self, positions: Positions, function: object) -> np.ndarray:
        assert callable(function)
        ends, step = self._clock.sun_days(positions), self._axis.step
        length = step.seconds / 86_400 if step.is_fixed else step.months * 365.2425 / 12
        # through longer steps the sun rises and sets many times
        parts = max(4, min(int(np.ceil(length * 24)), 24 * 32))
        return np.asarray(function(ends, length, self._up, max(parts, 12)))
