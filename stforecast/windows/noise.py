"""Noise that a model is told, so that its forecasts differ from one another as the truth may.

A model trained with the CRPS (:mod:`stforecast.training.losses`) learns what to make of it. Some
channels are the same in all cells, so that members can differ as a whole; the others are drawn for
each cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

# Keeps streams of numbers apart from others drawn from the same seed.
_STREAM: Final = 0x6E6F6973


@dataclass(frozen=True)
class Noise:
    """Channels of standard normal noise, the last static ones of a sample.

    uniform: the same in all cells. local: drawn for each cell.
    """

    uniform: int
    local: int

    @property
    def channels(self) -> int:
        """Z of them."""
        return self.uniform + self.local

    def random(
        self, samples: int, grid: tuple[int, int], device: torch.device | str = "cpu"
    ) -> Tensor:
        """Noise (B, Z, H, W) from the global generator."""
        whole = torch.randn(samples, self.uniform, 1, 1, device=device).expand(-1, -1, *grid)
        return torch.cat([whole, torch.randn(samples, self.local, *grid, device=device)], dim=1)

    def drawn(self, keys: Sequence[tuple[int, ...]], grid: tuple[int, int]) -> Tensor:
        """Noise (B, Z, H, W) that depends on each sample's own key of whole numbers and no other.

        A forecast is then the same whichever others are made with it.
        """
        drawn = np.empty((len(keys), self.channels, *grid), np.float32)
        for number, key in enumerate(keys):
            # keys may be negative, as times before 1970 are
            random = np.random.default_rng([_STREAM, *(part % 2**64 for part in key)])
            drawn[number, : self.uniform] = random.standard_normal((self.uniform, 1, 1), np.float32)
            drawn[number, self.uniform :] = random.standard_normal((self.local, *grid), np.float32)
        return torch.from_numpy(drawn)
