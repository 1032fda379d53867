"""All covariates of a run together, and which class makes which of them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stforecast.options import CalendarCovariate
from stforecast.store import TensorStore
from stforecast.windows.covariates.base import Covariate, Floats, Kind
from stforecast.windows.covariates.calendar import CalendarCovariates
from stforecast.windows.spec import WindowSpec

SOURCES: Final[dict[type, Callable[[Any, WindowSpec, TensorStore], Covariate]]] = {
    CalendarCovariate: CalendarCovariates.of,
}


class CovariateSet:
    """All covariates of a run, read together for a batch of initial times.

    Here, and nowhere else, is decided which times of a covariate a forecast may see.
    """

    def __init__(self, spec: WindowSpec, sources: Sequence[Covariate]) -> None:
        self.sources = tuple(sources)
        to_now = np.arange(1 - spec.history, 1, dtype=np.int64)
        self._offsets: dict[Kind, NDArray[np.int64]] = {
            "past": to_now,
            "future": np.arange(1 - spec.history, spec.horizon + 1, dtype=np.int64),
            "static": to_now[-1:],
        }

    @classmethod
    def of(cls, spec: WindowSpec, store: TensorStore) -> "CovariateSet":
        """The covariates that ``spec`` asks for, on the time axis of ``store``."""
        return cls(spec, [SOURCES[type(item)](item, spec, store) for item in spec.covariates])

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Names of the channels of one kind, in their order."""
        return tuple(
            name for source in self.sources if source.kind == kind for name in source.names
        )

    def values(
        self, kind: Kind, init_positions: NDArray[np.int64], ahead: int = 0
    ) -> Floats | None:
        """Covariates of one kind around initial times (B,); None where there are none.

        Past (B, T, P, H, W), future (B, T + T', K) or (B, T + T', K, H, W), static (B, S, H, W);
        H and W are 1 for past and static ones that are the same in all cells. With ``ahead`` they
        are those of the window that lies so many steps later, told at the same initial times: what
        was observed ends there all the same.
        """
        sources = [source for source in self.sources if source.kind == kind]
        if not sources:
            return None
        positions = np.asarray(init_positions, np.int64)[:, None] + ahead + self._offsets[kind]
        parts = [source.values(positions.ravel()) for source in sources]
        if kind != "future" or any(part.ndim == 4 for part in parts):
            parts = [part if part.ndim == 4 else part[:, :, None, None] for part in parts]
            grid = np.broadcast_shapes(*(part.shape[2:] for part in parts))
            parts = [np.broadcast_to(part, (*part.shape[:2], *grid)) for part in parts]
        joined = np.concatenate(parts, axis=1)
        if kind == "static":
            return joined
        return joined.reshape(*positions.shape, *joined.shape[1:])
