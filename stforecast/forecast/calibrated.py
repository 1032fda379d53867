"""Forecasts with what past errors say of them."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from stforecast.forecast.apart import predicted
from stforecast.forecast.calibration import Calibration
from stforecast.forecast.members import Floats, Members, Positions
from stforecast.windows.covariates.sky import sky_of

# The axis of lead times where tables are asked, (I[, S], L, C, H, W).
_LEADS: Final = -4


class Calibrated:
    """Members drawn apart as past errors say, and the bounds of an interval after them.

    Args:
        members: makes the forecasts.
        calibration: the past errors.
        interval: coverage of the bounds, if there are to be any.
        spread: whether members are drawn apart, or together.
    """

    def __init__(
        self, members: Members, calibration: Calibration, interval: float | None, spread: bool
    ) -> None:
        self.layers = members.layers + (0 if interval is None else 2)
        self._members = members
        self._tables = calibration.tables
        self._interval = interval
        self._spread = spread
        channels = members.ensemble.card.channels
        self._sky = sky_of(members.store, channels)
        self._daylight = np.array([channel.daylight for channel in channels])

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> Floats:
        """Members (I, L, M[, S], C, H, W), M of one where there is but one forecast.

        With an interval its lower and upper bounds follow them: (I, L, M + 2[, S], C, H, W).
        """
        layers = self._members(sequences, inits)
        # past errors are the same for all sequences, whose axis goes before the lead times
        mean = np.moveaxis(layers.mean(axis=2), 1, _LEADS)
        bounds = () if self._interval is None else self._tables.bounds(mean, self._interval)
        if self._spread:
            layers = self._drawn_apart(layers, mean)
        if bounds:
            beside = [np.moveaxis(bound, _LEADS, 1)[:, :, None] for bound in bounds]
            layers = np.concatenate([layers, *beside], axis=2)
        return self._darkened(layers, inits)

    def _drawn_apart(self, members: Floats, mean: Floats) -> Floats:
        """Members (I, L, M[, S], C, H, W) as far from their mean as past errors were."""
        factors = self._tables.factors(mean, np.moveaxis(predicted(members), 1, _LEADS))
        factors = np.moveaxis(factors, _LEADS, 1)[:, :, None]
        centre = np.moveaxis(mean, _LEADS, 1)[:, :, None]
        low, high = (bound[:, None, None] for bound in (self._tables.minimum, self._tables.maximum))
        return np.clip(centre + factors * (members - centre), low, high)

    def _darkened(self, layers: Floats, inits: Positions) -> Floats:
        """The same (I, L, M[, S], C, H, W), with no past error where no sun shines."""
        if self._sky is None:
            return layers
        valid = np.asarray(inits)[:, None] + np.arange(1, layers.shape[1] + 1)
        night = self._sky.night(valid.ravel())
        between = [1] * (layers.ndim - 4)
        night = night.reshape(*valid.shape, *between, *night.shape[1:])
        return np.where(night & self._daylight[:, None, None], np.float32(0), layers)
