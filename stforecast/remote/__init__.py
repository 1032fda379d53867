"""Files and folders on other machines, reached by fsspec and named by an address such as s3://…

A :data:`Location` is a path on this machine or such an address; :func:`location` tells them apart.
"""

from stforecast.remote.copies import local_copy
from stforecast.remote.failures import is_failure, told
from stforecast.remote.path import Location, RemotePath, is_address, location
from stforecast.remote.zarr import zarr_store

__all__ = [
    "Location",
    "RemotePath",
    "is_address",
    "is_failure",
    "local_copy",
    "location",
    "told",
    "zarr_store",
]
