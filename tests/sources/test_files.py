"""Files named by paths, patterns and packages; what is missing, broken, or something else."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.options import DataOptions
from stforecast.remote import RemotePath
from stforecast.sources import SOURCES, find_source, open_source
from stforecast.sources.files import find_files
from tests.ingest import zoo


@pytest.fixture
def record(tmp_path) -> Path:
    path = tmp_path / "record.nc"
    zoo.ascending().to_netcdf(path)
    return path


def test_patterns_paths_and_packages(tmp_path, record):
    (tmp_path / "other.nc").write_bytes(record.read_bytes())
    found = find_files(["*.nc", "record.nc"], tmp_path)
    assert found == [tmp_path / "other.nc", tmp_path / "record.nc"]
    assert find_files(["record.nc", "*.nc"], tmp_path) == found[::-1]
    assert find_files(["**/*.nc"], tmp_path) == found
    assert find_files([record.as_uri()]) == [record]
    assert find_files(["s3://bucket/a.zarr"]) == [RemotePath("s3://bucket/a.zarr")]
    (demo,) = find_files(["package:iris_sample_data/sample_data/A1B_north_america.nc"])
    assert isinstance(demo, Path)
    assert demo.is_file()
    (demo,) = find_files(["package:iris-sample-data/sample_data/A1B_*.nc"])
    assert demo.name == "A1B_north_america.nc"


def test_names_with_brackets_are_files_first(tmp_path, record):
    odd = tmp_path / "run[1].nc"
    odd.write_bytes(record.read_bytes())
    assert find_files([str(odd)]) == [odd]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no files are given"),
        (["recrod.nc"], r"there is no file .*recrod\.nc; did you mean .*record\.nc"),
        (["nowhere/a.nc"], "nor a folder"),
        (["*.grib"], r"no file matches .*\*\.grib"),
        ([""], r"is a folder; name the files in it"),
        (["package:no_such_package/a.nc"], "pip install 'no_such_package'"),
        (["package:iris_sample_data/nothing.nc"], "there is no file"),
    ],
)
def test_files_that_are_not_there(tmp_path, record, files, words):
    with pytest.raises(DataError, match=words):
        open_source(files, base=tmp_path)


def test_the_demo_without_its_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'stforecast\[demo\]'"):
        find_files(["package:iris_sample_data/sample_data/A1B_north_america.nc"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"time,lat,lon\n1,2,3\n", "neither NetCDF, Zarr, GRIB nor HDF5"),
        (gzip.compress(b"CDF"), "compressed with gzip"),
        (b"PK\x03\x04" + bytes(40), "ZIP archive"),
        (b"<!DOCTYPE html><html>login</html>", "web page"),
        (b'{"error": "quota"}', "is JSON"),
        (b"CDF\x01" + bytes(3), "is broken"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is broken"),
        (b"GRIB" + bytes(100), "GRIB"),
        (b"GRIB\xff\xff\xff\x01", "truncated"),
    ],
)
def test_what_is_no_data(tmp_path, content, words):
    path = tmp_path / "data.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        open_source([path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unreadable_file(tmp_path, record, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        find_files([record])


@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_truncated_netcdf(tmp_path, form):
    path = tmp_path / "cut.nc"
    source = zoo.geographic(np.arange(40.0), np.arange(50.0))
    source.to_netcdf(path, format=form, engine="netcdf4")
    content = path.read_bytes()
    for part in (0.9, 0.5, 0.1):
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(DataError, match="broken, perhaps truncated"):
            open_source([path]).t.values  # noqa: B018


def test_zarr_that_is_none(tmp_path):
    import zarr

    zarr.save_array(tmp_path / "array.zarr", np.zeros((3, 4)))
    with pytest.raises(DataError, match="is a single Zarr array"):
        open_source([tmp_path / "array.zarr"])
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="is broken, perhaps truncated"):
        open_source([tmp_path / "broken.zarr"])


def test_addresses(tmp_path):
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Cc]onsolidated.*")
        zoo.ascending().to_zarr("memory://record.zarr")
    dataset = open_source(["memory://record.zarr"])
    np.testing.assert_array_equal(dataset.t, zoo.ascending().t)
    assert dataset.encoding[names.SOURCE_FILES] == [RemotePath("memory://record.zarr")]
    with pytest.raises(DataError, match=r"memory://nothing\.zarr cannot be read"):
        open_source(["memory://nothing.zarr"])


def test_readers(record, tmp_path):
    assert find_source([record]) == "netcdf"
    with pytest.raises(ConfigError, match="no reader 'excel'; there are deepst, netcdf"):
        open_source([record], DataOptions(reader="excel"))
    with pytest.raises(DataError, match="has no arrays 'data' and 'date'"):
        open_source([record], DataOptions(reader="deepst"))
    dataset = open_source(["record.nc"], DataOptions(reader="netcdf"), tmp_path)
    assert dataset.encoding[names.SOURCE_FILES] == [str(record)]


def test_every_source_keeps_its_contract(tmp_path, record):
    for name, source in SOURCES.items():
        assert source.name == name
        for content in (b"", b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"GRIB", b"text"):
            path = tmp_path / "odd"
            path.write_bytes(content)
            assert source.recognises(path) in (True, False)


def test_opening_reads_no_values(record):
    dataset = open_source([record])
    assert dataset.t.chunks is not None
    xr.testing.assert_identical(
        dataset.drop_encoding().load(), zoo.ascending().assign_coords(time=dataset.time)
    )


def test_no_torch_and_no_cfgrib_for_netcdf(record):
    import subprocess

    code = (
        "import sys; from stforecast.sources import open_source; "
        f"open_source([{str(record)!r}]); "
        "assert not {'torch', 'cfgrib', 'eccodes', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
