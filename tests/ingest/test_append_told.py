"""What an append tells where it cannot, or will not quite, do what it is asked for."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from stforecast.cli.main import program
from stforecast.cli.study import name_of_files
from stforecast.errors import DataError, StForecastWarning, StoreError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import DataOptions, StorageOptions
from stforecast.store import TensorStore
from tests.ingest.test_append import (
    OPTIONS,
    SMALL,
    arrays,
    everything,
    hidden,
    parts_of,
    record,
    write,
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of 20 hours."""
    (path,) = write(tmp_path, record(), parts_of((0, 20)))
    ingest([path], tmp_path / "a.zarr", OPTIONS)
    return tmp_path / "a.zarr"


class TestOneBadFileOfMany:
    """Its name, why, and that the others can be added: in one sentence, and nothing was changed."""

    def refused(self, store: Path, files: list[str], match: str) -> None:
        before = everything(store)
        with pytest.raises(DataError, match=match) as caught:
            append(files, store)
        assert "\n" not in str(caught.value)
        assert everything(store) == before

    @pytest.fixture
    def good(self, tmp_path: Path, store: Path) -> list[str]:
        return write(tmp_path, record(), parts_of((20, 26), (26, 30)))

    def test_cut_off(self, tmp_path, store, good):
        bad = tmp_path / "bad.nc"
        bad.write_bytes(Path(good[0]).read_bytes()[:4000])
        match = r"because of .*bad\.nc: .* get it again; the other 2 files can be added without it$"
        self.refused(store, [good[0], str(bad), good[1]], match)
        assert hidden(tmp_path) == []
        append(good, store)
        assert TensorStore.open(store).shape[0] == 30

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda part: part.rename(t="q"), r"they hold q and p, the store holds t and p; .*;"),
            (lambda part: part.isel(lat=[0, 1]), "they are on another grid .*;"),
        ],
        ids=["variables", "grid"],
    )
    def test_other_data(self, tmp_path, store, good, change, match):
        bad = str(tmp_path / "bad.nc")
        change(record().isel(time=slice(30, 40))).to_netcdf(bad)
        match = rf"nothing was added .* because of .*bad\.nc: .*{match} the other file can be added"
        self.refused(store, [good[0], bad], match)

    def test_other_values(self, tmp_path, store, good):
        bad = str(tmp_path / "bad.nc")
        part = record().isel(time=slice(18, 20)).copy(deep=True)
        part["p"].values[1, 1, 1] = 100
        part.to_netcdf(bad)
        match = (
            r"because of .*bad\.nc: .* other values .* for 2000-01-01 19:00; nothing was changed"
        )
        self.refused(store, [*good, bad], match)

    def test_damage_within(self, tmp_path, store, good):
        """Which shows when its values are read."""
        bad = tmp_path / "bad.nc"
        part = record().isel(time=slice(30, 40))
        part["t"] = part["t"].fillna(0)
        encoding = {"t": {"zlib": True, "chunksizes": (10, 3, 4), "fletcher32": True}}
        part.to_netcdf(bad, encoding=encoding)
        content = bytearray(bad.read_bytes())
        begin = content.find(b"\x78\x5e")
        assert begin > 0
        content[begin + 20 : begin + 60] = bytes(40)
        bad.write_bytes(bytes(content))
        match = r"because of .*bad\.nc: the data cannot be read to their end .*; get it again; the"
        self.refused(store, [*good, str(bad)], match)
        append(good, store)
        assert hidden(tmp_path) == []

    def test_files_that_go_together_alone(self, tmp_path, store):
        """None of them is to blame: each has one of the variables, and other units."""
        paths = []
        for name in "tp":
            part = (
                record()[[name]]
                .isel(time=slice(20, 30))
                .assign_coords(record().isel(time=slice(20, 30)).coords)
            )
            part[name].attrs["units"] = "1"
            paths.append(str(tmp_path / f"{name}.nc"))
            part.to_netcdf(paths[-1])
        self.refused(store, paths, r"^the files do not fit the store")


class TestHowItIsCutAndCompressed:
    def test_other_options_are_told(self, tmp_path, store):
        (path,) = write(tmp_path, record(), parts_of((20, 30)))
        other = StorageOptions(codec="lz4", chunk_steps=6, shard_size=4 * 2 * 12 * 80)
        match = (
            r"keeps how it was made \(zarr, zstd, chunks of 4 steps\) as it grows, so "
            r"data.storage.codec, data.storage.chunk_steps and data.storage.shard_size cannot take "
            r"effect; make it anew with --overwrite"
        )
        with pytest.warns(StForecastWarning, match=match):
            append([path], store, DataOptions(storage=other))
        assert TensorStore.open(store).dataset["data"].encoding["chunks"][0] == 4

    @pytest.mark.parametrize(
        "storage", [SMALL, StorageOptions(codec="zstd", level=3, memory_limit=2 * 10**9)]
    )
    def test_the_same_are_not(self, tmp_path, store, storage):
        (path,) = write(tmp_path, record(), parts_of((20, 30)))
        append([path], store, DataOptions(storage=storage))  # warnings are errors

    def test_on_the_command_line(self, tmp_path, store, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (path,) = write(tmp_path, record(), parts_of((20, 30)))
        words = ["ingest", "--append", path, "-o", str(store), "--set", "data.storage.codec=none"]
        done = CliRunner().invoke(program, words)
        assert done.exit_code == 0, done.output
        assert "data.storage.codec cannot take effect" in done.stderr


class TestWhereThereIsNoStore:
    def test_it_is_made_in_folders_that_are_not_there(self, tmp_path, monkeypatch):
        """The first run of the line in cron."""
        monkeypatch.chdir(tmp_path)
        paths = write(tmp_path, record(), parts_of((0, 20), (20, 40)))
        for path in paths:
            words = ["ingest", "--append", path, "--output", "new/stores/a.zarr"]
            done = CliRunner().invoke(program, words)
            assert done.exit_code == 0, done.output
        assert TensorStore.open("new/stores/a.zarr").shape[0] == 40
        assert os.listdir("new/stores") == ["a.zarr"]

    def test_an_address_is_not_taken_for_a_store(self, tmp_path, s3):
        """A plain one is written once, and one that is not there was not changed by anyone."""
        (path,) = write(tmp_path, record(), parts_of((0, 20)))
        address = f"{s3}/new/a.zarr"
        match = r"there is no tensor store at .*a\.zarr yet, .* make it with stforecast ingest wit"
        with pytest.raises(StoreError, match=match):
            append([path], address)
        ingest([path], address, OPTIONS)
        with pytest.raises(
            StoreError, match=r"a\.zarr cannot be changed: a plain store at an addr"
        ):
            append([path], address)


class TestFieldsWithoutATime:
    def part(self, tmp_path: Path, name: str, first: int, stop: int, **fields: float) -> str:
        part = record().isel(time=slice(first, stop))
        for field, value in fields.items():
            part[field] = (("lat", "lon"), value + np.arange(12.0).reshape(3, 4), {"units": "m"})
        part.to_netcdf(tmp_path / f"{name}.nc")
        return str(tmp_path / f"{name}.nc")

    def test_those_of_later_files_come_in(self, tmp_path):
        paths = [
            self.part(tmp_path, "0", 0, 10),
            self.part(tmp_path, "1", 10, 20, orog=1),
            self.part(tmp_path, "2", 20, 30, lsm=2, orog=1),
            self.part(tmp_path, "3", 30, 40),
        ]
        ingest(paths, tmp_path / "one.zarr", OPTIONS)
        for path in paths:
            append([path], tmp_path / "a.zarr", OPTIONS)
        one, grown = TensorStore.open(tmp_path / "one.zarr"), TensorStore.open(tmp_path / "a.zarr")
        assert grown.meta.static == one.meta.static
        assert grown.static_fields == ["orog", "lsm"]
        xr.testing.assert_identical(
            grown.dataset.drop_attrs().load(), one.dataset.drop_attrs().load()
        )
        assert arrays(tmp_path / "a.zarr") == arrays(tmp_path / "one.zarr")

    def test_also_with_times_that_are_there(self, tmp_path, store):
        path = self.part(tmp_path, "again", 0, 10, orog=1)
        shard = store / "data/c/0/0/0/0"
        inode = shard.stat().st_ino
        append([path], store)
        np.testing.assert_array_equal(
            TensorStore.open(store).static("orog"), 1 + np.arange(12.0).reshape(3, 4)
        )
        assert shard.stat().st_ino == inode
        assert append([path], store).mapping["already there"] == "all that the files hold"

    def test_a_file_of_nothing_else(self, tmp_path, store):
        only = xr.open_dataset(self.part(tmp_path, "x", 0, 2, orog=1), decode_times=False)
        only[["orog"]].drop_vars("time", errors="ignore").to_netcdf(tmp_path / "orog.nc")
        only.close()
        match = r"they hold fields without a time alone \(orog\); name them together with a file of"
        with pytest.raises(DataError, match=match):
            append([str(tmp_path / "orog.nc")], store)
        append([str(tmp_path / "0.nc"), str(tmp_path / "orog.nc")], store)
        assert TensorStore.open(store).static_fields == ["orog"]

    def test_other_values_are_told(self, tmp_path):
        paths = [
            self.part(tmp_path, "0", 0, 20, orog=1, lsm=3),
            self.part(tmp_path, "1", 20, 40, orog=2, lsm=3 + 1e-6),
        ]
        ingest(paths[:1], tmp_path / "a.zarr", OPTIONS)
        match = r"orog of the files is not the same as in the store .*, which keeps its own"
        with pytest.warns(StForecastWarning, match=match):
            append(paths[1:], tmp_path / "a.zarr")
        assert TensorStore.open(tmp_path / "a.zarr").static("orog")[0, 0] == 1


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("s3://bucket/era5/*.nc", "era5"),
        ("s3://bucket/era5/t2m_*.nc", "t2m_"),
        ("https://example.org/files/t2m.nc", "t2m"),
        ("incoming/[0-9]*.nc", "incoming"),
        ("incoming/day??.nc", "day"),
    ],
)
def test_a_pattern_without_a_name_is_called_as_its_folder(file, name):
    assert name_of_files((file,)) == name
