"""Batches in an order that depends on seed and epoch alone, and that can be resumed anywhere."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from stforecast.errors import RunError
from stforecast.windows.dataset import Batch, WindowDataset


class ResumableLoader:
    """Batches of a dataset, epoch by epoch.

    With ``shuffle`` the order of epoch e is the permutation drawn from (seed, e), and an iteration
    goes on with the batch after the last one given, be it in this process or after
    :meth:`load_state_dict`: breaking off in the middle of an epoch loses no sample. Without, every
    iteration is one pass over the samples in their order.

    Several processes (``world_size``) share each epoch out among them. While training they all have
    the same number of batches: at most ``world_size - 1`` samples of an epoch are left out, others
    in every epoch. A last batch of a single sample is left out of training too, because batch
    statistics over one sample are none; shorter last batches stay.

    Parameters
    ----------
    batch_size:
        Samples of a batch in this process.
    workers:
        Processes that read ahead; 0 reads in this one.
    pin_memory:
        Whether batches come in page-locked memory, for copies to a GPU.
    """

    def __init__(
        self,
        dataset: WindowDataset,
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        workers: int = 0,
        pin_memory: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._next = 0
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_size=None,
            sampler=_Remaining(self),
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            # of its own, so that going on in an epoch draws no number from the global generator
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        """Batches of one epoch in this process."""
        return len(self._slices(self._shared()))

    def __iter__(self) -> Iterator[Batch]:
        length = len(self)
        for batch in self._loader:
            if self.shuffle:
                self._next += 1
                if self._next == length:
                    self.epoch, self._next = self.epoch + 1, 0
            yield batch

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Samples of this process in one epoch, in their order."""
        if not self.shuffle:
            return np.arange(self.rank, len(self.dataset), self.world_size)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))
        return order[self.rank :: self.world_size][: self._shared()]

    def batches(self) -> list[NDArray[np.int64]]:
        """Samples of each batch that the next iteration gives."""
        order = self.order(self.epoch)
        return [order[part] for part in self._slices(len(order))[self._next :]]

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch is, and what that depends on; plain values."""
        return {
            "epoch": self.epoch,
            "batch": self._next,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "samples": len(self.dataset),
            "world_size": self.world_size,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state`` was taken.

        Raises
        ------
        RunError
            The samples, the seed, the batch size or the number of processes are others, so that
            there is no next batch.
        """
        own = self.state_dict()
        for name in ("seed", "batch_size", "samples", "world_size"):
            if state[name] != own[name]:
                raise RunError(
                    f"the run cannot go on with its next batch: {name} was {state[name]} and is "
                    f"now {own[name]}; resume with what it was started with"
                )
        self.epoch, self._next = int(state["epoch"]), int(state["batch"])

    def _shared(self) -> int:
        """Samples of one epoch in this process."""
        samples = len(self.dataset)
        if self.shuffle:
            return samples // self.world_size
        return len(range(self.rank, samples, self.world_size))

    def _slices(self, samples: int) -> list[slice]:
        starts = range(0, samples, self.batch_size)
        slices = [slice(start, min(start + self.batch_size, samples)) for start in starts]
        if self.shuffle and len(slices) > 1 and samples % self.batch_size == 1:
            slices.pop()
        return slices


class _Remaining:
    """What torch's loader asks for the batches of the next iteration."""

    def __init__(self, loader: ResumableLoader) -> None:
        self._owner = loader

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return iter(self._owner.batches())

    def __len__(self) -> int:
        return len(self._owner)
