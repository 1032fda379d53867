"""A store that grows file by file is the store of one ingest of them all, or stays as it was."""

import json
import os
import random
import subprocess
import sys
import textwrap
import threading
from itertools import pairwise
from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr

from stforecast import folders
from stforecast.errors import DataError, StForecastError, StoreError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.ingest.tally import counted, counts_of
from stforecast.locking import LockedError, locked
from stforecast.options import DataOptions, StorageOptions
from stforecast.store import StoreMeta, TensorStore, check_manifest

SHAPE = (3, 4)
# Shards of eight steps of two variables, in chunks of four.
SMALL = StorageOptions(chunk_steps=4, shard_size=4 * 2 * 12 * 8)
OPTIONS = DataOptions(storage=SMALL)


def record(times: np.ndarray | None = None) -> xr.Dataset:
    """Two variables with missing values, bounds of time, and numbers and dates along it."""
    if times is None:
        times = np.datetime64("2000-01-01", "ns") + np.arange(40) * np.timedelta64(1, "h")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, len(times), *SHAPE)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    values[:, :, 0, 0] = np.nan
    values[1, 3] = np.nan
    dims = ("time", "lat", "lon")
    dataset = xr.Dataset(
        {
            "t": (dims, values[0], {"units": "K"}),
            "p": (dims, values[1], {"units": "Pa"}),
        },
        coords={
            "time": ("time", times, {"bounds": "time_bnds"}),
            "lat": ("lat", np.arange(3.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
            "realization": ("time", np.arange(len(times))),
        },
    )
    if isinstance(times[0], np.datetime64):
        hour = np.timedelta64(1, "h")
        dataset = dataset.assign_coords(
            time_bnds=(("time", "bnds"), np.stack([times - hour, times], -1)),
            forecast_reference_time=("time", times - 3 * hour),
        )
        for name in ("time", "time_bnds"):
            dataset[name].encoding = {"units": "seconds since 2000-01-01", "dtype": "int64"}
    else:
        del dataset["time"].attrs["bounds"]
    return dataset


def write(folder: Path, dataset: xr.Dataset, parts: list[list[int]]) -> list[str]:
    paths = []
    before = len(list(folder.glob("*.nc")))
    for number, rows in enumerate(parts, before):
        paths.append(str(folder / f"{number}.nc"))
        dataset.isel(time=rows).to_netcdf(paths[-1])
    return paths


def parts_of(*bounds: tuple[int, int]) -> list[list[int]]:
    return [list(range(*bound)) for bound in bounds]


def arrays(store: Path) -> dict[str, bytes]:
    """All files of the arrays; the description of the group tells when and of what it was made."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.parent != store
    }


def everything(store: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.rglob("*") if path.is_file()}


KILLED = """
    import os, signal
    from stforecast.ingest.append import append
    from stforecast.store import work

    work._processors = lambda: 1

    def progress(done, total):
        if done == 24:
            os.kill(os.getpid(), signal.SIGKILL)

    append([{file!r}], {store!r}, progress=progress)
"""


def killed_append(file, store) -> int:
    """How a process ended that was killed while it added a file to a store, all but its end."""
    script = textwrap.dedent(KILLED.format(file=str(file), store=str(store)))
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL).returncode


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def told(store: Path) -> set[str]:
    """The findings; rows are in order and single in each file, not so in all of them together."""
    lines = TensorStore.open(store).meta.findings
    return {line for line in lines if "go back" not in line and "more than once" not in line}


def grow_and_compare(
    tmp_path: Path, paths: list[str], order: list[int], options: DataOptions = OPTIONS
) -> None:
    ingest(paths, tmp_path / "one.zarr", options)
    for number in order:
        append([paths[number]], tmp_path / "grown.zarr", options)
    one, grown = tmp_path / "one.zarr", tmp_path / "grown.zarr"
    expected, found = arrays(one), arrays(grown)
    assert sorted(found) == sorted(expected)
    assert [key for key in expected if found[key] != expected[key]] == []
    check_manifest(grown, checksums=True)
    assert told(grown) == told(one)
    metas = [TensorStore.open(path).meta for path in (one, grown)]
    left_out = {"created", "updated", "findings", "history", "sources"}
    assert metas[0].model_dump(exclude=left_out) == metas[1].model_dump(exclude=left_out)
    assert {entry["path"] for entry in metas[1].sources} == set(paths)
    assert hidden(tmp_path) == []


class TestTheSameAsOneIngest:
    @pytest.mark.parametrize(
        ("parts", "order"),
        [
            # in order, with a gap that is longer than a shard, and a file given twice
            (parts_of((0, 9), (9, 12), (29, 40)), [0, 1, 2, 1]),
            # gaps are filled last, and files overlap
            (parts_of((0, 10), (8, 21), (21, 30), (26, 40)), [0, 3, 1, 2]),
            # what lies before the first comes last
            (parts_of((0, 5), (5, 18), (20, 33)), [2, 1, 0]),
            # every third hour in one file
            ([list(range(start, 40, 3)) for start in range(3)], [1, 0, 2]),
        ],
    )
    def test_in_any_order(self, tmp_path, parts, order):
        options = OPTIONS.model_copy(update={"time_step": "1h"})
        grow_and_compare(tmp_path, write(tmp_path, record(), parts), order, options)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(40))
    def test_at_random(self, tmp_path, seed):
        rng = random.Random(seed)
        rows = sorted(rng.sample(range(40), rng.randint(20, 40)))
        parts: list[list[int]] = [[] for _ in range(rng.randint(2, 6))]
        if rng.random() < 0.5:
            for row in rows:
                for part in rng.sample(parts, rng.randint(1, 2)):
                    part.append(row)
        else:
            cuts = sorted(rng.sample(range(1, len(rows)), len(parts) - 1))
            edges = [0, *cuts, len(rows)]
            parts = [
                rows[max(0, start - rng.randint(0, 5)) : stop] for start, stop in pairwise(edges)
            ]
        paths = write(tmp_path, record(), [part for part in parts if part])
        order = list(range(len(paths)))
        rng.shuffle(order)
        options = OPTIONS.model_copy(update={"time_step": "1h"})
        grow_and_compare(tmp_path, paths, [*order, rng.choice(order)], options)

    def test_months_of_a_calendar_one_at_a_time(self, tmp_path):
        months = [
            cftime.datetime(2001 + month // 12, month % 12 + 1, 1, calendar="noleap")
            for month in range(14)
        ]
        middles = [begin + (end - begin) / 2 for begin, end in pairwise(months)]
        times = np.array([middles[i] for i in (0, 1, 2, 4, 5, 12)], dtype=object)
        parts = [[0, 1], [2], [3], [4], [5]]
        paths = write(tmp_path, record(times), parts)
        grow_and_compare(tmp_path, paths, [0, 2, 4, 1, 3])
        assert TensorStore.open(tmp_path / "grown.zarr").meta.calendar == "noleap"

    def test_files_of_a_single_time(self, tmp_path):
        """As archives deliver them: the time is a scalar; the step stands in the options."""
        dataset = record().drop_vars(["time_bnds", "forecast_reference_time", "realization"])
        del dataset["time"].attrs["bounds"]
        paths = [str(tmp_path / f"{hour}.nc") for hour in range(4)]
        for hour, path in enumerate(paths):
            dataset.isel(time=hour).to_netcdf(path)
        options = DataOptions(time_step="1h", storage=SMALL)
        ingest(paths, tmp_path / "one.zarr", options)
        for path in [paths[1], paths[3], paths[0], paths[2]]:
            append([path], tmp_path / "grown.zarr", options)
        assert arrays(tmp_path / "grown.zarr") == arrays(tmp_path / "one.zarr")


@pytest.fixture
def grown(tmp_path) -> Path:
    """A store of 30 hours without the hours 10 and 11."""
    (path,) = write(tmp_path, record(), [[i for i in range(30) if i not in (10, 11)]])
    ingest([path], tmp_path / "a.zarr", OPTIONS)
    return tmp_path / "a.zarr"


class TestWhatIsDone:
    def test_only_what_changes_is_written(self, tmp_path, grown):
        before = {path.name: path.stat().st_ino for path in (grown / "data/c").iterdir()}
        shards = {n: next((grown / f"data/c/{n}").rglob("0/0/0")).stat().st_ino for n in range(4)}
        assert len(before) == 4
        paths = write(tmp_path, record(), parts_of((28, 34)))
        findings = append(paths, grown)
        after = {n: next((grown / f"data/c/{n}").rglob("0/0/0")).stat().st_ino for n in range(4)}
        assert [after[n] == shards[n] for n in range(4)] == [True, True, True, False]
        assert findings.mapping["added"] == "4 hours (2000-01-02 06:00 to 2000-01-02 09:00)"
        assert findings.mapping["already there"].startswith("2 hours")

    def test_filling_and_what_is_told_of_it(self, tmp_path, grown):
        assert any("2 hours are absent" in line for line in TensorStore.open(grown).meta.findings)
        findings = append(write(tmp_path, record(), parts_of((11, 12))), grown)
        assert findings.mapping["filled"] == "1 hour (2000-01-01 11:00)"
        meta = TensorStore.open(grown).meta
        assert any("1 hour is absent" in line for line in meta.findings)
        assert meta.updated is not None
        assert len(meta.sources) == 2

    def test_a_reader_goes_on_reading(self, tmp_path, grown):
        reader = TensorStore.open(grown)
        expected = TensorStore.open(grown).read(0, 30)
        append(write(tmp_path, record(), parts_of((28, 40))), grown)
        np.testing.assert_array_equal(reader.read(0, 30), expected)
        np.testing.assert_array_equal(np.flatnonzero(~reader.present), [10, 11])

    def test_known_files_are_not_read_again(self, tmp_path, grown, monkeypatch):
        def fail(*args, **kwargs):
            raise AssertionError("read")

        before = everything(grown)
        monkeypatch.setattr("stforecast.ingest.append.open_source", fail)
        findings = append([str(tmp_path / "0.nc")], grown)
        assert findings.mapping["already there"] == "all that the files hold"
        assert any("2 hours are absent" in line for line in findings.findings())
        assert everything(grown) == before

    def test_a_file_that_was_written_again_is_noted(self, tmp_path, grown):
        (path,) = write(tmp_path, record(), parts_of((0, 5)))
        os.replace(path, tmp_path / "0.nc")
        append([str(tmp_path / "0.nc")], grown)
        meta = TensorStore.open(grown).meta
        assert [entry["path"] for entry in meta.sources] == [str(tmp_path / "0.nc")] * 2
        assert meta.sources[0]["sha256"] != meta.sources[1]["sha256"]

    def test_a_dry_run_changes_nothing(self, tmp_path, grown):
        before = everything(grown)
        findings = append(write(tmp_path, record(), parts_of((9, 34))), grown, dry_run=True)
        assert findings.mapping["added"].startswith("4 hours")
        assert findings.mapping["filled"].startswith("2 hours")
        assert everything(grown) == before

    def test_the_options_of_the_store_hold(self, tmp_path):
        paths = write(tmp_path, record(), parts_of((0, 20), (20, 40)))
        options = DataOptions(
            storage=SMALL,
            timezone="Europe/Berlin",
            region={"west": 1, "east": 2, "south": 0, "north": 2},
            variables={"temperature": {"source": "t"}},
        )
        append(paths[:1], tmp_path / "a.zarr", options)
        append(paths[1:], tmp_path / "a.zarr")
        store = TensorStore.open(tmp_path / "a.zarr")
        assert store.shape == (40, 1, 3, 2)
        assert store.meta.timezone == "Europe/Berlin"
        with pytest.raises(DataError, match=r"their clock is UTC, that of the store Europe/Berlin"):
            append(
                paths[1:], tmp_path / "a.zarr", DataOptions(timezone="UTC", period=("2000",) * 2)
            )

    def test_another_way_to_read_is_told_as_such(self, tmp_path):
        """Also of files that are known, and before the units or the grid that follow from it."""
        paths = write(tmp_path, record(), parts_of((0, 20), (20, 40)))
        append(paths[:1], tmp_path / "a.zarr", OPTIONS)
        for options in (
            {"coarsen": {"y": 1, "x": 2}},
            {"variables": {"t": {"rate": True}, "p": {}}},
        ):
            for path in paths:
                with pytest.raises(DataError, match="read in another way than the store was"):
                    append([path], tmp_path / "a.zarr", DataOptions(**options))

    def test_copies_are_told_in_the_order_of_time(self, tmp_path):
        """As of one ingest, whatever the order of the files."""
        twice = [[*range(20, 30), 25], [*range(10), 5]]
        paths = write(tmp_path, record(), twice)
        ingest(paths[::-1], tmp_path / "one.zarr", OPTIONS)
        for path in paths:
            append([path], tmp_path / "grown.zarr", OPTIONS)
        one, grown = (TensorStore.open(tmp_path / name).meta for name in ("one.zarr", "grown.zarr"))
        assert grown.findings == one.findings
        assert any("2000-01-01 05:00, 2000-01-02 01:00" in line for line in one.findings)

    def test_channels_may_come_in_another_order(self, tmp_path, grown):
        dataset = record()[["p", "t"]].assign_coords(time_bnds=record()["time_bnds"])
        append(write(tmp_path, dataset, parts_of((30, 40))), grown)
        np.testing.assert_array_equal(
            TensorStore.open(grown).read(30, 40)[:, 0], dataset["t"].values[30:]
        )

    def test_a_file_of_some_variables_beside_one_that_is_known(self, tmp_path):
        """Only the other variable's file was written again, so that it alone is not known."""
        paths = [str(tmp_path / f"{name}.nc") for name in "tp"]
        for name, path in zip("tp", paths, strict=True):
            record()[[name]].to_netcdf(path)
        ingest(paths, tmp_path / "a.zarr", OPTIONS)
        os.utime(paths[1])
        assert append(paths, tmp_path / "a.zarr").mapping["already there"].startswith("40 hours")
        os.utime(paths[0])
        data = arrays(tmp_path / "a.zarr")
        assert append(paths[:1], tmp_path / "a.zarr").mapping["already there"].startswith("40")
        assert arrays(tmp_path / "a.zarr") == data

    def test_a_reader_is_told_when_times_move(self, tmp_path):
        paths = write(tmp_path, record(), parts_of((20, 40), (10, 20)))
        ingest(paths[:1], tmp_path / "a.zarr", OPTIONS)
        reader = TensorStore.open(tmp_path / "a.zarr")
        append(paths[1:], tmp_path / "a.zarr")
        with pytest.raises(StoreError, match="was made anew since it was opened; open it again"):
            reader.read(0, 5)

    def test_attributes_that_contradict_go(self, tmp_path):
        paths = []
        for number, rows in enumerate(parts_of((0, 20), (20, 40))):
            part = record().isel(time=rows).assign_attrs(title="weather", history=f"day {number}")
            paths.append(str(tmp_path / f"{number}.nc"))
            part.to_netcdf(paths[-1])
        for path in paths:
            append([path], tmp_path / "a.zarr", OPTIONS)
        assert TensorStore.open(tmp_path / "a.zarr").meta.attrs == {"title": "weather"}

    def test_dates_that_contradict_go(self, tmp_path):
        """Such as when each forecast began; other scalars are those of the first file."""
        paths = []
        for number, rows in enumerate(parts_of((0, 20), (20, 30), (30, 40))):
            began = np.datetime64("1999-12-31", "ns") + np.timedelta64(number, "D")
            part = record().isel(time=rows).assign_coords(began=began, height=2.0, step=number)
            paths.append(str(tmp_path / f"{number}.nc"))
            part.to_netcdf(paths[-1])
        grow_and_compare(tmp_path, paths, [0, 1, 2])
        assert set(TensorStore.open(tmp_path / "grown.zarr").meta.scalars) == {"height", "step"}

    def test_a_store_that_remembers_nothing_is_counted(self, tmp_path, grown):
        """As those written before stores could grow are."""
        store = TensorStore.open(grown)
        expected = store.meta
        store.meta = StoreMeta.model_validate({**expected.model_dump(), "counts": None})
        known = counts_of(TensorStore.open(grown))
        counts = counts_of(store)
        np.testing.assert_array_equal(counts.missing, known.missing)
        np.testing.assert_array_equal(counts.whole, known.whole)
        assert counts.frames == known.frames
        assert counted(counts) == expected.counts


class TestWhatIsRefused:
    def refuse(self, tmp_path: Path, store: Path, dataset: xr.Dataset, match: str) -> None:
        before = everything(store)
        path = tmp_path / f"other{len(list(tmp_path.glob('*.nc')))}.nc"
        dataset.to_netcdf(path)
        with pytest.raises(DataError, match=match):
            append([str(path)], store)
        assert everything(store) == before
        assert hidden(tmp_path) == []

    def test_other_values_for_a_time_that_is_there(self, tmp_path, grown):
        dataset = record().isel(time=slice(25, 40)).copy(deep=True)
        dataset["p"].values[[1, 3], 1, 1] = 100
        match = r"other values .* for 2000-01-02 02:00 and 2000-01-02 04:00; nothing was changed"
        self.refuse(tmp_path, grown, dataset, match)

    def test_a_value_where_one_is_missing(self, tmp_path, grown):
        dataset = record().isel(time=slice(25, 40)).copy(deep=True)
        dataset["t"].values[0, 0, 0] = 1
        self.refuse(tmp_path, grown, dataset, r"other values .* for 2000-01-02 01:00;")

    def test_other_data(self, tmp_path, grown):
        part = record().isel(time=slice(30, 40))
        units = part.copy(deep=True)
        units["t"].attrs["units"] = "degC"
        plain = part.drop_vars(["time_bnds", "forecast_reference_time"])
        plain["time"].attrs = {}
        half = plain.assign_coords(time=plain["time"].values + np.timedelta64(30, "m"))
        coarse = plain.assign_coords(
            time=np.datetime64("2000-01-03", "ns") + np.arange(10) * np.timedelta64(6, "h")
        )
        for dataset, match in (
            (units, "t is in 'degC' in them and in 'K' in the store"),
            (part.rename(t="q"), "they hold q and p, the store holds t and p; choose those of"),
            (part[["t"]].rename(t="q"), "they hold q, the store holds t and p; a store keeps"),
            (part.isel(lat=[0, 1]), "another grid .2 x 4 cells against 3 x 4 of the store"),
            (part.assign_coords(lat=part["lat"] + 1), "another grid"),
            (plain, "they lack time_bnds, the bounds of their times"),
            (half, "2000-01-02 06:30 is not on the time axis"),
            (coarse, "they have a time step of 6h, the store has one of 1h"),
            (plain.convert_calendar("noleap"), "they follow the calendar noleap"),
        ):
            self.refuse(tmp_path, grown, dataset, match)

    def test_sequences_do_not_grow(self, tmp_path):
        values = np.arange(3 * 5 * 4 * 4, dtype=np.uint8).reshape(5, 3, 4, 4)
        path = tmp_path / "videos.nc"
        xr.Dataset({"frames": (("time", "video", "y", "x"), values)}).to_netcdf(path)
        options = DataOptions(sequence="video")
        ingest([str(path)], tmp_path / "v.zarr", options)
        with pytest.raises(StoreError, match="independent sequences, which do not grow in time"):
            append([str(path)], tmp_path / "v.zarr", options)


class TestWhatDies:
    def test_a_failing_disk_leaves_the_store(self, tmp_path, grown, monkeypatch):
        before = everything(grown)
        paths = write(tmp_path, record(), parts_of((30, 40)))

        def full(*args, **more):
            raise OSError(28, "No space left on device")

        for target in ("stforecast.store.block.ShardFile.finish", "stforecast.folders.swap"):
            with monkeypatch.context() as patch:
                patch.setattr(target, full)
                with pytest.raises(StoreError, match="no space left on device"):
                    append(paths, grown)
            assert everything(grown) == before
            # what is written already waits for the next try
            assert len(hidden(tmp_path)) == target.endswith("swap")
        append(paths, grown)
        assert TensorStore.open(grown).shape[0] == 40
        assert hidden(tmp_path) == []

    def test_a_file_that_changes_meanwhile(self, tmp_path, grown, monkeypatch):
        (path,) = write(tmp_path, record(), parts_of((30, 40)))
        before = everything(grown)
        real = folders.link

        def touch_and_link(source, copy):
            os.utime(path, (1, 1))
            real(source, copy)

        monkeypatch.setattr(folders, "link", touch_and_link)
        with pytest.raises(DataError, match="changed while it was read"):
            append([path], grown)
        assert everything(grown) == before

    def test_two_at_once(self, tmp_path, grown, monkeypatch):
        paths = write(tmp_path, record(), parts_of((30, 34), (34, 40)))
        begun, go_on = threading.Event(), threading.Event()

        def hold():
            with locked(grown):
                begun.set()
                go_on.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        begun.wait(30)
        monkeypatch.setattr("stforecast.ingest.append.PATIENCE", 0.1)
        with pytest.raises(LockedError, match=f"is being written by process {os.getpid()} on"):
            append(paths[:1], grown)
        with pytest.raises(StForecastError, match="is being written by process"):
            ingest(paths, grown, overwrite=True)
        go_on.set()
        holder.join()
        monkeypatch.setattr("stforecast.ingest.append.PATIENCE", 60)
        threads = [threading.Thread(target=append, args=([path], grown)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store = TensorStore.open(grown)
        assert store.shape[0] == 40
        assert store.present[30:].all()
        assert hidden(tmp_path) == []

    def test_times_are_encoded_as_they_were(self, tmp_path, grown):
        before = json.loads((grown / "time/zarr.json").read_text())
        append(write(tmp_path, record(), parts_of((30, 40))), grown)
        after = json.loads((grown / "time/zarr.json").read_text())
        assert before.pop("shape") == [30]
        assert after.pop("shape") == [40]
        assert after == before
