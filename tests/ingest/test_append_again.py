"""An append that was cut off is gone on from by the next one of the same, and by no other."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from stforecast.errors import ClusterError, DataError, StoreError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import DataOptions
from stforecast.store import TensorStore, check_manifest
from stforecast.store.journal import FOLDER
from stforecast.store.shardfile import ShardFile
from tests.ingest.test_append import (
    OPTIONS,
    arrays,
    everything,
    hidden,
    killed_append,
    parts_of,
    record,
    write,
)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which blocks are done when a write is cut off is told for one thread alone."""
    monkeypatch.setattr("stforecast.store.work._processors", lambda: 1)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the shards that are written from now on, as they get their names."""
    numbers: list[int] = []
    finish = ShardFile.finish

    def note(shard: ShardFile) -> object:
        numbers.append(int(shard._path.parts[-4]))
        return finish(shard)

    monkeypatch.setattr(ShardFile, "finish", note)
    return numbers


def cut_off(run: Callable[[], object], at: int) -> None:
    """Let the disk be full from the shard of this number on."""
    finish = ShardFile.finish

    def full(shard: ShardFile) -> object:
        if int(shard._path.parts[-4]) >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return finish(shard)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ShardFile, "finish", full)
        with pytest.raises(StoreError, match="no space left on device; what was there before is"):
            run()


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Files of 12 hours and of 28 more, but for two that are absent."""
    return write(tmp_path, record(), [list(range(12)), [*range(12, 20), *range(22, 40)]])


@pytest.fixture
def store(tmp_path: Path, paths: list[str]) -> Path:
    """A store of the first; the second fell as its fifth shard of eight hours was to be whole."""
    path = tmp_path / "a.zarr"
    ingest(paths[:1], path, OPTIONS)
    before = everything(path)
    cut_off(lambda: append(paths[1:], path), at=3)
    assert everything(path) == before
    (left,) = hidden(tmp_path)
    assert left.startswith(".a.zarr.partial-")
    return path


class TestTheSameAgain:
    def test_finished_shards_are_not_written_again(self, store, paths, written):
        told = []
        append(paths[1:], store, progress=lambda done, total: told.append((done, total)))
        assert sorted(written) == [3, 4]
        # 32 hours in the shards that change, those that were done before at once
        assert told == [(8, 32), (16, 32), (24, 32), (32, 32)]
        assert hidden(store.parent) == []
        assert not (store / FOLDER).exists()

    def test_the_store_is_that_of_one_ingest(self, store, paths):
        append(paths[1:], store)
        ingest(paths, store.parent / "one.zarr", OPTIONS)
        assert arrays(store) == arrays(store.parent / "one.zarr")
        check_manifest(store, checksums=True)
        one, grown = (TensorStore.open(path).meta for path in (store.parent / "one.zarr", store))
        assert grown.counts == one.counts
        assert grown.findings == one.findings

    def test_cut_off_twice(self, store, paths, written):
        cut_off(lambda: append(paths[1:], store), at=4)
        assert sorted(written) == [3]
        written.clear()
        append(paths[1:], store)
        assert sorted(written) == [4]
        assert hidden(store.parent) == []

    def test_a_shard_that_is_not_whole_is_written_again(self, store, paths, written):
        (left,) = (store.parent / name for name in hidden(store.parent))
        shard = next((left / "data/c/2").rglob("0/0/0"))
        shard.write_bytes(shard.read_bytes()[:-1])
        append(paths[1:], store)
        assert sorted(written) == [2, 3, 4]
        check_manifest(store, checksums=True)

    def test_before_the_first_time(self, tmp_path, written):
        """Where all positions move, every shard is written, and some are done."""
        late, early = write(tmp_path, record(), parts_of((20, 40), (0, 20)))
        path = tmp_path / "a.zarr"
        ingest([late], path, OPTIONS)
        cut_off(lambda: append([early], path), at=3)
        written.clear()
        append([early], path)
        assert sorted(written) == [3, 4]
        ingest([early, late], tmp_path / "one.zarr", OPTIONS)
        assert arrays(path) == arrays(tmp_path / "one.zarr")

    def test_a_lost_cluster_costs_no_shard_that_is_done(self, tmp_path, paths, written):
        path = tmp_path / "a.zarr"
        ingest(paths[:1], path, OPTIONS)
        written.clear()

        def lost(done: int, total: int) -> None:
            if done == 16:
                raise ClusterError("the connection to the dask scheduler was lost")

        with pytest.raises(ClusterError):
            append(paths[1:], path, progress=lost)
        assert sorted(written)[:2] == [1, 2]
        done, _ = len(written), written.clear()
        append(paths[1:], path)
        assert len(written) <= 4 - 2
        assert done + len(written) >= 4


class TestAnotherOne:
    def test_other_files(self, store, paths, tmp_path, written):
        more = write(tmp_path, record(), parts_of((30, 36)))
        append([*paths[1:], *more], store)
        assert sorted(written) == [1, 2, 3, 4]
        assert hidden(tmp_path) == []

    def test_a_file_that_was_written_again(self, store, paths, written):
        os.utime(paths[1], (1, 1))
        append(paths[1:], store)
        assert sorted(written) == [1, 2, 3, 4]

    def test_another_store_at_the_same_place(self, store, paths, tmp_path, written):
        """Made anew of the very same files, as if nothing had been removed."""
        (left,) = hidden(tmp_path)
        shutil.copytree(tmp_path / left, tmp_path / "kept")
        ingest(paths[:1], store, OPTIONS, overwrite=True)
        assert hidden(tmp_path) == []
        (tmp_path / "kept").rename(tmp_path / left)
        written.clear()
        append(paths[1:], store)
        assert sorted(written) == [1, 2, 3, 4]
        assert hidden(tmp_path) == []

    def test_an_append_between(self, store, paths, tmp_path, written):
        (between,) = write(tmp_path, record(), parts_of((20, 22)))
        append([between], store)
        assert hidden(tmp_path) == []
        written.clear()
        append(paths[1:], store)
        assert sorted(written) == [1, 2, 3, 4]

    def test_options_of_reading(self, store, paths, written):
        append(paths[1:], store, DataOptions(period=("2000-01-01", "2000-01-02")))
        assert 1 in written

    def test_an_ingest_of_the_same_files(self, store, paths, written):
        ingest(paths[1:], store, OPTIONS, overwrite=True)
        assert sorted(written) == [0, 1, 2, 3]
        assert hidden(store.parent) == []


class TestWhatIsLeft:
    def test_nothing_by_one_with_nothing_to_do(self, store, paths):
        append(paths[:1], store)
        assert hidden(store.parent) == []

    def test_nothing_of_files_that_do_not_go_with_the_store(self, tmp_path, paths, monkeypatch):
        path = tmp_path / "a.zarr"
        ingest(paths[:1], path, OPTIONS)

        def changed(seen: object) -> None:
            raise DataError("1.nc changed while it was read; ingest it again")

        monkeypatch.setattr("stforecast.ingest.known.check_unchanged", changed)
        with pytest.raises(DataError, match="changed while it was read"):
            append(paths[1:], path)
        assert hidden(tmp_path) == []


def test_a_process_that_is_killed_is_gone_on_from(tmp_path, paths, written):
    path = tmp_path / "a.zarr"
    ingest(paths[:1], path, OPTIONS)
    before = everything(path)
    assert killed_append(paths[1], path) == -signal.SIGKILL
    assert everything(path) == before
    written.clear()
    append(paths[1:], path)
    assert sorted(written) == [4]
    ingest(paths, tmp_path / "one.zarr", OPTIONS)
    assert arrays(path) == arrays(tmp_path / "one.zarr")
    assert hidden(tmp_path) == []


def test_chunks_of_very_many_times_are_read_in_parts_of_the_grid(tmp_path, monkeypatch):
    """As of a file that would not fit in memory beside the store."""
    for name, value in (("comparing._TASK", 1), ("joined._MANY", 0)):
        monkeypatch.setattr(f"stforecast.ingest.{name}", value)
    monkeypatch.setattr("stforecast.ingest.comparing.at_once", lambda room: 1)
    first, last = write(tmp_path, record(), parts_of((0, 20), (10, 30)))
    whole = xr.load_dataset(last)
    name = next(iter(whole.data_vars))
    sizes = [1 if dim != "time" else size for dim, size in whole[name].sizes.items()]
    whole.to_netcdf(last, encoding={item: {"chunksizes": sizes} for item in whole.data_vars})
    ingest([first], tmp_path / "grown.zarr", OPTIONS)
    append([last], tmp_path / "grown.zarr")
    ingest([first, last], tmp_path / "once.zarr", OPTIONS)
    assert arrays(tmp_path / "grown.zarr") == arrays(tmp_path / "once.zarr")
    whole[name][-1] = whole[name][-1] + 1
    whole.to_netcdf(last, encoding={item: {"chunksizes": sizes} for item in whole.data_vars})
    with pytest.raises(DataError, match="other values"):
        append([last], tmp_path / "grown.zarr")
