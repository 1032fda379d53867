"""Rows of a source on a regular axis: sorted, each once, gaps marked, nothing mended silently."""

import cftime
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from stforecast.errors import ConfigError, DataError
from stforecast.ingest.timeline import bounds_on_timeline, find_timeline, on_timeline

START = np.datetime64("2000-01-01", "us")
HOUR = np.timedelta64(1, "h")


def record(hours, values=None, chunks=None, name="a") -> xr.Dataset:
    """A 2 x 2 field that holds 10 + its hour, at the given hours, in their order."""
    hours = np.asarray(hours)
    if values is None:
        values = np.repeat(10.0 + hours, 4).reshape(-1, 2, 2)
    data = values if chunks is None else da.from_array(values, chunks=(chunks, -1, -1))
    return xr.Dataset(
        {name: (("time", "y", "x"), data)}, coords={"time": ("time", START + hours * HOUR)}
    )


def laid(dataset, timeline, name="a"):
    return on_timeline(dataset[name].variable, timeline)


class TestOrder:
    def test_a_record_in_order_is_left_alone(self):
        dataset = record(range(5), chunks=2)
        timeline = find_timeline(dataset)
        assert laid(dataset, timeline) is dataset["a"].variable
        assert timeline.present.all()
        assert (timeline.disorder, timeline.duplicated, timeline.absent) == (0, [], [])

    def test_rows_are_sorted(self):
        dataset = record([3, 4, 0, 1, 2])
        timeline = find_timeline(dataset)
        np.testing.assert_array_equal(timeline.rows, [2, 3, 4, 0, 1])
        assert timeline.disorder == 1
        assert timeline.first_disorder == START + 4 * HOUR

    @settings(max_examples=50)
    @given(st.data())
    def test_any_order_gaps_and_copies(self, data):
        hours = data.draw(st.lists(st.integers(0, 40), min_size=2, max_size=60))
        hours = [0, 1, 2, 3, 41, 42, 43, *hours]
        hours = data.draw(st.permutations(hours))
        chunks = data.draw(st.sampled_from([None, 1, 7, 100]))
        dataset = record(hours, chunks=chunks)
        timeline = find_timeline(dataset)
        values = np.asarray(laid(dataset, timeline).values)
        expected = np.array([10.0 + h if h in hours else np.nan for h in range(44)])
        for cell in values.reshape(44, -1).T:
            np.testing.assert_array_equal(cell, expected)
        assert sum(run.size for run in timeline.absent) == 44 - len(set(hours))
        assert sum(run.size for run in timeline.duplicated) == sum(
            hours.count(h) > 1 for h in set(hours)
        )
        assert timeline.duplicated_differ == 0


class TestDuplicates:
    def fields(self, *rows):
        return np.array(rows, float).reshape(-1, 2, 2)

    def test_the_copy_with_more_values_is_kept(self):
        nan = np.nan
        values = self.fields([1, 1, 1, 1], [9, nan, 9, 9], [5, 5, 5, 0], [2, 2, 2, 2])
        timeline = find_timeline(record([0, 1, 1, 2], values))
        np.testing.assert_array_equal(timeline.rows, [0, 2, 3])
        assert timeline.duplicated_differ == 1
        assert [run.text() for run in timeline.duplicated] == ["2000-01-01 01:00"]

    def test_at_a_tie_the_one_with_fewer_zeros(self):
        values = self.fields([1, 1, 1, 1], [0, 0, 9, 0], [1, 1, 0, 0], [2, 2, 2, 2])
        for chunks in (None, 1):
            timeline = find_timeline(record([0, 1, 1, 2], values, chunks))
            np.testing.assert_array_equal(timeline.rows, [0, 2, 3])

    def test_at_a_full_tie_the_first(self):
        values = self.fields([1, 1, 1, 1], [0, 0, 9, 0], [0, 5, 0, 0], [2, 2, 2, 2])
        timeline = find_timeline(record([0, 1, 1, 2], values))
        np.testing.assert_array_equal(timeline.rows, [0, 1, 3])

    def test_equal_copies_do_not_differ(self):
        timeline = find_timeline(record([0, 1, 1, 1, 2]))
        assert timeline.duplicated_differ == 0
        assert timeline.duplicated[0].size == 1

    def test_all_variables_count_together(self):
        nan = np.nan
        dataset = record([0, 1, 1], self.fields([1] * 4, [1, 1, 1, nan], [1] * 4), name="a")
        dataset["b"] = record([0, 1, 1], self.fields([1] * 4, [1] * 4, [1, nan, nan, nan]))["a"]
        np.testing.assert_array_equal(find_timeline(dataset).rows, [0, 1])

    def test_many_duplicates_are_read_in_parts(self):
        hours = [*range(700), *range(700)]
        values = np.zeros((1400, 2, 2))
        values[700:] = 1
        timeline = find_timeline(record(hours, values, chunks=100))
        np.testing.assert_array_equal(timeline.rows, np.arange(700, 1400))
        assert [run.text() for run in timeline.duplicated] == ["2000-01-01 to 2000-01-30 03:00"]


class TestGaps:
    def test_absent_times_are_missing_and_marked(self):
        dataset = record([0, 1, 4, 5])
        timeline = find_timeline(dataset)
        np.testing.assert_array_equal(timeline.present, [True, True, False, False, True, True])
        assert [(run.text(), run.size) for run in timeline.absent] == [
            ("2000-01-01 02:00 to 2000-01-01 03:00", 2)
        ]
        values = laid(dataset, timeline).values
        assert np.isnan(values[2:4]).all()
        assert np.isfinite(values[[0, 1, 4, 5]]).all()

    def test_whole_days_are_told_as_days(self):
        timeline = find_timeline(record([h for h in range(96) if not 24 <= h < 72]))
        assert [run.text() for run in timeline.absent] == ["2000-01-02 to 2000-01-03"]
        daily = record(np.array([0, 24, 96, 120]))
        assert [run.text() for run in find_timeline(daily, "1D").absent] == [
            "2000-01-03 to 2000-01-04"
        ]

    def test_absent_months_in_the_calendar_of_the_file(self):
        times = cftime.num2date(
            [0, 30, 90, 120, 150],
            "days since 1860-01-16",
            "360_day",
            only_use_cftime_datetimes=True,
        )
        dataset = xr.Dataset(
            {"a": (("time", "y", "x"), np.ones((5, 2, 2)))}, coords={"time": ("time", times)}
        )
        timeline = find_timeline(dataset)
        assert timeline.axis.calendar == "360_day"
        assert [run.text() for run in timeline.absent] == ["1860-03-16"]

    def test_reading_a_part_reads_little(self):
        """Rows are taken lazily: a frame is computed from its own chunk."""
        read = []

        def load(block_info=None):
            first, last = block_info[None]["array-location"][0]
            read.append(first)
            return np.ones((last - first, 2, 2))

        values = da.map_blocks(
            load, chunks=((10,) * 20, 2, 2), dtype=float, meta=np.empty((0, 0, 0))
        )
        hours = [h for h in range(201) if h != 55]
        dataset = xr.Dataset(
            {"a": (("time", "y", "x"), values)}, coords={"time": START + np.array(hours) * HOUR}
        )
        lazy = laid(dataset, find_timeline(dataset))
        assert read == []
        lazy[100:105].values  # noqa: B018
        assert len(read) <= 2


class TestPeriod:
    def test_a_period_is_cut(self):
        dataset = record(range(72))
        timeline = find_timeline(dataset, period=("2000-01-02", "2000-01-02T05"))
        np.testing.assert_array_equal(timeline.rows, np.arange(24, 30))
        assert timeline.axis.size == 6

    def test_it_begins_and_ends_with_times_that_are_there(self):
        dataset = record([*range(24), *range(30, 48)])
        timeline = find_timeline(dataset, period=("2000-01-02", "2000-01-05"))
        assert timeline.axis.start == START + 30 * HOUR
        assert timeline.present.all()

    def test_the_rest_of_the_record_does_not_matter(self):
        dataset = record([5, 4, 0, 0, *range(24, 48)])
        timeline = find_timeline(dataset, period=("2000-01-02", "2000-01-02"))
        assert (timeline.disorder, timeline.duplicated, timeline.absent) == (0, [], [])

    def test_no_overlap_names_the_record(self):
        with pytest.raises(DataError, match=r"2030 to 2031: .* 2000-01-01 to 2000-01-01 05:00"):
            find_timeline(record(range(6)), period=("2030", "2031"))

    def test_one_step_is_no_record(self):
        with pytest.raises(DataError, match="single time step"):
            find_timeline(record(range(6)), period=("2000-01-01T03", "2000-01-01T03"))
        with pytest.raises(DataError, match=r"a single time \(2000-01-01 03:00\)"):
            find_timeline(record([3, 3]))

    def test_a_gap_is_no_period(self):
        with pytest.raises(DataError, match="no data lies in the period"):
            find_timeline(record([0, 1, 2, 90]), period=("2000-01-02", "2000-01-02"))

    def test_what_is_no_date_is_refused(self):
        with pytest.raises(ConfigError, match="is not a date"):
            find_timeline(record(range(6)), period=("spring", "2031"))


class TestStep:
    def test_a_forced_step_finds_gaps_that_the_data_hide(self):
        timeline = find_timeline(record(range(0, 12, 2)), time_step="1h")
        assert timeline.axis.size == 11
        assert (~timeline.present).sum() == 5

    def test_a_step_that_does_not_fit_is_refused(self):
        with pytest.raises(DataError, match="is not on the time axis"):
            find_timeline(record(range(6)), time_step="4h")

    def test_stamps_beside_the_step_are_counted(self):
        dataset = record(range(10))
        times = dataset["time"].values.copy()
        times[3] += np.timedelta64(20, "s")
        dataset = dataset.assign_coords(time=times)
        timeline = find_timeline(dataset)
        assert timeline.shifted == 1
        np.testing.assert_array_equal(timeline.axis.times(), START + np.arange(10) * HOUR)


class TestBounds:
    def test_of_a_fixed_step_they_go_on_through_gaps(self):
        dataset = record([0, 1, 4, 3])
        bounds = np.stack([dataset["time"].values - HOUR, dataset["time"].values], axis=-1)
        carried = bounds_on_timeline(
            xr.Variable(("time", "bnds"), bounds, {"a": 1}), find_timeline(dataset)
        )
        times = START + np.arange(5) * HOUR
        np.testing.assert_array_equal(carried.values, np.stack([times - HOUR, times], axis=-1))
        assert carried.attrs == {"a": 1}

    def test_of_a_calendar_step_absent_ones_are_the_stamp(self):
        times = np.array(["2001-01-16", "2001-02-16", "2001-04-16", "2001-05-16"], "M8[us]")
        dataset = xr.Dataset(
            {"a": (("time", "y", "x"), np.ones((4, 2, 2)))}, coords={"time": ("time", times)}
        )
        starts = times.astype("M8[M]")
        bounds = np.stack([starts, starts + 1], axis=-1).astype("M8[us]")
        carried = bounds_on_timeline(
            xr.Variable(("time", "bnds"), bounds), find_timeline(dataset)
        ).values
        np.testing.assert_array_equal(carried[[0, 1, 3, 4]], bounds)
        np.testing.assert_array_equal(carried[2], np.datetime64("2001-03-16"))

    @pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros(3), np.array([["a"]] * 3)])
    def test_what_are_no_bounds_are_left_out(self, values):
        variable = xr.Variable(("time", "bnds")[: values.ndim], values)
        assert bounds_on_timeline(variable, find_timeline(record(range(3)))) is None


def test_one_broken_stamp_makes_no_axis_of_centuries():
    with pytest.raises(DataError, match=r"6 times are spread over 3506329 steps of hour"):
        find_timeline(record([-3506323, 0, 1, 2, 3, 5]))
    assert find_timeline(record([-3506323, 0, 1, 2, 3, 5]), "1h").axis.size == 3506329
