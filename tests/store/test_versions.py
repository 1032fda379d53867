"""Stores that keep their versions, in repositories of Icechunk."""

import shutil
import signal
import sys

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError, StoreError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import StorageOptions
from stforecast.store import TensorStore, open_store, write_store
from stforecast.store.check import check
from stforecast.store.repository import versions
from tests.helpers import make_store
from tests.ingest.test_append import OPTIONS, hidden, killed_append, parts_of, record, write


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Ingest, an append at the end, a gap that is filled, and times before the first."""
    folder = tmp_path_factory.mktemp("made")
    paths = write(folder, record(), parts_of((8, 20), (24, 40), (18, 26), (0, 10)))
    ingest(paths[:1], folder / "a.icechunk", OPTIONS)
    for path in paths[1:]:
        append([path], folder / "a.icechunk")
    ingest(paths, folder / "one.zarr", OPTIONS)
    return folder


@pytest.fixture
def grown(tmp_path, made):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "a.icechunk"


class TestVersions:
    def test_it_grows_as_a_plain_store_does(self, tmp_path, grown):
        store, one = TensorStore.open(grown), TensorStore.open(tmp_path / "one.zarr")
        xr.testing.assert_identical(
            store.dataset.drop_attrs().load(), one.dataset.drop_attrs().load()
        )
        assert store.meta.counts == one.meta.counts
        assert check(grown)
        assert hidden(tmp_path) == []
        assert not (grown / ".work").exists()

    def test_each_is_there_to_be_read(self, grown):
        messages = [version.message for version in versions(grown)]
        assert [message.partition(",")[0] for message in messages] == [
            "append: 40 times",
            "append: 32 times",
            "append: 32 times",
            "ingest: 12 times",
        ]
        second = TensorStore.open(grown, versions(grown)[2].id)
        assert np.flatnonzero(~second.present).tolist() == [12, 13, 14, 15]
        np.testing.assert_array_equal(second.read(0, 12), TensorStore.open(grown).read(8, 20))

    def test_a_reader_keeps_its_version(self, tmp_path, grown):
        reader = TensorStore.open(grown)
        before = reader.valid_cells.copy()
        more = record(np.datetime64("1999-12-31T20", "ns") + np.arange(4) * np.timedelta64(1, "h"))
        append(write(tmp_path, more, parts_of((0, 4))), grown)
        np.testing.assert_array_equal(reader.read(0, 40), TensorStore.open(grown).read(4, 44))
        np.testing.assert_array_equal(reader.valid_cells, before)

    def test_what_is_refused_leaves_no_version(self, tmp_path, grown):
        other = record().isel(time=slice(30, 40)) + 1
        for name in other:
            other[name].attrs = record()[name].attrs
        before = versions(grown)
        with pytest.raises(DataError, match="other values than the store"):
            append(write(tmp_path, other, parts_of((0, 10))), grown)
        assert versions(grown) == before

    def test_making_it_anew_keeps_the_old_versions(self, tmp_path):
        path, storage = tmp_path / "a.zarr", StorageOptions(format="icechunk")
        write_store(make_store(absent=[3]).dataset, path, storage=storage)
        write_store(make_store(n=10).dataset, path, overwrite=True)
        assert len(versions(path)) == 2
        assert TensorStore.open(path).shape[0] == 10
        assert TensorStore.open(path).present.all()
        old = TensorStore.open(path, versions(path)[1].id)
        assert np.flatnonzero(~old.present).tolist() == [3]
        with pytest.raises(StoreError, match="exists already; overwrite it with --overwrite"):
            write_store(make_store().dataset, path)

    def test_sequences(self, tmp_path):
        record = make_store(sequences=5, n=20)
        write_store(record.dataset, tmp_path / "v.icechunk")
        again = TensorStore.open(tmp_path / "v.icechunk")
        np.testing.assert_array_equal(again.read(0, 20, 4), record.read(0, 20, 4))
        assert check(tmp_path / "v.icechunk")


class TestWhatDies:
    def test_killed_in_a_transaction(self, tmp_path):
        """The version before stays the newest, and the next append does all of it."""
        paths = write(tmp_path, record(), parts_of((0, 12), (12, 40)))
        store = tmp_path / "a.icechunk"
        ingest(paths[:1], store, OPTIONS)
        before = versions(store), TensorStore.open(store).read(0, 12)
        assert killed_append(paths[1], store) == -signal.SIGKILL
        assert versions(store) == before[0]
        np.testing.assert_array_equal(TensorStore.open(store).read(0, 12), before[1])
        assert check(store)
        assert any(".partial-" in name for name in hidden(tmp_path))
        append(paths[1:], store)
        assert [version.message.partition(",")[0] for version in versions(store)] == [
            "append: 40 times",
            "ingest: 12 times",
        ]
        ingest(paths, tmp_path / "one.zarr", OPTIONS)
        one = TensorStore.open(tmp_path / "one.zarr")
        xr.testing.assert_identical(
            TensorStore.open(store).dataset.drop_attrs().load(), one.dataset.drop_attrs().load()
        )
        assert TensorStore.open(store).meta.counts == one.meta.counts
        assert check(store)
        assert hidden(tmp_path) == []

    @pytest.mark.parametrize("name", ["a.icechunk", "a.zarr"])
    def test_values_that_go_by_way_of_a_file(self, tmp_path, monkeypatch, name):
        """Where chunks hold too much for the memory limit; nothing of the file is left."""
        paths = write(tmp_path, record(), parts_of((0, 22), (18, 40)))
        ingest(paths, tmp_path / "one.zarr", OPTIONS)
        monkeypatch.setattr("stforecast.store.work.largest_piece", lambda data: 10**12)
        for path in paths:
            append([path], tmp_path / name, OPTIONS)
        xr.testing.assert_identical(
            TensorStore.open(tmp_path / name).dataset.drop_attrs().load(),
            TensorStore.open(tmp_path / "one.zarr").dataset.drop_attrs().load(),
        )
        assert check(tmp_path / name)
        assert list((tmp_path / name).rglob(".spilled")) == []


class TestWhatIsWrong:
    def test_plain_stores_keep_none(self, tmp_path):
        write_store(make_store().dataset, tmp_path / "a.zarr")
        with pytest.raises(StoreError, match=r"keeps no versions; a store made with data.storage"):
            versions(tmp_path / "a.zarr")
        with pytest.raises(StoreError, match="keeps no versions"):
            TensorStore.open(tmp_path / "a.zarr", "X")

    def test_a_version_that_is_not_there(self, tmp_path):
        write_store(make_store().dataset, tmp_path / "a.icechunk")
        with pytest.raises(StoreError, match=r"has no version 'X'; stforecast info .* --versions"):
            TensorStore.open(tmp_path / "a.icechunk", "X")

    def test_without_the_package(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "icechunk", None)
        with pytest.raises(StoreError, match=r"pip install 'stforecast\[icechunk\]'"):
            write_store(make_store().dataset, tmp_path / "a.icechunk")
        assert hidden(tmp_path) == []

    def test_a_name_and_a_format_that_contradict(self, tmp_path):
        with pytest.raises(StoreError, match="is named as a store of Icechunk"):
            write_store(
                make_store().dataset, tmp_path / "a.icechunk", storage=StorageOptions(format="zarr")
            )

    def test_damage_is_found(self, tmp_path):
        write_store(make_store(height=40, width=40).dataset, tmp_path / "a.icechunk")
        largest = max((tmp_path / "a.icechunk/chunks").iterdir(), key=lambda f: f.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 3] ^= 0xFF
        largest.write_bytes(content)
        found = check(tmp_path / "a.icechunk")
        assert not found
        assert "cannot be read" in str(found.problems[0])
        assert open_store(tmp_path / "a.icechunk")["v0"].shape == (48, 40, 40)


class TestAtAnAddress:
    def test_it_grows(self, s3, tmp_path):
        address = f"{s3}/grown/a.icechunk"
        paths = write(tmp_path, record(), parts_of((0, 20), (18, 40)))
        append(paths[:1], address, OPTIONS)
        with pytest.raises(StoreError, match="exists already; overwrite it"):
            ingest(paths, address)
        append(paths[1:], address)
        ingest(paths, tmp_path / "one.zarr", OPTIONS)
        store, one = TensorStore.open(address), TensorStore.open(tmp_path / "one.zarr")
        xr.testing.assert_identical(
            store.dataset.drop_attrs().load(), one.dataset.drop_attrs().load()
        )
        assert len(versions(store.path)) == 2
        assert check(address)

    def test_it_is_known_by_its_name(self, s3):
        with pytest.raises(StoreError, match=r"known by its name; call it .*/a.zarr.icechunk"):
            write_store(
                make_store().dataset, f"{s3}/a.zarr", storage=StorageOptions(format="icechunk")
            )
        with pytest.raises(StoreError, match="a store of Icechunk; these lie on this machine"):
            write_store(make_store().dataset, "memory://b/a.icechunk")
