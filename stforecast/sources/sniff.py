"""What a file is, by its first bytes."""

from pathlib import Path
from typing import Literal

from stforecast.sources.base import Location
from stforecast.sources.files import is_zarr

Kind = Literal["hdf5", "netcdf3", "grib", "zarr", "remote"]

# What people have in hand when they meant to have data, and what to do about it.
_MISTAKEN = (
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
    (b"PK\x03\x04", "is a ZIP archive; unpack it first"),
    (b"BZh", "is compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "is compressed with xz; unpack it first"),
    (b"<!DOCTYPE", "is a web page, perhaps an error that was saved by a download; get it again"),
    (b"<html", "is a web page, perhaps an error that was saved by a download; get it again"),
    (b"{", "is JSON, perhaps an error that was saved by a download; get it again"),
    (b"%PDF", "is a PDF document"),
    (b"\x0e\x03\x13\x01", "is HDF4; convert it to NetCDF first, with h4tonccf or GDAL"),
    (b"\x89PNG", "is an image; name the folder of its sequence"),
    (b"\xff\xd8\xff", "is an image; name the folder of its sequence"),
    (b"\x93NUMPY", "is a NumPy array without times; put it into an xarray dataset"),
)
_HDF5 = b"\x89HDF\r\n\x1a\n"


def kind_of(location: Location) -> Kind | None:
    """The format of a file, None if it is none that can be read."""
    if isinstance(location, str):
        return "remote"
    if location.is_dir():
        return "zarr" if is_zarr(location) else None
    head = _head(location)
    if head.startswith(_HDF5) or head[512:520] == _HDF5:
        return "hdf5"
    if head[:3] == b"CDF" and head[3:4] in (b"\x01", b"\x02", b"\x05"):
        return "netcdf3"
    # archives put a line of their own before the first message
    return "grib" if b"GRIB" in head else None


def why_not(location: Path) -> str:
    """A sentence on a file that is of no format that can be read."""
    head = _head(location)
    for magic, words in _MISTAKEN:
        if head.lstrip().lower().startswith(magic.lower()):
            return f"{location} {words}"
    return f"{location} is neither NetCDF, Zarr, GRIB nor HDF5"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError:
        return b""
