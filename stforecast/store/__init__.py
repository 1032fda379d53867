"""The tensor store: a Zarr group that holds a gridded record ready for training.

Its arrays are described in :mod:`stforecast.store.schema`.
"""

from stforecast.store.manifest import check_manifest
from stforecast.store.open import is_store
from stforecast.store.schema import ChannelMeta, StoreMeta
from stforecast.store.tensor import TensorStore, open_store
from stforecast.store.write import check_store_target, write_store

__all__ = [
    "ChannelMeta",
    "StoreMeta",
    "TensorStore",
    "check_manifest",
    "check_store_target",
    "is_store",
    "open_store",
    "write_store",
]
