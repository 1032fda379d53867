"""Several processes that train one model: what they must agree on."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """The processes of a run; with `world_size` 1 every exchange is what it was given."""

    rank: int = 0
    world_size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes of a tensor, in its own type and on its own device."""
        if self.world_size == 1:
            return values
        summed = values.detach().clone().to(self.device)
        torch.distributed.all_reduce(summed)
        return summed.to(values.device)

    def totals(self, values: list[float]) -> list[float]:
        """Sums over the processes of a few numbers."""
        if self.world_size == 1:
            return values
        summed: list[float] = self.total(torch.tensor(values, dtype=torch.float64)).tolist()
        return summed

    def of_first(self, values: list[float]) -> list[float]:
        """The numbers of the first process."""
        return self.totals(values if self.first else [0.0] * len(values))

    def gather(self, value: Any) -> list[Any]:
        """A plain value of each process, in their order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        torch.distributed.all_gather_object(values, value)
        return values
