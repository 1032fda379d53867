"""Reading a forecast back from its file."""

from pathlib import Path
from typing import Any

import xarray as xr
from xarray.coders import CFDatetimeCoder

from stforecast import names
from stforecast.errors import DataError, first_line
from stforecast.product.conform import conform, forecast_variables
from stforecast.product.layout import from_time, is_along_time
from stforecast.store.commit import repair

_ZARR = ("zarr.json", ".zgroup", ".zmetadata")
_GRIB = (".grib", ".grib2", ".grb", ".grb2")


def open_product(path: str | Path) -> xr.Dataset:
    """Open a forecast, NetCDF or Zarr (GRIB with the extra), lazily.

    A forecast of another model is brought into the form of the project's own
    (:func:`stforecast.product.conform`), and one initial time along ``time`` gets its ``init_time``
    and ``lead_time`` back. DataError, naming the file, when there is none, when it cannot be read,
    and when it is not a forecast.
    """
    path = Path(path)
    repair(path)
    dataset = read(path)
    if names.META_ATTRIBUTE in dataset.attrs:
        raise DataError(
            f"{path} is a tensor store, not a forecast; make one of it with stforecast forecast"
        )
    try:
        forecast = from_time(dataset) if is_along_time(dataset) else conform(dataset)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if not forecast_variables(forecast):
        raise DataError(f"{path} is not a forecast: it has no fields of initial and lead time")
    return forecast


def read(path: Path) -> xr.Dataset:
    """Any file as a decoded dataset: bounds and grid mapping as coordinates, leads as durations.

    DataError when it is missing or cannot be read.
    """
    if not path.exists():
        raise DataError(f"there is no forecast at {path}; make one with stforecast forecast")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty; make or get it again")
    engine: dict[str, Any] = {}
    if path.is_dir():
        if not any((path / name).is_file() for name in _ZARR):
            raise DataError(
                f"{path} is a folder, not a forecast; name one, such as runs/demo/forecast.nc"
            )
        engine = {"engine": "zarr"}
    elif path.suffix.lower() in _GRIB:
        engine = {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}}
    try:
        dataset = xr.open_dataset(
            path,
            decode_times=CFDatetimeCoder(time_unit="us"),
            decode_timedelta=False,
            decode_coords="all",
            **engine,
        )
        durations = [
            name
            for name, coordinate in dataset.coords.items()
            if str(coordinate.attrs.get("dtype", "")).startswith("timedelta64")
        ]
        decoded = xr.decode_cf(dataset[durations].load(), decode_timedelta=True)
        return dataset.assign_coords(decoded.coords)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError) as error:
        reason = first_line(error).rstrip(".")
        if reason.startswith("did not find a match"):  # a list of xarray's engines follows
            raise DataError(
                f"{path} is neither NetCDF nor Zarr; give a forecast in one of them"
            ) from error
        raise DataError(f"{path} cannot be read as NetCDF or Zarr ({reason})") from error
