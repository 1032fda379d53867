"""Where the cells of a grid lie on a map."""

from dataclasses import dataclass
from typing import Any, Literal

import cartopy.crs as ccrs
import numpy as np
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import MapError
from stforecast.grid import Grid
from stforecast.maps.edges import Array, around, corners, edge_line
from stforecast.maps.geography import Resolution
from stforecast.maps.projections import (
    named_projection,
    own_projection,
    rotated_pole,
)

# Extent in degrees up to which a place is a city.
_CITY = 2.0
# Degrees in an inch of the map from which the coarser coastlines do.
_COARSE = 20.0
_KM_PER_DEGREE = 111.195

Ticks = Literal["degrees", "cells", "none"]


@dataclass(frozen=True)
class Placement:
    """A grid on a projection; all lengths in the units of the projection.

    ``x`` and ``y`` (H + 1, n + 1) are the corners of the cells as drawn, and ``columns`` (n) which
    column of the grid each is (-1 for a gap), for a grid may be cut at the seam of the map.
    ``source`` is the CRS of the corners where cartopy has to cut the cells itself.

    ``extent`` is (x0, x1, y0, y1), None for the whole globe; ``outline`` (n, 2) the edge of a map
    that is no rectangle; ``centre`` the longitude where x is 0. ``region`` is (west, east, south,
    north) in degrees, and ``span`` the longer of its sides.
    """

    projection: ccrs.Projection | None
    x: Array
    y: Array
    columns: NDArray[np.int64]
    extent: tuple[float, float, float, float] | None
    region: tuple[float, float, float, float] | None = None
    aspect: float = 1.0
    span: float = 360.0
    ticks: Ticks = "none"
    km_per_unit: float | None = None
    centre: float = 0.0
    outline: Array | None = None
    source: ccrs.Projection | None = None

    @property
    def ratio(self) -> float:
        """Height over width of the map."""
        if self.extent is None:
            assert self.projection is not None
            (x0, x1), (y0, y1) = self.projection.x_limits, self.projection.y_limits
        else:
            x0, x1, y0, y1 = self.extent
        return float(abs(y1 - y0) / abs(x1 - x0) * self.aspect)

    @property
    def is_city(self) -> bool:
        """Whether coastlines would be too coarse here."""
        return self.projection is not None and self.span < _CITY

    def resolution(self, width: float) -> Resolution:
        """The coastlines that suit a map `width` inches wide."""
        return "50m" if self.span / width < _COARSE else "110m"


def place(grid: Grid, projection: str | None = None) -> Placement:
    """Where to draw a grid: on the projection named, else on one that suits its place.

    - the globe: Robinson; a polar cap: stereographic; a continent in middle latitudes: Lambert's
      conformal conic; other regions: latitude and longitude at right angles, with the scale right
      in the middle
    - a projected grid: its own projection
    - a grid without a place: its cells by their numbers
    """
    if grid.kind == "bare":
        if projection is not None:
            raise MapError(
                "the grid has no coordinates, so it cannot be drawn on a projection; say in "
                "data.grid where it lies"
            )
        return _bare(grid)
    if grid.kind == "geographic":
        return _geographic(grid, projection)
    if grid.kind == "projected":
        return _projected(grid, projection)
    return _curvilinear(grid, projection)


def _bare(grid: Grid) -> Placement:
    x, y = np.meshgrid(np.arange(grid.width + 1) - 0.5, np.arange(grid.height + 1) - 0.5)
    # the first row of a field without coordinates is the top one, as in a picture
    extent = (-0.5, grid.width - 0.5, grid.height - 0.5, -0.5)
    return Placement(None, x, y, np.arange(grid.width), extent, ticks="cells")


def _bounds(grid: Grid, coord: Any) -> Any:
    variable = grid.coords.variables.get(coord.encoding.get("bounds"))
    return None if variable is None else variable.values


def _geographic(grid: Grid, name: str | None) -> Placement:
    latitude, longitude = grid.y_coord, grid.x_coord
    assert latitude is not None
    assert longitude is not None
    rows = np.clip(edge_line(latitude.values, _bounds(grid, latitude), None), -90, 90)
    columns = edge_line(longitude.values, _bounds(grid, longitude), 360.0)
    south, north = float(rows.min()), float(rows.max())
    width = float(columns.max() - columns.min())
    middle = (south + north) / 2
    is_round = grid.is_periodic or width >= 350
    centre = 0.0 if is_round else float(columns.max() + columns.min()) / 2
    centre = (centre + 180) % 360 - 180
    edges, shown = around(columns, centre)
    lon, lat = np.meshgrid(edges, rows)
    region = (centre - width / 2, centre + width / 2, south, north)
    if is_round:
        region = (-180.0, 180.0, south, north)
    source = ccrs.PlateCarree(central_longitude=centre)
    if name is not None:
        target = named_projection(name, centre, middle)
    elif is_round and max(abs(south), abs(north)) > 85 and south * north > 0:
        target = (ccrs.NorthPolarStereo if north > 0 else ccrs.SouthPolarStereo)()
    elif is_round and north - south > 60:
        target = ccrs.Robinson(central_longitude=centre)
    elif not is_round and 40 <= width <= 140 and 20 <= abs(middle) <= 65 and north - south > 20:
        parallels = (south + (north - south) / 6, north - (north - south) / 6)
        target = ccrs.LambertConformal(
            central_longitude=centre,
            central_latitude=middle,
            standard_parallels=parallels,
            cutoff=-30 if middle > 0 else 30,
        )
    else:
        target = source
    span = _span(region)
    if target == source:
        # right proportions in the middle, for a map of less than the globe
        aspect = 1.0 if is_round else 1 / np.cos(np.deg2rad(np.clip(middle, -75, 75)))
        return Placement(
            source,
            lon,
            lat,
            shown,
            (float(edges[0]), float(edges[-1]), south, north),
            region=region,
            aspect=float(aspect),
            span=span,
            ticks="degrees",
            centre=centre,
            km_per_unit=_KM_PER_DEGREE * float(np.cos(np.deg2rad(middle))),
        )
    return _on(target, source, lon, lat, shown, region, span, is_round)


def _projected(grid: Grid, name: str | None) -> Placement:
    y, x = grid.y_coord, grid.x_coord
    assert y is not None
    assert x is not None
    assert grid.crs is not None
    rotated = rotated_pole(grid.crs) is not None
    scale = 1.0 if rotated else _scale(grid, str(x.attrs.get("units", "")))
    rows = edge_line(y.values.astype(np.float64), _bounds(grid, y), None) * scale
    columns = edge_line(x.values.astype(np.float64), _bounds(grid, x), None) * scale
    if rotated:
        columns -= 360 * np.round((columns.max() + columns.min()) / 720)
        columns, rows = np.clip(columns, -180, 180), np.clip(rows, -90, 90)
    extent = (float(columns.min()), float(columns.max()), float(rows.min()), float(rows.max()))
    own = own_projection(grid, extent)
    across, down = np.meshgrid(columns, rows)
    shown = np.arange(grid.width)
    region = _region(own, across, down)
    span = _span(region)
    if name is not None:
        centre, middle = (region[0] + region[1]) / 2, (region[2] + region[3]) / 2
        target = named_projection(name, centre, middle)
        return _on(target, own, across, down, shown, region, span, False)
    return Placement(
        own,
        across,
        down,
        shown,
        extent,
        region=region,
        span=span,
        km_per_unit=_KM_PER_DEGREE if rotated else 1e-3,
    )


def _curvilinear(grid: Grid, name: str | None) -> Placement:
    latitude, longitude = grid.latitude, grid.longitude
    assert latitude is not None
    assert longitude is not None
    if min(grid.shape) < 2:
        return _bare(grid)
    lat, lon = corners(
        latitude.transpose(names.Y, names.X).values.astype(np.float64),
        longitude.transpose(names.Y, names.X).values.astype(np.float64),
    )
    south, north = float(np.nanmin(lat)), float(np.nanmax(lat))
    # the middle of the longitudes, taken on the circle
    mean = np.nanmean(np.exp(1j * np.deg2rad(lon)))
    centre = float(np.rad2deg(np.angle(mean))) if abs(mean) > 0.2 else 0.0
    relative = (lon - centre + 180) % 360 - 180
    west, east = float(np.nanmin(relative)), float(np.nanmax(relative))
    is_round = east - west > 300
    centre = 0.0 if is_round else round(centre + (west + east) / 2, 6)
    relative = (lon - centre + 180) % 360 - 180
    region = (
        centre + float(np.nanmin(relative)),
        centre + float(np.nanmax(relative)),
        south,
        north,
    )
    middle = (south + north) / 2
    source = ccrs.PlateCarree(central_longitude=centre)
    span = _span((-180.0, 180.0, south, north) if is_round else region)
    if name is not None:
        target = named_projection(name, centre, middle)
    elif is_round and south * north > 0 and max(abs(south), abs(north)) > 85:
        target = (ccrs.NorthPolarStereo if north > 0 else ccrs.SouthPolarStereo)()
    elif is_round:
        target = ccrs.Robinson(central_longitude=centre)
    else:
        target = ccrs.LambertAzimuthalEqualArea(centre, middle)
    shown = np.arange(grid.width)
    if is_round and isinstance(target, ccrs.Robinson):
        return Placement(target, relative, lat, shown, None, span=span, source=source)
    return _on(target, source, relative, lat, shown, region, span, is_round)


def _on(
    target: ccrs.Projection,
    source: ccrs.Projection,
    across: Array,
    down: Array,
    columns: NDArray[np.int64],
    region: tuple[float, float, float, float],
    span: float,
    is_round: bool,
) -> Placement:
    """Corners on another projection than that on which they are straight."""
    if isinstance(source, ccrs.PlateCarree):
        across = np.clip(across, -180 + 1e-9, 180 - 1e-9)
    points = target.transform_points(source, across, down)[..., :2]
    x, y = np.where(np.isfinite(points), points, np.nan).transpose(2, 0, 1)
    if not np.isfinite(x).any():
        raise MapError("nothing of the grid can be seen on this projection; choose another")
    whole = is_round and region[3] - region[2] > 150
    extent = (
        None
        if whole
        else (float(np.nanmin(x)), float(np.nanmax(x)), float(np.nanmin(y)), float(np.nanmax(y)))
    )
    return Placement(
        target,
        x,
        y,
        columns,
        extent,
        region=None if whole else region,
        span=span,
        outline=None if whole or np.isnan(x).any() else _outline(x, y, is_round),
    )


def _outline(x: Array, y: Array, is_round: bool) -> Array:
    """The corners round the edge of the grid, (n, 2); of a polar cap its outer circle."""
    if is_round:
        rings = [np.stack([x[row], y[row]], axis=-1) for row in (0, -1)]
        return max(rings, key=lambda ring: float(np.ptp(ring)))
    sides = ((x[0], y[0]), (x[1:, -1], y[1:, -1]), (x[-1, -2::-1], y[-1, -2::-1]))
    last = (x[-2::-1, 0], y[-2::-1, 0])
    return np.concatenate([np.stack(side, axis=-1) for side in (*sides, last)])


def _region(own: ccrs.Projection, x: Array, y: Array) -> tuple[float, float, float, float]:
    """Degrees that a projected grid reaches to, by its corners."""
    points = ccrs.PlateCarree().transform_points(own, x, y)
    lon, lat = points[..., 0], points[..., 1]
    seen = np.isfinite(lon) & np.isfinite(lat)
    if not seen.any():
        raise MapError("the coordinates of the grid do not lie on earth by its grid mapping")
    lon, lat = lon[seen], lat[seen]
    centre = float(np.rad2deg(np.angle(np.mean(np.exp(1j * np.deg2rad(lon))))))
    relative = (lon - centre + 180) % 360 - 180
    west, east = centre + float(relative.min()), centre + float(relative.max())
    if east - west > 300:
        west, east = -180.0, 180.0
    return west, east, float(lat.min()), float(lat.max())


def _span(region: tuple[float, float, float, float]) -> float:
    """The longer side of an extent, in degrees."""
    west, east, south, north = region
    return max(east - west, north - south)


def _scale(grid: Grid, units: str) -> float:
    """What turns the numbers of the coordinates into units of the CRS."""
    assert grid.crs is not None
    text = units.strip().lower()
    if text in ("rad", "radian", "radians"):  # geostationary: angles seen from the satellite
        return float(grid.crs.to_cf().get("perspective_point_height", 1.0))
    metres = 1000.0 if text in ("km", "kilometer", "kilometre", "kilometers", "kilometres") else 1.0
    axes = grid.crs.axis_info
    factor = axes[0].unit_conversion_factor if axes else 1.0
    return (
        metres / factor
        if text in ("m", "metre", "meter", "metres", "meters") or metres != 1
        else 1.0
    )
