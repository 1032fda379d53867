"""Training samples of a store that does not hold them but tells how sequences are drawn.

Sequences are numbered without end: epoch e of N samples is made of the numbers e·N to e·N + N - 1,
so none is ever seen twice, and any of them can be had again.
"""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Dataset

from stforecast.errors import StoreError
from stforecast.store import TensorStore
from stforecast.windows.covariates import CovariateSet
from stforecast.windows.dataset import Batch, covariates_at
from stforecast.windows.lags import lag_positions
from stforecast.windows.spec import WindowSpec


class GeneratedDataset(Dataset[Batch]):
    """One sample of each sequence that is drawn.

    Indexing with one number or with many, of any size, gives a :class:`Batch`. Where a sequence is
    longer than a window, the initial time moves on by one from each number to the next.

    Parameters
    ----------
    store:
        A store with a generator.
    spec:
        The windows; no longer than a sequence.
    """

    fresh: ClassVar[bool] = True

    def __init__(self, store: TensorStore, spec: WindowSpec) -> None:
        generation, generator = store.meta.generation, store.generator
        if generation is None or generator is None:
            raise StoreError(f"{store.path or 'the dataset'} tells of no sequences to be drawn")
        self.spec = spec
        self._generator = generator
        self._samples = generation.sequences
        self._covariates = CovariateSet.of(spec, store)

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self._samples

    def __getitem__(self, index: int | ArrayLike) -> Batch:
        numbers = np.atleast_1d(np.asarray(index, np.int64))
        frames, _, *grid = self._generator.shape
        first = self.spec.history_needed - 1
        inits = first + numbers % (frames - self.spec.record_needed + 1)
        sequences = self._generator.draw(numbers)
        before = inits[:, None] + np.arange(1 - self.spec.history, 1)
        after = inits[:, None] + np.arange(1, self.spec.horizon + 1)
        lags = lag_positions(self.spec, inits) if self.spec.lags else None
        return Batch(
            history=self._frames(sequences, before),
            target=self._frames(sequences, after),
            covariates=covariates_at(self._covariates, inits, (grid[0], grid[1])),
            index=torch.from_numpy(np.stack([numbers, inits], axis=1)),
            lags=None if lags is None else self._frames(sequences, lags),
        )

    @staticmethod
    def _frames(sequences: NDArray[np.float32], positions: NDArray[np.int64]) -> torch.Tensor:
        """Frames (*positions.shape, C, H, W); the first axis of both is of the sequences."""
        rows = np.arange(len(sequences)).reshape(-1, *(1 for _ in positions.shape[1:]))
        return torch.from_numpy(sequences[rows, positions])
