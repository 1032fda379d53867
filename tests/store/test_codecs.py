"""Stores read by zarrs: the same values, in other processes too, and nothing is ever written."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from stforecast.errors import StoreError
from stforecast.options import StorageOptions
from stforecast.store import TensorStore, write_store
from stforecast.store.codecs import fast_codecs
from tests.helpers import make_store

KINDS = {
    "one": {"n": 100, "channels": ["t2m", "ssr"], "absent": [3], "missing": 0.2},
    "empty shards": {"n": 300, "missing": np.arange(300)[:, None, None, None] < 200},
    "videos": {"sequences": 5, "n": 20, "height": 16, "width": 16},
}


@pytest.fixture
def store(tmp_path) -> Path:
    write_store(
        make_store(n=100, missing=0.2).dataset,
        tmp_path / "store.zarr",
        storage=StorageOptions.model_validate({"shard_size": "4 KB"}),
    )
    return tmp_path / "store.zarr"


def pipeline_of(path: Path) -> str:
    with fast_codecs(path):
        array = zarr.open_group(path, mode="r")["data"]
    return type(array._async_array.codec_pipeline).__name__


@pytest.mark.parametrize("codec", ["zstd", "lz4", "zlib", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_zarrs_own_codecs(tmp_path, kind, codec):
    record = make_store(**KINDS[kind])
    path = tmp_path / "store.zarr"
    storage = StorageOptions.model_validate({"shard_size": "20 KB", "codec": codec})
    write_store(record.dataset, path, storage=storage)
    assert pipeline_of(path) == "ReadingPipeline"
    store = TensorStore.open(path)
    plain = xr.open_zarr(path, chunks=None)
    for name in ("data", "valid_cells", "absent"):
        np.testing.assert_array_equal(store.dataset[name], plain[name])
    for start, stop in ((0, 1), (7, 19), (19, 20), (3, 3)):
        part = plain.data.isel(time=slice(start, stop))
        expected = part[0] if "sequence" in part.dims else part
        np.testing.assert_array_equal(store.read(start, stop), expected)
    np.testing.assert_array_equal(
        store.dataset.data.isel(y=[1, 3], x=slice(None, None, 2)),
        plain.data.isel(y=[1, 3], x=slice(None, None, 2)),
    )


def test_without_zarrs_zarr_reads(store, monkeypatch):
    monkeypatch.setattr("stforecast.store.codecs.find_spec", lambda name: None)
    assert pipeline_of(store) == "BatchedCodecPipeline"
    TensorStore.open(store).load()


def test_it_reads_in_other_processes(store):
    record = TensorStore.open(store)
    expected = record.read(0, 100)
    again = pickle.loads(pickle.dumps(record.dataset))
    np.testing.assert_array_equal(TensorStore(again).read(0, 100), expected)
    pid = os.fork()
    if pid == 0:  # a thread of zarrs would never answer here
        os._exit(0 if np.array_equal(record.read(0, 100), expected, equal_nan=True) else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_it_never_writes(store):
    with fast_codecs(store):
        array = zarr.open_group(store, mode="r+")["data"]
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    with pytest.raises(NotImplementedError, match="for reading only"):
        array[:] = 0.0
    assert before == {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    assert zarr.config.get("codec_pipeline.path") == "zarr.core.codec_pipeline.BatchedCodecPipeline"


def test_damaged_values_are_told(store):
    shard = store / "data" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    record = TensorStore.open(store)
    for place in (10, len(content) // 2, len(content) - 3):
        spoilt = bytearray(content)
        spoilt[place] ^= 16
        shard.write_bytes(spoilt)
        with pytest.raises(StoreError, match="cannot be read"):
            record.read(0, 100)
