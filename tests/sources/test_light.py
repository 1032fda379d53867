"""Records of many files, which are not kept in memory."""

import gc
import os
import pickle

import numpy as np
import pytest
import xarray as xr
from xarray.backends.file_manager import FILE_CACHE

from stforecast.sources import light, netcdf, open_source


@pytest.fixture
def files(tmp_path):
    """Six files of two hours of a packed variable, with bounds and a grid mapping."""
    times = np.datetime64("2020-01-01", "ns") + np.arange(12) * np.timedelta64(1, "h")
    lat, lon = np.linspace(50, 52, 3), np.linspace(0, 4, 5)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(6):
        stamps = times[2 * number : 2 * number + 2]
        part = xr.Dataset(
            {
                "t": (
                    ("time", "lat", "lon"),
                    rng.normal(280, 9, (2, 3, 5)),
                    {"units": "K", "grid_mapping": "crs"},
                ),
                "time_bnds": (("time", "bnds"), np.stack([stamps, stamps], -1)),
                "lat_bnds": (("lat", "bnds"), np.stack([lat - 0.5, lat + 0.5], -1)),
                "crs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
            },
            coords={
                "time": ("time", stamps, {"bounds": "time_bnds"}),
                "lat": ("lat", lat, {"units": "degrees_north", "bounds": "lat_bnds"}),
                "lon": ("lon", lon, {"units": "degrees_east"}),
            },
        )
        packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -9999}
        paths.append(tmp_path / f"{number}.nc")
        hours = {"units": "hours since 2020-01-01", "dtype": "i8"}
        part.to_netcdf(paths[-1], encoding={"t": packed, "time": hours})
    return paths


@pytest.fixture
def lightly(monkeypatch):
    monkeypatch.setattr(netcdf, "_FEW", 1)


def test_the_record_is_the_same(files, monkeypatch):
    expected = open_source(files).load()
    monkeypatch.setattr(netcdf, "_FEW", 1)
    opened = open_source(files)
    for name, item in expected.variables.items():
        assert opened[name].dtype == item.dtype
        assert opened[name].encoding.get("bounds") == item.encoding.get("bounds")
    xr.testing.assert_identical(opened.load(), expected)


def test_few_files_stay_open(files, lightly, monkeypatch):
    monkeypatch.setattr(light, "_OPEN", 2)
    open_source(files[:1])  # one by itself does
    gc.collect()
    before = len(FILE_CACHE)
    opened = open_source(files)
    gc.collect()
    assert len(FILE_CACHE) == before
    opened.load(scheduler="synchronous")
    gc.collect()
    assert len(FILE_CACHE) <= before + 2


def test_it_can_be_sent_to_a_worker(files, lightly):
    opened = open_source(files)
    again = pickle.loads(pickle.dumps(opened))
    xr.testing.assert_identical(again.load(), opened.load())


def test_a_file_that_was_written_again_is_read_again(files, lightly):
    first = open_source(files).load()
    gc.collect()
    with xr.open_dataset(files[2]) as source:
        changed = source.load()
    changed["t"] = changed.t.copy(data=changed.t.values + 1)
    changed.to_netcdf(files[2])
    os.utime(files[2], ns=(1, 1))
    second = open_source(files).load()
    difference = (second.t - first.t).max(("lat", "lon"))
    np.testing.assert_allclose(difference, [0] * 4 + [1] * 2 + [0] * 6, atol=0.02)
