"""Runs of files that are put together as they are opened."""

import numpy as np
import pytest
import xarray as xr

from stforecast.sources.combine import combine
from stforecast.sources.runs import in_runs

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


def sizes(runs):
    return [dataset.sizes["time"] for _, dataset in runs]


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("count", [17, 64, 65, 200])
def test_the_record_is_the_same(count, scalar):
    parts = [part(at, scalar=scalar) for at in range(count)]
    runs = in_runs(parts)
    assert len(runs) == -(-count // 64)
    together = combine(runs)
    xr.testing.assert_identical(together.compute(), combine(parts).compute())
    assert list(together.variables) == list(combine(parts).variables)


def test_a_run_has_the_name_of_its_first_file():
    assert [label for label, _ in in_runs(part(at) for at in range(70))] == ["0.nc", "64.nc"]


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
        part(1),
        part(0, 4),
    ],
    ids=["other rows", "more rows", "other units", "a member", "the same time", "times around"],
)
def test_what_differs_is_by_itself(other):
    runs = in_runs([part(0), part(1), other, part(5), part(6)])
    assert sizes(runs)[0] == 2
    assert runs[1][0] == other[0]


def test_files_in_any_order_make_one_record():
    order = np.random.default_rng(0).permutation(40)
    parts = [part(int(at)) for at in order]
    xr.testing.assert_identical(
        combine(in_runs(parts)).sortby("time").compute(), combine(parts).compute()
    )
