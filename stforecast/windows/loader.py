"""Batches of a dataset, in an order that can be resumed, read ahead by workers if there are any."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from stforecast.errors import StForecastWarning
from stforecast.options.storage import size_text
from stforecast.windows.blocks.grid import BlockGrid, spans_of, whole_chunks
from stforecast.windows.blocks.order import FEWEST_HEADS, Mixing, choose_mixing
from stforecast.windows.blocks.plan import batch_needs
from stforecast.windows.blocks.reader import BlockReader
from stforecast.windows.dataset import Batch, WindowDataset
from stforecast.windows.generated import GeneratedDataset
from stforecast.windows.order import BatchOrder

THREADS: Final = 2  # that read blocks, at least
# Bytes beside blocks and batches, at most: stacks of threads, the plan of an epoch.
_BESIDE: Final = 8 * 2**20


class ResumableLoader:
    """Batches of a dataset, epoch by epoch.

    With ``shuffle`` the order of epoch e is the permutation drawn from (seed, e), and an iteration
    goes on with the batch after the last one given, be it in this process or after
    :meth:`load_state_dict`: breaking off in the middle of an epoch loses no sample. Without, every
    iteration is one pass over the samples in their order.

    A dataset that is ``fresh`` has samples of its own for every epoch.

    With ``memory`` and a record that is not in memory, samples are read block by block, each block
    once in an epoch, and the order is one that allows for that
    (:mod:`stforecast.windows.blocks.order`).

    Several processes (``world_size``) share each epoch out among them. While training they all have
    the same number of batches: at most ``world_size - 1`` samples of an epoch are left out, others
    in every epoch. A last batch of a single sample is left out of training too, because batch
    statistics over one sample are none; shorter last batches stay.

    Parameters
    ----------
    batch_size:
        Samples of a batch in this process.
    workers:
        Processes that read ahead; 0 reads in this one. Blocks are read by threads of this process,
        as many, but at least two.
    pin_memory:
        Whether batches come in page-locked memory, for copies to a GPU.
    memory:
        Bytes that blocks of the record, and two batches, may take while an epoch is read. Batches
        that are larger than half of it come on top.
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
        memory: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self._pin = pin_memory
        self.order = BatchOrder(
            len(dataset), batch_size, shuffle, seed, rank, world_size, dataset.fresh
        )
        self._blocks: _Blocks | None = None
        if memory is not None and _out_of_memory(dataset):
            threads = max(workers, THREADS)
            self._blocks = _Blocks(dataset, batch_size, memory, threads, pin_memory)
            self._mix(self._blocks.mixing)
        # The order, and not this object, is the sampler: torch's loader can only stop its workers
        # when it is not part of a reference cycle.
        self._helped: DataLoader[Batch] | None = None
        if workers > 0 and self._blocks is None:
            self._helped = DataLoader(
                dataset,
                batch_size=None,
                sampler=self.order,
                num_workers=workers,
                pin_memory=pin_memory,
                persistent_workers=True,
                # of its own, so that going on in an epoch draws no number from the global generator
                generator=torch.Generator(),
            )

    def __len__(self) -> int:
        """Batches of one epoch in this process."""
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches():
            if self.order.shuffle:
                self.order.advance()
            yield batch

    def _batches(self) -> Iterable[Batch]:
        """From the next batch of the order to the end of its epoch."""
        if self._blocks is not None:
            return self._blocks.batches(self.order)
        if self._helped is not None:
            return self._helped
        made = (self.dataset[samples] for samples in self.order)
        return (batch.pin_memory() for batch in made) if self._pin else made

    @property
    def epoch(self) -> int:
        """Epoch of the next batch."""
        return self.order.epoch

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch is, and what that depends on; plain values."""
        mixing = self.order.mixing
        kept = None if mixing is None else mixing.to_json()
        return {**self.order.state_dict(), "mixing": kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state`` was taken; RunError where that is not possible.

        The order stays what it was begun with, also where more or less memory is there now.
        """
        self.order.load_state_dict(state)
        kept = state.get("mixing")
        self._mix(None if kept is None else Mixing.from_json(kept))

    def _mix(self, mixing: Mixing | None) -> None:
        """Draw samples as the heads of ``mixing`` come to them; None draws them from all."""
        homes = None
        if mixing is not None and isinstance(self.dataset, WindowDataset):
            homes = homes_of(self.dataset, mixing)
        self.order.mix(mixing, homes)


class _Blocks:
    """Makes the batches of a dataset from blocks that are read ahead."""

    def __init__(
        self, dataset: WindowDataset, batch_size: int, memory: int, threads: int, pin: bool
    ) -> None:
        self._dataset = dataset
        self._threads = threads
        self._pin = pin
        self._warned = False
        spec, store = dataset.spec, dataset.frames.store
        self._frame = 4 * int(np.prod(store.shape[1:]))
        self._spans = spans_of(spec, dataset.target)
        # one batch is made while another is learned from
        frames = (spec.history + spec.horizon) * (1 + len(spec.lags))
        self._batches = 2 * min(batch_size, len(dataset)) * frames * self._frame
        self._limit = memory
        # the allocator keeps some of what was given back, and threads and plans take a little
        beside = memory // 32 + min(memory // 16, _BESIDE) + self._batches
        self._memory = max(memory - beside, memory // 4)
        self._smallest = whole_chunks(store)
        self.mixing = self._mixing(self._memory)

    def _warn_of_few_heads(self, heads: int) -> None:
        """Tell where there is too little memory for a good order, and how much would do."""
        memory, most = self._memory, self._limit * 1024
        if self._warned or heads >= min(FEWEST_HEADS, self._mixing(most).heads):
            return
        self._warned = True
        while self._mixing(memory).heads < FEWEST_HEADS and memory < most:
            memory *= 2
        warnings.warn(
            f"training.memory_limit, {size_text(self._limit)}, lets windows be drawn from only "
            f"{heads} part{'s' if heads > 1 else ''} of the record at a time, so that those of a "
            f"batch are much alike; {size_text(memory + self._batches)} would mix them better",
            StForecastWarning,
            stacklevel=2,
        )

    def _mixing(self, memory: int) -> Mixing:
        # threads that read faster are no reason for another order
        return choose_mixing(self._smallest, self._spans, self._frame, memory, THREADS)

    def batches(self, order: BatchOrder) -> Iterator[Batch]:
        """From the next batch of the order to the end of its epoch."""
        if order.shuffle and order.mixing is not None:
            self._warn_of_few_heads(order.mixing.heads)
        grid = grid_of(self._dataset, order.mixing or self.mixing)
        chosen = list(order)
        needed = grid.needed(self._dataset.samples, self._spans)
        needs = batch_needs(needed, chosen, len(grid))
        slots = min(grid.slots(self._frame, self._memory, self._threads), len(grid))
        reader = BlockReader(self._dataset.frames, grid, slots, self._threads)
        dataset = self._dataset.reading(reader)
        steps = reader.steps(needs)
        try:
            for samples, _ in zip(chosen, steps, strict=True):
                batch = dataset[samples]
                yield batch.pin_memory() if self._pin else batch
        finally:
            steps.close()


def _out_of_memory(dataset: WindowDataset | GeneratedDataset) -> TypeGuard[WindowDataset]:
    """Whether samples are read from a store as they are needed."""
    return isinstance(dataset, WindowDataset) and len(dataset) > 0 and not dataset.frames.in_memory


def grid_of(dataset: WindowDataset, mixing: Mixing) -> BlockGrid:
    """The blocks of a dataset's record."""
    store = dataset.frames.store
    return mixing.grid(store.shape[0], store.n_sequences)


def homes_of(dataset: WindowDataset, mixing: Mixing) -> NDArray[np.int64]:
    """(n,): the block in which each sample ends, with which it is drawn."""
    samples = dataset.samples
    last = samples[:, 1] + (dataset.spec.horizon if dataset.target else 0)
    return grid_of(dataset, mixing).block(samples[:, 0], last)
