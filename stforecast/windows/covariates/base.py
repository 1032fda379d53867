"""What a source of covariates is.

Every covariate is one of three kinds: ``past`` (observed, never read beyond the initial time),
``future`` (known in advance for every valid time) and ``static``. Whatever gives its values at
positions of the time axis can come in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stforecast.store import TensorStore
from stforecast.windows.spec import WindowSpec

Kind = Literal["past", "future", "static"]
Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Given: TypeAlias = str | Path | xr.Dataset | pd.DataFrame
"""Values that are brought for a forecast: a file, or what was read from one."""


class Covariate(Protocol):
    """One source of covariates."""

    @property
    def kind(self) -> Kind:
        """What may be known of it when a forecast starts."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each of the K channels."""

    def values(self, positions: Positions) -> Floats:
        """Values (n, K) or (n, K, H, W) at positions of the time axis, which may lie beyond it.

        NaN where missing, which only sources with statistics may have.
        """


@runtime_checkable
class Measured(Covariate, Protocol):
    """A source in units of its own: it is standardised by what the training period had of it."""

    @property
    def where(self) -> str:
        """What to call it in messages."""

    def span(self) -> str:
        """In messages, behind a space and in brackets: from when to when it has values."""

    @property
    def origin(self) -> dict[str, str]:
        """Its files, each with the SHA-256 of its content where there is one."""


@runtime_checkable
class Limited(Protocol):
    """A source that does not go on for ever."""

    def require(self, positions: Positions, purpose: str, masked: Sequence[bool]) -> None:
        """Make sure that there are values at these positions.

        Args:
            purpose: what they are for, such as ``the forecast``.
            masked: (K,), for which channels a missing value is told to the model as such.

        Raises:
            DataError: the positions lie beyond what there is; names the range that is needed.
        """


@dataclass(frozen=True, eq=False)
class Setting:
    """Where covariates are needed: the windows, the record, and what is brought for a forecast."""

    spec: WindowSpec
    store: TensorStore
    given: tuple[Given, ...] = ()
    trained: bool = False
    """Whether a run that was told them is to forecast."""
