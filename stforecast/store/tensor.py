"""A tensor store in memory or on disk, seen as frames, as variables, and as a description."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, StoreError
from stforecast.generators import SequenceGenerator, restore
from stforecast.grid import Grid
from stforecast.remote import Location, location
from stforecast.store.commit import repair
from stforecast.store.guarded import guarded
from stforecast.store.open import open_group
from stforecast.store.repository import is_repository, open_version, versions
from stforecast.store.schema import ChannelMeta, StoreMeta
from stforecast.timeaxis import TimeAxis, TimeStep

# Cells of one dask chunk of the lazy view: 4 MiB of float32.
_CHUNK_CELLS = 2**20
_TIMES = ("time", "forecast_reference_time")


class TensorStore:
    """A record in the tensor layout (see :mod:`stforecast.store.schema`).

    ``dataset`` may be in memory, lazy from a Zarr group, or of dask arrays. Values are read only
    when asked for.
    """

    def __init__(self, dataset: xr.Dataset, *, where: str = "the dataset") -> None:
        """Wrap a dataset in the tensor layout; StoreError if it is not one."""
        meta = StoreMeta.from_json(dataset.attrs.get(names.META_ATTRIBUTE), where)
        expected: tuple[str, ...] = (names.TIME, names.CHANNEL, names.Y, names.X)
        if meta.sequence_name is not None:
            expected = (names.SEQUENCE, *expected)
        if names.DATA not in dataset or dataset[names.DATA].dims != expected:
            raise StoreError(f"{where} lacks the array {names.DATA}({', '.join(expected)})")
        if dataset.sizes[names.CHANNEL] != len(meta.channels):
            raise StoreError(
                f"{where} has {dataset.sizes[names.CHANNEL]} channels and describes "
                f"{len(meta.channels)}"
            )
        self.dataset = dataset
        self.meta = meta
        self.path: Location | None = None
        self.grid = Grid.from_dataset(
            dataset,
            y_name=meta.y_name,
            x_name=meta.x_name,
            grid_mapping=meta.grid_mapping,
            crs=None if meta.crs_wkt is None else pyproj.CRS.from_wkt(meta.crs_wkt),
        )
        self.axis = TimeAxis.from_times(
            dataset[names.TIME].values, TimeStep.parse(meta.time_step, meta.time_anchor)
        )
        if self.axis.size != dataset.sizes[names.TIME]:
            raise StoreError(f"the time axis of {where} is not regular")

    @classmethod
    def open(cls, path: str | Location, version: str | None = None) -> "TensorStore":
        """Open a store, lazily; StoreError if it is missing, broken or something else.

        `version` is one that :func:`stforecast.store.repository.versions` lists, for a store that
        keeps them; else it is the newest.
        """
        path = location(path)
        if isinstance(path, Path):
            repair(path)
        if version is not None or is_repository(path):
            if version is not None:
                versions(path)  # which tells of a store that has none
            store = cls(open_version(path, version), where=str(path))
        else:
            store = cls(guarded(open_group(path), path), where=str(path))
        store.path = path
        return store

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return [channel.name for channel in self.meta.channels]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Times, channels, rows, columns."""
        sizes = self.dataset.sizes
        return sizes[names.TIME], sizes[names.CHANNEL], sizes[names.Y], sizes[names.X]

    @property
    def n_sequences(self) -> int:
        """Number of independent sequences; 1 without a sequence dimension."""
        return int(self.dataset.sizes.get(names.SEQUENCE, 1))

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Which times the source has, ``(time)``."""
        if names.ABSENT not in self.dataset:
            return np.ones(self.shape[0], dtype=bool)
        return np.asarray(self.dataset[names.ABSENT].values == 0)

    @cached_property
    def valid_cells(self) -> NDArray[np.int32]:
        """Number of cells that are not missing, ``([sequence,] time, channel)``."""
        if names.VALID_CELLS in self.dataset:
            return np.asarray(self.dataset[names.VALID_CELLS].values)
        counted = self.dataset[names.DATA].notnull().sum((names.Y, names.X), dtype=np.int32)
        return np.asarray(counted.values)

    @cached_property
    def generator(self) -> SequenceGenerator | None:
        """What draws the training sequences of a store that does not hold them."""
        made = self.meta.generation
        if made is None:
            return None
        where = str(self.path or "the dataset")
        missing = [name for name in made.arrays if name not in self.dataset]
        if missing:
            raise StoreError(f"{where} lacks the array {missing[0]} that sequences are drawn from")
        arrays = {name: self.dataset[name].values for name in made.arrays}
        generator = restore(made.name, made.settings, arrays, where)
        if generator.shape != self.shape:
            raise StoreError(
                f"{where} holds sequences of {self.shape} and draws others of {generator.shape}"
            )
        return generator

    def complete(self) -> NDArray[np.bool_]:
        """Which times are present and have every channel, be it with cells missing, ``(time)``.

        With sequences: in every one of them.
        """
        has_values = (self.valid_cells > 0).all(axis=-1)
        if has_values.ndim == 2:
            has_values = has_values.all(axis=0)
        return np.asarray(self.present & has_values)

    def read(self, start: int, stop: int, sequence: int = 0) -> NDArray[np.float32]:
        """Frames ``start … stop - 1`` of a sequence, ``(n, C, H, W)`` float32, a copy.

        Raises IndexError outside the record: what does not exist is never read as missing.
        """
        if not 0 <= start <= stop <= self.shape[0]:
            raise IndexError(f"frames {start} to {stop} of a record of {self.shape[0]}")
        data = self.dataset[names.DATA].variable  # its coordinates are not asked for
        if names.SEQUENCE in data.dims:
            data = data.isel({names.SEQUENCE: sequence})
        elif sequence != 0:
            raise IndexError(f"sequence {sequence} of a record without sequences")
        return np.array(data.isel({names.TIME: slice(start, stop)}).values, dtype=np.float32)

    def read_sequences(self, start: int, stop: int, sequences: slice) -> NDArray[np.float32]:
        """The same frames of neighbouring sequences at once, ``(S, n, C, H, W)``, a copy.

        Much faster than one by one where there are many short ones.
        """
        if not 0 <= start <= stop <= self.shape[0]:
            raise IndexError(f"frames {start} to {stop} of a record of {self.shape[0]}")
        if not 0 <= sequences.start <= sequences.stop <= self.n_sequences:
            raise IndexError(f"sequences {sequences} of a record of {self.n_sequences}")
        data = self.dataset[names.DATA]
        if names.SEQUENCE not in data.dims:
            return self.read(start, stop)[np.newaxis][sequences]
        chosen = data.isel({names.SEQUENCE: sequences, names.TIME: slice(start, stop)})
        return np.array(chosen.values, dtype=np.float32)

    @property
    def static_fields(self) -> list[str]:
        """Names of the fields that are the same at all times."""
        return [field.name for field in self.meta.static]

    def static(self, name: str) -> NDArray[np.float32]:
        """A field that is the same at all times, ``(H, W)``, NaN where missing.

        StoreError, naming those that there are, for one that there is not.
        """
        if name not in self.static_fields:
            there = ", ".join(self.static_fields)
            raise StoreError(
                f"{self.path or 'the record'} has no static field {name!r}; "
                + (f"there are {there}" if there else "there are none")
            )
        index = self.static_fields.index(name)
        values = self.dataset[names.STATIC].isel({names.STATIC_FIELD: index}).values
        return np.array(values, np.float32)

    def channel(self, name: str) -> ChannelMeta:
        """The description of a channel by its name."""
        for channel in self.meta.channels:
            if channel.name == name:
                return channel
        raise StoreError(f"there is no variable {name!r}; there are {', '.join(self.channels)}")

    def variables(self) -> xr.Dataset:
        """The record as the source had it, lazily: one variable per quantity.

        Dimensions ``(time, y, x)`` under the source's names, with its coordinates and attributes;
        static fields ``(y, x)``. Absent times are there, and missing.
        """
        data = self.dataset[names.DATA]
        if not data.variable._in_memory and data.chunks is None:
            data = data.chunk(self._chunks())
        mapping = self.grid.grid_mapping
        chosen: dict[str, xr.Variable] = {}
        for index, channel in enumerate(self.meta.channels):
            variable = data.variable.isel({names.CHANNEL: index})
            variable.attrs = channel.cf_attrs()
            variable.encoding = {}
            chosen[channel.name] = variable
        for field in self.meta.static:
            chosen[field.name] = xr.Variable(
                (names.Y, names.X), self.static(field.name), field.cf_attrs()
            )
        spatial = set(self.grid.coords.variables)
        own = {names.CHANNEL, names.STATIC_FIELD, names.Y, names.X}
        kept = {
            name: coord.variable
            for name, coord in self.dataset.coords.items()
            if name not in spatial and own.isdisjoint(coord.dims)
        }
        result = xr.Dataset(chosen, coords=kept, attrs=dict(self.meta.attrs))
        renamed = {names.TIME: self.meta.time_name}
        if self.meta.sequence_name is not None:
            renamed[names.SEQUENCE] = self.meta.sequence_name
        result = result.rename({old: new for old, new in renamed.items() if old != new})
        result = self.grid.georeference(result)
        result = result.assign_coords(self._scalars(set(result.variables)))
        if mapping is not None:
            for channel in (*self.meta.channels, *self.meta.static):
                result[channel.name].encoding["grid_mapping"] = mapping
        return result

    def _scalars(self, taken: set[Any]) -> dict[str, xr.Variable]:
        """Scalar coordinates of the source; dates, kept as text, are dates again."""
        scalars = {}
        for name, scalar in self.meta.scalars.items():
            value, attrs = scalar["value"], scalar.get("attrs", {})
            if name in taken:
                continue
            if isinstance(value, str) and attrs.get("standard_name") in _TIMES:
                try:
                    value = self.axis.parse_time(value)
                except ConfigError:
                    continue
            scalars[name] = xr.Variable((), value, attrs)
        return scalars

    def observations(self) -> xr.Dataset:
        """The same as :meth:`variables`: what forecasts are held against."""
        return self.variables()

    def load(self) -> "TensorStore":
        """The same store with every value in memory."""
        store = TensorStore(self.dataset.load())
        store.path = self.path
        return store

    def _chunks(self) -> dict[str, Any]:
        height, width = self.shape[2:]
        steps = min(max(1, _CHUNK_CELLS // (height * width)), self.shape[0])
        preferred = self.dataset[names.DATA].encoding.get("chunks")
        if preferred:
            on_disk = dict(zip(self.dataset[names.DATA].dims, preferred, strict=True))
            steps = max(steps // on_disk[names.TIME], 1) * on_disk[names.TIME]
        chunks = {names.TIME: steps, names.CHANNEL: 1, names.Y: -1, names.X: -1}
        if names.SEQUENCE in self.dataset.dims:
            # many short sequences in one chunk, as each chunk costs the same whatever its size
            chunks[names.SEQUENCE] = max(1, _CHUNK_CELLS // (steps * height * width))
        return chunks


def open_store(path: str | Location) -> xr.Dataset:
    """Open a tensor store as one variable per quantity, lazily, as the source had them."""
    return TensorStore.open(path).variables()
