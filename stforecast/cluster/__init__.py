"""Work on many processors, or many machines, by dask.

Nothing here is needed on one machine: without a cluster :func:`current_client` is None and
:func:`spread` does the work in this process. With one, what is sent are names of files and a few
numbers; stores and models are opened where the work is done, so that all must see the same files.
"""

from stforecast.cluster.spread import Ahead, can_send, room_of, spread
from stforecast.cluster.start import current_client, here, require_shared, running
from stforecast.cluster.worker import once

__all__ = [
    "Ahead",
    "can_send",
    "current_client",
    "here",
    "once",
    "require_shared",
    "room_of",
    "running",
    "spread",
]
