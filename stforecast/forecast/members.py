"""The members of an ensemble from some initial times, and what past errors make of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stforecast.forecast.batches import Batches
from stforecast.forecast.blocks import Block
from stforecast.forecast.ensemble import Ensemble
from stforecast.forecast.spreading import Recipe, Spread
from stforecast.forecast.trained import Precision
from stforecast.store import TensorStore
from stforecast.windows.covariates.sky import sky_of

if TYPE_CHECKING:
    from distributed import Client

    from stforecast.forecast.calibration import Calibration

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


class Members:
    """Makes the forecasts of all runs of an ensemble.

    Args:
        samples: for how many sequences and initial times forecasts will be asked for in all.
        steps: lead times of each.
        members: of all runs together; by default what :meth:`Ensemble.share` gives.
        seed: of the noise of runs that are told noise.
        interval: coverage of the bounds that are to follow the members.
        spread: whether members are drawn apart, or together, as far as past errors say.
        calibration: the past errors, for interval and spread.
        progress: told how many forecasts of how many are made.
        client: a cluster to make them on, after :meth:`begin`; see :func:`can_spread`.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        store: TensorStore,
        samples: int,
        steps: int,
        *,
        members: int | None = None,
        seed: int = 0,
        interval: float | None = None,
        spread: bool = False,
        calibration: "Calibration | None" = None,
        batch_size: int | None = None,
        precision: Precision = "auto",
        progress: Callable[[int, int], None] | None = None,
        client: "Client | None" = None,
    ) -> None:
        self.layers = (ensemble.total(members) or 1) + (0 if interval is None else 2)
        self._interval = interval
        self._spread = spread
        self._calibration = calibration
        done = [0] * len(ensemble.models)

        def told(number: int) -> Callable[[int, int], None] | None:
            if progress is None:
                return None

            def tell(made: int, total: int) -> None:
                done[number] = made
                progress(sum(done), len(done) * total)

            return tell

        self._batches = [
            Batches(
                model,
                store,
                samples,
                steps,
                members=share,
                seed=(seed, number),
                batch_size=batch_size,
                precision=model.precision(precision),
                progress=told(number),
                held=None if client is None else 0,
            )
            for number, (model, share) in enumerate(
                zip(ensemble.models, ensemble.share(members), strict=True)
            )
        ]
        self._client = client
        self._remote: Spread | None = None
        self._recipe = None
        if client is not None:
            self._recipe = Recipe.of(
                ensemble, store, self._batches, samples=samples, seed=seed, batch_size=batch_size
            )
        self._sky = sky_of(store, ensemble.card.channels)
        self._daylight = np.array([channel.daylight for channel in ensemble.card.channels])

    def begin(self, blocks: Sequence[Block]) -> None:
        """Make what will be asked for on the cluster, in this order, if there is one."""
        if self._client is not None and self._recipe is not None:
            self._remote = Spread(self._client, self._recipe, self._batches, blocks)

    def require(self, inits: Positions) -> None:
        """DataError where a covariate ends before the forecasts do."""
        for batches in self._batches:
            batches.require(inits)

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> Floats:
        """Members (I, L, M[, S], C, H, W), M of one where there is but one forecast.

        With an interval its lower and upper bounds follow them: (I, L, M + 2[, S], C, H, W).
        """
        if self._remote is not None:
            parts = self._remote(sequences, inits)
        else:
            parts = [batches(sequences, inits) for batches in self._batches]
        parts = [
            part if batches.members is not None else part[:, :, None]
            for part, batches in zip(parts, self._batches, strict=True)
        ]
        members = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
        if self._calibration is None:
            return members
        tables = self._calibration.tables
        mean = members.mean(axis=2)
        # past errors are the same for all sequences, whose axis goes before the lead times
        if sequences is not None:
            mean = np.moveaxis(mean, 2, 1)
        if self._spread:
            count = members.shape[2]
            variance = members.var(axis=2, ddof=1) * ((count + 1) / count)
            if sequences is not None:
                variance = np.moveaxis(variance, 2, 1)
            factors = tables.factors(mean, variance)
            centre = mean
            if sequences is not None:
                factors, centre = (np.moveaxis(item, 1, 2) for item in (factors, centre))
            apart = centre[:, :, None] + factors[:, :, None] * (members - centre[:, :, None])
            low, high = (bound[:, None, None] for bound in (tables.minimum, tables.maximum))
            members = np.clip(apart, low, high)
        if self._interval is None:
            return self._darkened(members, inits)
        bounds = np.stack(tables.bounds(mean, self._interval), axis=1)
        if sequences is not None:  # (I, 2, S, L, …)
            bounds = np.moveaxis(bounds, 2, 3)
        layers = np.concatenate([members, np.moveaxis(bounds, 1, 2)], axis=2)
        return self._darkened(layers, inits)

    def _darkened(self, layers: Floats, inits: Positions) -> Floats:
        """The same (I, L, M[, S], C, H, W), with no past error where no sun shines."""
        if self._sky is None:
            return layers
        valid = np.asarray(inits)[:, None] + np.arange(1, layers.shape[1] + 1)
        night = self._sky.night(valid.ravel())
        between = [1] * (layers.ndim - 4)
        night = night.reshape(*valid.shape, *between, *night.shape[1:])
        return np.where(night & self._daylight[:, None, None], np.float32(0), layers)
