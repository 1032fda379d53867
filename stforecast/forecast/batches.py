"""Forecasts of many samples, batch by batch."""

import threading
from collections.abc import Callable, Iterable, Sequence
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
        held: bytes of the largest record to hold in memory, where most of it is read more than
            once; by default as much as :class:`Frames` takes.
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
        held: int | None = None,
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
        self._telling = threading.Lock()
        # a record of which most is read is read once
        spec = model.spec
        read = spec.history + len(spec.lags) * (spec.history + spec.horizon)
        much = samples * read > store.n_sequences * store.shape[0]
        self._frames = Frames(store, cache_bytes=held if much else 0)
        self._covariates = CovariateSet.of(spec, store, model.given, trained=True)
        self._surroundings = Surroundings(
            spec, self._frames, self._covariates, model.card.channels, model.climatology
        )

    def __call__(self, sequences: Sequence[int] | None, inits: Positions) -> NDArray[np.float32]:
        """Forecasts (I, L[, M][, S], C, H, W).

        Blocks that are asked for at the same time are made one after the other. RunError where the
        device's memory ends.
        """
        return self.gathered(
            sequences, inits, (self.of(*batch) for batch in self.batches(sequences, inits))
        )

    def batches(
        self, sequences: Sequence[int] | None, inits: Positions
    ) -> list[tuple[Positions, range]]:
        """Samples (B, 2) of sequence and initial time, and which members, of each batch."""
        chosen = [0] if sequences is None else list(sequences)
        samples = np.array(
            [(sequence, init) for sequence in chosen for init in inits.tolist()], np.int64
        ).reshape(-1, 2)
        count = self.members or 1
        together = max(1, self._batch_size // count)
        return [
            (samples[start : start + together], range(first, min(first + self._batch_size, count)))
            for start in range(0, len(samples), together)
            for first in range(0, count, self._batch_size)
        ]

    def of(self, samples: Positions, members: range) -> NDArray[np.float32]:
        """Forecasts (B, M, L, C, H, W) of a batch; RunError where the device's memory ends."""
        with self._one_at_a_time:
            return self._batch(samples, members)

    def gathered(
        self,
        sequences: Sequence[int] | None,
        inits: Positions,
        found: Iterable[NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """What :meth:`of` gave of all batches, as forecasts (I, L[, M][, S], C, H, W)."""
        beside = 1 if sequences is None else len(sequences)
        count = self.members or 1
        made = np.empty((beside * len(inits), count, self.steps, *self.store.shape[1:]), np.float32)
        start = 0
        for (samples, members), part in zip(self.batches(sequences, inits), found, strict=True):
            made[start : start + len(samples), members.start : members.stop] = part
            if members.stop == count:
                start += len(samples)
                self._tell(len(samples))
        # (S, I, M, L, C, H, W)
        shaped = made.reshape(beside, len(inits), *made.shape[1:])
        shaped = shaped.transpose(1, 3, 2, 0, 4, 5, 6)
        shaped = shaped[:, :, :, 0] if sequences is None else shaped
        return shaped[:, :, 0] if self.members is None else shaped

    def _tell(self, samples: int) -> None:
        with self._telling:
            self._done = min(self._done + samples, self._samples)
            if self._progress is not None:
                self._progress(self._done, self._samples)

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
