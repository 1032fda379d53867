"""Writing whole shards block by block: what Zarr reads of them, and that memory has its bounds."""

import hashlib
import itertools

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from stforecast import names
from stforecast.errors import DataError
from stforecast.options import StorageOptions
from stforecast.store import TensorStore, write_store
from stforecast.store import work as work_module
from stforecast.store.block import write_block, write_blocks
from stforecast.store.counts import Counts
from stforecast.store.layout import Cut
from stforecast.store.reading import Block, ReadError, blocks, pieces
from stforecast.store.spill import spill
from stforecast.store.write import create_arrays
from tests.helpers import make_store

SMALL = StorageOptions(shard_size=20 * 6 * 8 * 4, chunk_steps=4)


def skeleton(store, folder, storage=SMALL) -> list[Block]:
    """A group without any values, and the blocks that it wants."""
    cut = Cut.of(store.dataset.sizes, storage)
    create_arrays(store, folder, cut, storage)
    return list(blocks(store.dataset, cut))


def shards(folder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "data/c").rglob("*")) if p.is_file()}


class TestWriteBlock:
    @pytest.mark.parametrize("codec", ["zstd", "lz4", "zlib", "none"])
    def test_zarr_reads_what_is_written(self, tmp_path, codec):
        store = make_store(90, channels=2, missing=0.3)
        values = store.dataset[names.DATA].values
        storage = StorageOptions(codec=codec, level=1, shard_size=2 * 20 * 6 * 8 * 4, chunk_steps=4)
        for block in skeleton(store, tmp_path, storage):
            done = write_block(values[block.index], tmp_path, block)
            np.testing.assert_array_equal(
                done.valid, np.isfinite(values[block.index]).sum(axis=(-2, -1))
            )
            for key, entry in done.files.items():
                content = (tmp_path / key).read_bytes()
                assert entry.size == len(content)
                assert entry.sha256 == hashlib.sha256(content).hexdigest()
        np.testing.assert_array_equal(zarr.open_group(tmp_path)[names.DATA][...], values)

    @pytest.mark.parametrize("codec", ["zstd", "none"])
    def test_a_changed_byte_is_an_error_and_no_other_value(self, tmp_path, codec):
        store = make_store(20)
        (block,) = skeleton(store, tmp_path, StorageOptions(codec=codec))
        (key,) = write_block(store.dataset[names.DATA].values, tmp_path, block).files
        content = bytearray((tmp_path / key).read_bytes())
        content[40] ^= 1
        (tmp_path / key).write_bytes(bytes(content))
        with pytest.raises(ValueError, match="checksum"):
            zarr.open_group(tmp_path)[names.DATA][...]

    def test_bytes_do_not_depend_on_how_the_values_come(self, tmp_path):
        store = make_store(50, missing=0.1)
        values = store.dataset[names.DATA].values
        dims = store.dataset[names.DATA].dims
        ways = {
            "numpy": values,
            "dask": da.from_array(values, chunks=(7, 1, 3, 8)),
            "variable": xr.Variable(dims, values).chunk({"time": 9}),
            "rows": da.from_array(values, chunks=(1, 1, 6, 8)),
        }
        seen = []
        for name, way in ways.items():
            record = skeleton(store, tmp_path / name)
            list(write_blocks(way, tmp_path / name, record, size=5 * 6 * 8 * 4))
            seen.append(shards(tmp_path / name))
        assert len(record) == 3
        assert all(one == seen[0] for one in seen)

    def test_blocks_may_be_written_again_and_in_any_order(self, tmp_path):
        store = make_store(50)
        values = store.dataset[names.DATA].values
        record = skeleton(store, tmp_path)
        for block in [*reversed(record), record[1]]:
            write_block(values[block.index], tmp_path, block)
        np.testing.assert_array_equal(zarr.open_group(tmp_path)[names.DATA][...], values)

    def test_what_is_all_missing_has_no_file(self, tmp_path):
        missing = (np.arange(60) // 20 == 1)[:, None, None, None]
        store = make_store(60, missing=missing)
        done = list(
            write_blocks(store.dataset[names.DATA].values, tmp_path, skeleton(store, tmp_path))
        )
        assert [list(each.files) for each in done] == [["data/c/0/0/0/0"], [], ["data/c/2/0/0/0"]]

    def test_bands_and_channels_of_a_large_grid(self, tmp_path, monkeypatch):
        monkeypatch.setattr("stforecast.store.layout._CHUNK_LIMIT", 5 * 8 * 4)
        store = make_store(23, channels=3, height=13)
        values = store.dataset[names.DATA].values
        storage = StorageOptions(shard_size=10 * 3 * 13 * 8 * 4)
        record = skeleton(store, tmp_path, storage)
        array = zarr.open_group(tmp_path)[names.DATA]
        assert array.chunks[1:] == (1, 5, 8)
        list(write_blocks(values, tmp_path, record))
        np.testing.assert_array_equal(array[...], values)

    def test_sequences(self, tmp_path):
        store = make_store(sequences=7, n=20, height=4, width=4)
        values = store.dataset[names.DATA].values
        storage = StorageOptions(shard_size=3 * 20 * 4 * 4 * 4, chunk_steps=8)
        record = skeleton(store, tmp_path, storage)
        assert len(record) > 2
        for block in record:
            write_block(values[block.index], tmp_path, block)
        np.testing.assert_array_equal(zarr.open_group(tmp_path)[names.DATA][...], values)

    def test_a_source_that_fails_leaves_no_half_shard(self, tmp_path):
        store = make_store(40)
        record = skeleton(store, tmp_path)

        def fail(block, block_info=None):
            if block_info[0]["chunk-location"][0] == 3:
                raise OSError("the file is gone")
            return block

        values = da.from_array(store.dataset[names.DATA].values, chunks=(4, 1, 6, 8))
        values = values.map_blocks(fail, dtype=np.float32, meta=np.empty((0,) * 4, np.float32))
        with pytest.raises(ReadError, match="the file is gone"):
            list(write_blocks(values, tmp_path, record, size=1))
        assert shards(tmp_path) == {}


class TestPieces:
    def test_whole_chunks_up_to_a_size(self):
        values = da.zeros((20, 1, 1, 4), chunks=((3, 3, 9, 5), 1, 1, 4), dtype=np.float32)
        assert [len(piece) for piece in pieces(values, size=6 * 16)] == [6, 9, 5]
        assert [len(piece) for piece in pieces(values.compute(), size=6 * 16)] == [6, 6, 6, 2]
        assert list(pieces(np.empty((0, 2)))) == []


class TestCounts:
    def test_parts_merge_to_the_whole(self):
        rng = np.random.default_rng(0)
        values = rng.normal(size=(600, 2, 3, 4)).astype(np.float32)
        values[rng.random(values.shape) < 0.2] = np.nan
        values[5] = np.nan
        values[7, 1, 0, 0], values[8, 0, 0, 1] = np.inf, -np.inf
        whole, first, second = (Counts.of_none((2, 3, 4)) for _ in range(3))
        clean, valid = whole.add(values)
        finite = np.where(np.isfinite(values), values, np.nan)
        np.testing.assert_array_equal(clean, finite)
        np.testing.assert_array_equal(valid, np.isfinite(values).sum(axis=(2, 3)))
        np.testing.assert_array_equal(whole.missing, np.isnan(finite).sum(axis=0))
        assert whole.infinite.tolist() == [1, 1]
        assert whole.whole.tolist() == [1, 1]
        np.testing.assert_array_equal(whole.minimum, np.nanmin(finite, axis=(0, 2, 3)))
        first.add(values[:301])
        second.add(values[301:])
        second.merge(first)
        for name, value in vars(whole).items():
            np.testing.assert_array_equal(getattr(second, name), value)
        assert whole.without(1).whole.tolist() == [0, 0]

    def test_frames_without_anything_amiss_are_given_as_they_are(self):
        values = np.zeros((3, 1, 2, 2), np.float32)
        assert Counts.of_none((1, 2, 2)).add(values)[0] is values


class TestSpill:
    @pytest.mark.parametrize("room", [1, 50 * 4 * 12, 10**9])
    @pytest.mark.parametrize("chunks", [(50, 1, 2, 3), ((20, 30), 1, 6, 1), (50, 2, 6, 8)])
    def test_rows_are_those_of_the_array(self, tmp_path, room, chunks, monkeypatch):
        monkeypatch.setattr("stforecast.store.spill.PIECE", 7 * 2 * 6 * 8 * 4)
        values = np.random.default_rng(0).normal(size=(50, 2, 6, 8)).astype(np.float32)
        turned = spill(da.from_array(values, chunks=chunks), tmp_path / "a/file", room)
        assert turned.shape == values.shape
        np.testing.assert_array_equal(np.concatenate(list(pieces(turned, 1))), values)
        for begin, end in itertools.combinations((0, 3, 7, 20, 49, 50), 2):
            np.testing.assert_array_equal(turned[begin:end], values[begin:end])
        part = turned.take((slice(5, 43), slice(1, 2)))
        np.testing.assert_array_equal(np.concatenate(list(pieces(part, 1))), values[5:43, 1:2])

    def test_each_chunk_is_read_once(self, tmp_path):
        read = []

        def value(block_info=None):
            at = block_info[None]["array-location"]
            read.append(tuple(map(tuple, at)))
            return np.full([b - a for a, b in at], at[2][0], np.float32)

        values = da.map_blocks(
            value, chunks=((60,), (1,), (2,) * 3, (4,) * 2), dtype="f4", meta=np.empty((0,) * 4)
        )
        spill(values, tmp_path / "file", 60 * 4 * 8)
        assert len(read) == len(set(read)) == 6


def test_what_else_a_program_holds_does_not_count(tmp_path, monkeypatch):
    """A notebook with gigabytes in memory may write a store under the default limit."""
    monkeypatch.setattr(work_module.os, "sysconf", lambda name: 2**20)  # pages of a megabyte
    assert work_module._memory() == work_module._BASE
    store = make_store(100)
    write_store(store.dataset, tmp_path / "a.zarr")
    assert TensorStore.open(tmp_path / "a.zarr").shape == store.shape


class TestMemoryLimit:
    """The room is told, so that it does not depend on what the tests before have in memory."""

    @pytest.fixture(autouse=True)
    def memory(self, monkeypatch):
        monkeypatch.setattr(work_module, "_memory", lambda: 4 * 10**8 - work_module._BESIDE - 10**6)
        monkeypatch.setattr(work_module, "PIECE", 1000)

    def test_chunks_across_all_times_go_by_way_of_a_file(self, tmp_path):
        store = make_store(400, height=16, width=16)
        data = store.dataset[names.DATA].variable.chunk({"time": -1, "y": 2, "x": 2})
        dataset = store.dataset.assign({names.DATA: data})
        storage = StorageOptions(memory_limit="400MB", shard_size=100 * 16 * 16 * 4)
        write_store(dataset, tmp_path / "a.zarr", storage=storage)
        np.testing.assert_array_equal(
            TensorStore.open(tmp_path / "a.zarr").read(0, 400), store.read(0, 400)
        )
        assert not (tmp_path / "a.zarr" / work_module.SPILLED).exists()

    def test_a_chunk_that_is_larger_is_told(self, tmp_path):
        store = make_store(400, height=16, width=16)
        dataset = store.dataset.chunk({"time": -1})
        storage = StorageOptions(memory_limit="400MB")
        with pytest.raises(
            DataError,
            match=r"chunks of 410 kB, which takes about 402 MB .* of 400 MB; .*--memory-limit",
        ):
            write_store(dataset, tmp_path / "a.zarr", storage=storage)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_threads_write_the_same_as_one(self, tmp_path, threads, monkeypatch):
        monkeypatch.setattr(work_module, "_processors", lambda: threads)
        store = make_store(200, missing=0.2)
        written = []
        write_store(
            store.dataset.chunk({"time": 11}),
            tmp_path / "a.zarr",
            storage=SMALL.model_copy(update={"memory_limit": 4 * 10**8}),
            progress=lambda done, total: written.append(done),
        )
        assert sorted(written) == [20 * k for k in range(1, 11)]
        again = TensorStore.open(tmp_path / "a.zarr")
        np.testing.assert_array_equal(again.read(0, 200), store.read(0, 200))
        np.testing.assert_array_equal(again.valid_cells, store.valid_cells)

    def test_the_failure_of_a_thread_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(work_module, "_processors", lambda: 3)

        def fail(block):
            raise OSError("broken")

        dataset = make_store(200).dataset.chunk({"time": 11})
        data = dataset[names.DATA]
        broken = data.data.map_blocks(fail, dtype=np.float32, meta=np.empty((0,) * 4, np.float32))
        with pytest.raises(ReadError, match="broken"):
            write_store(
                dataset.assign({names.DATA: (data.dims, broken)}),
                tmp_path / "a.zarr",
                storage=SMALL.model_copy(update={"memory_limit": 4 * 10**8}),
            )
        assert list(tmp_path.iterdir()) == []
