"""Periods as positions, by cases worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cftime
import h5py
import numpy as np
import pytest

from stforecast.errors import ConfigError, DataError
from stforecast.options import SplitOptions
from stforecast.timeaxis import TimeAxis, TimeStep
from stforecast.windows import WindowSpec, init_positions, resolve_splits
from stforecast.windows.parts import dates_of, period


def hourly(size: int = 100, start: str = "2000-01-01") -> TimeAxis:
    return TimeAxis(np.datetime64(start, "us"), TimeStep.parse("1h"), size, "proleptic_gregorian")


SPEC = WindowSpec(history=3, horizon=2)


def test_fractions_leave_a_window_between_the_parts() -> None:
    # 110 steps less two gaps of 5 leave 100
    splits = resolve_splits(hourly(110), SplitOptions(), SPEC)
    assert (splits.train, splits.validation, splits.test) == ((0, 70), (75, 85), (90, 110))
    assert splits.notes == []


def test_fractions_not_given_share_the_rest() -> None:
    splits = resolve_splits(hourly(110), SplitOptions(train=0.4), SPEC)
    assert (splits.train, splits.validation, splits.test) == ((0, 40), (45, 65), (70, 110))
    splits = resolve_splits(hourly(110), SplitOptions(test=0.6), SPEC)
    assert (splits.train, splits.validation, splits.test) == ((0, 35), (40, 45), (50, 110))


def test_fractions_may_leave_a_part_out() -> None:
    splits = resolve_splits(hourly(105), SplitOptions(train=0.8, validation=0.2), SPEC)
    assert (splits.train, splits.validation, splits.test) == ((0, 80), (85, 105), None)
    assert set(splits.dates(hourly(105))) == {"train", "validation"}


def test_default_parts_of_a_short_record_have_room_for_a_window() -> None:
    # 0.1 of the 20 steps that two gaps leave would be 2
    splits = resolve_splits(hourly(30), SplitOptions(), SPEC)
    assert (splits.train, splits.validation, splits.test) == ((0, 10), (15, 20), (25, 30))


@pytest.mark.parametrize(
    ("size", "options", "words"),
    [
        (24, SplitOptions(), "24 steps.*at least 25"),
        (110, SplitOptions(validation=0.02), "validation period has 2 steps.*needs 5"),
        (110, SplitOptions(validation=0.5, test=0.5), "nothing to train on"),
        (110, SplitOptions(train=0.5, test=("2000-01-04", "2000-01-04")), "mixes fractions"),
    ],
)
def test_fractions_that_leave_no_window(size: int, options: SplitOptions, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_splits(hourly(size), options, SPEC)


def test_dates_include_both_ends_and_trim_the_earlier_part() -> None:
    options = SplitOptions(
        train=("2000-01-01", "2000-01-02"),
        validation=("2000-01-03", "2000-01-03"),
        test=("2000-01-04T05", "2000-01-05"),
    )
    splits = resolve_splits(hourly(120), options, SPEC)
    # training ends 5 steps before hour 48; validation has 5 steps to spare before hour 77
    assert (splits.train, splits.validation, splits.test) == ((0, 43), (48, 72), (77, 120))
    assert splits.dates(hourly(120)) == {
        "train": ("2000-01-01", "2000-01-02 18:00"),
        "validation": ("2000-01-03", "2000-01-03 23:00"),
        "test": ("2000-01-04 05:00", "2000-01-05 23:00"),
    }
    (note,) = splits.notes
    assert "training period ends at 2000-01-02 18:00" in note


def test_only_a_test_period_trains_on_what_precedes_it() -> None:
    options = SplitOptions(test=("2000-01-05", "2000-01-05"))
    splits = resolve_splits(hourly(200), options, SPEC)
    assert splits.test == (96, 120)
    # 91 steps precede it by a window; an eighth of what a gap leaves of them is validation
    assert splits.validation == (80, 91)
    assert splits.train == (0, 75)
    assert len(splits.notes) == 2


def test_training_and_test_period_alone_take_validation_from_the_end_of_training() -> None:
    options = SplitOptions(train=("2000-01-02", "2000-01-03"), test=("2000-01-05", "2000-01-05"))
    splits = resolve_splits(hourly(200), options, SPEC)
    assert splits.train == (24, 62)
    assert splits.validation == (67, 72)
    assert splits.test == (96, 120)
    assert "end of the training period" in splits.notes[0]


def test_training_and_validation_period_alone_test_on_what_follows() -> None:
    options = SplitOptions(train=("2000-01-01", "2000-01-02"), validation=("2000-01-04",) * 2)
    splits = resolve_splits(hourly(120), options, SPEC)
    assert splits.test == (101, 120)
    short = resolve_splits(hourly(105), options, SPEC)
    assert short.test is None
    assert "no test period" in short.notes[0]


def test_parts_may_come_in_any_order_if_all_are_given() -> None:
    options = SplitOptions(
        train=("2000-01-03", "2000-01-04"),
        validation=("2000-01-02", "2000-01-02"),
        test=("2000-01-01", "2000-01-01"),
    )
    splits = resolve_splits(hourly(96), options, SPEC)
    assert (splits.test, splits.validation, splits.train) == ((0, 19), (24, 43), (48, 96))
    with pytest.raises(ConfigError, match="give all three"):
        resolve_splits(hourly(96), options.model_copy(update={"validation": None}), SPEC)


def test_a_period_partly_in_the_record_is_cut_with_a_note() -> None:
    options = SplitOptions(train=("1999", "2000-01-02"), test=("2000-01-04", "2000"))
    splits = resolve_splits(hourly(120), options, SPEC)
    assert splits.train[0] == 0
    assert splits.test == (72, 120)
    assert [note for note in splits.notes if "only partly in the record" in note] == [
        "the training period 1999 to 2000-01-02 lies only partly in the record; "
        "what is used is 2000-01-01 to 2000-01-02 23:00",
        "the test period 2000-01-04 to 2000 lies only partly in the record; "
        "what is used is 2000-01-04 to 2000-01-05 23:00",
    ]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (SplitOptions(test=("2015", "2016")), DataError, "test period .2015 to 2016.*2000-01-01"),
        (SplitOptions(test=("2000-01-04", "2000-01-02")), ConfigError, "ends before it begins"),
        (SplitOptions(test=("the fourth", "2000")), ConfigError, "not a date"),
        (SplitOptions(test=("2000-01-01", "2000-01-02")), ConfigError, "no room to train on"),
        (
            SplitOptions(train=("2000-01-01", "2000-01-03"), test=("2000-01-03", "2000-01-04")),
            ConfigError,
            "training period .* and the test period .* overlap",
        ),
        (
            SplitOptions(
                train=("2000-01-01", "2000-01-02"),
                validation=("2000-01-03T00", "2000-01-03T03"),
                test=("2000-01-03T04", "2000-01-04"),
            ),
            ConfigError,
            "validation period has 0 steps",
        ),
    ],
)
def test_dates_that_cannot_be(options: SplitOptions, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        resolve_splits(hourly(96), options, SPEC)


def test_fractions_of_sequences_keep_each_whole() -> None:
    splits = resolve_splits(hourly(20), SplitOptions(), SPEC, n_sequences=10)
    assert splits.sequences == {"train": (0, 7), "validation": (7, 8), "test": (8, 10)}
    assert splits.train == splits.validation == splits.test == (0, 20)
    assert list(splits.sequences_of("test")) == [8, 9]


def test_two_sequences_have_no_validation_part() -> None:
    splits = resolve_splits(hourly(20), SplitOptions(), SPEC, n_sequences=2)
    assert splits.sequences == {"train": (0, 1), "test": (1, 2)}
    assert splits.validation is None
    assert list(splits.sequences_of("validation")) == []
    assert "too few" in splits.notes[0]


def test_dates_split_the_times_of_every_sequence() -> None:
    options = SplitOptions(test=("2000-01-05", "2000-01-05"))
    splits = resolve_splits(hourly(200), options, SPEC, n_sequences=3)
    assert splits.sequences is None
    assert list(splits.sequences_of("train")) == [0, 1, 2]


def test_a_window_longer_than_the_record() -> None:
    dates = SplitOptions(
        train=("2000-01-01", "2000-01-01T01"), test=("2000-01-01T03", "2000-01-02")
    )
    told = (
        r"a window takes 5 steps \(windows.history 3 and windows.horizon 2\), and the record has "
        r"4, 2000-01-01 to 2000-01-01 03:00; shorten windows.history or windows.horizon"
    )
    with pytest.raises(ConfigError, match=told):
        resolve_splits(hourly(4), dates, SPEC)
    with pytest.raises(ConfigError, match=r"windows.horizon 2, 24 steps after the longest lag"):
        resolve_splits(hourly(20), dates, replace(SPEC, lags=(24,)))


def test_sequences_shorter_than_a_window() -> None:
    with pytest.raises(ConfigError, match="each sequence has 4 steps and a window needs 5"):
        resolve_splits(hourly(4), SplitOptions(), SPEC, n_sequences=10)


@pytest.mark.parametrize("step", ["1h", "1D", "1M", "1Y"])
@pytest.mark.parametrize("calendar", ["proleptic_gregorian", "360_day", "noleap"])
def test_dates_read_back_as_the_same_positions(step: str, calendar: str) -> None:
    start = (
        np.datetime64("1999-12-16", "us")
        if calendar == "proleptic_gregorian"
        else cftime.datetime(1999, 12, 16, calendar=calendar)
    )
    axis = TimeAxis(start, TimeStep.parse(step), 60, calendar)
    for part in ((0, 60), (3, 31), (24, 49), (7, 8)):
        assert period(axis, *dates_of(axis, part), "period") == part


def test_half_days_read_back_as_the_same_positions() -> None:
    axis = TimeAxis(np.datetime64("2000-01-01T00", "us"), TimeStep.parse("12h"), 9, "")
    assert dates_of(axis, (0, 3)) == ("2000-01-01", "2000-01-02 00:00")
    assert period(axis, *dates_of(axis, (0, 3)), "period") == (0, 3)


def test_taxinyc_keeps_all_windows_of_its_test_year(shared: Path) -> None:
    stamps = _taxinyc_stamps(sorted((shared / "data" / "taxinyc").glob("*.h5")))
    axis = TimeAxis.from_times(stamps)
    store = _Steps(np.isin(axis.times(), stamps))
    spec = WindowSpec(4, 4)
    options = SplitOptions(
        train=("2010-01-01", "2012-11-30"),
        validation=("2012-12-02", "2012-12-31"),
        test=("2013-01-01", "2013-12-31"),
    )
    splits = resolve_splits(axis, options, spec)
    assert len(init_positions(store, spec, splits.test)) == 8050
    assert splits.dates(axis)["validation"] == ("2012-12-02", "2012-12-31 15:00")


class _Steps:
    def __init__(self, present: np.ndarray) -> None:
        self.present = present
        self.valid_cells = present[:, None].astype(np.int32)


def _taxinyc_stamps(files: Sequence[Path]) -> np.ndarray:
    dates = []
    for file in files:
        with h5py.File(file) as group:
            dates += [date.decode() for date in group["date"][:]]
    return np.unique(
        np.array([f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[8:10]}" for d in dates], "datetime64[us]")
    )


def test_the_last_days_are_those_of_the_valid_times() -> None:
    axis = hourly(30 * 24)
    splits = resolve_splits(axis, SplitOptions(test="last 5D"), SPEC)
    first = 25 * 24
    assert splits.test == (first - SPEC.history, axis.size)
    assert splits.validation[1] == splits.test[0] - SPEC.span
    assert splits.train == (0, splits.validation[0] - SPEC.span)
    assert splits.notes[0] == (
        "the test period, the last 5D, is 2000-01-25 21:00 to 2000-01-30 23:00"
    )
    # the dates on the card are the same period again
    dates = splits.dates(axis)
    again = resolve_splits(axis, SplitOptions(**dates), SPEC)
    assert (again.train, again.validation, again.test) == (
        splits.train,
        splits.validation,
        splits.test,
    )


def test_the_last_steps_and_validation_before_them() -> None:
    options = SplitOptions(test="last 48", validation=("last", "1D"))
    splits = resolve_splits(hourly(400), options, SPEC)
    assert splits.test == (400 - 48 - 3, 400)
    stop = splits.test[0] - SPEC.span
    assert splits.validation == (stop - 24 - 3, stop)
    assert splits.train == (0, splits.validation[0] - SPEC.span)


def test_the_last_windows_are_counted_without_gaps() -> None:
    usable = np.ones(400, bool)
    usable[[390, 350]] = False
    options = SplitOptions(test="last 30 windows")
    splits = resolve_splits(hourly(400), options, SPEC, usable=usable)
    inits = [init for init in range(2, 398) if usable[init - 2 : init + 3].all()]
    assert splits.test == (inits[-30] - 2, 400)
    whole = resolve_splits(hourly(400), options, SPEC)
    assert whole.test == (400 - 30 - SPEC.span + 1, 400)


def test_only_whole_days_count_where_others_are_left_out() -> None:
    usable = np.ones(240, bool)
    usable[7 * 24 : 8 * 24] = False
    spec = replace(SPEC, complete_days=True)
    splits = resolve_splits(hourly(240), SplitOptions(test="last 3D"), spec, usable=usable)
    assert splits.test == (6 * 24 - 3, 240)
    plain = resolve_splits(hourly(240), SplitOptions(test="last 3D"), SPEC, usable=usable)
    assert plain.test == (7 * 24 - 3, 240)


def test_validation_counts_back_from_a_test_period_with_dates() -> None:
    options = SplitOptions(test="2000-01-09", validation="last 1D")
    splits = resolve_splits(hourly(240), options, SPEC)
    assert splits.test == (8 * 24, 9 * 24)
    stop = 8 * 24 - SPEC.span
    assert splits.validation == (stop - 24 - 3, stop)
    without = resolve_splits(hourly(240), SplitOptions(validation="last 1D"), SPEC)
    assert without.validation == (240 - 24 - 3, 240)
    assert without.test is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train": "last 5D"}, "train cannot be counted back"),
        ({"test": "last 90D"}, r"data\.split\.test is the last 90D, which is 2160 steps"),
        ({"test": "last 500 windows"}, "last 500 windows, and before it ends the record has 236"),
        ({"test": "last 0 windows"}, "last 0 windows"),
        ({"test": "last fortnight"}, r"data\.split\.test: last: 'fortnight' is not a duration"),
        ({"test": "last 90min"}, "last 90min is not a whole number"),
        ({"test": "last 1D", "train": 0.5}, "mixes fractions and dates"),
        (
            {"test": "last 5D", "validation": ("2000-01-04", "2000-01-08")},
            r"validation period \(2000-01-04 to 2000-01-08\) and the test period \(last 5D\)",
        ),
    ],
)
def test_what_cannot_be_counted_back_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_splits(hourly(240), SplitOptions(**options), SPEC)
