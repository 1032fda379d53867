"""What the record itself has besides what is forecast: fields that are the same at all times."""

from typing import Final

import numpy as np

from stforecast.errors import DataError
from stforecast.options.covariates import StaticCovariate
from stforecast.store import TensorStore
from stforecast.windows.covariates.base import Floats, Positions, Setting


class StaticCovariates:
    """Static fields of the record, by their names, in their own units: they are standardised."""

    kind: Final = "static"
    where: Final = "the record"

    def __init__(self, options: StaticCovariate, store: TensorStore) -> None:
        """DataError where the record does not have one, naming those that it has."""
        self.names = tuple(options.static)
        there = store.static_fields
        lacking = [name for name in self.names if name not in there]
        if lacking:
            raise DataError(
                f"windows.covariates: the record has no static field {lacking[0]!r}; "
                + (f"it has {', '.join(there)}" if there else "it has none")
                + ", and takes those that data.variables names and the files have without a time"
            )
        self._values = np.stack([store.static(name) for name in self.names])

    @classmethod
    def of(cls, options: StaticCovariate, setting: Setting) -> "StaticCovariates":
        """Those asked for, of a record."""
        return cls(options, setting.store)

    @property
    def origin(self) -> dict[str, str]:
        """No files of their own."""
        return {}

    def span(self) -> str:
        """They have no times to tell of."""
        return ""

    def values(self, positions: Positions) -> Floats:
        """Values (n, S, H, W), see :class:`base.Covariate`."""
        return np.broadcast_to(self._values, (len(positions), *self._values.shape))
