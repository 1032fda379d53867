"""What the grid itself says of its cells."""

from typing import Final

import numpy as np

from stforecast.errors import ConfigError
from stforecast.options.covariates import GridCovariate
from stforecast.store import TensorStore
from stforecast.windows.covariates.base import Floats, Positions, Setting


class GridCovariates:
    """Latitude, longitude, area, row and column of each cell.

    Latitude is its sine, and longitude its sine and cosine, so that a grid may go round the globe.
    Rows and columns go from -1 to 1, and areas are relative to their mean.
    """

    kind: Final = "static"

    def __init__(self, options: GridCovariate, store: TensorStore) -> None:
        """ConfigError where the grid does not know what it is asked for."""
        names: list[str] = []
        fields: list[np.ndarray] = []
        for name in options.grid:
            for part, field in _fields(name, store).items():
                names.append(part)
                fields.append(field)
        self.names = tuple(names)
        self._values = np.stack(fields).astype(np.float32)

    @classmethod
    def of(cls, options: GridCovariate, setting: Setting) -> "GridCovariates":
        """Those asked for, of the cells of a record."""
        return cls(options, setting.store)

    def values(self, positions: Positions) -> Floats:
        """Values (n, S, H, W), see :class:`base.Covariate`."""
        return np.broadcast_to(self._values, (len(positions), *self._values.shape))


def _fields(name: str, store: TensorStore) -> dict[str, np.ndarray]:
    grid = store.grid
    if name in ("row", "column"):
        numbers = np.indices(grid.shape)[("row", "column").index(name)]
        length = grid.shape[("row", "column").index(name)]
        return {name: 2 * numbers / max(length - 1, 1) - 1}
    if name == "area":
        weights = grid.area_weights()
        if weights is None:
            raise ConfigError(
                "windows.covariates: the cells of this grid have no areas that differ; leave area "
                "out of grid"
            )
        return {"area": weights.values}
    places = grid.places()
    if places is None:
        raise ConfigError(
            f"windows.covariates: the {name} of the cells is not known; give the outer edges of "
            "the grid in data.grid and ingest the files again"
        )
    if name == "latitude":
        return {"latitude_sin": np.sin(np.deg2rad(places[0]))}
    angle = np.deg2rad(places[1])
    return {"longitude_sin": np.sin(angle), "longitude_cos": np.cos(angle)}
