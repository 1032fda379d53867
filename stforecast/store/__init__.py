"""The tensor store: a Zarr group that holds a gridded record ready for training.

Its arrays are described in :mod:`stforecast.store.schema`.
"""

from stforecast.store.schema import ChannelMeta, StoreMeta
from stforecast.store.tensor import TensorStore, open_store

__all__ = ["ChannelMeta", "StoreMeta", "TensorStore", "open_store"]
