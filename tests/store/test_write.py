"""A store on disk: what is written, how it is cut, and what survives when writing fails."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from stforecast import folders, names
from stforecast.errors import DataError, StoreError
from stforecast.options import StorageOptions
from stforecast.store import StoreMeta, TensorStore, check_manifest, open_store, write_store
from stforecast.store.layout import Cut
from tests.helpers import make_store


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def hidden(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("."))


RECORDS = {
    "hourly": {},
    "gaps and land": {"absent": [3, 4], "missing": 0.2, "channels": ["t2m", "ssr"]},
    "all missing frames": {"missing": np.arange(48)[:, None, None, None] > 40},
    "monthly 360_day": {"step": "1M", "calendar": "360_day", "start": "1850-01-16"},
    "mid-month": {"times": np.array(["2001-01-16T12", "2001-02-15", "2001-03-16T12"], "M8[us]")},
    "annual noleap": {"step": "1Y", "calendar": "noleap", "start": "0001-07-01"},
    "far future": {"start": "3000-01-01"},
    "descending": {"descending": True, "periodic": True},
    "videos": {"sequences": 5, "n": 20, "height": 16, "width": 16},
    "odd": {"n": 3, "height": 1, "width": 1},
}


class TestRoundTrip:
    @pytest.mark.parametrize("kind", RECORDS)
    @pytest.mark.parametrize("lazy", [False, True])
    def test_everything_comes_back(self, tmp_path, kind, lazy):
        store = make_store(**RECORDS[kind])
        dataset = store.dataset.chunk({"time": 7}) if lazy else store.dataset
        write_store(dataset, tmp_path / "a.zarr")
        again = TensorStore.open(tmp_path / "a.zarr")
        assert again.meta == store.meta
        assert again.axis == store.axis
        assert again.shape == store.shape
        assert again.n_sequences == store.n_sequences
        np.testing.assert_array_equal(again.present, store.present)
        np.testing.assert_array_equal(again.valid_cells, store.valid_cells)
        np.testing.assert_array_equal(again.complete(), store.complete())
        for sequence in range(store.n_sequences):
            np.testing.assert_array_equal(
                again.read(0, store.shape[0], sequence), store.read(0, store.shape[0], sequence)
            )
        assert again.grid.fingerprint() == store.grid.fingerprint()
        xr.testing.assert_identical(again.variables().load(), store.variables().load())
        assert hidden(tmp_path) == []

    def test_a_plain_open_zarr_reads_it(self, tmp_path):
        write_store(make_store(absent=[1]).dataset, tmp_path / "a.zarr")
        plain = xr.open_zarr(tmp_path / "a.zarr")
        assert plain[names.DATA].dims == ("time", "channel", "y", "x")
        assert plain[names.DATA].dtype == np.float32
        assert list(plain["channel"].values) == ["v0"]
        assert plain["time"].dtype == "datetime64[ns]"
        assert bool(plain[names.DATA][1].isnull().all())

    def test_the_open_view_is_lazy_and_chunked(self, tmp_path):
        write_store(make_store(channels=["a", "b"]).dataset, tmp_path / "a.zarr")
        variables = open_store(tmp_path / "a.zarr")
        assert list(variables) == ["a", "b"]
        assert variables["a"].dims == ("time", "lat", "lon")
        assert variables["a"].chunks is not None
        assert variables["a"].attrs["units"] == "K"

    def test_how_it_is_encoded(self, tmp_path):
        write_store(make_store().dataset, tmp_path / "a.zarr")
        group = zarr.open_group(tmp_path / "a.zarr", mode="r")
        assert np.isnan(group[names.DATA].fill_value)
        assert group[names.DATA].dtype == np.float32
        assert group["time"].dtype == np.int64
        assert group["time"].attrs["units"] == "seconds since 1970-01-01"
        assert group[names.ABSENT].dtype == np.int8
        assert group[names.VALID_CELLS].dtype == np.int32
        assert "string" in json.dumps(group["channel"].metadata.to_dict()["data_type"])
        assert "consolidated_metadata" in json.loads((tmp_path / "a.zarr/zarr.json").read_text())

    def test_source_encodings_are_left_behind(self, tmp_path):
        dataset = make_store().dataset
        dataset["lat"].encoding = {"zlib": True, "_FillValue": 9.0, "dtype": "int16"}
        dataset[names.DATA].encoding = {"scale_factor": 0.1, "chunksizes": (1, 1, 1, 1)}
        write_store(dataset, tmp_path / "a.zarr")
        again = TensorStore.open(tmp_path / "a.zarr")
        np.testing.assert_array_equal(again.dataset["lat"], dataset["lat"])
        np.testing.assert_array_equal(again.read(0, 48), dataset[names.DATA])

    def test_bounds_projection_and_curved_coordinates(self, tmp_path):
        dataset = make_store(n=4, height=3, width=4).dataset.drop_vars(["lat", "lon"])
        crs = {
            "grid_mapping_name": "lambert_azimuthal_equal_area",
            "latitude_of_projection_origin": 52.0,
            "longitude_of_projection_origin": 10.0,
            "false_easting": 4321000.0,
            "false_northing": 3210000.0,
            "semi_major_axis": 6378137.0,
            "inverse_flattening": 298.257222101,
        }
        stamps = dataset["time"].values
        dataset["time"].attrs["bounds"] = "time_bnds"
        y = np.array([3e6, 2.9e6, 2.8e6])
        lat = np.linspace(50, 55, 12).reshape(3, 4)
        dataset = dataset.assign_coords(
            time_bnds=(("time", "bnds"), np.stack([stamps, stamps + np.timedelta64(1, "h")], -1)),
            y=(
                "y",
                y,
                {"standard_name": "projection_y_coordinate", "units": "m", "bounds": "y_bnds"},
            ),
            y_bnds=(("y", "bnds"), np.stack([y - 5e4, y + 5e4], -1)),
            x=("x", np.arange(4) * 1e5, {"standard_name": "projection_x_coordinate"}),
            lat=(("y", "x"), lat, {"units": "degrees_north"}),
            lon=(("y", "x"), lat - 40, {"units": "degrees_east"}),
            laea=((), 0, crs),
        )
        meta = StoreMeta.from_json(dataset.attrs["stforecast"])
        meta = meta.model_copy(update={"y_name": "y", "x_name": "x", "grid_mapping": "laea"})
        dataset.attrs["stforecast"] = meta.to_json()
        store = TensorStore(dataset)
        write_store(dataset, tmp_path / "a.zarr")
        again = TensorStore.open(tmp_path / "a.zarr")
        assert again.grid.kind == "projected"
        assert again.grid.crs == store.grid.crs
        variables = again.variables().load()
        xr.testing.assert_identical(variables, store.variables().load())
        assert set(variables.coords) == {
            "time",
            "time_bnds",
            "y",
            "y_bnds",
            "x",
            "lat",
            "lon",
            "laea",
        }
        assert variables["v0"].encoding["grid_mapping"] == "laea"

    def test_attributes_and_scalars_of_the_source_come_back(self, tmp_path):
        dataset = make_store(n=4).dataset
        meta = StoreMeta.from_json(dataset.attrs["stforecast"])
        meta.scalars = {
            "height": {"value": 2.0, "attrs": {"units": "m"}},
            "made": {
                "value": "1999-12-31 06:00",
                "attrs": {"standard_name": "forecast_reference_time"},
            },
        }
        meta.time_name = "valid_time"
        meta.channels[0].attrs = {"cell_methods": "time: mean", "param": 167}
        dataset.attrs["stforecast"] = meta.to_json()
        write_store(dataset, tmp_path / "a.zarr")
        variables = open_store(tmp_path / "a.zarr")
        assert float(variables["height"]) == 2.0
        assert variables["height"].attrs == {"units": "m"}
        assert variables["made"].values == np.datetime64("1999-12-31T06:00")
        assert variables["v0"].dims == ("valid_time", "lat", "lon")
        assert variables["v0"].attrs["param"] == 167
        assert variables.attrs == {"title": "a record for tests"}


SMALL = StorageOptions(shard_size=6 * 8 * 4 * 20)


class TestCut:
    @pytest.mark.parametrize(
        "sizes",
        [
            {"time": 35064, "channel": 2, "y": 16, "x": 8},
            {"time": 744, "channel": 1, "y": 33, "x": 49},
            {"time": 8760, "channel": 5, "y": 721, "x": 1440},
            {"time": 100, "channel": 1, "y": 4000, "x": 4000},
            {"sequence": 10000, "time": 20, "channel": 1, "y": 64, "x": 64},
            {"time": 1, "channel": 1, "y": 1, "x": 1},
        ],
    )
    def test_chunks_are_small_and_shards_about_100_mb(self, sizes):
        cut = Cut.of(sizes)
        chunk, shard = (
            4 * np.prod(list(d.values()), dtype=float) for d in (cut.chunks, cut.shards)
        )
        assert chunk <= 4.2e6
        assert shard <= 1.3e8
        assert shard >= 5e7
        assert cut.chunks["time"] <= 64
        assert all(cut.shards[dim] % cut.chunks[dim] == 0 for dim in sizes)
        assert cut.chunks["x"] == sizes["x"]

    def test_several_shards(self, tmp_path, monkeypatch):
        monkeypatch.setattr("stforecast.store.layout._CHUNK_STEPS", 4)
        missing = (np.arange(100) // 20 == 2)[:, None, None, None]
        store = make_store(100, missing=missing)
        told = []
        write_store(
            store.dataset.chunk({"time": 3}),
            tmp_path / "a.zarr",
            progress=lambda done, total: told.append((done, total)),
            storage=SMALL,
        )
        assert told == [(20, 100), (40, 100), (60, 100), (80, 100), (100, 100)]
        np.testing.assert_array_equal(
            TensorStore.open(tmp_path / "a.zarr").read(15, 65), store.read(15, 65)
        )
        manifest = json.loads((tmp_path / "a.zarr/manifest.json").read_text())
        assert [key for key in manifest["empty"] if key.startswith("data/")] == ["data/c/2/0/0/0"]

    def test_a_source_chunk_is_read_once(self, tmp_path, monkeypatch):
        # with several threads shards as small as these may cut a chunk between two of them
        monkeypatch.setattr("stforecast.store.work._processors", lambda: 1)
        monkeypatch.setattr("stforecast.store.layout._CHUNK_STEPS", 4)
        store = make_store(100)
        values = store.read(0, 100)
        reads = []

        def read(block_info=None):
            first, last = block_info[None]["array-location"][0]
            reads.append((first, last))
            return values[first:last]

        lazy = da.map_blocks(
            read, chunks=((50, 50), 1, 6, 8), dtype="f4", meta=np.empty((0,) * 4, "f4")
        )
        dataset = store.dataset.assign({names.DATA: (store.dataset[names.DATA].dims, lazy)})
        write_store(dataset, tmp_path / "a.zarr", storage=SMALL)
        assert sorted(reads) == [(0, 50), (50, 100)]
        np.testing.assert_array_equal(TensorStore.open(tmp_path / "a.zarr").read(0, 100), values)

    def test_blocks_are_counted_and_described(self, tmp_path):
        made = make_store(missing=0.2, absent=[3])
        seen = []

        def describe(meta, counts):
            seen.append(counts)
            return meta.model_copy(update={"findings": ["hot cells"]})

        write_store(made.dataset, tmp_path / "a.zarr", describe=describe, storage=SMALL)
        store = TensorStore.open(tmp_path / "a.zarr")
        assert store.meta.findings == ["hot cells"]
        values = store.read(0, 48)
        np.testing.assert_array_equal(store.valid_cells, np.isfinite(values).sum(axis=(2, 3)))
        (counts,) = seen
        present = np.delete(values, 3, axis=0)
        assert counts.frames == 47
        np.testing.assert_array_equal(counts.missing, np.isnan(present).sum(axis=0))
        assert counts.whole.tolist() == [0]
        assert counts.minimum == np.nanmin(present)
        assert counts.maximum == np.nanmax(present)


class TestManifest:
    @pytest.fixture
    def path(self, tmp_path):
        write_store(make_store().dataset, tmp_path / "a.zarr")
        return tmp_path / "a.zarr"

    def test_every_file_is_listed(self, path):
        manifest = json.loads((path / "manifest.json").read_text())
        assert set(manifest["files"]) | {"manifest.json"} == set(files_of(path))
        check_manifest(path, checksums=True)

    def test_a_lost_shard_is_not_read_as_missing(self, path):
        (path / "data/c/0/0/0/0").unlink()
        with pytest.raises(StoreError, match="has lost its file data/c/0/0/0/0"):
            TensorStore.open(path)

    def test_a_cut_shard_is_noticed(self, path):
        shard = path / "data/c/0/0/0/0"
        shard.write_bytes(shard.read_bytes()[:-5])
        with pytest.raises(StoreError, match="damaged"):
            TensorStore.open(path)

    def test_changed_bytes_are_noticed_by_their_checksum(self, path):
        shard = path / "data/c/0/0/0/0"
        content = bytearray(shard.read_bytes())
        content[10] ^= 1
        shard.write_bytes(bytes(content))
        check_manifest(path)
        with pytest.raises(StoreError, match="damaged"):
            check_manifest(path, checksums=True)

    def test_flipped_bits_in_a_shard_are_never_read(self, path):
        shard = path / "data/c/0/0/0/0"
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 8
        shard.write_bytes(bytes(content))
        store = TensorStore.open(path)
        with pytest.raises(StoreError, match=r"values of the store .* stforecast check"):
            store.read(0, 48)
        with pytest.raises(StoreError, match="checksum"):
            store.variables()["v0"].isel(time=[3, 40], lat=slice(2)).load()

    def test_a_shard_that_is_lost_after_opening_is_not_read_as_missing(self, tmp_path, monkeypatch):
        monkeypatch.setattr("stforecast.store.layout._SHARD_BYTES", 6 * 8 * 4 * 20)
        monkeypatch.setattr("stforecast.store.layout._CHUNK_STEPS", 4)
        missing = (np.arange(100) // 20 == 2)[:, None, None, None]
        write_store(make_store(100, missing=missing).dataset, tmp_path / "b.zarr")
        store = TensorStore.open(tmp_path / "b.zarr")
        (tmp_path / "b.zarr/data/c/3/0/0/0").unlink()
        assert np.isfinite(store.read(0, 40)).all()
        assert np.isnan(store.read(40, 60)).all()
        for first, last in ((59, 61), (0, 100), (79, 80)):
            with pytest.raises(StoreError, match="has lost data/c/3/0/0/0 since it was opened"):
                store.read(first, last)
        data = store.dataset[names.DATA]
        assert np.isfinite(data[[-1, 5], 0, ::-1, 2].values).all()
        for index in ([1, 70], slice(99, None, -7), -35):
            with pytest.raises(StoreError, match="has lost"):
                data[index].load()
        with pytest.raises(StoreError, match="has lost"):
            store.variables()["v0"].isel(time=70).load()

    def test_a_store_that_was_replaced_is_not_read_as_the_one_that_was_opened(self, tmp_path):
        made = []
        for seed, when in enumerate(("2026-01-01T00:00:00", "2026-01-02T00:00:00")):
            dataset = make_store(seed=seed).dataset
            meta = StoreMeta.from_json(dataset.attrs[names.META_ATTRIBUTE])
            meta.created = when
            dataset.attrs[names.META_ATTRIBUTE] = meta.to_json()
            made.append(dataset)
        write_store(made[0], tmp_path / "a.zarr")
        store = TensorStore.open(tmp_path / "a.zarr")
        (tmp_path / "a.zarr/.DS_Store").write_text("changes the folder, and not the store")
        np.testing.assert_array_equal(store.read(3, 5), made[0][names.DATA][3:5])
        write_store(made[1], tmp_path / "a.zarr", overwrite=True)
        for _ in range(2):
            with pytest.raises(StoreError, match="was made anew since it was opened"):
                store.read(3, 5)
        again = TensorStore.open(tmp_path / "a.zarr")
        np.testing.assert_array_equal(again.read(3, 5), made[1][names.DATA][3:5])

    @pytest.mark.parametrize("text", [None, "{", "[]", '{"files": {"a": 1}}'])
    def test_a_broken_manifest_is_told(self, path, text):
        (path / "manifest.json").unlink()
        if text is not None:
            (path / "manifest.json").write_text(text)
        with pytest.raises(StoreError, match=r"manifest\.json.*; bring it back or make the store"):
            TensorStore.open(path)


class TestCommit:
    def test_an_existing_store_is_kept_without_overwrite(self, tmp_path):
        write_store(make_store().dataset, tmp_path / "a.zarr")
        before = files_of(tmp_path)
        with pytest.raises(StoreError, match="--overwrite"):
            write_store(make_store(seed=1).dataset, tmp_path / "a.zarr")
        assert files_of(tmp_path) == before

    @pytest.mark.parametrize("atomic", [True, False])
    def test_overwriting_replaces_it(self, tmp_path, monkeypatch, atomic):
        if not atomic:
            monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
        write_store(make_store(channels=2).dataset, tmp_path / "a.zarr")
        write_store(make_store(seed=1).dataset, tmp_path / "a.zarr", overwrite=True)
        assert TensorStore.open(tmp_path / "a.zarr").channels == ["v0"]
        assert os.listdir(tmp_path) == ["a.zarr"]

    @pytest.mark.parametrize("content", ["file", "folder"])
    def test_nothing_else_is_ever_replaced(self, tmp_path, content):
        path = tmp_path / "mine"
        if content == "file":
            path.write_text("thesis")
        else:
            path.mkdir()
            (path / "thesis.txt").write_text("thesis")
        before = files_of(tmp_path)
        with pytest.raises(StoreError, match="is not a tensor store"):
            write_store(make_store().dataset, path, overwrite=True)
        assert files_of(tmp_path) == before

    def test_an_empty_folder_and_missing_parents_are_fine(self, tmp_path):
        (tmp_path / "a.zarr").mkdir()
        write_store(make_store().dataset, tmp_path / "a.zarr")
        write_store(make_store().dataset, tmp_path / "runs/new/b.zarr")
        TensorStore.open(tmp_path / "runs/new/b.zarr")

    def test_a_link_to_a_store_stays_a_link(self, tmp_path):
        write_store(make_store().dataset, tmp_path / "disk/a.zarr")
        (tmp_path / "link").symlink_to(tmp_path / "disk/a.zarr")
        write_store(make_store(channels=3).dataset, tmp_path / "link", overwrite=True)
        assert (tmp_path / "link").is_symlink()
        assert len(TensorStore.open(tmp_path / "disk/a.zarr").channels) == 3

    @pytest.mark.parametrize("error", [OSError("NetCDF: HDF error"), RuntimeError("HDF error")])
    def test_a_source_that_breaks_leaves_the_old_store(self, tmp_path, error):
        path = tmp_path / "a.zarr"
        write_store(make_store().dataset, path)
        before = files_of(tmp_path)

        def broken(block):
            raise error

        store = make_store()
        data = store.dataset[names.DATA]
        lazy = da.from_array(data.values, chunks=10).map_blocks(
            broken, dtype="f4", meta=np.empty((0,) * 4, "f4")
        )
        with pytest.raises(DataError, match=r"cannot be read to their end \(.*HDF error"):
            write_store(store.dataset.assign({names.DATA: (data.dims, lazy)}), path, overwrite=True)
        assert files_of(tmp_path) == before

    def test_ctrl_c_leaves_the_old_store(self, tmp_path):
        path = tmp_path / "a.zarr"
        write_store(make_store().dataset, path)
        before = files_of(tmp_path)

        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_store(make_store(seed=1).dataset, path, overwrite=True, progress=stop)
        assert files_of(tmp_path) == before

    def test_a_folder_that_refuses_to_be_written_is_named(self, tmp_path):
        folder = Path("/proc/1/fd") if os.geteuid() == 0 else tmp_path / "closed"
        if os.geteuid() != 0:
            folder.mkdir(mode=0o500)
        with pytest.raises(StoreError, match=f"cannot write a tensor store {folder}/a.zarr: "):
            write_store(make_store().dataset, folder / "a.zarr")

    def test_a_full_disk_leaves_the_old_store(self, tmp_path):
        """The limit on the size of a file stands in for the disk: the same write fails."""
        path = tmp_path / "a.zarr"
        write_store(make_store().dataset, path)
        before = files_of(tmp_path)

        code = f"""
            import resource, signal, sys
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            from stforecast.errors import StoreError
            from stforecast.store import write_store
            from tests.helpers import make_store
            store = make_store(400, height=40, width=40)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            try:
                write_store(store.dataset, {str(path)!r}, overwrite=True)
            except StoreError as error:
                sys.exit(str(error))
        """
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            check=False,
        )
        assert result.returncode == 1, result.stderr
        assert result.stderr == (
            f"cannot write a tensor store {path}: file too large; "
            "what was there before is unchanged\n"
        )
        assert files_of(tmp_path) == before

    @pytest.mark.parametrize("moment", ["before the swap", "between the renames", "after the swap"])
    def test_a_killed_writer_leaves_a_whole_store(self, tmp_path, moment):
        path = tmp_path / "a.zarr"
        write_store(make_store().dataset, path)
        patch = {
            "before the swap": "folders.swap = lambda *given, **more: os._exit(9)",
            "between the renames": (
                "folders._exchange = lambda a, b: False\n"
                "rename, calls = os.rename, []\n"
                "def once(a, b):\n"
                "    if calls: os._exit(9)\n"
                "    calls.append(a); rename(a, b)\n"
                "os.rename = once"
            ),
            "after the swap": "folders._sync = lambda p: os._exit(9) if p.name == 'x' else None",
        }[moment]
        target = tmp_path
        if moment == "after the swap":
            target = tmp_path / "x"
            target.mkdir()
            path = target / "a.zarr"
            write_store(make_store().dataset, path)
        code = (
            f"import os\nfrom stforecast import folders\n{patch}\n"
            "from stforecast.store import write_store\n"
            "from tests.helpers import make_store\n"
            f"write_store(make_store(channels=2).dataset, {str(path)!r}, overwrite=True)\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False
        )
        assert result.returncode == 9
        assert hidden(target) != []
        expected = 2 if moment == "after the swap" else 1
        store = TensorStore.open(path)
        check_manifest(path, checksums=True)
        assert len(store.channels) == expected
        write_store(make_store(channels=3).dataset, path, overwrite=True)
        assert hidden(target) == []
        assert len(TensorStore.open(path).channels) == 3

    def test_the_work_of_a_living_process_is_left_alone(self, tmp_path):
        other = tmp_path / f".a.zarr.partial-{os.getppid()}@{os.uname().nodename}"
        other.mkdir()
        write_store(make_store().dataset, tmp_path / "a.zarr")
        assert other.is_dir()


class TestOpening:
    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(StoreError, match=r"there is no tensor store at .*stforecast ingest"):
            TensorStore.open(tmp_path / "a.zarr")

    def test_what_is_something_else(self, tmp_path):
        (tmp_path / "file").write_text("text")
        xr.Dataset({"a": ("x", np.arange(3.0))}).to_zarr(
            tmp_path / "other.zarr", zarr_format=2, consolidated=True
        )
        for name in ("file", "other.zarr", "."):
            with pytest.raises(StoreError, match="is not a tensor store"):
                TensorStore.open(tmp_path / name)

    def test_a_newer_schema_asks_for_an_update(self):
        dataset = make_store().dataset
        meta = json.loads(dataset.attrs["stforecast"]) | {"schema_version": 99}
        with pytest.raises(StoreError, match="newer stforecast"):
            TensorStore(dataset.assign_attrs(stforecast=json.dumps(meta)))

    def test_a_dataset_without_the_layout_is_refused(self):
        with pytest.raises(StoreError, match="description of a tensor store"):
            TensorStore(xr.Dataset())
        store = make_store()
        with pytest.raises(StoreError, match="lacks the array data"):
            TensorStore(store.dataset.drop_vars("data"))
        with pytest.raises(StoreError, match="not regular"):
            TensorStore(store.dataset.isel(time=[0, 2, 3]))
        with pytest.raises(StoreError, match="2 channels and describes 1"):
            TensorStore(xr.concat([store.dataset] * 2, "channel", data_vars="minimal"))
