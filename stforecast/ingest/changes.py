"""What files change in a store: which shards are written anew, and what is counted of them."""

from collections.abc import Callable
from dataclasses import replace

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast.ingest.comparing import compare, missing_before
from stforecast.ingest.growth import Growth
from stforecast.ingest.joined import StoreRows, joined, rows_of
from stforecast.ingest.tally import counts_of
from stforecast.store import TensorStore
from stforecast.store.append import shard_steps
from stforecast.store.block import BlockDone
from stforecast.store.counts import Counts
from stforecast.store.reading import Block


class Changes:
    """The shards of the grown record that are not the store's, each a block, and their values.

    Which ones is known when all times that both have are compared, which is done as it is made.
    ``differing`` are the positions of times for which the files hold other values, and ``filled``,
    ``(time, channel)``, the fields that the store has no value of though it has the time.
    """

    def __init__(
        self,
        store: TensorStore,
        files: xr.Dataset,
        growth: Growth,
        order: list[int | None],
        told: Callable[[int], None],
        memory_limit: int,
    ) -> None:
        """`order` tells where in the files each channel of the store is, None if they lack it."""
        self._store, self._growth = store, growth
        self._old, self._new = StoreRows(store, growth), rows_of(files, order)
        found = compare(self._old, self._new, growth, told, memory_limit)
        self.differing = np.flatnonzero(found.differing)
        self.filled = found.filled
        size, steps = growth.axis.size, shard_steps(store)
        self.blocks = [
            Block(start, stop)
            for start in range(0, size, steps)
            if growth.changes(start, stop := min(start + steps, size))
            or self.filled[start:stop].any()
        ]
        self.valid_cells: NDArray[np.int32] = np.zeros((size, store.shape[1]), np.int32)
        self.valid_cells[growth.old.at : growth.old.stop] = store.valid_cells
        self._seen = Counts.of_none(store.shape[1:])

    def values(self) -> da.Array:
        """The grown record in these blocks; missing elsewhere."""
        return joined(self._old, self._new, self._growth, self.filled, self.blocks)

    def add(self, done: BlockDone) -> None:
        """Take in what was counted of a block."""
        self.valid_cells[done.block.start : done.block.stop] = done.valid
        self._seen.merge(done.counts)

    def counts(self) -> Counts:
        """Those of the grown record, once all blocks were taken in."""
        present = self._growth.present
        total = replace(counts_of(self._store))
        before = total.missing
        if before.any():
            before = before - missing_before(
                self._old, self._growth.old.on(present.size), self.blocks
            )
        absent = sum(int((~present[block.start : block.stop]).sum()) for block in self.blocks)
        total.merge(self._seen.without(absent))
        total.missing = before + self._seen.missing - np.int32(absent)
        total.frames = int(present.sum())
        total.whole = (self.valid_cells[present] == 0).sum(axis=0, dtype=np.int64)
        return total
