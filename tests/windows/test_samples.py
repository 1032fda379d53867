"""Which times make a sample, by cases worked out by hand.

In the sketches a dot is a step, ``x`` an absent time and ``o`` a time that is there and wholly
missing.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stforecast.errors import DataError
from stforecast.options import SplitOptions
from stforecast.windows import WindowSpec, init_positions, list_samples, resolve_splits
from stforecast.windows.parts import Splits
from tests.helpers import make_store


class Steps:
    """What of a store is asked, drawn as text."""

    def __init__(self, sketch: str) -> None:
        self.present = np.array([mark != "x" for mark in sketch])
        self.valid_cells = np.array([[4 * (mark == ".")] for mark in sketch])


@pytest.mark.parametrize(
    ("sketch", "history", "horizon", "expected"),
    [
        ("......", 2, 2, [1, 2, 3]),
        ("......", 1, 1, [0, 1, 2, 3, 4]),
        ("......", 3, 3, [2]),
        ("......", 4, 3, []),
        ("", 1, 1, []),
        # an absent time is in no window
        ("...x....", 2, 1, [1, 5, 6]),
        ("...x....", 1, 2, [0, 4, 5]),
        ("x......x", 2, 2, [2, 3, 4]),
        (".x.x.x.", 1, 1, []),
        ("..xx..x...", 1, 1, [0, 4, 7, 8]),
        # a step without values is in windows that have others
        ("...o...", 2, 2, [1, 2, 3, 4]),
        # but neither the history nor the target may have none
        ("...o...", 1, 1, [0, 1, 4, 5]),
        ("..oo....", 2, 2, [2, 4, 5]),
        ("oo......", 2, 1, [2, 3, 4, 5, 6]),
        ("..ox...", 1, 1, [0, 4, 5]),
    ],
)
def test_windows_of_a_record(sketch: str, history: int, horizon: int, expected: list[int]) -> None:
    spec = WindowSpec(history, horizon)
    assert init_positions(Steps(sketch), spec, None).tolist() == expected


def test_windows_stay_inside_their_part() -> None:
    spec = WindowSpec(2, 2)
    assert init_positions(Steps("." * 20), spec, (5, 10)).tolist() == [6, 7]
    assert init_positions(Steps("." * 20), spec, (5, 8)).tolist() == []
    assert init_positions(Steps("......x............."), spec, (5, 14)).tolist() == [8, 9, 10, 11]


def test_every_counts_from_the_first_that_has_room() -> None:
    spec = WindowSpec(2, 1)
    assert init_positions(Steps("." * 12), spec, (0, 12), every=3).tolist() == [1, 4, 7, 10]
    # a gap leaves initial times out and does not shift the others
    assert init_positions(Steps("...x........"), spec, (0, 12), every=3).tolist() == [1, 7, 10]


def test_the_horizon_may_be_another() -> None:
    spec = WindowSpec(2, 2)
    assert init_positions(Steps("....."), spec, None, horizon=0).tolist() == [1, 2, 3, 4]
    assert init_positions(Steps("......"), spec, None, horizon=4).tolist() == [1]
    # history alone: what follows may be missing
    assert init_positions(Steps("..xo.."), spec, None, horizon=0).tolist() == [1, 4, 5]


def test_samples_of_sequences_do_not_run_into_each_other() -> None:
    store = make_store(6, sequences=4, height=2, width=2)
    spec = WindowSpec(2, 2)
    splits = resolve_splits(store.axis, SplitOptions(), spec, n_sequences=4)
    assert list_samples(store, spec, splits, "train").tolist() == [
        [0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3],
    ]  # fmt: skip
    assert list_samples(store, spec, splits, "test").tolist() == [[3, 1], [3, 2], [3, 3]]


def test_a_sequence_that_is_missing_for_a_time_does_not_cost_the_others() -> None:
    values = np.ones((2, 8, 1, 2, 2), np.float32)
    values[1, 2:6] = np.nan
    store = make_store(8, values=values, sequences=2)
    spec = WindowSpec(1, 1)
    splits = Splits((0, 8), n_sequences=2)
    samples = list_samples(store, spec, splits, "train")
    assert samples[samples[:, 0] == 0, 1].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert samples[samples[:, 0] == 1, 1].tolist() == [0, 6]
    assert init_positions(store, spec, None).tolist() == [0, 6]


def test_no_part_no_samples() -> None:
    assert list_samples(Steps("...."), WindowSpec(1, 1), Splits((0, 4)), "test").shape == (0, 2)


def test_gaps_that_leave_no_window_are_an_error() -> None:
    with pytest.raises(DataError, match="training period has no 4 steps in a row"):
        list_samples(Steps("..x...x..x"), WindowSpec(2, 2), Splits((0, 10)), "train")


@given(
    sketch=st.text(alphabet="..xo", max_size=30),
    history=st.integers(1, 4),
    horizon=st.integers(0, 4),
    start=st.integers(0, 10),
    length=st.integers(0, 30),
    every=st.integers(1, 3),
)
def test_the_definition_word_for_word(
    sketch: str, history: int, horizon: int, start: int, length: int, every: int
) -> None:
    part = min(start, len(sketch)), min(start + length, len(sketch))
    expected = []
    for init in range(part[0] + history - 1, part[1] - horizon, every):
        past, future = sketch[init - history + 1 : init + 1], sketch[init + 1 : init + 1 + horizon]
        whole = len(past) == history and len(future) == horizon and "x" not in past + future
        if whole and "." in past and ("." in future or horizon == 0):
            expected.append(init)
    spec = WindowSpec(history, 1)
    found = init_positions(Steps(sketch), spec, part, every, horizon=horizon)
    assert found.tolist() == expected
