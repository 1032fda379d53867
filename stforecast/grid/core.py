"""The grid of a field.

Inside the package every field has the dimensions ``y`` and ``x``. A :class:`Grid` keeps what the
source called them, with every spatial coordinate as it was read, and gives it back.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
import xarray as xr

from stforecast import names
from stforecast.grid.cells import FULL_CIRCLE, edges, goes_round, strip_areas
from stforecast.grid.coordinates import GridKind, axis_coordinate, cleaned, kind_of, true_coordinate
from stforecast.grid.fingerprint import coordinate_fingerprint, difference
from stforecast.grid.recognition import is_latitude, is_longitude, parse_crs
from stforecast.grid.references import grid_mapping_of, promote_references, referred, rename_dims


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
        other = {names.TIME, names.CHANNEL, names.SEQUENCE}
        spatial = {
            name: coord.variable
            for name, coord in dataset.coords.items()
            if {names.Y, names.X} & set(coord.dims) and not other & set(coord.dims)
        }
        if grid_mapping in dataset.variables:
            spatial[grid_mapping] = dataset.variables[grid_mapping]
        return cls._from_variables(
            spatial,
            sizes=dataset.sizes,
            y_name=y_name,
            x_name=x_name,
            grid_mapping=grid_mapping,
            crs=crs,
        )

    @classmethod
    def _from_variables(
        cls,
        variables: Mapping[Hashable, xr.Variable],
        *,
        sizes: Mapping[Any, int],
        y_name: str,
        x_name: str,
        grid_mapping: str | None,
        crs: pyproj.CRS | None = None,
    ) -> "Grid":
        coords = cleaned(variables)
        mapping = grid_mapping if grid_mapping in coords.variables else None
        if crs is None and mapping is not None:
            crs = parse_crs(coords[mapping].attrs)
        return cls(
            coords=coords,
            y_name=y_name,
            x_name=x_name,
            height=int(sizes[names.Y]),
            width=int(sizes[names.X]),
            kind=kind_of(coords, crs),
            crs=crs,
            grid_mapping=mapping,
        )

    @classmethod
    def of_field(cls, dataset: xr.Dataset, variable: str, y_name: str, x_name: str) -> "Grid":
        """The grid of a variable of a dataset as it came from its file, rows and columns known."""
        dataset = promote_references(dataset)
        mapping = grid_mapping_of(dataset, variable)
        canonical = {y_name: names.Y, x_name: names.X}
        spatial = {
            name: coord.variable
            for name, coord in dataset.coords.items()
            if set(coord.dims) <= canonical.keys() and (coord.ndim or name == mapping)
        }
        for coord in list(spatial.values()):
            for name in referred(coord, "bounds"):
                if name in dataset.coords and set(coord.dims) <= set(dataset[name].dims):
                    spatial[name] = dataset[name].variable
        sizes = {canonical[dim]: dataset.sizes[dim] for dim in (y_name, x_name)}
        return cls._from_variables(
            {name: rename_dims(item, canonical) for name, item in spatial.items()},
            sizes=sizes,
            y_name=y_name,
            x_name=x_name,
            grid_mapping=mapping,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def latitude(self) -> xr.DataArray | None:
        """True latitude of the source, degrees north, ``(y)`` or ``(y, x)``."""
        return true_coordinate(self.coords, is_latitude)

    @property
    def longitude(self) -> xr.DataArray | None:
        """True longitude of the source, degrees east, ``(x)`` or ``(y, x)``."""
        return true_coordinate(self.coords, is_longitude)

    @property
    def y_coord(self) -> xr.DataArray | None:
        """The numbers along the rows, ``(y)``: latitude, or distance or angle along the grid."""
        if self.kind == "geographic":
            return self.latitude
        return axis_coordinate(self.coords, names.Y, self.y_name)

    @property
    def x_coord(self) -> xr.DataArray | None:
        """The numbers along the columns, ``(x)``: longitude, or distance or angle."""
        if self.kind == "geographic":
            return self.longitude
        return axis_coordinate(self.coords, names.X, self.x_name)

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
        renamed = [
            (old, f"_{old}", new)
            for old, new in ((names.Y, self.y_name), (names.X, self.x_name))
            if old != new and old in ds.dims
        ]
        # by way of names of their own, since a source may call its rows x and its columns y
        ds = ds.rename_dims({old: between for old, between, _ in renamed})
        ds = ds.rename_dims({between: new for _, between, new in renamed})
        ds = ds.assign_coords(self._source_coords.coords)
        if self.grid_mapping is not None:
            for name, variable in ds.data_vars.items():
                if {self.y_name, self.x_name} <= set(variable.dims):
                    ds[name].attrs.pop("grid_mapping", None)
                    ds[name].encoding["grid_mapping"] = self.grid_mapping
        return ds

    def places(self) -> tuple[np.ndarray, np.ndarray] | None:
        """True latitude and longitude of the centres of the cells in degrees, ``(y, x)`` each.

        From the source's coordinates, else from the CRS; None for a bare grid.
        """
        latitude, longitude = self.latitude, self.longitude
        if latitude is not None and longitude is not None:
            sizes = {names.Y: self.height, names.X: self.width}
            cells = [coord.variable.set_dims(sizes).values for coord in (latitude, longitude)]
            return np.asarray(cells[0], np.float64), np.asarray(cells[1], np.float64)
        if self.kind != "projected" or self.crs is None or self.crs.geodetic_crs is None:
            return None
        if self.y_coord is None or self.x_coord is None:
            return None
        to_degrees = pyproj.Transformer.from_crs(self.crs, self.crs.geodetic_crs, always_xy=True)
        x, y = np.meshgrid(self.x_coord.values, self.y_coord.values)
        east, north = to_degrees.transform(x, y)
        return np.asarray(north, np.float64), np.asarray(east, np.float64)

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
