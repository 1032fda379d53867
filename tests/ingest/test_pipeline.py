"""From a dataset or from files to the tensor, with the report of what was found."""

import io

import cftime
import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from stforecast import names
from stforecast.errors import ConfigError, DataError, StoreError
from stforecast.ingest import ingest, prepare
from stforecast.options import DataOptions
from stforecast.store import TensorStore, check_manifest, open_store

TAXI = DataOptions(
    timezone="America/New_York",
    variables={"departures": {"index": 0, "minimum": 0}, "arrivals": {"index": 1, "minimum": 0}},
    grid={"west": -74.02, "east": -73.90, "south": 40.67, "north": 40.84, "first_row": "north"},
)


def source(n=48, **changes) -> xr.Dataset:
    """Two variables on 3 x 4 cells, hourly; float64 as most files decode."""
    rng = np.random.default_rng(0)
    dims = ("time", "lat", "lon")
    t2m = np.round(280 + rng.normal(size=(n, 3, 4)), 1).astype(np.float32).astype(float)
    ssr = rng.integers(0, 3, size=(n, 3, 4)).astype(float)
    dataset = xr.Dataset(
        {
            "t2m": (dims, t2m, {"units": "K", "long_name": "2 metre temperature"}),
            "ssr": (dims, ssr, {"units": "J m-2"}),
        },
        coords={
            "time": np.datetime64("2000-01-01", "us") + np.arange(n) * np.timedelta64(1, "h"),
            "lat": ("lat", np.array([52.0, 51.0, 50.0]), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
        },
        attrs={"title": "made up"},
    )
    return dataset.assign(changes)


def changed(name: str, amend) -> xr.Dataset:
    dataset = source()
    values = dataset[name].values.copy()
    amend(values)
    return dataset.assign({name: dataset[name].copy(data=values)})


class TestPrepare:
    def test_the_record_comes_back_as_it_was(self):
        dataset = source()
        store = prepare(dataset).store()
        assert store.channels == ["t2m", "ssr"]
        assert store.meta.time_step == "1h"
        assert store.meta.timezone == "UTC"
        again = store.variables()
        for name in ("t2m", "ssr"):
            np.testing.assert_array_equal(again[name], dataset[name])
            assert again[name].dims == dataset[name].dims
            assert again[name].attrs == dataset[name].attrs
        xr.testing.assert_equal(again["lat"], dataset["lat"])
        assert again.attrs == dataset.attrs
        assert float(abs(again["t2m"] - dataset["t2m"]).max()) == 0

    def test_nothing_is_read_before_it_must_be(self):
        def fail(block):
            raise AssertionError("read")

        values = da.zeros((48, 3, 4), chunks=(8, 3, 4), dtype=np.float32)
        values = values.map_blocks(fail, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
        dataset = source()
        dataset = dataset.assign({name: (dataset[name].dims, values) for name in dataset})
        prepared = prepare(dataset)
        assert prepared.findings.cells == []
        with pytest.raises(DataError, match=r"cannot be read to their end \(read\)"):
            prepared.survey()

    def test_a_clean_record_has_nothing_amiss(self):
        prepared = prepare(source())
        prepared.survey()
        assert prepared.findings.findings() == []
        assert prepared.findings.lines()[-1].startswith("nothing amiss")

    def test_a_lazy_record_over_the_limit_stays_lazy(self, monkeypatch):
        monkeypatch.setattr("stforecast.ingest.pipeline._MEMORY_BYTES", 100)
        dataset = changed("ssr", lambda v: v.__setitem__((3, 0, 0), np.inf)).chunk({"time": 7})
        store = prepare(dataset).store()
        assert store.dataset[names.DATA].chunks is not None
        assert "valid_cells" in store.dataset
        assert np.isnan(store.read(3, 4)[0, 1, 0, 0])

    def test_progress_goes_from_nothing_to_all(self):
        told = []
        prepare(source()).store(lambda done, total: told.append((done, total)))
        assert told[-1] == (48, 48)

    def test_time_bounds_and_numbers_along_time_come_along(self):
        dataset = source()
        times = dataset["time"].values
        dataset["time"].attrs["bounds"] = "time_bnds"
        dataset = dataset.assign_coords(
            time_bnds=(("time", "bnds"), np.stack([times, times + np.timedelta64(1, "h")], -1)),
            realization=("time", np.arange(48.0), {"long_name": "number"}),
        ).isel(time=[i for i in range(48) if i not in (5, 6)])
        store = prepare(dataset).store()
        assert store.dataset["time_bnds"].shape == (48, 2)
        assert store.variables()["time"].attrs["bounds"] == "time_bnds"
        assert np.isnan(store.dataset["realization"].values[5:7]).all()
        assert float(store.dataset["realization"][7]) == 7

    def test_sequences(self):
        values = np.arange(3 * 5 * 4 * 4, dtype=np.uint8).reshape(5, 3, 4, 4)
        dataset = xr.Dataset({"frames": (("time", "video", "y", "x"), values)})
        store = prepare(dataset, DataOptions(sequence="video")).store()
        assert store.n_sequences == 3
        assert store.shape == (5, 1, 4, 4)
        np.testing.assert_array_equal(store.read(1, 3, 2)[:, 0], values[1:3, 2])

    def test_calendars(self):
        times = cftime.num2date(
            np.arange(10) * 360, "days since 1860-06-01", "360_day", only_use_cftime_datetimes=True
        )
        dataset = source(10).assign_coords(time=times)
        prepared = prepare(dataset)
        assert "10 steps of 1 year" in prepared.findings.mapping["times"]
        store = prepared.store()
        assert (store.meta.calendar, store.meta.time_step) == ("360_day", "1Y")
        np.testing.assert_array_equal(store.variables()["time"], times)

    def test_an_unknown_clock_is_refused(self):
        with pytest.raises(ConfigError, match=r"'Europe/Bärlin' is not in the IANA database"):
            prepare(source(), DataOptions(timezone="Europe/Bärlin"))

    @pytest.mark.parametrize(
        ("options", "shape"),
        [
            ({"period": ("2000-01-02", "2000-01-02")}, (24, 2, 3, 4)),
            ({"variables": ["ssr"]}, (48, 1, 3, 4)),
            ({"region": {"west": 1, "east": 2, "south": 51, "north": 52}}, (48, 2, 2, 2)),
            ({"time_step": "30min"}, (95, 2, 3, 4)),
        ],
    )
    def test_options_take_a_part(self, options, shape):
        assert prepare(source(), DataOptions(**options)).store().shape == shape


class TestFindings:
    def lines(self, dataset, **options):
        prepared = prepare(dataset, DataOptions(**options))
        prepared.survey()
        return prepared.findings.findings()

    def test_cells_that_are_always_missing(self):
        dataset = changed("t2m", lambda v: v.__setitem__((slice(None), 0, slice(0, 2)), np.nan))
        assert self.lines(dataset) == [
            "t2m: 2 of 12 cells have no value at any time (such as land or sea); kept as missing"
        ]

    def test_cells_that_are_missing_at_times(self):
        def amend(values):
            values[:, 0, 0] = np.nan
            values[3, 1, 1] = np.nan
            values[4:6, 1, 2] = np.nan

        assert self.lines(changed("ssr", amend)) == [
            "ssr: 1 of 12 cells have no value at any time (such as land or sea); kept as missing",
            "ssr: 2 other cells have no value at some times (3.1 % of their values); kept as "
            "missing",
        ]

    def test_fields_that_are_wholly_missing(self):
        prepared = prepare(changed("t2m", lambda v: v.__setitem__(slice(7, 9), np.nan)))
        prepared.survey()
        assert prepared.findings.findings() == [
            "t2m: 2 fields have no value in any cell; kept as missing"
        ]
        assert [cells.kind for cells in prepared.findings.cells] == ["varying", "complete"]
        assert (~prepared.store().complete()).nonzero()[0].tolist() == [7, 8]

    def test_absent_times_are_no_missing_cells(self):
        assert self.lines(source().isel(time=[*range(10), *range(34, 48)])) == [
            "24 hours are absent, in 1 gap (2000-01-01 10:00 to 2000-01-02 09:00, 24 hours); "
            "marked as absent"
        ]

    def test_infinite_values_become_missing(self):
        def amend(values):
            values[1, 1, 1] = np.inf
            values[2, 1, 1] = -np.inf

        dataset = changed("t2m", amend)
        prepared = prepare(dataset)
        store = prepared.store()
        assert prepared.findings.findings()[-1] == "t2m: 2 values are infinite; kept as missing"
        assert np.isnan(store.read(1, 3)[:, 0, 1, 1]).all()
        assert np.isinf(dataset["t2m"]).sum() == 2
        assert store.valid_cells[1].tolist() == [11, 12]

    def test_zeros_stay_zeros(self):
        dataset = changed("ssr", lambda v: v.__setitem__(slice(0, 10), 0))
        store = prepare(dataset).store()
        assert (store.read(0, 10)[:, 1] == 0).all()
        assert store.meta.findings == []

    def test_numbers_that_float32_rounds_are_named(self):
        dataset = source()
        dataset["t2m"] = dataset["t2m"] + 1e-9 + 1 / 3
        assert self.lines(dataset) == [
            "t2m: float64 in the source, rounded to the 7 digits of float32"
        ]

    def test_all_missing_is_an_error_that_names_the_variable(self):
        dataset = changed("ssr", lambda v: v.fill(np.nan))
        with pytest.raises(DataError, match="all values of ssr are missing"):
            prepare(dataset).survey()

    def test_the_table_shows_all(self):
        dataset = source().isel(time=[0, 1, 2, 3, 3, 2, 10])
        prepared = prepare(dataset)
        prepared.survey()
        console = Console(width=200, record=True, file=io.StringIO())
        console.print(prepared.findings.table)
        text = console.export_text()
        for part in (
            "t2m (K), ssr (J m-2)",
            "11 steps of 1 hour",
            "2 hours occur more than once",
            "go back in time once",
            "6 hours are absent",
            "0 to 2",
        ):
            assert part in text


class TestIngest:
    @pytest.fixture
    def file(self, tmp_path):
        source().to_netcdf(tmp_path / "a.nc")
        return tmp_path / "a.nc"

    def test_files_become_a_store(self, file, tmp_path):
        findings = ingest(["a.nc"], tmp_path / "s.zarr", base=tmp_path)
        assert findings.findings() == []
        store = TensorStore.open(tmp_path / "s.zarr")
        xr.testing.assert_equal(store.variables().load(), source())
        check_manifest(tmp_path / "s.zarr", checksums=True)
        (entry,) = store.meta.sources
        assert entry["path"] == str(file)
        assert entry["size"] == file.stat().st_size
        assert len(entry["sha256"]) == 64
        assert store.meta.created is not None

    def test_findings_are_kept_in_the_store(self, tmp_path):
        source().isel(time=[0, 1, 3]).to_netcdf(tmp_path / "a.nc")
        findings = ingest([str(tmp_path / "a.nc")], tmp_path / "s.zarr")
        assert TensorStore.open(tmp_path / "s.zarr").meta.findings == findings.findings()
        assert len(findings.findings()) == 1

    def test_a_dry_run_finds_the_same_and_writes_nothing(self, file, tmp_path):
        dry = ingest([str(file)], tmp_path / "s.zarr", dry_run=True)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.nc"]
        assert dry.lines() == ingest([str(file)], tmp_path / "s.zarr").lines()
        ingest([str(file)], tmp_path / "s.zarr", dry_run=True)

    def test_a_store_in_the_way_stops_before_anything_is_read(self, file, tmp_path):
        ingest([str(file)], tmp_path / "s.zarr")
        with pytest.raises(StoreError, match="--overwrite"):
            ingest(["nowhere.nc"], tmp_path / "s.zarr")
        ingest([str(file)], tmp_path / "s.zarr", DataOptions(variables=["ssr"]), overwrite=True)
        assert list(open_store(tmp_path / "s.zarr")) == ["ssr"]

    def test_all_missing_leaves_the_old_store(self, file, tmp_path):
        ingest([str(file)], tmp_path / "s.zarr")
        changed("t2m", lambda v: v.fill(np.nan)).to_netcdf(tmp_path / "b.nc")
        with pytest.raises(DataError, match="all values of t2m are missing"):
            ingest([str(tmp_path / "b.nc")], tmp_path / "s.zarr", overwrite=True)
        assert list(open_store(tmp_path / "s.zarr")) == ["t2m", "ssr"]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "b.nc", "s.zarr"]

    @pytest.mark.parametrize("what", ["grows", "goes"])
    def test_a_file_that_changes_meanwhile_is_named(self, file, tmp_path, what):
        ingest([str(file)], tmp_path / "s.zarr", DataOptions(variables=["ssr"]))

        def meddle(done, total):
            if what == "goes":
                file.unlink()
            else:
                with file.open("ab") as handle:
                    handle.write(b"more")

        with pytest.raises(DataError, match=r"a\.nc (changed|is gone)"):
            ingest([str(file)], tmp_path / "s.zarr", overwrite=True, progress=meddle)
        assert list(open_store(tmp_path / "s.zarr")) == ["ssr"]

    @pytest.mark.parametrize("part", ["in the middle", "in a duplicated row"])
    def test_a_file_that_breaks_in_the_middle_is_named(self, tmp_path, part):
        path, rng = tmp_path / "a.nc", np.random.default_rng(0)
        dataset = source(64).drop_vars("ssr")
        if part == "in a duplicated row":
            dataset = dataset.isel(time=[*range(63), 31])
        noise = rng.normal(size=(64, 3, 4))
        dataset["t2m"] = (dataset["t2m"].dims, noise)
        encoding = {"chunksizes": (1, 3, 4), "zlib": True, "_FillValue": None}
        dataset.to_netcdf(path, engine="netcdf4", encoding={"t2m": encoding})
        with h5py.File(path) as file:
            chunk = file["t2m"].id.get_chunk_info_by_coord((31, 0, 0))
        content = bytearray(path.read_bytes())
        content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\1" * chunk.size
        path.write_bytes(bytes(content))
        with pytest.raises(DataError, match=r"cannot be read to their end.*a\.nc is damaged"):
            ingest([str(path)], tmp_path / "s.zarr")
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.nc"]

    def test_the_reader_can_be_forced(self, file, tmp_path):
        with pytest.raises(DataError):
            ingest([str(file)], tmp_path / "s.zarr", reader="deepst")
        assert not (tmp_path / "s.zarr").exists()

    def test_videos_keep_their_dimension(self, tmp_path):
        values = np.random.default_rng(0).random((5, 3, 4, 4)).astype(np.float32)
        xr.Dataset({"frames": (("time", "video", "y", "x"), values)}).to_netcdf(tmp_path / "v.nc")
        ingest([str(tmp_path / "v.nc")], tmp_path / "s.zarr", DataOptions(sequence="video"))
        store = TensorStore.open(tmp_path / "s.zarr")
        np.testing.assert_array_equal(store.read(0, 5, 1)[:, 0], values[:, 1])
        assert store.variables()["frames"].dims == ("video", "time", "y", "x")


@pytest.fixture(scope="module")
def taxi_files(shared):
    return [
        str(shared / "data/taxinyc" / f"NYC{year}_Taxi_M16x8_T60_InOut.h5")
        for year in (13, 10, 11, 12)
    ]


@pytest.fixture(scope="module")
def taxi(taxi_files, tmp_path_factory):
    path = tmp_path_factory.mktemp("taxi") / "taxi.zarr"
    return ingest(taxi_files, path, TAXI), TensorStore.open(path)


class TestTaxi:
    def test_the_report_names_what_is_wrong(self, taxi):
        report = "\n".join(taxi[0].lines())
        for part in (
            "departures",
            "2010-01-01 to 2013-12-31 23:00, 35064 steps of 1 hour",
            "America/New_York",
            "go back in time",
            "456 hours occur more than once (2010-04-01, 2010-07-01, 2011-03-31 to 2011-04-01, "
            "2011-07-01, 2012-04-01, 2012-07-01, 2013-03-22 to 2013-04-01, 2013-07-01); "
            "the copies differ and the fullest is kept",
            "2784 hours are absent, in 4 gaps",
            "2010-09-02 to 2010-09-30, 696 hours",
            "2013-09-02 to 2013-09-30, 696 hours",
        ):
            assert part in report

    def test_the_windows_of_2013(self, taxi):
        store = taxi[1]
        first, stop = store.axis.slice_of("2013", "2013")
        usable = store.complete()[first:stop]
        assert sum(usable[i : i + 8].all() for i in range(stop - first - 7)) == 8050

    def test_the_fuller_copy_is_kept(self, taxi, taxi_files):
        store = taxi[1]
        with h5py.File(taxi_files[0]) as file:
            rows = np.flatnonzero(file["date"][:] == b"2013032518")
            copies = file["data"][rows[0] : rows[-1] + 1][[0, -1]]
        assert len(rows) == 2
        fuller = max(copies, key=np.count_nonzero)
        position = int(store.axis.positions(np.datetime64("2013-03-25T18")))
        np.testing.assert_array_equal(store.read(position, position + 1)[0], fuller)
        assert float(store.read(position, position + 1).sum()) > 10_000

    def test_zeros_of_the_spring_clock_change_stay_zeros(self, taxi):
        store = taxi[1]
        position = int(store.axis.positions(np.datetime64("2012-03-11T02")))
        assert (store.read(position, position + 1) == 0).all()
