"""Forecasts of many samples, batch by batch."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stforecast.errors import RunError
from stforecast.forecast.rollout import rollout
from stforecast.forecast.trained import TrainedModel
from stforecast.store import TensorStore
from stforecast.timeaxis.stamps import Clock
from stforecast.windows.covariates import CovariateSet
from stforecast.windows.dataset import Batch, Surroundings
from stforecast.windows.frames import Frames

# Largest default batch, and how many values of history it may hold.
_BATCH = 32
_BATCH_VALUES = 2**22

Positions = NDArray[np.int64]


class Batches:
    """Makes forecasts of a run from some initial times of some sequences.

    Args:
        samples: how many forecasts will be asked for in all.
        steps: lead times of each.
        members: how many forecasts of each sample, where the model is told noise.
        seed: of the noise, which else hangs on the sample's times alone.
        progress: told how many forecasts of how many are made.
    """

    def __init__(
        self,
        model: TrainedModel,
        store: TensorStore,
        samples: int,
        steps: int,
        *,
        members: int | None = None,
        seed: Sequence[int] = (0,),
        batch_size: int | None = None,
        precision: str = "float32",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.model = model
        self.store = store
        self.steps = steps
        self.precision = precision
        self.members = members
        self._seed = tuple(seed)
        self._batch_size = batch_size or _default_batch_size(store, model)
        self._progress = progress
        self._samples = samples
        self._done = 0
        self._one_at_a_time = threading.Lock()
        # a record of which most is read is read once
        spec = model.spec
        read = spec.history + len(spec.lags) * (spec.history + spec.horizon)
        much = samples * read > store.n_sequences * store.shape[0]
        self._frames = Frames(store, cache_bytes=None if much else 0)
        self._covariates = CovariateSet.of(spec, store, model.given, trained=True)
        self._surroundings = Surroundings(
            spec, self._frames, self._covariates, model.card.channels, model.climatology
        )

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> NDArray[np.float32]:
        """Forecasts (I, L[, M][, S], C, H, W).

        Blocks that are asked for at the same time are made one after the other. RunError where the
        device's memory ends.
        """
        chosen = [0] if sequences is None else list(sequences)
        samples = np.array(
            [(sequence, init) for sequence in chosen for init in inits.tolist()], np.int64
        ).reshape(-1, 2)
        count = self.members or 1
        made = np.empty((len(samples), count, self.steps, *self.store.shape[1:]), np.float32)
        together = max(1, self._batch_size // count)
        with self._one_at_a_time:
            for start in range(0, len(samples), together):
                part = samples[start : start + together]
                for first in range(0, count, self._batch_size):
                    members = range(first, min(first + self._batch_size, count))
                    made[start : start + len(part), first : members.stop] = self._batch(
                        part, members
                    )
                self._done = min(self._done + len(part), self._samples)
                if self._progress is not None:
                    self._progress(self._done, self._samples)
        # (S, I, M, L, C, H, W)
        shaped = made.reshape(len(chosen), len(inits), *made.shape[1:])
        shaped = shaped.transpose(1, 3, 2, 0, 4, 5, 6)
        shaped = shaped[:, :, :, 0] if sequences is None else shaped
        return shaped[:, :, 0] if self.members is None else shaped

    def require(self, inits: Positions) -> None:
        """DataError where a covariate ends before the forecasts do."""
        self._covariates.require(inits, self.steps, "the forecast")

    def _noise(self, samples: Positions, members: range, ahead: int) -> Tensor | None:
        """The noise of each member of each sample, in that order; None for a model without."""
        noise = self.model.noise
        if noise is None:
            return None
        stamps = self.store.axis.times_at(samples[:, 1])
        times = Clock.of(stamps).to_micros(stamps).tolist()
        keys = [
            (*self._seed, int(sequence), time, ahead, member)
            for (sequence, _), time in zip(samples.tolist(), times, strict=True)
            for member in members
        ]
        return noise.drawn(keys, self.store.shape[2:])

    def _batch(self, samples: Positions, members: range) -> NDArray[np.float32]:
        """Forecasts (B, M, L, C, H, W) of some samples."""
        model, device = self.model, self.model.device
        repeated = np.repeat(samples, len(members), axis=0)
        before = np.arange(1 - model.spec.history, 1)
        history = self._frames.gather(repeated[:, 0], repeated[:, 1, None] + before).to(device)

        def window(history: Tensor, ahead: int) -> Batch:
            batch = self._surroundings.around(repeated, history, ahead=ahead)
            return replace(batch, noise=self._noise(samples, members, ahead)).to(device)

        try:
            with torch.inference_mode(), model.autocast(self.precision):
                shots = rollout(model.module, model.transform, history, window)
                count = -(-self.steps // model.spec.horizon)
                made = [shot.cpu() for _, shot in zip(range(count), shots, strict=False)]
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"{device} has too little memory for {len(repeated)} forecasts at once; lower the "
                "batch size"
            ) from error
        found = torch.cat(made, dim=1)[:, : self.steps].numpy()
        return np.asarray(found).reshape(len(samples), len(members), *found.shape[1:])


def _default_batch_size(store: TensorStore, model: TrainedModel) -> int:
    values = model.spec.history * int(np.prod(store.shape[1:]))
    return max(1, min(_BATCH, _BATCH_VALUES // values))
