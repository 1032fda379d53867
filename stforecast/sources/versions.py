"""Versions of a reanalysis in one file: final data and, for the last months, preliminary."""

from typing import Any

import numpy as np
import xarray as xr

EXPVER = "expver"


def merge_versions(dataset: xr.Dataset) -> tuple[xr.Dataset, str | None]:
    """The dataset without a dimension ``expver``, and words for what was done.

    The final version is taken where it has a value; it is the one of the lower number (1 before 5
    in ERA5). Nothing changes, and there is nothing to say, without that dimension.
    """
    if EXPVER not in dataset.dims:
        return dataset, None
    labels = _labels(dataset)
    order = np.argsort([int(label) if label.isdigit() else 99 for label in labels], kind="stable")
    merged: dict[Any, xr.DataArray] = {}
    for name, item in dataset.data_vars.items():
        if EXPVER not in item.dims:
            continue
        best = item.isel({EXPVER: int(order[0])}, drop=True)
        for position in order[1:]:
            best = best.fillna(item.isel({EXPVER: int(position)}, drop=True))
        best.attrs, best.encoding = dict(item.attrs), dict(item.encoding)
        merged[name] = best
    words = f"{EXPVER} {labels[order[0]]} is taken where it has a value"
    if len(labels) > 1:
        words += ", else " + " or ".join(labels[position] for position in order[1:])
    return dataset.drop_dims(EXPVER).assign(merged), words


def _labels(dataset: xr.Dataset) -> list[str]:
    if EXPVER not in dataset.coords:
        return [str(index) for index in range(dataset.sizes[EXPVER])]
    values = dataset[EXPVER].values
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
