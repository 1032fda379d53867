"""The sequences, members and the like that one dataset shares with another."""

import pandas as pd
import xarray as xr


def same_sequences(data: xr.Dataset, forecast: xr.Dataset, dim: str) -> xr.Dataset:
    """Those of a dataset's sequences along ``dim`` that a forecast has, in its order.

    They are found by the forecast's coordinate ``dim``; where the data do not name theirs, they are
    counted from 0. The data stay as they are where the forecast names none, where one of its
    sequences is not found, and where unnamed ones are as many as the forecast's: these may have
    been chosen before.
    """
    if dim not in forecast.indexes or dim not in data.dims:
        return data
    wanted = forecast.indexes[dim]
    if dim in data.indexes:
        there = data.indexes[dim]
    elif data.sizes[dim] != wanted.size:
        there = pd.RangeIndex(data.sizes[dim])
    else:
        return data
    if wanted.equals(there) or not there.is_unique:
        return data
    found = there.get_indexer(wanted)
    return data if (found < 0).any() else data.isel({dim: found})
