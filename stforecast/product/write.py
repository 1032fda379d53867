"""Writing a forecast, whole or not at all."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from stforecast import cluster, names
from stforecast.errors import DataError, StForecastError
from stforecast.files import written_whole
from stforecast.product.build import with_encodings
from stforecast.product.layout import along_time
from stforecast.product.open import open_product
from stforecast.store.commit import replaced

Layout = Literal["forecast", "time"]

_NETCDF = (".nc", ".nc4")
_ZARR = ".zarr"
# Bytes of one chunk of a file, where fields are so small.
_CHUNK = 2**22


def write_product(
    product: xr.Dataset,
    path: str | Path,
    *,
    layout: Layout = "forecast",
    overwrite: bool = False,
) -> Path:
    """Write a forecast as NetCDF4 or Zarr, by the ending of `path`, conforming to CF.

    The file appears whole or not at all: it is written beside and then takes its name. An earlier
    forecast of stforecast gives way to it; anything else only with `overwrite`.

    Args:
        product: as :func:`stforecast.product.build_product` gives it.
        path: ends in ``.nc`` or ``.zarr``; folders that are missing are made.
        layout: ``time`` writes one initial time along its valid times, on plain (time, y, x).

    Returns:
        The path.

    Raises:
        DataError: another ending, or something else in the way.
        StForecastError: the folder cannot be written, or the disk is full.
    """
    path = check_output(path, overwrite=overwrite)
    prepared = with_encodings((along_time(product) if layout == "time" else product).copy())
    with cluster.here():
        _write(prepared, path)
    return path


def _write(prepared: xr.Dataset, path: Path) -> None:
    if path.suffix.lower() == _ZARR:
        with replaced(path, what="the forecast", overwrite=True, ours=_is_zarr) as folder:
            _write_zarr(prepared, folder)
    else:
        _chunk_by_fields(prepared)
        with written_whole(path, "the forecast") as beside:
            prepared.to_netcdf(beside, engine="netcdf4", format="NETCDF4")


def check_output(path: str | Path, *, overwrite: bool = False) -> Path:
    """The path of a forecast to write; DataError, before any work, where it cannot be written."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*_NETCDF, _ZARR):
        raise DataError(
            f"{path} does not say how to write the forecast; end it in .nc for NetCDF or in .zarr "
            "for Zarr"
        )
    if not path.exists():
        return path
    if path.is_dir() != (suffix == _ZARR):
        what = "a folder" if path.is_dir() else "a file"
        raise DataError(f"{path} is {what}, which no forecast of this ending can replace")
    if path.is_dir() and any(path.iterdir()) and not _is_zarr(path):
        raise DataError(f"{path} is a folder that is not Zarr; choose another output")
    if not overwrite and not _is_own_forecast(path):
        raise DataError(
            f"{path} is there and is not a forecast of stforecast; choose another output, or "
            "overwrite it with --overwrite"
        )
    return path


def _chunk_by_fields(product: xr.Dataset) -> None:
    """Chunks of whole fields for what is made block by block: each chunk is written once."""
    for variable in product.data_vars.values():
        if variable.chunks is not None and variable.ndim > 3:
            leads = variable.sizes.get(names.LEAD_TIME, 1)
            fields = leads if 4 * leads * int(np.prod(variable.shape[-2:])) <= _CHUNK else 1
            sizes = [fields if dim == names.LEAD_TIME else 1 for dim in variable.dims[:-2]]
            variable.encoding["chunksizes"] = (*sizes, *variable.shape[-2:])


def _write_zarr(product: xr.Dataset, path: Path) -> None:
    encoding = {}
    for name, variable in product.data_vars.items():
        sizes = dict(variable.sizes)
        frames = [size for dim, size in sizes.items()][:-2]
        chunks = (1, *frames[1:], *variable.shape[-2:]) if frames else variable.shape
        # what is not there reads as missing, never as zero
        fill = np.asarray(np.nan, variable.dtype)[()]
        encoding[name] = {"chunks": chunks, "fill_value": fill}
    with warnings.catch_warnings():
        # consolidated metadata is read by every Zarr 3 library, if not yet in the specification
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        product.chunk().to_zarr(path, mode="w", zarr_format=3, consolidated=True, encoding=encoding)


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def _is_own_forecast(path: Path) -> bool:
    try:
        with open_product(path) as product:
            return str(product.attrs.get("source", "")).startswith("stforecast ")
    except StForecastError:
        return False
