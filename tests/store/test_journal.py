"""Going on from what an earlier try has written."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap

import dask.array as da
import numpy as np
import pytest

from stforecast import names
from stforecast.errors import DataError, StoreError
from stforecast.options import StorageOptions
from stforecast.store import TensorStore, check_manifest, write_store
from stforecast.store.journal import FOLDER
from stforecast.store.reading import ReadError
from stforecast.store.shardfile import ShardFile
from tests.helpers import make_store


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Which blocks are done when a write is cut off is told for one thread alone."""
    monkeypatch.setattr("stforecast.store.work._processors", lambda: 1)


STORAGE = StorageOptions(shard_size=20 * 6 * 8 * 4, chunk_steps=4)
MADE_OF = {"files": [["a.nc", 1, 2.5]]}


class Source:
    """A record in chunks of a block each, that counts what is read and may fail at one."""

    def __init__(self, fail_at: int | None = None, missing: float = 0.2) -> None:
        self.store = make_store(100, missing=missing, absent=[33])
        self.fail_at = fail_at
        self.read: list[int] = []
        values = self.store.dataset[names.DATA].values

        def chunk(block_info=None):
            start, stop = block_info[None]["array-location"][0]
            if start == self.fail_at:
                raise OSError("no more")
            self.read.append(start)
            return values[start:stop]

        lazy = da.map_blocks(
            chunk, chunks=((20,) * 5, 1, 6, 8), dtype="f4", meta=np.empty((0,) * 4, "f4")
        )
        dims = self.store.dataset[names.DATA].dims
        self.dataset = self.store.dataset.assign({names.DATA: (dims, lazy)})

    def write(self, path, made_of=MADE_OF, storage=STORAGE, **arguments) -> None:
        self.read.clear()
        write_store(self.dataset, path, storage=storage, made_of=made_of, **arguments)


def files_of(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(autouse=True)
def a_chunk_at_a_time(monkeypatch):
    monkeypatch.setattr("stforecast.store.work.PIECE", 1000)


@pytest.fixture
def cut_off(tmp_path):
    """A folder in which a write was cut off in its fourth block."""
    source = Source(fail_at=60)
    with pytest.raises(ReadError, match="no more"):
        source.write(tmp_path / "a.zarr")
    (partial,) = tmp_path.iterdir()
    assert partial.name.startswith(".a.zarr.partial-")
    return tmp_path


class TestResume:
    def test_finished_blocks_are_not_read_again(self, cut_off):
        source, told = Source(), []
        source.write(cut_off / "a.zarr", progress=lambda done, total: told.append(done))
        assert sorted(source.read) == [60, 80]
        assert told == [20, 40, 60, 80, 100]
        assert os.listdir(cut_off) == ["a.zarr"]

    def test_it_is_what_an_undisturbed_write_gives(self, cut_off):
        counts = []
        Source().write(
            cut_off / "a.zarr", describe=lambda meta, seen: (counts.append(seen), meta)[1]
        )
        Source().write(
            cut_off / "b.zarr", describe=lambda meta, seen: (counts.append(seen), meta)[1]
        )
        assert files_of(cut_off / "a.zarr") == files_of(cut_off / "b.zarr")
        check_manifest(cut_off / "a.zarr", checksums=True)
        resumed, whole = map(vars, counts)
        for name, value in whole.items():
            np.testing.assert_array_equal(resumed[name], value)
        assert not (cut_off / "a.zarr" / FOLDER).exists()

    @pytest.mark.parametrize(
        "other",
        [
            {"made_of": {"files": [["a.nc", 1, 2.6]]}},
            {"made_of": None},
            {"storage": STORAGE.model_copy(update={"codec": "lz4"})},
            {"storage": STORAGE.model_copy(update={"chunk_steps": 5})},
        ],
    )
    def test_another_record_begins_anew(self, cut_off, other):
        source = Source()
        source.write(cut_off / "a.zarr", **other)
        assert sorted(source.read) == [0, 20, 40, 60, 80]
        assert os.listdir(cut_off) == ["a.zarr"]

    def test_more_memory_is_no_other_record(self, cut_off):
        source = Source()
        storage = STORAGE.model_copy(update={"memory_limit": 3 * 10**9})
        source.write(cut_off / "a.zarr", storage=storage)
        assert sorted(source.read) == [60, 80]

    @pytest.mark.parametrize("harm", ["flip", "cut", "lost"])
    def test_a_shard_that_is_not_whole_is_written_again(self, cut_off, harm):
        (partial,) = cut_off.iterdir()
        shard = partial / "data/c/1/0/0/0"
        content = bytearray(shard.read_bytes())
        content[10] ^= 1
        if harm == "lost":
            shard.unlink()
        else:
            shard.write_bytes(bytes(content) if harm == "flip" else bytes(content[:-1]))
        source = Source()
        source.write(cut_off / "a.zarr")
        assert sorted(source.read) == [20, 60, 80]
        check_manifest(cut_off / "a.zarr", checksums=True)

    def test_a_broken_journal_costs_its_block(self, cut_off):
        (partial,) = cut_off.iterdir()
        (partial / FOLDER / "0.npz").write_bytes(b"PK\x03\x04 and no more")
        (partial / "data/c/.0.tmp").write_bytes(b"rest")
        (partial / "data/c/7").write_bytes(b"a stranger")
        source = Source()
        source.write(cut_off / "a.zarr")
        assert sorted(source.read) == [0, 60, 80]
        manifest = json.loads((cut_off / "a.zarr/manifest.json").read_text())
        assert set(files_of(cut_off / "a.zarr")) == {*manifest["files"], "manifest.json"}

    def test_the_old_store_stays_until_all_is_well(self, tmp_path):
        write_store(make_store(seed=5).dataset, tmp_path / "a.zarr")
        before = files_of(tmp_path / "a.zarr")
        with pytest.raises(ReadError):
            Source(fail_at=40).write(tmp_path / "a.zarr", overwrite=True)
        assert files_of(tmp_path / "a.zarr") == before
        source = Source()
        source.write(tmp_path / "a.zarr", overwrite=True)
        assert sorted(source.read) == [40, 60, 80]
        np.testing.assert_array_equal(
            TensorStore.open(tmp_path / "a.zarr").read(0, 100), source.store.read(0, 100)
        )


class TestWhatIsKept:
    def test_nothing_of_a_record_that_will_never_be(self, tmp_path):
        def refuse(meta, counts):
            raise DataError("all values are missing")

        with pytest.raises(DataError):
            Source().write(tmp_path / "a.zarr", describe=refuse)
        assert os.listdir(tmp_path) == []

    def test_nothing_without_knowing_what_it_is_made_of(self, tmp_path):
        with pytest.raises(ReadError):
            Source(fail_at=40).write(tmp_path / "a.zarr", made_of=None)
        assert os.listdir(tmp_path) == []

    def test_what_was_written_when_the_disk_is_full(self, tmp_path, monkeypatch):
        finish = ShardFile.finish

        def full(self):
            if self._path.parts[-4] == "3":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return finish(self)

        monkeypatch.setattr(ShardFile, "finish", full)
        with pytest.raises(StoreError, match=r"no space left on device.*unchanged"):
            Source().write(tmp_path / "a.zarr")
        monkeypatch.undo()
        source = Source()
        source.write(tmp_path / "a.zarr")
        assert {60, 80} <= set(source.read)
        assert 0 not in source.read
        assert os.listdir(tmp_path) == ["a.zarr"]


SCRIPT = """
    import os, signal
    from pathlib import Path
    from stforecast.store import work
    from tests.store.test_journal import Source

    work.PIECE = 1000
    work._processors = lambda: 1

    def progress(done, total):
        if done == 60:
            os.kill(os.getpid(), signal.{signal})

    Source().write(Path({path!r}), progress=progress)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_a_process_that_is_stopped_is_gone_on_from(tmp_path, name):
    script = textwrap.dedent(SCRIPT.format(signal=name, path=str(tmp_path / "a.zarr")))
    ended = subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    assert ended.returncode in (-getattr(signal, name), 1)
    source = Source()
    source.write(tmp_path / "a.zarr")
    assert sorted(source.read) == [60, 80]
    assert os.listdir(tmp_path) == ["a.zarr"]
