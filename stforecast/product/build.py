"""The forecast as a georeferenced dataset, in the clothes of its source."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from stforecast import names
from stforecast._version import __version__
from stforecast.grid import Grid
from stforecast.product.conventions import conforming_attrs, storable
from stforecast.product.coordinates import duration_encoding, time_coordinates, time_encoding
from stforecast.product.uncertainty import Interval, bounds_attrs, bounds_names, member_coordinate
from stforecast.store import ChannelMeta, StoreMeta, TensorStore
from stforecast.store.layout import holds_dates
from stforecast.timeaxis import TimeStep

# Attributes of the source dataset that hold for what is made from it.
_INHERITED = ("institution", "references", "license", "licence", "comment")
# Attributes of the source dataset that a forecast states of itself; kept as data_<name>.
_SAID_ANEW = ("title", "source", "history")
# Scalar coordinates that a source shares with forecasts, where they mean something else.
_OF_THE_SOURCE = {
    *(names.INIT_TIME, names.LEAD_TIME, names.VALID_TIME, names.FORECAST_PERIOD, names.MEMBER),
    *("time", "forecast_reference_time", "forecast_period", "step", "number", "realization"),
}


def build_product(
    values: Any,
    *,
    store: TensorStore,
    init_positions: Sequence[int] | np.ndarray,
    lead_steps: Sequence[int] | np.ndarray,
    attrs: Mapping[str, Any],
    sequences: Sequence[int] | None = None,
    members: int | None = None,
    interval: Interval | None = None,
) -> xr.Dataset:
    """A forecast as one variable per channel of the store, on the source's own grid.

    Args:
        values: (I, L, C, H, W) physical values, numpy or dask, NaN where missing; with `sequences`
            (I, L, S, C, H, W), with `members` (I, L, M[, S], C, H, W).
        store: where the data come from: names, attributes, time axis and grid are its.
        init_positions: (I,) positions of the initial times on the store's axis.
        lead_steps: (L,) steps from the initial time to the valid time.
        attrs: attributes of the dataset, which go before those written here.
        sequences: which of the store's independent sequences, for a store that has them.
        members: how many forecasts there are from each initial time; None for the one.
        interval: bounds of the values, which become variables of their own.

    Returns:
        Dimensions ``(init_time, lead_time[, member][, sequence], <the source's y and x>)``;
        coordinates equal to the source's, so that a difference with observations aligns;
        ``valid_time`` per initial time and lead; ``<name>_lower`` and ``<name>_upper`` of an
        interval, without members, which the variable names in ``ancillary_variables``; attributes
        and encodings such that a plain ``to_netcdf`` conforms to CF.

    Raises:
        DataError: the source has a variable that is called as a bound of an interval is.
    """
    meta = store.meta
    dims: tuple[str, ...] = ()
    beside: tuple[int, ...] = ()
    if sequences is not None:
        dims, beside = (meta.sequence_name or names.SEQUENCE,), (len(sequences),)
    coords = time_coordinates(store.axis, list(init_positions), list(lead_steps))
    times = (names.INIT_TIME, names.LEAD_TIME)
    sizes = tuple(coords[name].size for name in times)
    fields = (*beside, len(meta.channels), store.grid.height, store.grid.width)
    of_members = () if members is None else (members,)
    variables = _variables(
        values,
        [channel.name for channel in meta.channels],
        (*times, *(() if members is None else (names.MEMBER,)), *dims),
        (*sizes, *of_members, *fields),
    )
    if interval is not None:
        for side, bound in enumerate((interval.lower, interval.upper)):
            called = bounds_names([channel.name for channel in meta.channels], side)
            variables |= _variables(bound, called, (*times, *dims), (*sizes, *fields))
    if members is not None:
        coords[names.MEMBER] = member_coordinate(members)
    product = xr.Dataset(variables, coords)
    if sequences is not None:
        product = _with_sequences(product, store, dims[-1], sequences)
    product = store.grid.georeference(product)
    kept, provenance = _scalars(meta, taken=set(map(str, product.variables)))
    product = product.assign_coords(kept)
    for channel in meta.channels:
        _describe(product, channel, interval)
    for name in product.coords:
        if name not in coords:
            _describe_coordinate(product, str(name), store.grid)
    product.attrs = _attributes(meta, attrs, provenance)
    return with_encodings(product)


def with_encodings(product: xr.Dataset) -> xr.Dataset:
    """Set how each variable is written: exact times, missing data NaN, coordinates without fill."""
    referred = {
        name: {
            key: variable.encoding[key]
            for key in ("bounds", "grid_mapping")
            if variable.encoding.get(key) in product.variables
        }
        for name, variable in product.variables.items()
    }
    named = {name for references in referred.values() for name in references.values()}
    for name, variable in product.variables.items():
        if name in product.data_vars:
            fill = np.float32(np.nan) if variable.dtype == np.float32 else np.nan
            encoding: dict[str, Any] = {"_FillValue": fill, "zlib": True, "complevel": 4}
            encoding |= _listed_coordinates(product, variable, named)
        elif holds_dates(variable):
            encoding = time_encoding(variable.values)
        elif variable.dtype.kind == "m":
            encoding = duration_encoding(variable.values)
        else:
            encoding = {"_FillValue": None}
        product[name].encoding = {**encoding, **referred[name]}
    return product


def _listed_coordinates(
    product: xr.Dataset, variable: xr.Variable, named: Collection[str]
) -> dict[str, str]:
    """The attribute ``coordinates``, where xarray would leave some out of it.

    It takes ``lat`` for bounds when ``lat_bnds`` are, as the one name is a part of the other.
    """
    mistaken = [
        name
        for name in product.coords
        if name not in named and any(str(name) in other for other in named)
    ]
    if not set(mistaken) - set(product.dims):
        return {}
    auxiliary = [
        str(name)
        for name, coordinate in product.coords.items()
        if name not in named
        and name not in product.dims
        and set(coordinate.dims) <= set(variable.dims)
    ]
    return {"coordinates": " ".join(sorted(auxiliary))}


def history_line(what: str, before: str = "") -> str:
    """An audit line for ``history``: when, by which version, what; earlier lines follow."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now} stforecast {__version__}: {what}"
    return f"{line}\n{before}" if before else line


def _variables(
    values: Any, called: Sequence[str], dims: tuple[str, ...], expected: tuple[int, ...]
) -> dict[str, xr.Variable]:
    """One variable (*dims, y, x) for each channel of values (…, C, H, W)."""
    if tuple(values.shape) != expected:
        raise ValueError(f"values have the shape {tuple(values.shape)}, not {expected}")
    return {
        name: xr.Variable((*dims, names.Y, names.X), values[..., index, :, :])
        for index, name in enumerate(called)
    }


def _describe(product: xr.Dataset, channel: ChannelMeta, interval: Interval | None) -> None:
    attrs = conforming_attrs(channel.cf_attrs(), present=set(map(str, product.variables)))
    attrs.setdefault("long_name", channel.name.replace("_", " "))
    attrs.pop("grid_mapping", None)  # an encoding, which writing turns into the attribute
    if interval is not None:
        bounds = [bounds_names([channel.name], side)[0] for side in (0, 1)]
        for side, name in enumerate(bounds):
            product[name].attrs = bounds_attrs(attrs, interval, side)
        attrs["ancillary_variables"] = " ".join(bounds)
    product[channel.name].attrs = attrs


def _describe_coordinate(product: xr.Dataset, name: str, grid: Grid) -> None:
    """Make the attributes of a coordinate conform, and say what it is where its source did not."""
    coordinate = product[name]
    is_bounds = any(
        variable.encoding.get("bounds") == name for variable in product.variables.values()
    )
    attrs = conforming_attrs(coordinate.attrs, present=set(map(str, product.variables)))
    if name == grid.grid_mapping:
        if "grid_mapping_name" not in attrs and grid.crs is not None:
            attrs = {**{key: storable(value) for key, value in grid.crs.to_cf().items()}, **attrs}
        attrs.setdefault("long_name", "coordinate reference system")
    elif not is_bounds:
        attrs = {**_place(name, grid), **attrs}
        if not {"long_name", "standard_name"} & attrs.keys():
            attrs["long_name"] = name.replace("_", " ")
    coordinate.attrs = attrs


def _place(name: str, grid: Grid) -> dict[str, str]:
    """What CF asks of latitude, longitude, rows and columns."""
    for coord, standard_name, units in (
        (grid.latitude, "latitude", "degrees_north"),
        (grid.longitude, "longitude", "degrees_east"),
    ):
        if coord is not None and coord.name == name:
            return {"standard_name": standard_name, "units": units}
    for coord, axis in ((grid.y_coord, "Y"), (grid.x_coord, "X")):
        if grid.kind == "projected" and coord is not None and coord.name == name:
            return {"axis": axis}
    return {}


def _scalars(
    meta: StoreMeta, taken: Collection[str]
) -> tuple[dict[str, xr.Variable], dict[str, Any]]:
    """Scalar coordinates that stay coordinates, and those that go to the provenance."""
    kept, provenance = {}, {}
    for name, scalar in meta.scalars.items():
        attrs = dict(scalar.get("attrs", {}))
        standard_name = str(attrs.get("standard_name", ""))
        if name in taken or name in _OF_THE_SOURCE or standard_name in _OF_THE_SOURCE:
            units = f" {attrs['units']}" if attrs.get("units") else ""
            provenance[f"data_{name}"] = f"{scalar['value']}{units}"
        else:
            kept[name] = xr.Variable((), scalar["value"], attrs)
    return kept, provenance


def _attributes(
    meta: StoreMeta, given: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "Conventions": names.CF_CONVENTIONS,
        "title": f"Forecast of {', '.join(channel.title for channel in meta.channels)}",
        "source": f"stforecast {__version__}",
        "history": history_line("forecast"),
    }
    attrs.update({name: meta.attrs[name] for name in _INHERITED if name in meta.attrs})
    attrs.update({f"data_{name}": meta.attrs[name] for name in _SAID_ANEW if name in meta.attrs})
    attrs.update(provenance)
    if meta.sources:
        attrs["data_files"] = ", ".join(str(source.get("path", "")) for source in meta.sources)
    if not TimeStep.parse(meta.time_step).frames:
        attrs["data_timezone"] = meta.timezone
    attrs.update(given)
    return {name: storable(value) for name, value in attrs.items() if value is not None}


def _plain_text(values: np.ndarray) -> np.ndarray:
    """Text as any file format takes it; numbers as they are."""
    return values.astype(object) if values.dtype.kind in "TU" else values


def _with_sequences(
    product: xr.Dataset, store: TensorStore, name: str, sequences: Sequence[int]
) -> xr.Dataset:
    """Give the product the source's coordinates of the sequences chosen."""
    along = {
        str(label): coordinate.variable.isel({names.SEQUENCE: list(sequences)})
        for label, coordinate in store.dataset.coords.items()
        if coordinate.dims == (names.SEQUENCE,)
    }
    if names.SEQUENCE in along and name != names.SEQUENCE:
        along[name] = along.pop(names.SEQUENCE)
    renamed = {
        label: xr.Variable(name, _plain_text(variable.values), variable.attrs)
        for label, variable in along.items()
    }
    if name not in renamed:
        number = np.asarray(sequences, np.int32)
        renamed[name] = xr.Variable(name, number, {"long_name": f"number of the {name}"})
    return product.assign_coords(renamed)
