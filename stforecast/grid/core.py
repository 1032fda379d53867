"""The grid of a field.

Inside the package every field has the dimensions ``y`` and ``x``. A :class:`Grid` keeps what the
source called them, with every spatial coordinate as it was read, and gives it back.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyproj
import xarray as xr

from stforecast import names
from stforecast.grid.cells import FULL_CIRCLE, edges, goes_round, strip_areas
from stforecast.grid.fingerprint import coordinate_fingerprint, difference
from stforecast.grid.recognition import is_latitude, is_longitude, parse_crs

GridKind = Literal["geographic", "projected", "curvilinear", "bare"]


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a field and their place.

    ``coords`` holds every spatial coordinate of the source with its bounds, and the grid mapping
    variable, under the source's names, on the dimensions ``y`` and ``x`` (bounds also on a
    dimension of their own). ``y_name`` and ``x_name`` are the source's names of the two dimensions.

    ``kind`` is ``geographic`` (latitude per row, longitude per column), ``projected`` (rows and
    columns of a known CRS, a rotated pole included), ``curvilinear`` (latitude and longitude per
    cell) or ``bare`` (no known place).
    """

    coords: xr.Dataset
    y_name: str
    x_name: str
    height: int
    width: int
    kind: GridKind
    crs: pyproj.CRS | None = None
    grid_mapping: str | None = None

    @classmethod
    def from_dataset(
        cls,
        dataset: xr.Dataset,
        *,
        y_name: str,
        x_name: str,
        grid_mapping: str | None = None,
        crs: pyproj.CRS | None = None,
    ) -> "Grid":
        """The grid of a dataset on the dimensions ``y`` and ``x``, from its coordinates.

        Takes every coordinate that lies on ``y`` or ``x`` but not on time, channel or sequence, and
        the variable ``grid_mapping``. The CRS is read from that variable unless ``crs`` is given.
        """
        coords = _spatial_coords(dataset, grid_mapping)
        mapping = grid_mapping if grid_mapping in coords.variables else None
        if crs is None and mapping is not None:
            crs = parse_crs(coords[mapping].attrs)
        return cls(
            coords=coords,
            y_name=y_name,
            x_name=x_name,
            height=int(dataset.sizes[names.Y]),
            width=int(dataset.sizes[names.X]),
            kind=_kind(coords, crs),
            crs=crs,
            grid_mapping=mapping,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def latitude(self) -> xr.DataArray | None:
        """True latitude of the source, degrees north, ``(y)`` or ``(y, x)``."""
        return _true_coordinate(self.coords, is_latitude)

    @property
    def longitude(self) -> xr.DataArray | None:
        """True longitude of the source, degrees east, ``(x)`` or ``(y, x)``."""
        return _true_coordinate(self.coords, is_longitude)

    @property
    def y_coord(self) -> xr.DataArray | None:
        """The numbers along the rows, ``(y)``: latitude, or distance or angle along the grid."""
        if self.kind == "geographic":
            return self.latitude
        return _axis(self.coords, names.Y, self.y_name)

    @property
    def x_coord(self) -> xr.DataArray | None:
        """The numbers along the columns, ``(x)``: longitude, or distance or angle."""
        if self.kind == "geographic":
            return self.longitude
        return _axis(self.coords, names.X, self.x_name)

    @cached_property
    def _source_coords(self) -> xr.Dataset:
        """``coords`` on the dimensions of the source, with their indexes."""
        dims = {names.Y: self.y_name, names.X: self.x_name}
        renamed = {}
        for name, variable in self.coords.variables.items():
            on_source = [dims.get(str(dim), dim) for dim in variable.dims]
            renamed[name] = xr.Variable(
                on_source, variable.values, dict(variable.attrs), dict(variable.encoding)
            )
        return xr.Dataset(coords=renamed)

    def georeference(self, ds: xr.Dataset) -> xr.Dataset:
        """``ds`` on ``(…, y, x)`` with the source's dimension names, coordinates and grid mapping.

        The coordinates are those of the source: names, values, dtype, attributes, bounds. As
        ``decode_coords="all"`` has it, a reference to bounds or to the grid mapping is in the
        encoding, so that writing the dataset puts it into the attributes of the file.
        """
        spatial = {names.Y, names.X, self.y_name, self.x_name, *self.coords.variables}
        ds = ds.drop_vars([name for name in ds.coords if name in spatial])
        if not {self.y_name, self.x_name} <= set(ds.dims):
            renamed = {names.Y: self.y_name, names.X: self.x_name}
            ds = ds.rename_dims({old: new for old, new in renamed.items() if old != new})
        ds = ds.assign_coords(self._source_coords.coords)
        if self.grid_mapping is not None:
            for name, variable in ds.data_vars.items():
                if {self.y_name, self.x_name} <= set(variable.dims):
                    ds[name].attrs.pop("grid_mapping", None)
                    ds[name].encoding["grid_mapping"] = self.grid_mapping
        return ds

    def area_weights(self) -> xr.DataArray | None:
        """Areas of the cells on the sphere, ``(y, x)``, with a mean of 1; None where all are equal.

        Latitude per row (true, or along a rotated pole): the area between two parallels and two
        meridians, ``Δlon (sin φ₂ − sin φ₁)``, from the bounds of the source or else from the middle
        between neighbours. Latitude per cell: ``cos φ``. Projected and bare grids: None.
        """
        if self._is_on_sphere:
            weights = strip_areas(self._edges(self.y_coord), self._edges(self.x_coord, FULL_CIRCLE))
        elif self.kind == "curvilinear" and self.latitude is not None:
            latitude = self.latitude.transpose(names.Y, names.X).values.astype(np.float64)
            weights = np.cos(np.deg2rad(latitude)).clip(min=0)
            weights = np.nan_to_num(weights, nan=0.0)
        else:
            return None
        mean = weights.mean()
        if not np.isfinite(mean) or mean <= 0:
            return None
        return xr.DataArray(weights / mean, dims=(names.Y, names.X), name="area_weights")

    @property
    def is_periodic(self) -> bool:
        """Whether the columns go round the globe, so that the last is a neighbour of the first."""
        return self._is_on_sphere and goes_round(self._numbers(self.x_coord))

    @property
    def _is_on_sphere(self) -> bool:
        """Whether rows are parallels and columns meridians, of the true or of a rotated pole."""
        if self.y_coord is None or self.x_coord is None:
            return False
        if self.kind == "geographic":
            return True
        return self.kind == "projected" and self.crs is not None and self.crs.is_geographic

    @staticmethod
    def _numbers(coord: xr.DataArray | None) -> np.ndarray:
        return np.empty(0) if coord is None else coord.values

    def _edges(self, coord: xr.DataArray | None, period: float | None = None) -> np.ndarray:
        """Lower and upper edge of each cell, ``(n, 2)``, in the units of the coordinate."""
        bounds = None
        if coord is not None and coord.encoding.get("bounds") in self.coords.variables:
            bounds = self.coords[coord.encoding["bounds"]].values
        return edges(self._numbers(coord), bounds, period)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this grid from another, as plain JSON values."""
        parts = {
            "y": self.y_coord,
            "x": self.x_coord,
            "latitude": self.latitude,
            "longitude": self.longitude,
        }
        return {
            "kind": self.kind,
            "dims": [self.y_name, self.x_name],
            "shape": [self.height, self.width],
            "crs": None if self.crs is None else self.crs.to_wkt(),
            "coordinates": {
                role: coordinate_fingerprint(coord)
                for role, coord in parts.items()
                if coord is not None and coord.size
            },
        }

    @staticmethod
    def difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> str | None:
        """How the fingerprints of two grids differ, in words; None if the cells are the same.

        The names of dimensions and coordinates do not matter, and neither does a CRS that only one
        of them states. Numbers of one dtype must be equal, numbers of different dtypes must agree
        within single precision.
        """
        return difference(a, b)


def _spatial_coords(dataset: xr.Dataset, grid_mapping: str | None) -> xr.Dataset:
    """Coordinates on ``y`` and ``x``, loaded, with bounds referred to by encoding."""
    other = {names.TIME, names.CHANNEL, names.SEQUENCE}
    chosen = {
        name: coord.variable
        for name, coord in dataset.coords.items()
        if ({names.Y, names.X} & set(coord.dims) and not other & set(coord.dims))
    }
    for name, variable in dataset.variables.items():
        if name == grid_mapping or (variable.ndim == 0 and "grid_mapping_name" in variable.attrs):
            chosen[name] = variable
    coords: dict[Hashable, xr.Variable] = {}
    for name, variable in chosen.items():
        attrs = dict(variable.attrs)
        bounds = attrs.pop("bounds", None) or variable.encoding.get("bounds")
        encoding = {"bounds": bounds} if bounds in chosen else {}
        coords[name] = xr.Variable(variable.dims, variable.values, attrs, encoding)
    return xr.Dataset(coords=coords)


def _kind(coords: xr.Dataset, crs: pyproj.CRS | None) -> GridKind:
    latitude = _true_coordinate(coords, is_latitude)
    longitude = _true_coordinate(coords, is_longitude)
    per_row_and_column = per_cell = False
    if latitude is not None and longitude is not None:
        per_row_and_column = latitude.dims == (names.Y,) and longitude.dims == (names.X,)
        per_cell = latitude.ndim == longitude.ndim == 2
    if per_row_and_column:
        return "geographic"
    has_axes = all(_axis(coords, dim, dim) is not None for dim in (names.Y, names.X))
    if has_axes and crs is not None and (crs.is_projected or crs.is_derived):
        return "projected"
    if per_cell:
        return "curvilinear"
    return "bare"


def _bounds_names(coords: xr.Dataset) -> set[Hashable]:
    return {v.encoding["bounds"] for v in coords.variables.values() if "bounds" in v.encoding}


def _true_coordinate(
    coords: xr.Dataset, test: Callable[[Hashable, Mapping[str, Any]], bool]
) -> xr.DataArray | None:
    """The coordinate that the test takes for true latitude or longitude, 1-D before 2-D."""
    bounds = _bounds_names(coords)
    found = [
        coords[name]
        for name, variable in coords.variables.items()
        if name not in bounds
        and variable.ndim in (1, 2)
        and set(variable.dims) <= {names.Y, names.X}
        and variable.dtype.kind in "fiu"
        and test(name, variable.attrs)
    ]
    return min(found, key=lambda coord: coord.ndim, default=None)


def _axis(coords: xr.Dataset, dim: str, source_name: str) -> xr.DataArray | None:
    """The 1-D numeric coordinate of a dimension: its namesake, else one with ``axis``, else any."""
    found = [
        coords[name]
        for name, variable in coords.variables.items()
        if variable.dims == (dim,) and variable.dtype.kind in "fiu"
    ]
    test = is_latitude if dim == names.Y else is_longitude
    return min(
        found,
        key=lambda coord: (
            coord.name != source_name,
            str(coord.attrs.get("axis", "")).upper() != dim.upper(),
            not test(coord.name, coord.attrs),
        ),
        default=None,
    )
