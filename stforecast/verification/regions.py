"""Parts of a grid that are scored apart."""

from collections.abc import Mapping

import numpy as np

from stforecast.errors import ConfigError, DataError
from stforecast.grid import Grid
from stforecast.options.evaluation import Region
from stforecast.verification.pieces import Floats

WHOLE = "all"


def region_weights(
    grid: Grid, weights: Floats, regions: Mapping[str, Region]
) -> tuple[list[str], Floats]:
    """Names of the regions, the whole grid first, and weights (cells, regions) of the cells.

    A cell is in a region where its centre is. ConfigError for a region that has no cell; DataError
    for a grid whose cells have no latitude and longitude.
    """
    columns = [weights.ravel()]
    places = grid.places() if regions else None
    if regions and places is None:
        raise DataError(
            "verification.regions needs latitude and longitude, and the cells of this grid have "
            "none; give data.grid, or leave the regions out"
        )
    for name, region in regions.items():
        if name == WHOLE:
            raise ConfigError(f"a region cannot be called {WHOLE}, which is the whole grid")
        assert places is not None
        latitude, longitude = places
        width = region.east - region.west
        # longitudes of either convention, counted from the western edge
        east_of = np.mod(longitude - region.west, 360)
        inside = (latitude >= region.south) & (latitude <= region.north)
        inside &= east_of <= (width if 0 <= width <= 360 else np.mod(width, 360))
        if not inside.any():
            raise ConfigError(
                f"the region {name} has no cell of the grid, which reaches from "
                f"{np.nanmin(latitude):g} to {np.nanmax(latitude):g} degrees north and from "
                f"{np.nanmin(longitude):g} to {np.nanmax(longitude):g} degrees east"
            )
        columns.append(np.where(inside, weights, 0.0).ravel())
    return [WHOLE, *regions], np.stack(columns, axis=1)
