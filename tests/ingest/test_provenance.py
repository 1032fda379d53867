"""Files of a store are found from any folder."""

import os

import pytest

from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.ingest.provenance import look_at, state_of
from stforecast.store import StoreMeta, TensorStore
from stforecast.store.check import check
from tests.ingest.test_append import OPTIONS, everything, parts_of, record, write


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder beside that of the files, in which the process is."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_paths_relative_to_where_they_were_named(tmp_path, elsewhere, monkeypatch):
    write(tmp_path, record(), parts_of((0, 20), (20, 40)))
    monkeypatch.chdir(tmp_path)
    ingest(["0.nc"], "a.zarr", OPTIONS)
    append(["elsewhere/../1.nc"], "a.zarr")
    monkeypatch.chdir(elsewhere)
    meta = TensorStore.open("../a.zarr").meta
    assert [entry["path"] for entry in meta.sources] == [str(tmp_path / f"{n}.nc") for n in (0, 1)]
    assert check("../a.zarr", sources=True).sources == []
    os.truncate(tmp_path / "1.nc", 99)
    (told,) = check("../a.zarr", sources=True).sources
    assert str(told) == f"{tmp_path}/1.nc has changed its size"


def test_known_by_whatever_name(tmp_path, elsewhere, monkeypatch):
    write(tmp_path, record(), parts_of((0, 20)))
    ingest(["../0.nc"], tmp_path / "a.zarr", OPTIONS)
    before = everything(tmp_path / "a.zarr")
    for name in ("../0.nc", str(tmp_path / "0.nc"), f"{elsewhere}/../0.nc"):
        append([name], tmp_path / "a.zarr")
    monkeypatch.chdir(tmp_path)
    append(["0.nc"], tmp_path / "a.zarr")
    assert everything(tmp_path / "a.zarr") == before


def test_links_keep_their_names(tmp_path, elsewhere):
    """What lies above a linked folder is not what lies above the link."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/new").mkdir()
    (tmp_path / "data/a.nc").write_text("a")
    (elsewhere / "today").symlink_to(tmp_path / "data/new")
    (elsewhere / "latest.nc").symlink_to(tmp_path / "data/a.nc")
    names = ["today/../a.nc", "latest.nc", "today/../../elsewhere/latest.nc"]
    assert [state_of(file)["path"] for file in look_at(names)] == [
        str(tmp_path / "data/a.nc"),
        str(elsewhere / "latest.nc"),
        str(elsewhere / "latest.nc"),
    ]


def test_older_stores_with_relative_paths(tmp_path, monkeypatch):
    """Their files are known from the folder that they were made in."""
    (path,) = write(tmp_path, record(), parts_of((0, 20)))
    monkeypatch.chdir(tmp_path)
    ingest([path], "a.zarr", OPTIONS)
    store = TensorStore.open("a.zarr")
    older = [{**entry, "path": "0.nc"} for entry in store.meta.sources]
    monkeypatch.setattr(
        StoreMeta,
        "from_json",
        classmethod(lambda cls, *_: store.meta.model_copy(update={"sources": older})),
    )
    monkeypatch.setattr("stforecast.ingest.append.open_source", None)
    append([path], "a.zarr")
