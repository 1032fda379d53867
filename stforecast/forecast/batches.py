"""Forecasts of many samples, batch by batch: at once in memory, or lazily in blocks."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import dask
import dask.array
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stforecast.errors import RunError
from stforecast.forecast.rollout import rollout
from stforecast.forecast.trained import TrainedModel
from stforecast.store import TensorStore
from stforecast.windows.covariates import CovariateSet
from stforecast.windows.dataset import Batch, Surroundings
from stforecast.windows.frames import Frames

# Largest default batch, and how many values of history it may hold.
_BATCH = 32
_BATCH_VALUES = 2**22
# Bytes of forecasts that are made at once where they are lazy. As many are scored at once.
_BLOCK = 32 * 2**20

Positions = NDArray[np.int64]


class Batches:
    """Makes forecasts of a run from some initial times of some sequences.

    Args:
        samples: how many forecasts will be asked for in all.
        steps: lead times of each.
        progress: told how many forecasts of how many are made.
    """

    def __init__(
        self,
        model: TrainedModel,
        store: TensorStore,
        samples: int,
        steps: int,
        *,
        batch_size: int | None = None,
        precision: str = "float32",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.model = model
        self.store = store
        self.steps = steps
        self.precision = precision
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
        self._surroundings = Surroundings(spec, self._frames, self._covariates)

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> NDArray[np.float32]:
        """Forecasts (I, L, C, H, W), or (I, L, S, C, H, W) of sequences.

        Blocks that are asked for at the same time are made one after the other. RunError where the
        device's memory ends, DataError where a covariate does.
        """
        self._covariates.require(inits, self.steps, "the forecast")
        return self._make(sequences, inits)

    def _make(self, sequences: Sequence[int] | None, inits: Positions) -> NDArray[np.float32]:
        chosen = [0] if sequences is None else list(sequences)
        samples = np.array(
            [(sequence, init) for sequence in chosen for init in inits.tolist()], np.int64
        ).reshape(-1, 2)
        made = np.empty((len(samples), self.steps, *self.store.shape[1:]), np.float32)
        with self._one_at_a_time:
            for start in range(0, len(samples), self._batch_size):
                part = samples[start : start + self._batch_size]
                made[start : start + len(part)] = self._batch(part)
                self._done = min(self._done + len(part), self._samples)
                if self._progress is not None:
                    self._progress(self._done, self._samples)
        shaped = made.reshape(len(chosen), len(inits), *made.shape[1:])
        return shaped[0] if sequences is None else np.moveaxis(shaped, 0, 2)

    def lazily(self, sequences: Sequence[int] | None, inits: Positions) -> Any:
        """The same as a dask array, whose blocks are made when they are read.

        Blocks are of initial times, or of sequences, where one initial time is too much.
        """
        self._covariates.require(inits, self.steps, "the forecast")
        beside = 1 if sequences is None else len(sequences)
        of_one = 4 * beside * self.steps * int(np.prod(self.store.shape[1:]))
        if of_one <= _BLOCK or sequences is None:
            step = max(1, _BLOCK // of_one)
            parts = np.split(inits, range(step, len(inits), step))
            return dask.array.concatenate([self._block(sequences, part) for part in parts])
        step = max(1, _BLOCK // (of_one // beside))
        groups = [sequences[first : first + step] for first in range(0, beside, step)]
        rows = [
            dask.array.concatenate([self._block(group, init) for group in groups], axis=2)
            for init in np.split(inits, len(inits))
        ]
        return dask.array.concatenate(rows)

    def _block(self, sequences: Sequence[int] | None, inits: Positions) -> Any:
        beside = () if sequences is None else (len(sequences),)
        shape = (len(inits), self.steps, *beside, *self.store.shape[1:])
        # neither the model nor the record is to be looked at for a name
        made = dask.delayed(self._make, pure=False, traverse=False)(sequences, inits)
        return dask.array.from_delayed(made, shape, np.float32)

    def _batch(self, samples: Positions) -> NDArray[np.float32]:
        model, device = self.model, self.model.device
        numbers, inits = samples[:, 0], samples[:, 1]
        before = np.arange(1 - model.spec.history, 1)
        history = self._frames.gather(numbers, inits[:, None] + before).to(device)

        def window(history: Tensor, ahead: int) -> Batch:
            return self._surroundings.around(samples, history, ahead=ahead).to(device)

        try:
            with torch.inference_mode(), model.autocast(self.precision):
                shots = rollout(model.module, model.transform, history, window)
                count = -(-self.steps // model.spec.horizon)
                made = [shot.cpu() for _, shot in zip(range(count), shots, strict=False)]
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"{device} has too little memory for {len(samples)} forecasts at once; lower the "
                "batch size"
            ) from error
        return np.asarray(torch.cat(made, dim=1)[:, : self.steps].numpy())


def _default_batch_size(store: TensorStore, model: TrainedModel) -> int:
    values = model.spec.history * int(np.prod(store.shape[1:]))
    return max(1, min(_BATCH, _BATCH_VALUES // values))
