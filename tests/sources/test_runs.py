"""Runs of files that are put together as they are opened."""

import numpy as np
import pytest
import xarray as xr

from stforecast.sources import runs
from stforecast.sources.combine import combine
from stforecast.sources.light import Reopened

HOURS = np.datetime64("2020-01-01", "us") + np.arange(300) * np.timedelta64(1, "h")


def part(at, count=1, *, lat=(1.0, 2.0), units="K", scalar=False, history=None, member=None):
    """A file of `count` hours from hour `at`, whose values are the number of the hour."""
    hours = np.arange(at, at + count)
    values = hours[:, None, None] + np.zeros((1, len(lat), 3))
    dataset = xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": units})},
        coords={"time": HOURS[hours], "lat": list(lat), "lon": [1.0, 2.0, 3.0]},
        attrs={"title": "hours", "history": history or f"made at {at}"},
    ).chunk()
    if member is not None:
        dataset = dataset.assign_coords(number=member)
    return f"{at}.nc", dataset.isel(time=0) if scalar else dataset


def in_runs(parts):
    """Of parts that have no file."""
    opened = ((label, dataset, None) for label, dataset in parts)
    return runs.in_runs(opened, Reopened(open))


def sizes(runs):
    return [dataset.sizes["time"] for _, dataset in runs]


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("count", [17, 64, 65, 200])
def test_the_record_is_the_same(count, scalar):
    parts = [part(at, scalar=scalar) for at in range(count)]
    found = in_runs(parts)
    assert len(found) == 1
    together = combine(found)
    xr.testing.assert_identical(together.compute(), combine(parts).compute())
    assert list(together.variables) == list(combine(parts).variables)


def test_a_run_has_the_name_of_its_first_file():
    parts = [part(2), part(1), part(3, lat=(1.0, 3.0)), part(4), part(0)]
    assert [label for label, _ in in_runs(parts)] == ["0.nc", "3.nc", "4.nc"]


def test_an_attribute_that_differs_in_one_run_is_in_none():
    parts = [part(at, history="one" if at >= 64 else None) for at in range(128)]
    assert "history" not in combine(in_runs(parts)).attrs
    assert "history" not in combine(parts).attrs
    assert combine(in_runs(parts)).attrs["title"] == "hours"


@pytest.mark.parametrize(
    "other",
    [
        part(2, lat=(1.0, 3.0)),
        part(2, lat=(1.0, 2.0, 3.0)),
        part(2, units="degC"),
        part(2, member=1),
    ],
    ids=["other rows", "more rows", "other units", "a member"],
)
def test_what_differs_is_by_itself(other):
    found = in_runs([part(0), part(1), other, part(5), part(6)])
    assert sizes(found) == [2, 1, 2]
    assert found[1][0] == other[0]


@pytest.mark.parametrize("other", [part(1), part(0, 4), part(3, 5)])
def test_files_that_overlap_are_in_one_run(other):
    parts = [part(5), part(0), other, part(1), part(6)]
    found = in_runs(parts)
    assert len(found) == 1
    xr.testing.assert_identical(combine(found).compute(), combine(parts).compute())


def test_files_in_any_order_make_one_record():
    order = np.random.default_rng(0).permutation(100)
    parts = [part(int(at)) for at in order]
    found = in_runs(parts)
    assert len(found) == 1
    xr.testing.assert_identical(combine(found).compute(), combine(parts).compute())


def test_rows_come_in_one_order_whatever_the_files_are():
    """Overlapping files of two kinds, some beginning together, in any order: as all at once."""
    rng = np.random.default_rng(1)
    parts = []
    for number in range(150):
        at, count = int(rng.integers(0, 120)), int(rng.integers(1, 9))
        label, dataset = part(at, count, history="one", units=None)
        # what tells which file a row is of, and an attribute that makes another kind
        dataset = dataset.assign(t=dataset.t + 1000 * number)
        if number % 7 == 0:
            dataset = dataset.assign_coords(lon=dataset.lon.assign_attrs(axis="X"))
        parts.append((f"{number}-{label}", dataset))
    together, expected = combine(in_runs(parts)), combine(parts)
    np.testing.assert_array_equal(together.t.values, expected.t.values)
    np.testing.assert_array_equal(together.time.values, expected.time.values)


def test_attributes_of_variables_that_differ_are_left_out():
    parts = []
    for at in range(20):
        label, dataset = part(at, history="one")
        dataset.t.attrs.update(actual_range=np.array([at, at + 1.0]), long_name="hour")
        if at == 3:
            dataset.t.attrs["comment"] = "the third"
        parts.append((label, dataset))
    ((_, found),) = in_runs(parts)
    assert found.t.attrs == {"units": "K", "long_name": "hour", "comment": "the third"}
    xr.testing.assert_identical(found.compute(), combine(parts).compute())


def test_a_field_without_times_is_that_of_the_earliest_file():
    parts = []
    for at in reversed(range(20)):
        label, dataset = part(at, history="one")
        land = (("lat", "lon"), np.full((2, 3), float(at)), {"units": "1", "made": f"at {at}"})
        parts.append((label, dataset.assign(land=land).chunk()))
    ((_, found),) = in_runs(parts)
    assert found.land.values.max() == 0
    xr.testing.assert_identical(found.compute(), combine(parts).compute())


def test_a_single_time_that_differs_is_left_out():
    parts = []
    for at in range(20):
        label, dataset = part(at, history="one")
        began, made = HOURS[at // 6 * 6], HOURS[0]
        parts.append((label, dataset.assign_coords(began=began, made=made)))
    ((_, found),) = in_runs(parts)
    assert "began" not in found.coords
    assert found.made.values == HOURS[0]
    xr.testing.assert_identical(found.compute(), combine(parts).compute())
