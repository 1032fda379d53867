"""Several sources on one grid and one time axis."""

import numpy as np
import pytest
import xarray as xr

import stforecast as sf
from stforecast.config import load_experiment
from stforecast.errors import ConfigError, DataError
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.ingest.transform.recipe import difference
from stforecast.options import DataOptions
from stforecast.store import TensorStore

LAT, LON = np.array([52.0, 51, 50]), np.array([-2.0, -1, 0, 1])


def hourly(n: int, start: str = "2020-01-01", step: int = 1) -> np.ndarray:
    return np.datetime64(start, "ns") + np.arange(n) * np.timedelta64(step, "h")


def fields(name: str, times: np.ndarray, lat=LAT, lon=LON, first: float = 0) -> xr.Dataset:
    """A variable whose value is the number of its row, and in the cells their latitude more."""
    rows = first + np.arange(len(times), dtype=float)
    values = rows[:, None, None] * 1000 + np.asarray(lat)[:, None] + np.asarray(lon) / 1000
    return xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": times,
            "lat": ("lat", np.asarray(lat), {"units": "degrees_north"}),
            "lon": ("lon", np.asarray(lon), {"units": "degrees_east"}),
        },
    )


@pytest.fixture
def write(tmp_path):
    def _write(**datasets: xr.Dataset) -> list[str]:
        paths = []
        for name, dataset in datasets.items():
            paths.append(str(tmp_path / f"{name}.nc"))
            dataset.to_netcdf(paths[-1])
        return paths

    return _write


def merged(tmp_path, sources, **options) -> TensorStore:
    ingest([], tmp_path / "s.zarr", DataOptions(sources=sources, **options), overwrite=True)
    return TensorStore.open(tmp_path / "s.zarr")


class TestTimes:
    def test_side_by_side(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(6)), b=fields("u", hourly(6), first=10))
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        assert store.channels == ["t", "u"]
        got = store.variables()
        xr.testing.assert_allclose(got["t"].drop_attrs(), fields("t", hourly(6))["t"].drop_attrs())
        assert float(got["u"][3, 0, 0]) == pytest.approx(13051.998)
        assert store.meta.done["sources"] == "t from a.nc; u from b.nc"
        assert [source["path"].rpartition("/")[2] for source in store.meta.sources] == [
            "a.nc",
            "b.nc",
        ]

    def test_outer(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(4)), b=fields("u", hourly(4, "2020-01-01T02")))
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        assert store.shape[0] == 6
        assert store.present.all()
        whole = store.complete()
        np.testing.assert_array_equal(whole, [False, False, True, True, False, False])
        assert np.isnan(store.read(0, 2)[:, 1]).all()
        assert np.isnan(store.read(4, 6)[:, 0]).all()

    def test_outer_with_a_gap_between(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(3)), b=fields("u", hourly(3, "2020-01-01T05")))
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        np.testing.assert_array_equal(store.present, [1, 1, 1, 0, 0, 1, 1, 1])

    def test_a_source_that_begins_first_may_come_last(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(3, "2020-01-01T03")), b=fields("u", hourly(6)))
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        assert str(store.dataset["time"].values[0])[:13] == "2020-01-01T00"
        assert store.read(0, 6)[:, 1, 2, 2].tolist() == [50, 1050, 2050, 3050, 4050, 5050]
        np.testing.assert_array_equal(np.isnan(store.read(0, 6)[:, 0, 0, 0]), [1, 1, 1, 0, 0, 0])

    def test_inner(self, write, tmp_path):
        times = np.delete(hourly(6, "2020-01-01T02"), [2])
        a, b = write(a=fields("t", hourly(7)), b=fields("u", times))
        store = merged(tmp_path, [{"files": a}, {"files": b}], join="inner")
        assert str(store.dataset["time"].values[0])[:13] == "2020-01-01T02"
        np.testing.assert_array_equal(store.present, [1, 1, 0, 1, 1])
        assert store.read(0, 5)[:, 0, 2, 2].tolist()[:2] == [2050, 3050]
        assert np.isnan(store.read(2, 3)).all()

    def test_nothing_in_common(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(3)), b=fields("u", hourly(3, "2021-01-01")))
        with pytest.raises(DataError, match=r"fewer than two times in common \(a.nc from 2020-01"):
            merged(tmp_path, [{"files": a}, {"files": b}], join="inner")

    def test_other_steps(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(48)), b=fields("u", hourly(2, step=24)))
        with pytest.raises(DataError, match=r"a.nc has times 1 hour apart .* b.nc 1 day apart"):
            merged(tmp_path, [{"files": a}, {"files": b}])
        store = merged(tmp_path, [{"files": a, "resample": "1D"}, {"files": b}])
        assert store.meta.time_step == "1D"
        assert store.read(0, 2)[:, :, 2, 2].tolist() == [[11550, 50], [35550, 1050]]

    def test_a_period(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(6)), b=fields("u", hourly(6)))
        period = ("2020-01-01T02", "2020-01-01T03")
        store = merged(tmp_path, [{"files": a}, {"files": b}], period=period)
        assert store.read(0, 2)[:, :, 2, 2].tolist() == [[2050, 2050], [3050, 3050]]

    def test_clocks(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(6)), b=fields("u", hourly(6, "2020-01-01T05")))
        sources = [{"files": a}, {"files": b, "timezone": "UTC"}]
        store = merged(tmp_path, sources, timezone="America/New_York")
        assert store.complete().all()
        assert store.meta.timezone == "America/New_York"
        assert "b.nc: times are put from UTC on America/New_York" in store.meta.findings

    def test_clocks_that_change(self, write, tmp_path):
        # at 03:00 of 2020-10-25 clocks in Berlin went back to 02:00, at 02:00 of 03-29 on to 03:00
        autumn = hourly(6, "2020-10-24T22")
        (a,) = write(a=fields("t", autumn))
        store = merged(tmp_path, [{"files": a, "timezone": "UTC"}], timezone="Europe/Berlin")
        stamps = [str(stamp)[11:13] for stamp in store.dataset["time"].values]
        assert stamps == ["00", "01", "02", "03", "04"]
        assert store.read(0, 5)[:, 0, 2, 2].tolist() == [50, 1050, 2050, 4050, 5050]
        assert any("1 row has no time of its own" in line for line in store.meta.findings)
        (a,) = write(a=fields("t", hourly(5, "2020-03-29T00")))
        store = merged(tmp_path, [{"files": a, "timezone": "Europe/Berlin"}], timezone="UTC")
        assert [str(stamp)[11:13] for stamp in store.dataset["time"].values] == [
            "23",
            "00",
            "01",
            "02",
        ]


class TestGrids:
    def test_the_same_cells_in_another_order_and_convention(self, write, tmp_path):
        other = fields("u", hourly(3), LAT[::-1], LON).roll(lon=2, roll_coords=True)
        other = other.assign_coords(lon=("lon", other.lon.values % 360, other.lon.attrs))
        a, b = write(a=fields("t", hourly(3)), b=other)
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        np.testing.assert_array_equal(store.read(0, 3)[:, 0], store.read(0, 3)[:, 1])

    def test_a_larger_one_that_holds_the_cells(self, write, tmp_path):
        larger = fields("u", hourly(3), np.arange(60.0, 40, -1), np.arange(-10.0, 10))
        a, b = write(a=fields("t", hourly(3)), b=larger)
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        np.testing.assert_array_equal(store.read(0, 3)[:, 0], store.read(0, 3)[:, 1])

    def test_another_one(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(3)), b=fields("u", hourly(3), LAT + 0.5, LON))
        with pytest.raises(DataError, match=r"a.nc \(3 x 4 cells.* lie on two grids; .* xESMF"):
            merged(tmp_path, [{"files": a}, {"files": b}])

    def test_made_one_by_larger_cells(self, write, tmp_path):
        fine = fields("u", hourly(3), np.array([52.5, 51.5, 50.5, 49.5]), np.arange(-2.5, 1.5, 0.5))
        coarse = fields("t", hourly(3), np.array([52.0, 50]), np.array([-2.25, -1.25, -0.25, 0.75]))
        a, b = write(a=coarse, b=fine)
        store = merged(tmp_path, [{"files": a}, {"files": b, "coarsen": 2}])
        assert store.shape[1:] == (2, 2, 4)


class TestVariables:
    def test_two_of_one_name(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(3)), b=fields("t", hourly(3)))
        with pytest.raises(DataError, match=r"a.nc and b.nc both have t; give one of them another"):
            merged(tmp_path, [{"files": a}, {"files": b}])
        named = {"files": b, "variables": {"t_2": {"source": "t", "minimum": 0}}}
        store = merged(tmp_path, [{"files": a}, named])
        assert store.channels == ["t", "t_2"]
        assert store.meta.channels[1].minimum == 0

    def test_fields_without_a_time(self, write, tmp_path):
        flat = fields("z", hourly(1)).isel(time=0, drop=True)
        once = fields("lsm", hourly(1))
        a, b, c = write(a=fields("t", hourly(3)), b=flat, c=once)
        mask = {"files": c, "variables": {"lsm": {"static": True}}}
        store = merged(tmp_path, [{"files": b}, {"files": a}, mask])
        assert (store.channels, store.static_fields) == (["t"], ["z", "lsm"])
        np.testing.assert_allclose(store.static("z"), flat.z.values, rtol=1e-6)
        store = merged(
            tmp_path,
            [{"files": b}, {"files": a}],
            coarsen={"x": 2},
            region={"west": -2, "east": 1, "south": 50, "north": 51},
        )
        np.testing.assert_allclose(
            store.static("z"), flat.z.values[1:].reshape(2, 2, 2).mean(-1), rtol=1e-6
        )
        with pytest.raises(DataError, match=r"c.nc: lsm has a single time; .*\{lsm: \{static: tru"):
            merged(tmp_path, [{"files": a}, {"files": c}])
        with pytest.raises(DataError, match=r"none of data.sources has a time axis"):
            merged(tmp_path, [{"files": b}])

    def test_what_is_found_is_told_by_source(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(6)), b=fields("u", hourly(6)).isel(time=[0, 1, 1, 4, 5]))
        store = merged(tmp_path, [{"files": a}, {"files": b}])
        found = "\n".join(store.meta.findings)
        assert "b.nc: 1 hour occurs more than once (2020-01-01 01:00)" in found
        assert "b.nc: 2 hours are absent, in 1 gap" in found
        assert found.count("a.nc") == 1  # that its numbers are rounded

    def test_a_sentence_names_its_source(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(6)), b=fields("u", hourly(6)))
        with pytest.raises(DataError, match=r"b.nc: the data have no variable 'v'"):
            merged(tmp_path, [{"files": a}, {"files": b, "variables": ["v"]}])


class TestOptions:
    def test_each_by_its_own_and_the_rest_of_all(self, write, tmp_path):
        a, b = write(a=fields("t", hourly(48)), b=fields("u", hourly(48)))
        sources = [{"files": a, "variables": {"t": {"resample": "max"}}}, {"files": b}]
        store = merged(tmp_path, sources, resample="1D")
        assert store.read(0, 2)[:, :, 2, 2].tolist() == [[23050, 11550], [47050, 35550]]
        assert store.meta.recipe == {
            "sources": [
                {
                    "resample": {"step": "1D", "label": "start", "missing": 0.0},
                    "variables": {"t": {"resample": "max"}},
                },
                {"resample": {"step": "1D", "label": "start", "missing": 0.0}},
            ]
        }

    @pytest.mark.parametrize("key", ["files", "variables"])
    def test_files_and_variables_are_those_of_sources(self, key):
        with pytest.raises(ValueError, match=f"{key} are named in each of data.sources"):
            DataOptions(sources=[{"files": "a.nc"}], **{key: ["t"]})

    def test_no_files_beside(self, write, tmp_path):
        (a,) = write(a=fields("t", hourly(3)))
        with pytest.raises(ConfigError, match=r"made of data.sources, which name their own files"):
            ingest([a], tmp_path / "s.zarr", DataOptions(sources=[{"files": a}]))

    def test_relative_to_the_experiment_file(self, write, tmp_path):
        write(a=fields("t", hourly(3)))
        (tmp_path / "x.yaml").write_text("data: {sources: [{files: a.nc}, {files: [/b/c.nc]}]}")
        sources = load_experiment(tmp_path / "x.yaml").experiment.data.sources
        assert [source.files for source in sources] == [[str(tmp_path / "a.nc")], ["/b/c.nc"]]

    def test_from_python(self, write):
        a, b = write(a=fields("t", hourly(6)), b=fields("u", hourly(6)))
        opened = sf.open_data(sources=[{"files": a}, {"files": b}])
        assert set(opened.data_vars) == {"t", "u"}

    def test_added_to(self, write, tmp_path):
        write(a=fields("t", hourly(6)), b=fields("u", hourly(6)))
        patterns = [str(tmp_path / f"{letter}*.nc") for letter in "ab"]
        options = DataOptions(sources=[{"files": pattern} for pattern in patterns])
        ingest([], tmp_path / "s.zarr", options)
        late = hourly(2, "2020-01-01T06")
        write(a_2=fields("t", late, first=6), b_2=fields("u", late, first=6))
        append([], tmp_path / "s.zarr", options)
        grown = TensorStore.open(tmp_path / "s.zarr")
        ingest([], tmp_path / "whole.zarr", options)
        whole = TensorStore.open(tmp_path / "whole.zarr")
        assert grown.shape[0] == 8
        np.testing.assert_array_equal(grown.read(0, 8), whole.read(0, 8))


class TestRecipes:
    def test_how_two_differ(self):
        one = {"coarsen": {"y": 2, "x": 2}, "variables": {"t": {"rate": True}}}
        assert difference(one, one) is None
        assert difference(one, None) is None
        other = {**one, "coarsen": {"y": 2, "x": 4}}
        assert difference(one, other) == "data.coarsen.x 2 against 4"
        assert difference(one, {"coarsen": one["coarsen"]}) == (
            "data.variables {t: {rate: True}} against none"
        )


class TestRealData:
    def test_temperature_on_its_own_cells_in_grib_and_netcdf(self, shared, tmp_path):
        folder = shared / "data/era5_uk_t2m"
        sources = [
            {"files": str(folder / "era5_t2m_uk_201903.nc")},
            {
                "files": str(folder / "era5-2mt-2019-03-uk.grib"),
                "variables": {"grib": {"source": "t2m"}},
            },
        ]
        store = merged(tmp_path, sources, period=("2019-03-01", "2019-03-02"))
        assert store.shape == (48, 2, 33, 49)
        both = store.read(0, 48)
        np.testing.assert_allclose(both[:, 0], both[:, 1], atol=0.01)
