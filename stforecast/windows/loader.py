"""Batches of a dataset, in an order that can be resumed, read ahead by workers if there are any."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from stforecast.windows.dataset import Batch, WindowDataset
from stforecast.windows.generated import GeneratedDataset
from stforecast.windows.order import BatchOrder


class ResumableLoader:
    """Batches of a dataset, epoch by epoch.

    With ``shuffle`` the order of epoch e is the permutation drawn from (seed, e), and an iteration
    goes on with the batch after the last one given, be it in this process or after
    :meth:`load_state_dict`: breaking off in the middle of an epoch loses no sample. Without, every
    iteration is one pass over the samples in their order.

    A dataset that is ``fresh`` has samples of its own for every epoch.

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
        dataset: WindowDataset | GeneratedDataset,
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
        self.order = BatchOrder(
            len(dataset), batch_size, shuffle, seed, rank, world_size, dataset.fresh
        )
        # The order, and not this object, is the sampler: torch's loader can only stop its workers
        # when it is not part of a reference cycle.
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_size=None,
            sampler=self.order,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            # of its own, so that going on in an epoch draws no number from the global generator
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        """Batches of one epoch in this process."""
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._loader:
            if self.order.shuffle:
                self.order.advance()
            yield batch

    @property
    def epoch(self) -> int:
        """Epoch of the next batch."""
        return self.order.epoch

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch is, and what that depends on; plain values."""
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state`` was taken; RunError where that is not possible."""
        self.order.load_state_dict(state)
