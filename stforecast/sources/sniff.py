"""What a file is, by its first bytes."""

from typing import Literal

from stforecast.errors import DataError
from stforecast.remote import Location, RemotePath
from stforecast.sources.files import is_zarr

Kind = Literal["hdf5", "netcdf3", "grib", "zarr", "opendap"]

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
# In the addresses of data that a THREDDS or Hyrax server sends piece by piece.
_DODS = "/dodsC/"


def kind_of(location: Location) -> Kind | None:
    """The format of a file, None if it is none that can be read.

    DataError for an address at which nothing is found.
    """
    if isinstance(location, RemotePath):
        return _kind_elsewhere(location)
    if location.is_dir():
        return "zarr" if is_zarr(location) else None
    return _kind_of_bytes(_head(location))


def _kind_elsewhere(address: RemotePath) -> Kind | None:
    kind: Kind | None = None
    try:
        if address.suffix == ".zarr" or address.url.endswith("/"):
            kind = "zarr" if is_zarr(address) else None
        if kind is None:
            kind = _kind_of_bytes(address.head)
        if kind is None and address.is_http and address.head.lstrip().startswith(b"<"):
            # what a web server shows of a folder is a page
            kind = "zarr" if is_zarr(address) else None
    except (FileNotFoundError, IsADirectoryError) as error:
        if address.suffix != ".zarr" and is_zarr(address):
            return "zarr"
        if _DODS not in str(address):
            raise DataError(f"{address} cannot be read: {error.strerror}") from None
    except OSError as error:
        if _DODS not in str(address):
            raise DataError(f"{address} cannot be read: {error.strerror}") from None
    return "opendap" if kind is None and _DODS in str(address) else kind


def _kind_of_bytes(head: bytes) -> Kind | None:
    if head.startswith(_HDF5) or head[512:520] == _HDF5:
        return "hdf5"
    if head[:3] == b"CDF" and head[3:4] in (b"\x01", b"\x02", b"\x05"):
        return "netcdf3"
    # archives put a line of their own before the first message
    return "grib" if b"GRIB" in head else None


def why_not(location: Location) -> str:
    """A sentence on a file that is of no format that can be read."""
    head = _head(location)
    for magic, words in _MISTAKEN:
        if head.lstrip().lower().startswith(magic.lower()):
            return f"{location} {words}"
    return f"{location} is neither NetCDF, Zarr, GRIB nor HDF5"


def _head(path: Location) -> bytes:
    try:
        if isinstance(path, RemotePath):
            return path.head
        with path.open("rb") as file:
            return file.read(1024)
    except OSError:
        return b""
