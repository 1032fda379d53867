"""The members of an ensemble from some initial times."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stforecast.forecast.batches import Batches
from stforecast.forecast.blocks import Block
from stforecast.forecast.ensemble import Ensemble
from stforecast.forecast.options import ForecastOptions
from stforecast.forecast.spreading import Recipe, Spread
from stforecast.store import TensorStore

if TYPE_CHECKING:
    from distributed import Client

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Progress = Callable[[int, int], None]


class Members:
    """Makes the forecasts of all runs of an ensemble.

    Args:
        samples: for how many sequences and initial times forecasts will be asked for in all.
        steps: lead times of each.
        options: how they are made; what past errors say of them is not for here.
        progress: told how many forecasts of how many are made.
        client: a cluster to make them on, after :meth:`begin`; see :func:`can_spread`.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        store: TensorStore,
        samples: int,
        steps: int,
        options: ForecastOptions,
        *,
        progress: Progress | None = None,
        client: "Client | None" = None,
    ) -> None:
        self.ensemble = ensemble
        self.store = store
        self.layers = ensemble.total(options.members) or 1
        told = _told_together(progress, len(ensemble.models))
        self._batches = [
            Batches(
                model,
                store,
                samples,
                steps,
                members=share,
                seed=(options.seed, number),
                batch_size=options.batch_size,
                precision=model.precision(options.precision),
                progress=tell,
                held=None if client is None else 0,
            )
            for number, (model, share, tell) in enumerate(
                zip(ensemble.models, ensemble.share(options.members), told, strict=True)
            )
        ]
        self._client = client
        self._remote: Spread | None = None
        self._recipe = None
        if client is not None:
            self._recipe = Recipe.of(ensemble, store, self._batches, samples, options)

    def begin(self, blocks: Sequence[Block]) -> None:
        """Make what will be asked for on the cluster, in this order, if there is one."""
        if self._client is not None and self._recipe is not None:
            self._remote = Spread(self._client, self._recipe, self._batches, blocks)

    def require(self, inits: Positions) -> None:
        """DataError where a covariate ends before the forecasts do."""
        for batches in self._batches:
            batches.require(inits)

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> Floats:
        """Members (I, L, M[, S], C, H, W), M of one where there is but one forecast."""
        if self._remote is not None:
            parts = self._remote(sequences, inits)
        else:
            parts = [batches(sequences, inits) for batches in self._batches]
        parts = [
            part if batches.members is not None else part[:, :, None]
            for part, batches in zip(parts, self._batches, strict=True)
        ]
        return np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]


def _told_together(progress: Progress | None, runs: int) -> list[Progress | None]:
    """For each of some runs what it tells; the progress is of all."""
    if progress is None:
        return [None] * runs
    done = [0] * runs

    def told(number: int) -> Progress:
        def tell(made: int, total: int) -> None:
            done[number] = made
            progress(sum(done), runs * total)

        return tell

    return [told(number) for number in range(runs)]
