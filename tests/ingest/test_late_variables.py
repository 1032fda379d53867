"""A variable that comes later than the others fills its fields, and changes no other value."""

import random
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError, StForecastWarning
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import DataOptions
from stforecast.store import TensorStore, check_manifest
from tests.ingest.test_append import SMALL, arrays, everything, record, told

OPTIONS = DataOptions(storage=SMALL, time_step="1h")


def write(folder: Path, name: str, dataset: xr.Dataset) -> str:
    path = str(folder / f"{name}.nc")
    dataset.to_netcdf(path)
    return path


def variable(name: str, *bounds: int) -> xr.Dataset:
    """Hours of one variable of the record, with what the record has along time."""
    return record()[[name]].assign_coords(record().coords).isel(time=slice(*bounds))


def same(one: Path, grown: Path) -> None:
    """That two stores are the same to the byte, with the same counts, and sound."""
    expected, found = arrays(one), arrays(grown)
    assert sorted(found) == sorted(expected)
    assert [key for key in expected if found[key] != expected[key]] == []
    check_manifest(grown, checksums=True)
    left_out = {"created", "updated", "done", "findings", "history", "sources"}
    metas = [TensorStore.open(path).meta.model_dump(exclude=left_out) for path in (one, grown)]
    assert metas[0] == metas[1]
    if "sources" not in metas[0]["recipe"]:  # which tell of gaps of their own
        assert told(grown) == told(one)


class TestOneIngest:
    def test_files_with_one_variable_more_than_others(self, tmp_path):
        """What both kinds of files have is joined along time, a time that both have taken once."""
        both = record().assign(z=(("lat", "lon"), np.arange(12.0).reshape(3, 4)))
        both = both.isel(time=slice(0, 20))
        alone = variable("t", 15, 40)
        paths = [write(tmp_path, "b", alone), write(tmp_path, "a", both)]
        ingest(paths, tmp_path / "one.zarr", OPTIONS)
        store = TensorStore.open(tmp_path / "one.zarr")
        assert (store.channels, store.static_fields) == (["t", "p"], ["z"])
        values = store.read(0, 40)
        np.testing.assert_array_equal(values[:, 0], record()["t"])
        np.testing.assert_array_equal(values[:20, 1], record()["p"][:20])
        assert np.isnan(values[20:, 1]).all()
        for name in ("time_bnds", "forecast_reference_time", "realization"):
            np.testing.assert_array_equal(store.dataset[name], record()[name])

    def test_dates_that_only_one_variable_has(self, tmp_path):
        without = variable("p", 0, 6).drop_vars(["time_bnds", "forecast_reference_time"])
        del without["time"].attrs["bounds"]
        paths = [write(tmp_path, "t", variable("t", 0, 4)), write(tmp_path, "p", without)]
        ingest(paths, tmp_path / "one.zarr", OPTIONS)
        dataset = TensorStore.open(tmp_path / "one.zarr").dataset
        found = dataset["forecast_reference_time"].values
        np.testing.assert_array_equal(found[:4], record()["forecast_reference_time"][:4])
        np.testing.assert_array_equal(found[4:], dataset["time"][4:])


class TestOneStreamAtATime:
    """Each file holds some of the variables, as an archive's instantaneous and summed ones."""

    PIECES = ((0, 10), (10, 17), (17, 30), (30, 40))

    @pytest.fixture
    def streams(self, tmp_path) -> dict[str, list[str]]:
        """Files of all hours of each variable."""
        return {
            name: [
                write(tmp_path, f"{name}{at:02}", variable(name, at, to)) for at, to in self.PIECES
            ]
            for name in "tp"
        }

    @pytest.mark.parametrize(
        ("order", "variables"),
        [
            ("t1 p1 t2 p2 t3 p3", None),
            ("p3 t3 t1 t2 p2 p1", ["t", "p"]),
            ("t1 t2 t3 p1 p2 p3", {"warm": {"source": "t"}, "wet": {"source": "p"}}),
        ],
    )
    @pytest.mark.filterwarnings("ignore:the files hold no")
    def test_as_all_at_once(self, tmp_path, streams, order, variables):
        options = OPTIONS.model_copy(
            update={"variables": DataOptions(variables=variables).variables}
        )
        first = [streams["t"][0], streams["p"][0]]
        append(first, tmp_path / "grown.zarr", options)
        for name, number in order.split():
            append([streams[name][int(number)]], tmp_path / "grown.zarr")
        ingest([*streams["t"], *streams["p"]], tmp_path / "one.zarr", options)
        same(tmp_path / "one.zarr", tmp_path / "grown.zarr")

    def test_what_is_lacking_is_told_until_it_is_there(self, tmp_path, streams):
        append([streams["t"][0], streams["p"][0]], tmp_path / "a.zarr", OPTIONS)
        with pytest.warns(
            StForecastWarning,
            match=r"the files hold no p for 2000-01-01 10:00 to 2000-01-01 16:00, missing in the",
        ):
            append([streams["t"][1]], tmp_path / "a.zarr")
        store = TensorStore.open(tmp_path / "a.zarr")
        np.testing.assert_array_equal(np.flatnonzero(~store.complete()), [3, *range(10, 17)])
        found = append([streams["p"][1]], tmp_path / "a.zarr")
        assert found.mapping["completed"] == "7 hours (2000-01-01 10:00 to 2000-01-01 16:00)"
        assert TensorStore.open(tmp_path / "a.zarr").complete()[10:].all()

    def test_other_values(self, tmp_path, streams):
        """What a file holds is held against the store, whatever it lacks."""
        append([streams["t"][0], streams["p"][0]], tmp_path / "a.zarr", OPTIONS)
        other = write(tmp_path, "other", variable("p", 4, 10) + 1)
        before = everything(tmp_path / "a.zarr")
        with pytest.raises(DataError, match="the files hold other values than the store"):
            append([other], tmp_path / "a.zarr")
        assert everything(tmp_path / "a.zarr") == before

    def test_none_of_the_variables(self, tmp_path, streams):
        append([streams["t"][0]], tmp_path / "a.zarr", OPTIONS)
        match = "they hold p, the store holds t; a store keeps the variables that it was made with"
        with pytest.raises(DataError, match=match):
            append([streams["p"][0]], tmp_path / "a.zarr")

    def test_one_that_is_called_otherwise(self, tmp_path, streams):
        named = OPTIONS.model_copy(update={"variables": DataOptions(variables=["t"]).variables})
        append([streams["t"][0]], tmp_path / "a.zarr", named)
        with pytest.raises(DataError, match="the data have no variable 't'; there is p"):
            append([streams["p"][0]], tmp_path / "a.zarr")


class TestFilesOfVariables:
    @pytest.mark.parametrize(
        "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))]
    )
    def test_at_random(self, tmp_path, seed):
        """Each append brings hours of both, at other times, in any order."""
        rng = random.Random(seed)
        pieces = [(0, 10), (10, 17), (17, 30), (30, 40)]
        paths = {
            name: [
                write(tmp_path, f"{name}{first:02}", variable(name, first, stop))
                for first, stop in pieces
            ]
            for name in "tp"
        }
        orders = {name: rng.sample(range(4), 4) for name in "tp"}
        for t, p in zip(orders["t"], orders["p"], strict=True):
            append([paths["p"][p], paths["t"][t]], tmp_path / "grown.zarr", OPTIONS)
        ingest(sorted([*paths["t"], *paths["p"]]), tmp_path / "one.zarr", OPTIONS)
        same(tmp_path / "one.zarr", tmp_path / "grown.zarr")

    def test_the_pattern_again_when_one_comes_late(self, tmp_path):
        pattern = str(tmp_path / "*.nc")
        for name, stop in (("t", 20), ("p", 12)):
            write(tmp_path, f"{name}0", variable(name, 0, stop))
        append([pattern], tmp_path / "a.zarr", OPTIONS)
        before = TensorStore.open(tmp_path / "a.zarr")
        np.testing.assert_array_equal(np.flatnonzero(before.complete())[[0, -1]], [0, 11])
        write(tmp_path, "p1", variable("p", 12, 20))
        findings = append([pattern], tmp_path / "a.zarr")
        assert findings.mapping["completed"] == "8 hours (2000-01-01 12:00 to 2000-01-01 19:00)"
        assert "already there" not in findings.mapping  # the others are not even opened
        ingest([pattern], tmp_path / "one.zarr", OPTIONS)
        same(tmp_path / "one.zarr", tmp_path / "a.zarr")
        # and nothing is left to be done
        files = everything(tmp_path / "a.zarr")
        append([pattern], tmp_path / "a.zarr")
        assert everything(tmp_path / "a.zarr") == files

    def test_files_that_lack_a_variable_which_is_there(self, tmp_path):
        whole = write(tmp_path, "whole", record())
        ingest([whole], tmp_path / "a.zarr", OPTIONS)
        data = arrays(tmp_path / "a.zarr")
        late = [write(tmp_path, "t", variable("t", 5, 30)), write(tmp_path, "p", variable("p", 9))]
        findings = append(late, tmp_path / "a.zarr")
        assert "completed" not in findings.mapping
        assert arrays(tmp_path / "a.zarr") == data

    def test_only_shards_with_late_fields_are_written(self, tmp_path):
        first = record()
        first["p"][9] = np.nan
        append([write(tmp_path, "first", first)], tmp_path / "a.zarr", OPTIONS)
        before = shards(tmp_path / "a.zarr")
        dry = append([write(tmp_path, "all", record())], tmp_path / "a.zarr", dry_run=True)
        assert dry.mapping["completed"] == "1 hour (2000-01-01 09:00)"
        assert shards(tmp_path / "a.zarr") == before
        findings = append([str(tmp_path / "all.nc")], tmp_path / "a.zarr")
        assert findings.findings() == dry.findings()
        after = shards(tmp_path / "a.zarr")
        assert [after[n] == before[n] for n in range(5)] == [True, False, True, True, True]
        ingest([str(tmp_path / "all.nc")], tmp_path / "one.zarr", OPTIONS)
        assert arrays(tmp_path / "a.zarr") == arrays(tmp_path / "one.zarr")

    def test_infinite_values_and_times_before_the_first(self, tmp_path):
        """What fills is cleaned and counted, also where all positions move."""
        full = record()
        full["p"][20, 1, 1] = np.inf
        late = full.copy(deep=True)
        late["p"][20] = np.nan
        paths = [
            write(tmp_path, "late", late.isel(time=slice(15, 40))),
            write(tmp_path, "full", full.isel(time=slice(3, 25))),
        ]
        for path in paths:
            append([path], tmp_path / "a.zarr", OPTIONS)
        ingest(
            [write(tmp_path, "one", full.isel(time=slice(3, 40)))], tmp_path / "one.zarr", OPTIONS
        )
        same(tmp_path / "one.zarr", tmp_path / "a.zarr")

    def test_a_field_with_some_values_that_differs(self, tmp_path):
        first = record()
        first["p"][9] = np.nan
        first["t"][12, 1, 1] += 1
        append([write(tmp_path, "first", first)], tmp_path / "a.zarr", OPTIONS)
        before = everything(tmp_path / "a.zarr")
        late = record()
        late["p"][14, 2] = np.nan
        with pytest.raises(
            DataError, match=r"other values .* for 2000-01-01 12:00 and 2000-01-01 14:00; nothing"
        ):
            append([write(tmp_path, "late", late)], tmp_path / "a.zarr")
        assert everything(tmp_path / "a.zarr") == before


def shards(store: Path) -> list[int]:
    return [next((store / f"data/c/{n}").rglob("0/0/0")).stat().st_ino for n in range(5)]


class TestSources:
    @pytest.mark.parametrize("join", ["outer", "inner"])
    def test_each_at_its_own_pace(self, tmp_path, join):
        options = OPTIONS.model_validate(
            {
                "storage": SMALL,
                "join": join,
                "sources": [{"files": str(tmp_path / f"{name}*.nc")} for name in "tp"],
            }
        )
        given = [
            ("t", 0, 12),
            ("p", 4, 14),
            ("t", 12, 30),
            ("p", 20, 40),
            ("p", 14, 20),
            ("t", 30, 40),
        ]
        for number, (name, *bounds) in enumerate(given):
            write(tmp_path, f"{name}{number}", variable(name, *bounds))
            if number:
                append([], tmp_path / "grown.zarr", options)
        ingest([], tmp_path / "one.zarr", options)
        same(tmp_path / "one.zarr", tmp_path / "grown.zarr")
        assert TensorStore.open(tmp_path / "grown.zarr").shape[0] == (40 if join == "outer" else 36)

    def test_files_that_are_gone_later(self, tmp_path):
        """Only the newest files of each source are kept, which are of other times."""
        options = DataOptions(
            storage=SMALL,
            time_step="1h",
            sources=[{"files": str(tmp_path / f"{name}*.nc")} for name in "tp"],
        )
        kept = []
        for t, p in (((0, 20), (0, 12)), ((20, 40), (12, 33)), ((30, 40), (33, 40))):
            for name, bounds in (("t", t), ("p", p)):
                kept.append(Path(write(tmp_path, f"{name}{bounds[0]}", variable(name, *bounds))))
            append([], tmp_path / "grown.zarr", options)
            for path in tmp_path.glob("*.nc"):
                path.rename(path.with_suffix(".old"))
        for path in kept:
            path.with_suffix(".old").rename(path)
        (tmp_path / "t30.nc").unlink()  # a part of the one before
        ingest([], tmp_path / "one.zarr", options)
        one, grown = arrays(tmp_path / "one.zarr"), arrays(tmp_path / "grown.zarr")
        assert [key for key in one if one[key] != grown[key]] == []


class TestSums:
    def test_across_the_borders_of_files(self, tmp_path):
        """The first hour of each file has no sum until the hour before it is given too."""
        options = DataOptions(
            storage=SMALL,
            time_step="1h",
            variables={"t": {}, "p": {"accumulated": "24h"}},
        )
        # (an hour after midnight stands for itself)
        pieces = [(0, 9), (9, 15), (15, 31), (31, 40)]
        paths = [
            write(tmp_path, str(first), record().isel(time=slice(first, stop)))
            for first, stop in pieces
        ]
        for number in (3, 1, 0, 2):
            append([paths[number]], tmp_path / "grown.zarr", options)
        borders = TensorStore.open(tmp_path / "grown.zarr").valid_cells[[9, 15, 31]]
        assert (borders[:, 0] > 0).all()
        assert not borders[:, 1].any()
        for number in range(3):
            append(paths[number : number + 2], tmp_path / "grown.zarr")
        # without the hour before the sum of the first is not known, and stays what it is
        append([paths[2]], tmp_path / "grown.zarr")
        ingest(paths, tmp_path / "one.zarr", options)
        assert arrays(tmp_path / "grown.zarr") == arrays(tmp_path / "one.zarr")


class TestFieldsWithoutATime:
    @pytest.fixture
    def paths(self, tmp_path) -> list[str]:
        """Two files of hours, the first of which holds a field without a time."""
        heights = xr.DataArray(np.arange(12.0).reshape(3, 4), dims=("lat", "lon"))
        whole = record().assign(z=heights)
        return [
            write(tmp_path, "a", whole.isel(time=slice(0, 20))),
            write(tmp_path, "b", whole.drop_vars("z").isel(time=slice(20, 40))),
        ]

    @pytest.mark.parametrize(
        "variables", [["t", "p", "z"], {"t": {}, "p": {}, "high": {"source": "z", "static": True}}]
    )
    def test_one_that_is_named_and_that_later_files_lack(self, tmp_path, paths, variables):
        options = DataOptions(storage=SMALL, time_step="1h", variables=variables)
        for path in paths:
            append([path], tmp_path / "grown.zarr", options)
        ingest(paths, tmp_path / "one.zarr", options)
        same(tmp_path / "one.zarr", tmp_path / "grown.zarr")
        with pytest.raises(DataError, match="the data have no variable 'z'"):
            append(paths[1:], tmp_path / "new.zarr", options)

    def test_in_one_of_several_sources(self, tmp_path, paths):
        sources = [
            {"files": str(tmp_path / "[a-b]*.nc"), "variables": ["t", "z"]},
            {"files": str(tmp_path / "p*.nc")},
        ]
        options = DataOptions(storage=SMALL, time_step="1h", sources=sources)
        write(tmp_path, "p", variable("p", 0, 40))
        Path(paths[1]).rename(tmp_path / "later")
        append([], tmp_path / "grown.zarr", options)
        (tmp_path / "later").rename(paths[1])
        Path(paths[0]).rename(tmp_path / "before")
        append([], tmp_path / "grown.zarr", options)
        (tmp_path / "before").rename(paths[0])
        ingest([], tmp_path / "one.zarr", options)
        same(tmp_path / "one.zarr", tmp_path / "grown.zarr")

    def test_beside_a_variable_that_is_lacking_too(self, tmp_path, paths):
        options = DataOptions(storage=SMALL, time_step="1h", variables=["t", "p", "z"])
        append(paths[:1], tmp_path / "a.zarr", options)
        with pytest.warns(StForecastWarning, match="the files hold no p for"):
            append([write(tmp_path, "t", variable("t", 20, 40))], tmp_path / "a.zarr")
        assert TensorStore.open(tmp_path / "a.zarr").shape[:2] == (40, 2)
