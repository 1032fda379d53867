"""The order of batches: of seed and epoch alone, left and resumed anywhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import RunError
from stforecast.windows.blocks.order import Mixing, mixed


@dataclass
class BatchOrder:
    """Which samples make the next batches of one process.

    With ``fresh`` the samples of epoch e are not 0 to n - 1 again but those from e·n on.
    With ``mixing`` samples (n, in the order of the record) are drawn block by block from their
    ``homes`` (n,); each process then has a part of the record of its own.
    Iterating gives the batches from ``batch`` to the end of ``epoch`` and moves nothing;
    :meth:`advance` tells that one more has been used.
    """

    samples: int
    batch_size: int
    shuffle: bool = True
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    fresh: bool = False
    epoch: int = 0
    batch: int = 0
    mixing: Mixing | None = None
    homes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Batches of one epoch."""
        samples = self._shared()
        batches = -(-samples // self.batch_size)
        last_is_single = batches > 1 and samples % self.batch_size == 1 < self.batch_size
        return batches - 1 if self.shuffle and last_is_single else batches

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = self.permutation(self.epoch)
        starts = range(self.batch * self.batch_size, len(self) * self.batch_size, self.batch_size)
        return (order[start : start + self.batch_size] for start in starts)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """Samples of this process in one epoch, in their order."""
        if self.mixing is not None and self.homes is not None:
            return self._from_blocks(self.mixing, self.homes, epoch)
        if not self.shuffle:
            return np.arange(self.rank, self.samples, self.world_size)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.samples)
        if self.fresh:
            order += epoch * self.samples
        return order[self.rank :: self.world_size][: self._shared()]

    def mix(self, mixing: Mixing | None, homes: NDArray[np.int64] | None) -> None:
        """Draw samples block by block from now on, or from all of them."""
        self.mixing, self.homes = mixing, homes

    def _from_blocks(
        self, mixing: Mixing, homes: NDArray[np.int64], epoch: int
    ) -> NDArray[np.int64]:
        """Samples of this process: neighbours in time, so that it reads little of the others'."""
        if not self.shuffle:
            return np.array_split(np.arange(self.samples), self.world_size)[self.rank]
        # the record as a ring, cut elsewhere in every epoch
        begin = int(np.random.default_rng((self.seed, epoch)).integers(self.samples))
        shared = self._shared()
        part = (begin + self.rank * shared + np.arange(shared)) % self.samples
        random = np.random.default_rng((self.seed, epoch, self.rank))
        return part[mixed(homes[part], mixing.heads, random)]

    def advance(self) -> None:
        """Count one batch as used; after the last one the next epoch begins."""
        self.batch += 1
        if self.batch == len(self):
            self.epoch, self.batch = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch is, and what that depends on; plain values."""
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "samples": self.samples,
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
        self.epoch, self.batch = int(state["epoch"]), int(state["batch"])

    def _shared(self) -> int:
        """Samples of one epoch in this process."""
        if self.shuffle:
            return self.samples // self.world_size
        return len(range(self.rank, self.samples, self.world_size))
