"""What a model is told besides its history, and the door through which it comes.

Every covariate is one of three kinds: ``past`` (observed, never read beyond the initial time),
``future`` (known in advance for every valid time) and ``static``. Whatever gives its values at
positions of the time axis can come in.
"""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Kind = Literal["past", "future", "static"]
Floats = NDArray[np.float32]


class Covariate(Protocol):
    """One source of covariates."""

    @property
    def kind(self) -> Kind:
        """What may be known of it when a forecast starts."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each of the K channels."""

    def values(self, positions: NDArray[np.int64]) -> Floats:
        """Values (n, K) or (n, K, H, W) at positions of the time axis, which may lie beyond it."""
