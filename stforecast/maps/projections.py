"""Which projection a grid is drawn on."""

import difflib
import inspect
from typing import Any

import cartopy.crs as ccrs
import pyproj

from stforecast.errors import MapError
from stforecast.grid import Grid


class PlaneOf(ccrs.Projection):
    """The plane of any CRS, as far as a grid reaches on it."""

    def __init__(self, crs: pyproj.CRS, bounds: tuple[float, float, float, float]) -> None:
        """`bounds` are (x0, x1, y0, y1) in the units of the CRS."""
        super().__init__(crs)
        self.bounds = bounds
        self.threshold = max(bounds[1] - bounds[0], bounds[3] - bounds[2]) / 500


def own_projection(grid: Grid, bounds: tuple[float, float, float, float]) -> ccrs.Projection:
    """The projection on which the rows and columns of a projected grid are straight."""
    assert grid.crs is not None
    pole = rotated_pole(grid.crs)
    if pole is not None:
        return ccrs.RotatedPole(
            pole_longitude=pole["grid_north_pole_longitude"],
            pole_latitude=pole["grid_north_pole_latitude"],
            central_rotated_longitude=pole.get("north_pole_grid_longitude", 0.0),
        )
    return PlaneOf(grid.crs, bounds)


def rotated_pole(crs: pyproj.CRS) -> dict[str, Any] | None:
    """The parameters of a rotated pole, by their CF names; None for any other CRS."""
    described = crs.to_cf()
    if described.get("grid_mapping_name") == "rotated_latitude_longitude":
        return described
    return None


def named_projection(name: str, longitude: float, latitude: float) -> ccrs.Projection:
    """A cartopy projection by its name, about a place; MapError, with the nearest, for no name."""
    known = {
        label: kind
        for label, kind in vars(ccrs).items()
        if inspect.isclass(kind)
        and issubclass(kind, ccrs.Projection)
        and not label.startswith("_")
        and kind is not ccrs.Projection
    }
    matches = {label.lower(): label for label in known}
    label = matches.get(name.lower())
    if label is None:
        near = difflib.get_close_matches(name.lower(), matches, n=1, cutoff=0.4)
        some = "PlateCarree, Robinson and LambertConformal are some of those it has"
        hint = f"; did you mean {matches[near[0]]}?" if near else f"; {some}"
        raise MapError(f"cartopy has no projection {name!r}{hint}")
    kind = known[label]
    about = {"central_longitude": longitude, "central_latitude": latitude}
    accepted = inspect.signature(kind).parameters
    try:
        projection = kind(**{key: value for key, value in about.items() if key in accepted})
    except TypeError:
        raise MapError(
            f"the projection {label} needs parameters of its own and cannot be chosen by its name"
        ) from None
    assert isinstance(projection, ccrs.Projection)
    return projection
