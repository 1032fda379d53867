"""Stores at addresses: read where they are, written once with the manifest last, never changed."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError, StoreError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import StorageOptions
from stforecast.remote import RemotePath
from stforecast.store import TensorStore, open_store, write_store
from stforecast.store.check import check
from stforecast.store.manifest import MANIFEST
from stforecast.store.upload import BEING_WRITTEN
from tests.helpers import make_store
from tests.ingest import zoo
from tests.remote.servers import served

RECORD = make_store(n=100, channels=["t2m", "ssr"], height=20, width=30, absent=[3], missing=0.2)
# Shards small enough that there are several.
STORAGE = StorageOptions.model_validate({"shard_size": "100 KB"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    write_store(RECORD.dataset, folder / "store.zarr", storage=STORAGE)
    return folder


@pytest.fixture
def address(s3, request) -> str:
    return f"{s3}/{request.node.name.replace('[', '-').replace(']', '')}/store.zarr"


def keys(address: str) -> set[str]:
    remote = RemotePath(address)
    remote.fs.invalidate_cache()
    return {path.removeprefix(remote.path + "/") for path in remote.fs.find(remote.path)}


def test_it_is_written_as_on_this_machine(folder, address, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_store(RECORD.dataset, address, storage=STORAGE)
    here = folder / "store.zarr"
    assert keys(address) == {
        path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()
    }
    there = RemotePath(address)
    for key in ("zarr.json", "time/zarr.json", "data/c/0/0/0/0", "data/c/1/0/0/0"):
        assert (there / key).read_bytes() == (here / key).read_bytes()
    assert json.loads((there / MANIFEST).read_text()) == json.loads((here / MANIFEST).read_text())
    xr.testing.assert_identical(open_store(address).load(), open_store(here).load())
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_comes_last(address, monkeypatch):
    order = []
    put = RemotePath.put
    monkeypatch.setattr(RemotePath, "put", lambda self, file: order.append(self) or put(self, file))
    write_store(RECORD.dataset, address, storage=STORAGE)
    assert order[-1].name == MANIFEST
    assert len([path for path in order if "data/c/" in str(path)]) > 1
    assert len(set(order)) == len(order)


def test_it_is_read_from_a_web_server(folder):
    with served(folder) as server:
        store = TensorStore.open(f"{server.url}/store.zarr")
        np.testing.assert_array_equal(store.read(90, 100), RECORD.read(90, 100))
        xr.testing.assert_identical(
            store.variables().load(), open_store(folder / "store.zarr").load()
        )
        assert str(store.path) == f"{server.url}/store.zarr"


def test_what_is_lost_or_damaged_is_told(folder, tmp_path):
    shutil.copytree(folder / "store.zarr", tmp_path / "store.zarr")
    shard = tmp_path / "store.zarr" / "data" / "c" / "1" / "0" / "0" / "0"
    with served(tmp_path) as server:
        address = f"{server.url}/store.zarr"
        shard.write_bytes(shard.read_bytes()[:-1])
        with pytest.raises(StoreError, match=r"the file data/c/1/0/0/0 of the store .* is damaged"):
            TensorStore.open(address)
        shard.unlink()
        with pytest.raises(StoreError, match="has lost its file data/c/1/0/0/0"):
            TensorStore.open(address)
        (tmp_path / "store.zarr" / MANIFEST).unlink()
        with pytest.raises(StoreError, match="has no manifest"):
            TensorStore.open(address)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.zarr", "there is no tensor store at"),
        ("store.zarr/time", "is not a tensor store"),
    ],
)
def test_what_is_no_store_is_told(folder, name, words):
    with served(folder) as server:
        for use in (TensorStore.open, check):
            with pytest.raises(StoreError, match=words):
                use(f"{server.url}/{name}")


def test_a_server_that_sends_no_parts_cannot_be_read(folder):
    with served(folder, parts=False) as server:
        for use in (TensorStore.open, check):
            with pytest.raises(StoreError, match="copy the store to this machine"):
                use(f"{server.url}/store.zarr")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:9/store.zarr", "cannot be read: no connection"),
        ("s3://nobody-has-this/store.zarr", "there is no tensor store at"),
    ],
)
def test_no_way_there(s3, address, words):
    for use in (TensorStore.open, check):
        with pytest.raises(StoreError, match=words):
            use(address)


def test_nothing_is_written_over(address):
    write_store(RECORD.dataset, address)
    before = (RemotePath(address) / MANIFEST).read_bytes()
    with pytest.raises(StoreError, match=r"exists already; .* new name, or .*\.icechunk"):
        write_store(RECORD.dataset, address, overwrite=True)
    with pytest.raises(StoreError, match=r"cannot be changed: .*\.icechunk"):
        append(["more.nc"], address)
    assert (RemotePath(address) / MANIFEST).read_bytes() == before


def test_something_else_is_not_written_over(address):
    (RemotePath(address) / "thesis.txt").write_bytes(b"my only copy")
    with pytest.raises(StoreError, match="exists and is no tensor store"):
        write_store(RECORD.dataset, address, overwrite=True)
    assert keys(address) == {"thesis.txt"}


def test_a_bucket_that_is_not_there(s3):
    with pytest.raises(StoreError, match=r"cannot write a tensor store .* no such bucket"):
        write_store(RECORD.dataset, "s3://nobody-has-this/store.zarr")


def test_web_servers_take_no_stores():
    with pytest.raises(StoreError, match="web servers take no files"):
        write_store(RECORD.dataset, "https://localhost/store.zarr")


def test_a_write_that_fails_leaves_nothing(address, monkeypatch):
    put, sent = RemotePath.put, []

    def fails(self, file):
        if len(sent) == 2:
            raise OSError(5, "the line is cut")
        sent.append(self)
        put(self, file)

    monkeypatch.setattr(RemotePath, "put", fails)
    with pytest.raises(StoreError, match=r"cannot write a tensor store .*: the line is cut"):
        write_store(RECORD.dataset, address, storage=STORAGE)
    assert len(sent) == 2
    assert keys(address) == set()


def test_what_a_dead_writer_left_is_told_and_removed_when_asked(address, monkeypatch):
    class KillError(BaseException):
        pass

    def dies(self, file):
        raise KillError

    monkeypatch.setattr("stforecast.store.upload.Upload.withdraw", lambda self: None)
    with monkeypatch.context() as patched:
        patched.setattr(RemotePath, "put", dies)
        with pytest.raises(KillError):
            write_store(RECORD.dataset, address)
    assert keys(address) == {BEING_WRITTEN}
    with pytest.raises(StoreError, match="there is no tensor store"):
        TensorStore.open(address)
    with pytest.raises(
        StoreError, match=r"what a write by process \d+ on .* remove it with --over"
    ):
        write_store(RECORD.dataset, address)
    write_store(RECORD.dataset, address, overwrite=True)
    assert BEING_WRITTEN not in keys(address)
    TensorStore.open(address)


def test_ingest_writes_to_an_address_what_it_reads_from_one(s3, address, tmp_path):
    zoo.ascending().to_netcdf(tmp_path / "record.nc")
    with served(tmp_path) as server:
        secret = server.url.replace("http://", "http://me:word@") + "/record.nc?token=hidden"
        findings = ingest([secret], address)
        (source,) = TensorStore.open(address).meta.sources
        with pytest.raises(DataError, match=r"cannot be listed|no file matches"):
            ingest([f"{server.url}/nothing/*.nc"], f"{address}2")
    assert source["path"] == f"{server.url}/record.nc"
    assert source["size"] == (tmp_path / "record.nc").stat().st_size
    content = "".join(
        RemotePath(f"{s3}/{path.removeprefix('bucket/')}").read_bytes().decode("latin-1")
        for path in RemotePath(address).fs.find(RemotePath(address).path)
    )
    for hidden in ("word", "hidden", "token"):
        assert hidden not in " ".join(findings.findings())
        assert hidden not in content
    np.testing.assert_array_equal(open_store(address).t, zoo.ascending().t)
