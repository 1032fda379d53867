"""Stores of transformed records grow as if all files had been ingested at once."""

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import DataOptions
from stforecast.store import TensorStore


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Four files of hours that break in the middle of days."""
    n = 24 * 9
    times = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    sums = np.random.default_rng(0).gamma(0.2, size=(n, 4, 4)).astype("f4")
    whole = xr.Dataset({"t": (("time", "y", "x"), sums, {"units": "m"})}, {"time": times})
    paths = []
    for first, last in ((0, 60), (60, 110), (110, 150), (150, n)):
        paths.append(str(tmp_path / f"{first}.nc"))
        whole.isel(time=slice(first, last)).to_netcdf(paths[-1])
    return paths


OPTIONS = {
    "days": {"resample": "1D"},
    "days of rates": {"resample": "1D", "variables": {"t": {"rate": True}}},
    "larger cells": {"coarsen": 2},
    "rates": {"variables": {"t": {"rate": True, "units": "mm day-1"}}},
    "sums since midnight": {"variables": {"t": {"accumulated": "24h"}}},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_to_the_byte_as_all_at_once(kind, files, tmp_path):
    options = DataOptions(**OPTIONS[kind])
    ingest(files, tmp_path / "whole.zarr", options)
    append(files[:1], tmp_path / "grown.zarr", options)
    for path in (files[2], files[1], files[3]):
        append([path], tmp_path / "grown.zarr")
    append(files, tmp_path / "grown.zarr")
    whole, grown = (TensorStore.open(tmp_path / f"{name}.zarr") for name in ("whole", "grown"))
    assert grown.shape == whole.shape
    np.testing.assert_array_equal(grown.present, whole.present)
    files_of_data = (tmp_path / "whole.zarr/data").rglob("*")
    (shard,) = (path for path in files_of_data if path.is_file() and path.name != "zarr.json")
    same = tmp_path / "grown.zarr" / shard.relative_to(tmp_path / "whole.zarr")
    assert same.read_bytes() == shard.read_bytes()


def test_other_options_do_not_fit(files, tmp_path):
    append(files[:1], tmp_path / "s.zarr", DataOptions(resample="1D"))
    with pytest.raises(DataError, match=r"data.resample.step"):
        append(files[1:], tmp_path / "s.zarr", DataOptions(resample="12h"))
