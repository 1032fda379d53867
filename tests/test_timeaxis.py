"""Steps, axes and periods, in every calendar."""

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stforecast.errors import ConfigError, DataError
from stforecast.timeaxis import TimeAxis, TimeStep, normalise_stamps, stamp_text

CALENDARS = ["proleptic_gregorian", "standard", "noleap", "all_leap", "360_day", "julian"]


def cf(units: str, values: object, calendar: str) -> np.ndarray:
    return np.asarray(cftime.num2date(values, units, calendar, only_use_cftime_datetimes=True))


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds", "months"),
        [
            ("30min", 1800, 0),
            ("1h", 3600, 0),
            ("24h", 86400, 0),
            ("H", 3600, 0),
            ("1.5 hours", 5400, 0),
            ("1D", 86400, 0),
            ("d", 86400, 0),
            ("2W", 1_209_600, 0),
            ("90s", 90, 0),
            ("1M", 0, 1),
            ("3 months", 0, 3),
            ("MS", 0, 1),
            ("1Y", 0, 12),
            ("10years", 0, 120),
        ],
    )
    def test_parse(self, text, seconds, months):
        step = TimeStep.parse(text)
        assert (step.seconds, step.months) == (seconds, months)

    @pytest.mark.parametrize("text", ["", "h1", "0h", "-1h", "1 fortnight", "0.3s", "1.5M", "1ms"])
    def test_what_is_no_duration_is_refused(self, text):
        with pytest.raises(ConfigError, match="is not a duration"):
            TimeStep.parse(text)

    def test_a_small_m_is_ambiguous(self):
        with pytest.raises(ConfigError, match="min for minutes or M for months"):
            TimeStep.parse("5m")

    @given(st.integers(1, 10**7))
    def test_text_round_trips(self, n):
        for step in (TimeStep(seconds=n), TimeStep(months=n)):
            assert TimeStep.parse(step.text) == step

    @pytest.mark.parametrize(
        ("text", "label"),
        [
            ("1h", "hour"),
            ("30min", "30 minutes"),
            ("7D", "7 days"),
            ("1M", "month"),
            ("1Y", "year"),
            ("3M", "3 months"),
            ("45s", "45 seconds"),
        ],
    )
    def test_label(self, text, label):
        assert TimeStep.parse(text).label == label

    @pytest.mark.parametrize(
        ("step", "duration", "expected"),
        [
            ("1h", 4, 4),
            ("1h", "4", 4),
            ("1h", "24h", 24),
            ("1h", "1D", 24),
            ("30min", "1W", 336),
            ("1M", "1Y", 12),
            ("1Y", "3Y", 3),
            ("1D", np.int64(2), 2),
        ],
    )
    def test_steps(self, step, duration, expected):
        assert TimeStep.parse(step).steps(duration, "horizon") == expected

    @pytest.mark.parametrize(
        ("step", "duration"),
        [
            ("1h", 0),
            ("1h", -3),
            ("1h", "0"),
            ("1h", "30min"),
            ("1h", "90min"),
            ("1M", "30D"),
            ("1D", "1M"),
            ("1Y", "1M"),
            ("1h", "soon"),
            ("1h", True),
            ("1h", 1.5),
        ],
    )
    def test_durations_that_do_not_fit_name_what_they_are(self, step, duration):
        with pytest.raises(ConfigError, match="horizon"):
            TimeStep.parse(step).steps(duration, "horizon")

    def test_to_timedelta(self):
        step = TimeStep.parse("3h")
        assert step.to_timedelta(2) == np.timedelta64(6, "h")
        assert step.to_timedelta([1, 2]).dtype == "timedelta64[ns]"
        with pytest.raises(ConfigError, match="no fixed duration"):
            TimeStep.parse("1M").to_timedelta(1)


class TestInference:
    @pytest.mark.parametrize(
        ("times", "text", "anchor"),
        [
            (days("2000-01-01T00", "2000-01-01T01", "2000-01-01T02"), "1h", "same"),
            (days("2000-01-31", "2000-02-29", "2000-03-31"), "1M", "end"),
            (days("2001-01-01", "2001-02-01", "2001-03-01"), "1M", "same"),
            (days("2001-01-16T12", "2001-02-15", "2001-03-16T12", "2001-04-16"), "1M", "mid"),
            (days("2001-01-16", "2001-02-15", "2001-03-16", "2001-04-16"), "1M", "mid-day"),
            (days("2001-01-15", "2001-02-15", "2001-03-15"), "1M", "same"),
            (days("2001-01-16", "2001-02-14", "2001-03-16", "2001-04-15T12"), "1M", "mid"),
            (days("2001-01-01", "2002-01-01", "2004-01-01"), "1Y", "same"),
            (days("2001-07-02T12", "2002-07-02T12", "2003-07-02T12", "2004-07-02"), "1Y", "mid"),
            (days("2001-01-15", "2001-04-15", "2001-07-15"), "3M", "same"),
            (days("2001-01-01", "2001-01-29", "2001-02-26"), "28D", "same"),
            (days("2001-01-01", "2001-02-01"), "1M", "same"),
            (cf("days since 1860-06-01", [0, 360, 720], "360_day"), "1Y", "same"),
            (cf("days since 1860-01-16", [0, 30, 90], "360_day"), "1M", "same"),
            (cf("days since 1860-01-01", [0, 31, 59, 90], "noleap"), "1M", "same"),
            (cf("days since 1860-01-01", [15.5, 45, 74.5], "noleap"), "1M", "mid"),
            (cf("hours since 1860-01-01", [0, 6, 12, 24], "julian"), "6h", "same"),
        ],
    )
    def test_infer(self, times, text, anchor):
        for shuffled in (times, times[::-1], np.concatenate([times, times])):
            step = TimeStep.infer(shuffled)
            assert (step.text, step.anchor) == (text, anchor)
        axis = TimeAxis.from_times(times)
        again = axis.times()[axis.positions(times)]
        np.testing.assert_array_equal(again, normalise_stamps(times))

    def test_gaps_do_not_change_the_step(self):
        times = np.delete(np.arange("2000-01-01", "2000-02-01", dtype="datetime64[h]"), [5, 6, 99])
        axis = TimeAxis.from_times(times)
        assert axis.step.text == "1h"
        assert axis.size == 31 * 24

    def test_the_first_stamp_may_come_long_before_the_others(self):
        times = days("1999-12-30", "2000-01-01", "2000-01-02", "2000-01-03")
        assert TimeAxis.from_times(times).size == 5

    def test_stamps_decoded_from_floating_point_days_are_regular(self):
        exact = np.arange("2000-01-01", "2000-01-04", dtype="datetime64[h]")
        jitter = np.array([0, 7, -9, 3] * 18).astype("timedelta64[us]")
        axis = TimeAxis.from_times(exact + jitter)
        np.testing.assert_array_equal(axis.times(), exact)
        np.testing.assert_array_equal(axis.positions(exact + jitter), np.arange(72))

    @pytest.mark.parametrize(
        "times", [days(), days("2000-01-01"), days("2000-01-01", "2000-01-01")]
    )
    def test_one_time_is_no_record(self, times):
        with pytest.raises(DataError, match="at least two different ones"):
            TimeStep.infer(times)

    def test_a_stray_stamp_is_named(self):
        times = days("2000-01-01T00:20", "2000-01-01T01", "2000-01-01T02", "2000-01-01T03")
        with pytest.raises(DataError, match="2000-01-01 00:20 does not fall on that step"):
            TimeStep.infer(times)

    def test_the_thirtieth_of_each_month_is_refused_for_february_has_none(self):
        with pytest.raises(DataError, match="not regular"):
            TimeStep.infer(days("2001-01-30", "2001-02-28", "2001-03-30"))

    def test_irregular_stamps_are_refused(self):
        times = days("2000-01-01", "2000-01-03T05", "2000-01-04T11:10", "2000-01-09")
        with pytest.raises(DataError, match="not regular"):
            TimeStep.infer(times)

    @pytest.mark.parametrize(
        "values", [np.arange(3), np.array(["a", "b"], object), np.array(["NaT"], "M8[ns]")]
    )
    def test_what_is_no_date_is_refused(self, values):
        with pytest.raises(DataError):
            normalise_stamps(values)


@st.composite
def axes(draw):
    calendar = draw(st.sampled_from(CALENDARS))
    step = draw(
        st.one_of(
            st.builds(TimeStep, seconds=st.sampled_from([60, 1800, 3600, 86400, 432_000])),
            st.builds(
                TimeStep,
                months=st.sampled_from([1, 2, 3, 6, 12, 120]),
                anchor=st.sampled_from(["same", "mid", "mid-day", "end"]),
            ),
        )
    )
    year, month = draw(st.integers(1000, 3000)), draw(st.integers(1, 12))
    if step.anchor == "end":
        day = (cftime.datetime(year, month, 1, calendar=calendar)).daysinmonth
    elif step.anchor == "same":
        day = draw(st.integers(1, 28))
    else:
        day = 15
    start = cftime.datetime(year, month, day, draw(st.integers(0, 23)), calendar=calendar)
    if step.anchor in ("mid", "mid-day"):
        begin = cftime.datetime(year, month, 1, calendar=calendar)
        last = month - 1 + step.months
        end = cftime.datetime(year + last // 12, last % 12 + 1, 1, calendar=calendar)
        start = begin + (end - begin) / 2
        if step.anchor == "mid-day":
            start = start.replace(hour=0, minute=0, second=0, microsecond=0)
    stamp = normalise_stamps(np.array([start]))
    name = calendar if stamp.dtype == object else "proleptic_gregorian"
    return TimeAxis(stamp[0], step, draw(st.integers(2, 60)), name)


class TestAxis:
    @settings(max_examples=150)
    @given(axes(), st.integers(-30, 30))
    def test_positions_invert_times(self, axis, shift):
        index = np.arange(axis.size) + shift
        times = axis.times(shift, axis.size + shift)
        assert times[0] < times[-1]
        np.testing.assert_array_equal(axis.positions(times), index)
        np.testing.assert_array_equal(axis.times_at(index.reshape(1, -1))[0], times)

    @settings(max_examples=150)
    @given(axes())
    def test_an_axis_is_found_again_from_its_times(self, axis):
        found = TimeAxis.from_times(axis.times(), axis.step)
        assert found.size == axis.size
        np.testing.assert_array_equal(found.times(), axis.times())
        assert found.matches(axis)
        assert axis.matches(found)

    @settings(max_examples=100)
    @given(axes(), st.data())
    def test_a_period_holds_exactly_the_stamps_within_it(self, axis, data):
        times = axis.times()
        i = data.draw(st.integers(0, axis.size - 1))
        j = data.draw(st.integers(i, axis.size - 1))
        first, last = (stamp_text(times[k])[:10] for k in (i, j))
        start, stop = axis.slice_of(first, last)
        chosen = [k for k, t in enumerate(times) if first <= stamp_text(t)[:10] <= last]
        assert chosen == list(range(start, stop))

    def test_numbers_and_slices_beyond_the_axis(self):
        axis = TimeAxis.from_times(days("2000-01-30", "2000-01-31"))
        assert [str(t)[:10] for t in axis.times(1, 4)] == ["2000-01-31", "2000-02-01", "2000-02-02"]
        assert axis.positions(np.datetime64("1999-12-31")) == -30

    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            ("2001", "2001", (0, 8760)),
            ("2001-12", "2001-12", (8016, 8760)),
            ("2001-12-31", "2002-01-01", (8736, 8784)),
            ("2001-12-31T05", "2001-12-31T05", (8741, 8742)),
            ("2001-12-31 05:30", "2001-12-31T07:00", (8742, 8744)),
            ("1990", "1999", (0, 0)),
            ("2003", "2004", (17520, 17520)),
            ("1990", "2100", (0, 17520)),
        ],
    )
    def test_periods(self, first, last, expected):
        axis = TimeAxis(
            np.datetime64("2001-01-01", "ns"), TimeStep(seconds=3600), 17520, "proleptic_gregorian"
        )
        assert axis.slice_of(first, last) == expected

    def test_periods_of_calendar_steps(self):
        times = cf("days since 2000-01-01", np.arange(24) * 30 + 15, "360_day")
        axis = TimeAxis.from_times(times)
        assert axis.slice_of("2000-02", "2000-04") == (1, 4)
        assert axis.slice_of("2000-02-30", "2001-12-30") == (2, 24)
        assert axis.slice_of("2001", "2001") == (12, 24)

    def test_text_of_a_time(self):
        hourly = TimeAxis.from_times(days("2000-01-01T00", "2000-01-01T01"))
        assert hourly.parse_time("2000-01-02") == np.datetime64("2000-01-02T00")
        assert hourly.parse_time("2000-01-02T05") == np.datetime64("2000-01-02T05")
        noon = TimeAxis.from_times(days("2000-01-01T12", "2000-01-02T12"))
        assert noon.parse_time("2000-01-02") == np.datetime64("2000-01-02T12")
        monthly = TimeAxis.from_times(days("2000-01-16", "2000-02-16"))
        assert monthly.parse_time("2010-03") == np.datetime64("2010-03-16")
        assert monthly.parse_time("2010") == np.datetime64("2010-01-01")

    @pytest.mark.parametrize(
        "text", ["yesterday", "2001-13", "2001-02-30", "2001-02-01T25", "01-01"]
    )
    def test_what_is_no_date_is_refused(self, text):
        axis = TimeAxis.from_times(days("2000-01-01", "2000-01-02"))
        with pytest.raises(ConfigError, match=text):
            axis.parse_time(text)

    def test_a_period_that_ends_before_it_begins_is_refused(self):
        axis = TimeAxis.from_times(days("2000-01-01", "2000-01-02"))
        with pytest.raises(ConfigError, match="ends before it begins"):
            axis.slice_of("2001", "2000")

    def test_stamps_off_the_axis_are_named(self):
        axis = TimeAxis.from_times(days("2000-01-01T00", "2000-01-01T01"))
        with pytest.raises(DataError, match="2000-01-01 02:30 is not on the time axis"):
            axis.positions(days("2000-01-01T02", "2000-01-01T02:30"))
        monthly = TimeAxis.from_times(days("2000-01-01", "2000-02-01"))
        with pytest.raises(DataError, match="one month"):
            monthly.positions(days("2000-03-02"))

    def test_calendars_do_not_mix(self):
        axis = TimeAxis.from_times(cf("days since 2000-01-01", [0, 1], "noleap"))
        with pytest.raises(DataError, match="noleap"):
            axis.positions(days("2000-01-01"))
        civil = TimeAxis.from_times(days("2000-01-01", "2000-01-02"))
        assert not civil.matches(axis)
        assert civil.positions(cf("days since 2000-01-01", [3], "standard")) == [3]

    def test_civil_dates_beyond_nanoseconds(self):
        times = cf("days since 2999-12-30", np.arange(4), "proleptic_gregorian")
        axis = TimeAxis.from_times(times)
        assert axis.calendar == "proleptic_gregorian"
        assert axis.times()[-1] == np.datetime64("3000-01-02")
        near = TimeAxis.from_times(days("2000-01-01", "2001-01-01"))
        assert near.times(400, 401)[0] == np.datetime64("2400-01-01")

    def test_axes_match_by_step_phase_and_calendar(self):
        axis = TimeAxis.from_times(days("2000-01-01T00", "2000-01-01T06"))
        later = TimeAxis.from_times(days("2010-01-01T12", "2010-01-01T18"))
        shifted = TimeAxis.from_times(days("2010-01-01T13", "2010-01-01T19"))
        hourly = TimeAxis.from_times(days("2010-01-01T13", "2010-01-01T14"))
        assert axis.matches(later)
        assert not axis.matches(shifted)
        assert not axis.matches(hourly)

    def test_a_few_mid_month_stamps_match_the_whole_record(self):
        record = TimeAxis.from_times(
            days("2001-01-16T12", "2001-02-15", "2001-03-16T12", "2001-04-16")
        )
        summer = TimeAxis.from_times(days("2003-07-16T12", "2003-08-16T12"))
        assert summer.step.anchor == "same"
        assert record.matches(summer)
        assert summer.matches(record)
        told = TimeAxis.from_times(days("2003-07-16T12", "2003-08-16T12"), record.step)
        assert told.times(2, 3)[0] == np.datetime64("2003-09-16T00")

    def test_uneven_mid_month_stamps_are_kept_as_they_are(self):
        times = days("2001-01-16", "2001-02-14", "2001-04-15T12", "2001-05-17")
        axis = TimeAxis.from_times(times)
        assert axis.size == 5
        np.testing.assert_array_equal(axis.times()[[0, 1, 3, 4]], times)
        np.testing.assert_array_equal(axis.positions(times), [0, 1, 3, 4])
        assert axis.times()[2] == np.datetime64("2001-03-16T12")

    def test_a_forced_step_must_fit(self):
        times = days("2000-01-01", "2000-01-03")
        assert TimeAxis.from_times(times, TimeStep.parse("1D")).size == 3
        with pytest.raises(DataError, match="2000-01-03 is not on the time axis"):
            TimeAxis.from_times(times, TimeStep.parse("5D"))
        with pytest.raises(DataError, match="one month apart"):
            TimeAxis.from_times(times, TimeStep.parse("1M"))


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (np.datetime64("2000-01-01T00:00", "ns"), "2000-01-01"),
        (np.datetime64("2000-01-01T05:30"), "2000-01-01 05:30"),
        (np.datetime64("2000-01-01T05:30:07"), "2000-01-01 05:30:07"),
        (cftime.datetime(2000, 2, 30, calendar="360_day"), "2000-02-30"),
        (cftime.datetime(2000, 2, 30, 12, calendar="360_day"), "2000-02-30 12:00"),
    ],
)
def test_stamps_are_written_no_longer_than_needed(stamp, text):
    assert stamp_text(stamp) == text


class TestFrames:
    """Sequences without a clock, whose stamps only count."""

    @pytest.fixture
    def axis(self):
        stamps = np.datetime64("1970-01-01", "us") + np.arange(20) * np.timedelta64(1, "s")
        return TimeAxis.from_times(stamps, TimeStep.parse("1frame"))

    def test_a_step_is_a_frame(self, axis):
        assert axis.step.label == "frame"
        assert axis.step.text == "1frame"
        assert axis.step.counted(10) == "10 frames"
        assert axis.step.counted(1) == "1 frame"
        assert TimeStep.parse("1h").counted(10) == "10 steps of one hour"
        assert TimeStep.parse("30min").counted(1, "time step") == "1 time step of 30 minutes"
        assert axis.step.steps("10 frames", "horizon") == axis.step.steps(10, "horizon") == 10
        with pytest.raises(ConfigError, match=r"horizon 10s .* frames have no clock"):
            axis.step.steps("10s", "horizon")

    def test_times_are_numbers_from_one(self, axis):
        assert axis.text_at(0) == "frame 1"
        assert axis.text_at(25) == "frame 26"
        assert axis.span_text(0, 19) == "frames 1 to 20"
        assert axis.span_text(3, 3) == "frame 4"

    def test_numbers_are_read_back(self, axis):
        assert axis.slice_of("frame 3", "7") == (2, 7)
        assert axis.positions(axis.parse_time(axis.text_at(9))) == 9
        assert axis.slice_of("1970-01-01 00:00:02", "1970-01-01 00:00:06") == (2, 7)
        with pytest.raises(ConfigError, match="'middle' is no frame; write the number of one"):
            axis.parse_time("middle")

    def test_dates_are_dates_where_there_is_a_clock(self):
        axis = TimeAxis.from_times(days("2001-01-01", "2001-01-02"))
        assert axis.span_text(0, 1) == "2001-01-01 to 2001-01-02"
