"""Longer steps: values by hand and beside xarray, what is incomplete, what stamps stand for."""

import cftime
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import ConfigError, DataError
from stforecast.ingest import Prepared, ingest, prepare
from stforecast.ingest.transform import fold
from stforecast.options import DataOptions
from stforecast.store import TensorStore


def hourly(n: int, start: str = "2020-01-01", step: int = 1) -> np.ndarray:
    return np.datetime64(start, "us") + np.arange(n) * np.timedelta64(step, "h")


def record(values, times, **attrs) -> xr.Dataset:
    """A variable ``t`` that has the same value in both of its cells."""
    values = np.asarray(values, float)[:, None, None].repeat(2, axis=2)
    return xr.Dataset({"t": (("time", "y", "x"), values, attrs)}, {"time": times})


def longer(dataset: xr.Dataset, steps, **variable) -> Prepared:
    options = {"resample": steps}
    if variable:
        options["variables"] = {"t": variable}
    return prepare(dataset, DataOptions(**options))


def values(prepared: Prepared) -> list[float]:
    return prepared.store().read(0, prepared.dataset.sizes["time"])[:, 0, 0, 0].tolist()


def stamps(prepared: Prepared) -> list[str]:
    return [str(stamp)[:16] for stamp in prepared.dataset["time"].values]


class TestByHand:
    @pytest.mark.parametrize(
        ("method", "expected"),
        [("mean", [1, 4]), ("sum", [3, 12]), ("max", [2, 5]), ("min", [0, 3])],
    )
    def test_methods(self, method, expected):
        prepared = longer(record(range(6), hourly(6)), "3h", resample=method)
        assert values(prepared) == expected
        assert stamps(prepared) == ["2020-01-01T00:00", "2020-01-01T03:00"]
        assert prepared.findings.mapping["longer steps"] == (
            f"1 hour became 3 hours ({method} of t), stamped at its start"
        )

    def test_the_value_at_the_stamp(self):
        prepared = longer(record(range(8), hourly(8)), "3h", resample="instantaneous")
        assert values(prepared) == [0, 3, 6]

    def test_the_value_at_a_stamp_at_the_end(self):
        options = {"step": "3h", "label": "end"}
        prepared = longer(record(range(8), hourly(8)), options, resample="instantaneous")
        assert values(prepared) == [0, 3, 6]
        assert stamps(prepared)[0] == "2020-01-01T00:00"

    def test_stamps_at_the_end(self):
        prepared = longer(record(range(6), hourly(6)), {"step": "3h", "label": "end"})
        assert values(prepared) == [1, 4]
        assert stamps(prepared) == ["2020-01-01T03:00", "2020-01-01T06:00"]

    def test_bounds_tell_from_when_to_when(self):
        dataset = longer(record(range(48), hourly(48)), "1D").dataset
        assert dataset["time"].attrs["bounds"] == "time_bnds"
        edges = np.stack([hourly(2, step=24), hourly(2, "2020-01-02", 24)], axis=1)
        np.testing.assert_array_equal(dataset["time_bnds"], edges)

    def test_weeks_begin_on_monday(self):
        days = hourly(21, "2020-01-01", 24)
        prepared = longer(record(range(21), days), "1W")
        assert stamps(prepared) == ["2020-01-06T00:00", "2020-01-13T00:00"]
        assert values(prepared) == [8, 15]

    def test_months_of_days(self):
        days = hourly(31 + 29 + 31, "2020-01-01", 24)
        prepared = longer(record(range(91), days), "1M")
        assert values(prepared) == [15, 45, 75]
        assert prepared.timeline.axis.step.text == "1M"

    def test_years_of_months_in_another_calendar(self):
        times = [
            cftime.datetime(2000 + m // 12, m % 12 + 1, 16, calendar="360_day") for m in range(24)
        ]
        prepared = longer(record(range(24), np.array(times)), "1Y")
        assert values(prepared) == [5.5, 17.5]
        assert prepared.timeline.axis.calendar == "360_day"
        assert prepared.store().dataset["time"].values[1] == cftime.datetime(
            2001, 1, 1, calendar="360_day"
        )

    def test_days_of_a_calendar_without_leap_years(self):
        start = cftime.datetime(2000, 2, 28, calendar="noleap")
        times = xr.date_range(
            start, periods=48, freq="h", calendar="noleap", use_cftime=True
        ).values
        prepared = longer(record(range(48), times), "1D")
        assert [str(stamp)[:10] for stamp in prepared.dataset["time"].values] == [
            "2000-02-28",
            "2000-03-01",
        ]

    def test_the_same_step_is_as_it_was(self):
        prepared = longer(record(range(4), hourly(4)), "1h")
        assert values(prepared) == [0, 1, 2, 3]
        assert "longer steps" not in prepared.findings.mapping


class TestWhatIsIncomplete:
    def test_at_the_ends_it_is_left_out(self):
        prepared = longer(record(range(70), hourly(70, "2020-01-01T06")), "1D")
        assert stamps(prepared) == ["2020-01-02T00:00", "2020-01-03T00:00"]
        told = "2020-01-01 and 2020-01-04 are incomplete and left out"
        assert told in prepared.findings.findings()

    def test_within_it_is_absent(self):
        times = np.delete(hourly(96), [30])
        prepared = longer(record(np.arange(95), times), "1D")
        store = prepared.store()
        np.testing.assert_array_equal(store.present, [True, False, True, True])
        assert np.isnan(store.read(1, 2)).all()
        told = prepared.findings.findings()
        assert "1 hour is absent, in 1 gap (2020-01-02 06:00, 1 hour)" in told
        assert "1 day is absent, in 1 gap (2020-01-02, 1 day); marked as absent" in told

    def test_as_much_may_be_lacking_as_is_said(self):
        times = np.delete(hourly(72), [30, 31])
        data = record(np.arange(72.0)[np.delete(np.arange(72), [30, 31])], times)
        prepared = longer(data, {"step": "1D", "missing": 2 / 24})
        kept = np.delete(np.arange(24, 48), [6, 7])
        assert values(prepared) == [11.5, pytest.approx(kept.mean()), 59.5]
        assert prepared.store().present.all()

    def test_cells_that_lack_values(self):
        data = record(np.arange(72.0), hourly(72))
        data.t[30, 0, 0] = np.nan
        got = longer(data, "1D").store().read(0, 3)[:, 0, 0]
        np.testing.assert_array_equal(
            np.isnan(got), [[False, False], [True, False], [False, False]]
        )
        got = longer(data, {"step": "1D", "missing": 0.1}).store().read(1, 2)[0, 0, 0, 0]
        assert got == pytest.approx(np.delete(np.arange(24, 48), 6).mean())

    def test_one_variable_alone(self):
        data = record(range(49), hourly(49))
        data["s"] = data.t.copy()
        options = DataOptions(resample="1D", variables={"t": {}, "s": {"stamp": "end"}})
        prepared = prepare(data, options)
        store = prepared.store()
        assert store.shape[0] == 2
        # from 01:00 to 24:00 of the first day
        assert store.read(0, 2)[:, 1, 0, 0].tolist() == [12.5, 36.5]
        prepared = prepare(data.isel(time=slice(48)), options)
        assert np.isnan(prepared.store().read(1, 2)[0, 1]).all()
        assert "s: 2020-01-02 is incomplete; kept as missing" in prepared.findings.notes

    def test_too_little_is_told(self):
        # a store may begin with a single day, and grow
        assert values(longer(record(range(30), hourly(30)), "1D")) == [11.5]
        with pytest.raises(DataError, match="the record has no whole step of 1 month"):
            longer(record(range(30), hourly(30)), "1M")

    def test_a_period_is_of_the_longer_steps(self):
        data = record(range(97), hourly(97), cell_methods="time: mean")
        options = DataOptions(
            resample="1D", period=("2020-01-02", "2020-01-03"), variables={"t": {"stamp": "end"}}
        )
        prepared = prepare(data, options)
        assert stamps(prepared) == ["2020-01-02T00:00", "2020-01-03T00:00"]
        assert values(prepared) == [36.5, 60.5]
        with pytest.raises(DataError, match="no data lies in the period 2021 to 2021"):
            prepare(data, DataOptions(resample="1D", period=("2021", "2021")))


class TestWhatStampsStandFor:
    def test_time_bounds_that_end_at_the_stamp(self):
        data = record(range(49), hourly(49), cell_methods="time: mean")
        edges = np.stack([hourly(49) - np.timedelta64(1, "h"), hourly(49)], axis=1)
        data = data.assign_coords(time_bnds=(("time", "nv"), edges))
        data.time.attrs["bounds"] = "time_bnds"
        assert values(longer(data, "1D")) == [12.5, 36.5]
        assert longer(data, "1D").dataset["time_bnds"].dims == ("time", "nv")
        data.t.attrs["cell_methods"] = "time: point"
        assert values(longer(data, "1D")) == [11.5, 35.5]

    def test_time_bounds_that_begin_at_it(self):
        data = record(range(48), hourly(48), cell_methods="time: mean")
        edges = np.stack([hourly(48), hourly(48) + np.timedelta64(1, "h")], axis=1)
        data = data.assign_coords(time_bnds=(("time", "nv"), edges))
        data.time.attrs["bounds"] = "time_bnds"
        assert values(longer(data, "1D")) == [11.5, 35.5]

    def test_daylight_needs_stamps_at_the_end(self):
        data = record(range(49), hourly(49))
        with pytest.raises(ConfigError, match=r"daylight needs .* \{step: 3h, label: end\}"):
            longer(data, "3h", daylight=True)
        assert values(longer(data, {"step": "3h", "label": "end"}, daylight=True))[0] == 2


class TestWhichMethod:
    @pytest.mark.parametrize(
        ("attrs", "expected", "after"),
        [
            ({}, [1, 4], "time: mean (interval: 1 hour)"),
            ({"cell_methods": "time: sum"}, [3, 12], "time: sum (interval: 1 hour)"),
            ({"cell_methods": "time: point"}, [1, 4], "time: mean (interval: 1 hour)"),
            (
                {"cell_methods": "area: mean time: maximum"},
                [2, 5],
                "area: mean time: maximum (interval: 1 hour)",
            ),
            ({"GRIB_stepType": "accum"}, [3, 12], "time: sum (interval: 1 hour)"),
            ({"GRIB_stepType": "instant"}, [1, 4], "time: mean (interval: 1 hour)"),
        ],
    )
    def test_as_the_file_says(self, attrs, expected, after):
        prepared = longer(record(range(6), hourly(6), **attrs), "3h")
        assert values(prepared) == expected
        assert prepared.store().meta.channels[0].cell_methods == after

    def test_ranges_of_single_values_go(self):
        store = longer(record(range(6), hourly(6), valid_max=9.0), "3h", resample="sum").store()
        assert "valid_max" not in store.meta.channels[0].attrs


class TestRefused:
    @pytest.mark.parametrize(("step", "source"), [("90min", 1), ("30min", 1), ("1M", 7)])
    def test_no_whole_steps(self, step, source):
        with pytest.raises(ConfigError, match="is not made of whole steps of"):
            longer(record(range(60), hourly(60, step=source)), step)

    def test_what_is_no_step(self):
        with pytest.raises(ConfigError, match=r"data.resample: 'daily' is not a duration"):
            longer(record(range(6), hourly(6)), "daily")

    def test_days_of_months(self):
        times = np.arange("2000-01", "2002-01", dtype="datetime64[M]").astype("datetime64[us]")
        with pytest.raises(ConfigError, match="30 days is not made of whole steps of one month"):
            longer(record(range(24), times), "30D")


class TestLazily:
    @pytest.fixture
    def whole(self) -> xr.Dataset:
        data = np.random.default_rng(0).gamma(0.1, size=(24 * 70, 3, 5)) ** 9
        data[100:103, 1] = np.nan
        return xr.Dataset({"t": (("time", "y", "x"), data.astype("f4"))}, {"time": hourly(24 * 70)})

    @pytest.mark.parametrize("step", ["3h", "1D", "1M"])
    @pytest.mark.parametrize("chunks", [{"time": 5}, {"time": 37, "y": 2, "x": 3}, {"time": 1680}])
    @pytest.mark.parametrize("cells", [2**22, 15 * 40])
    def test_to_the_bit_however_it_is_cut(self, whole, step, chunks, cells, monkeypatch):
        expected = longer(whole, step, resample="sum").store()
        monkeypatch.setattr(fold, "_TASK_CELLS", cells)
        got = longer(whole.chunk(chunks), step, resample="sum").store()
        assert got.read(0, got.shape[0]).tobytes() == expected.read(0, got.shape[0]).tobytes()

    def test_tasks_take_in_a_bounded_number_of_times(self, monkeypatch):
        seen = []
        kept = fold.fold

        def watched(state, parts, members, *rest):
            seen.append(len(members))
            return kept(state, parts, members, *rest)

        monkeypatch.setattr(fold, "fold", watched)
        monkeypatch.setattr(fold, "_TASK_CELLS", 100 * 6)
        data = da.zeros((2000, 2, 3), chunks=(7, 2, 3), dtype="f4")
        made = fold.reduce_periods(
            data, np.repeat([0, 1], 1000), np.array([1000, 1000]), method="sum", missing=0
        )
        assert made.compute().shape == (2, 2, 3)
        assert max(seen) <= 100
        assert sum(seen) == 2000

    def test_nothing_is_read_before_it_must_be(self, whole):
        def fail(block):
            raise AssertionError("read")

        lazy = whole.chunk({"time": 100})
        broken = lazy.t.data.map_blocks(fail, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
        prepared = longer(lazy.assign(t=(lazy.t.dims, broken)), "1D")
        assert prepared.dataset.sizes["time"] == 70

    def test_sequences(self):
        data = np.arange(2 * 8 * 4.0).reshape(2, 8, 2, 2)
        dataset = xr.Dataset({"v": (("sequence", "time", "y", "x"), data)})
        store = prepare(dataset, DataOptions(resample="4h", time_step="1h")).store()
        np.testing.assert_array_equal(
            store.read(0, 2, sequence=1)[:, 0], data[1].reshape(2, 4, 2, 2).mean(1)
        )


class TestBesideXarray:
    def test_days_of_real_hours(self, shared, tmp_path):
        path = shared / "data/era5_uk_t2m/era5_t2m_uk_201903.nc"
        options = DataOptions(resample="1D", variables={"t2m": {"resample": "max"}})
        ingest([str(path)], tmp_path / "s.zarr", options)
        store = TensorStore.open(tmp_path / "s.zarr")
        with xr.open_dataset(path) as source:
            expected = source.t2m.resample(time="1D").max()
            np.testing.assert_array_equal(store.variables()["t2m"].values, expected.values)
            np.testing.assert_array_equal(store.variables()["time"], expected.time)
        assert store.meta.recipe == {
            "resample": {"step": "1D", "label": "start", "missing": 0.0},
            "variables": {"t2m": {"resample": "max"}},
        }
