"""Sources on other machines: what is read, how much of it is fetched, and what is told."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from stforecast import names
from stforecast.errors import DataError, StForecastError
from stforecast.options import DataOptions
from stforecast.remote import RemotePath
from stforecast.sources import find_source, open_source
from stforecast.sources.files import find_files
from tests.ingest import zoo
from tests.remote.servers import served
from tests.sources.test_grib import field, messages

FILES = ("record.nc", "classic.nc", "record.grib", "flows.h5", "record.zarr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One file of each format."""
    folder = tmp_path_factory.mktemp("files")
    record = zoo.ascending()
    record.to_netcdf(folder / "record.nc")
    record.to_netcdf(folder / "classic.nc", format="NETCDF3_CLASSIC", engine="netcdf4")
    fields = [field("2t", "heightAboveGround", 2, 280.0 + hour, hour) for hour in range(3)]
    messages(folder / "record.grib", *fields)
    with h5py.File(folder / "flows.h5", "w") as file:
        file["data"] = np.arange(24 * 2 * 3 * 4.0).reshape(24, 2, 3, 4)
        file["date"] = [f"20200101{hour:02d}".encode() for hour in range(24)]
    record.to_zarr(folder / "record.zarr", zarr_format=2, consolidated=True)
    return folder


@pytest.fixture(scope="module", params=["parts", "whole", "s3"])
def place(request, folder):
    """The address of the files, on three kinds of server."""
    if request.param != "s3":
        with served(folder, parts=request.param == "parts") as server:
            yield server.url
        return
    import fsspec

    bucket = request.getfixturevalue("s3")
    fsspec.filesystem("s3").put(f"{folder}/", f"{bucket}/files/", recursive=True)
    yield f"{bucket}/files"


@pytest.mark.parametrize("name", FILES)
def test_it_reads_the_same_from_an_address(place, folder, name):
    here, there = open_source([folder / name]), open_source([f"{place}/{name}"])
    xr.testing.assert_identical(there, here)
    assert find_source([f"{place}/{name}"]) == find_source([folder / name])
    for key, item in here.variables.items():
        for reference in ("bounds", "grid_mapping"):
            assert there[key].encoding.get(reference) == item.encoding.get(reference)
    assert [str(path) for path in there.encoding[names.SOURCE_FILES]] == [f"{place}/{name}"]


def test_its_values_can_be_read_in_another_process(place, folder):
    for name in FILES[:1] + FILES[3:]:
        there = pickle.loads(pickle.dumps(open_source([f"{place}/{name}"])))
        xr.testing.assert_identical(there, open_source([folder / name]))


def test_patterns_are_listed_in_natural_order(place, folder):
    found = find_files([f"{place}/*.nc", f"{place}/record.nc"])
    assert found == [RemotePath(f"{place}/classic.nc"), RemotePath(f"{place}/record.nc")]
    assert [path.name for path in found] == ["classic.nc", "record.nc"]
    with pytest.raises(DataError, match=r"no file matches .*/\*\.h4; check the address"):
        find_files([f"{place}/*.h4"])


def test_several_files_are_one_record(place, folder):
    both = open_source([f"{place}/record.nc", f"{place}/classic.nc"])
    assert both.sizes["time"] == 10


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.nc", "there is no such file"),
        ("none.zarr", "there is no such file"),
        ("record.zarr/t", "is a single Zarr array"),
    ],
)
def test_what_is_not_there_is_told(place, name, words):
    with pytest.raises(DataError, match=words) as caught:
        open_source([f"{place}/{name}"])
    assert str(caught.value).startswith(f"{place}/{name}")
    assert "\n" not in str(caught.value)


def test_no_such_bucket(s3):
    with pytest.raises(DataError, match=r"s3://nobody-has-this/a\.nc cannot be read: .* bucket"):
        open_source(["s3://nobody-has-this/a.nc"])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:9/a.nc", "no connection; check the address"),
        ("http://nobody.invalid/a.nc", "no connection"),
        ("http://127.0.0.1:9/*.nc", "no connection"),
        ("nowhere://a/b.nc", "nobody knows how to reach nowhere:; write s3, gs, https or"),
        ("sftp://user:word@nobody.invalid/a.nc", "needs a package that is not installed"),
    ],
)
def test_no_way_there(address, words):
    with pytest.raises(DataError, match=words) as caught:
        open_source([address])
    assert "word" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_package_that_is_missing(monkeypatch):

    monkeypatch.setitem(sys.modules, "s3fs", None)
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(known, "s3", raising=False)
    with pytest.raises(DataError, match=r"s3:// needs .* pip install 'stforecast\[remote\]'"):
        open_source(["s3://bucket/a.nc"])


@pytest.mark.parametrize(
    ("status", "words"), [(403, "no permission"), (401, "no permission"), (500, "status 500")]
)
def test_a_server_that_refuses(folder, status, words):
    with served(folder) as server:
        server.refuse["record"] = status
        with pytest.raises(DataError, match=words):
            open_source([f"{server.url}/record.nc"])


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("name", [name for name in FILES if name != "record.zarr"])
def test_a_server_that_sends_too_little(folder, name, parts):
    with served(folder, parts=parts) as server:
        server.cut = True
        with pytest.raises(StForecastError) as caught:
            open_source([f"{server.url}/{name}"]).load()
    assert f"{server.url}/{name}" in str(caught.value)


def test_a_web_page_is_no_data(folder, tmp_path):
    (tmp_path / "page.nc").write_text("<!DOCTYPE html><title>log in</title>")
    with served(tmp_path) as server, pytest.raises(DataError, match="is a web page"):
        open_source([f"{server.url}/page.nc"])


def test_secrets_of_an_address_are_not_told(folder):
    with served(folder) as server:
        secret = server.url.replace("http://", "http://me:word@") + "/record.nc?token=hidden"
        dataset = open_source([secret])
        (kept,) = dataset.encoding[names.SOURCE_FILES]
        assert str(kept) == f"{server.url}/record.nc"
        server.refuse["record"] = 403
        with pytest.raises(DataError) as caught:
            open_source([secret])
        told = f"{kept} {kept!r} {caught.value}"
    for hidden in ("word", "hidden", "token"):
        assert hidden not in told


def test_only_what_is_asked_for_is_fetched(tmp_path):
    rng = np.random.default_rng(0)
    large = xr.Dataset(
        {
            name: (("time", "lat", "lon"), rng.random((50, 200, 200)), {"units": "K"})
            for name in ("a", "b", "c")
        },
        coords={"time": zoo.hours(50)},
    )
    large.to_netcdf(tmp_path / "large.nc", engine="netcdf4")
    size = (tmp_path / "large.nc").stat().st_size
    with served(tmp_path) as server:
        dataset = open_source([f"{server.url}/large.nc"])
        opening = server.sent
        assert opening < size / 4
        dataset.b.isel(time=slice(0, 5)).load()
        assert server.sent - opening < size / 4
        np.testing.assert_array_equal(dataset.b[7], large.b[7])


def test_a_file_that_changes_while_it_is_read(tmp_path):
    rng = np.random.default_rng(0)
    large = xr.Dataset(
        {"a": (("time", "lat", "lon"), rng.random((40, 200, 200)))}, {"time": zoo.hours(40)}
    )
    large.to_netcdf(tmp_path / "large.nc", engine="netcdf4")
    content = (tmp_path / "large.nc").read_bytes()
    with served(tmp_path) as server:
        dataset = open_source([f"{server.url}/large.nc"])
        (tmp_path / "large.nc").write_bytes(content[: len(content) // 2])
        with pytest.raises(OSError, match=r"shorter|status 416"):
            dataset.a[-1].load()
        (tmp_path / "large.nc").unlink()
        with pytest.raises(OSError, match="no such file"):
            dataset.a[-1].load()


def test_copies_go_when_the_process_ends(folder, tmp_path):
    code = (
        "import sys; from stforecast.sources import open_source\n"
        "print(open_source([sys.argv[1]]).t2m.values.sum())"
    )
    with served(folder) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, f"{server.url}/record.grib"],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_readers_of_folders_read_what_is_here(place):
    with pytest.raises(DataError, match="cannot be read by frames; copy it here first"):
        open_source([f"{place}/record.nc"], DataOptions(reader="frames"))
