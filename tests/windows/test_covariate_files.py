"""Covariates from the user's own files: read, put on the record's times, standardised."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stforecast.errors import DataError, StForecastError, StForecastWarning
from stforecast.options import SplitOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.windows import CovariateSet, WindowSpec, resolve_splits, resolve_windows
from stforecast.windows.covariates.learning import learn_covariates
from tests.helpers import make_store

HOURS = pd.date_range("2000-01-01", periods=240, freq="h")


def csv(path: Path, **columns: Any) -> str:
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def learned(store: TensorStore, item: dict[str, Any]) -> tuple[WindowSpec, list[str]]:
    """The windows with what the training period (its first 161 hours) has, and the notes."""
    options = WindowOptions(history=3, horizon=2, covariates=[item])
    spec = resolve_windows(options, store.axis.step)
    splits = resolve_splits(store.axis, SplitOptions(), spec)
    return learn_covariates(spec, store, splits), splits.notes


def raw(store: TensorStore, item: dict[str, Any], positions: Any) -> np.ndarray:
    """Values before they are standardised."""
    spec, _ = learned(store, item)
    (source,) = CovariateSet.of(spec, store).sources
    return source.values(np.asarray(positions))


def test_a_table_is_past_by_default_and_standardised_by_the_training_period(
    tmp_path: Path,
) -> None:
    rain = np.arange(240.0)
    file = csv(tmp_path / "weather.csv", date=HOURS, rain=rain, text=["a"] * 240)
    store = make_store(240)
    spec, notes = learned(store, {"file": file})
    (told,) = spec.told
    assert (told.kind, told.names, told.missing) == ("past", ["rain"], [False])
    assert told.mean == [pytest.approx(rain[:161].mean())]
    assert told.std == [pytest.approx(rain[:161].std())]
    assert len(told.files[file]) == 64
    assert not notes
    found = CovariateSet.of(spec, store)
    values = found.values("past", np.array([10, 20]))
    assert values is not None
    expected = (np.array([[8, 9, 10], [18, 19, 20]]) - rain[:161].mean()) / rain[:161].std()
    np.testing.assert_allclose(values[:, :, 0, 0, 0], expected, rtol=1e-5)
    assert found.values("future", np.array([10])) is None
    assert WindowSpec.from_json(spec.to_json()) == spec


def test_past_values_of_a_later_window_end_at_the_initial_time(tmp_path: Path) -> None:
    file = csv(tmp_path / "w.csv", time=HOURS, rain=np.arange(240.0))
    store = make_store(240)
    spec, _ = learned(store, {"file": file})
    plain = replace(spec, told=())
    found = CovariateSet.of(plain, store)
    first, later = (found.values("past", np.array([10]), ahead) for ahead in (0, 2))
    assert first is not None
    assert later is not None
    assert first.ravel().tolist() == [8, 9, 10]
    assert later.ravel().tolist() == [10, 10, 10]


def test_future_values_reach_beyond_the_initial_time_and_the_record(tmp_path: Path) -> None:
    times = pd.date_range("2000-01-01", periods=300, freq="h")
    file = csv(tmp_path / "plan.csv", time=times, plan=np.arange(300.0))
    store = make_store(240)
    spec, _ = learned(store, {"file": file, "known": "future"})
    found = CovariateSet.of(replace(spec, told=()), store).values("future", np.array([10, 239]), 2)
    assert found is not None
    assert found[..., 0].tolist() == [[10, 11, 12, 13, 14], [239, 240, 241, 242, 243]]


@pytest.mark.parametrize(
    ("zone", "stamps", "timezone"),
    [
        ("UTC", "2000-01-01T00:00Z", None),
        ("America/New_York", "1999-12-31T19:00", "America/New_York"),
        ("Asia/Shanghai", "2000-01-01T08:00+08:00", None),
    ],
)
def test_times_in_other_clocks(
    tmp_path: Path, zone: str, stamps: str, timezone: str | None
) -> None:
    start = pd.Timestamp(stamps)
    times = [
        (start + pd.Timedelta(hours=hour)).isoformat(timespec="minutes") for hour in range(240)
    ]
    file = csv(tmp_path / "w.csv", time=times, rain=np.arange(240.0))
    store = make_store(240, start="2000-01-01 01:00", timezone="Europe/Berlin")  # 00:00 UTC
    item = {"file": file, **({"timezone": timezone} if timezone else {})}
    assert raw(store, item, [0, 5, 239]).ravel().tolist() == [0, 5, 239]


def test_a_change_of_clocks_within(tmp_path: Path) -> None:
    """Hourly values in UTC on a record in local time, across 10 March 2013 in New York."""
    times = pd.date_range("2013-03-09T05:00", periods=240, freq="h")
    file = csv(tmp_path / "w.csv", time=times, rain=np.arange(240.0))
    store = make_store(235, start="2013-03-09", timezone="America/New_York")
    found = raw(store, {"file": file, "timezone": "UTC"}, [25, 26, 27, 28]).ravel()
    assert found.tolist() == [25, 26, 26, 27]  # 02:00 is skipped


def test_daily_values_hold_through_the_day_and_odd_minutes_the_hour(tmp_path: Path) -> None:
    days = pd.date_range("2000-01-01", periods=10, freq="D")
    daily = csv(tmp_path / "d.csv", date=days.strftime("%Y%m%d"), event=np.arange(10.0))
    store = make_store(240)
    assert raw(store, {"file": daily}, [0, 23, 24, 239]).ravel().tolist() == [0, 0, 1, 9]
    odd = csv(tmp_path / "o.csv", time=HOURS - pd.Timedelta(minutes=9), rain=np.arange(240.0))
    assert raw(store, {"file": odd}, [0, 1, 239]).ravel().tolist() == [0, 1, 239]


def test_gaps_are_missing_unless_values_may_be_older(tmp_path: Path) -> None:
    kept = np.delete(np.arange(240), [50, 51])
    file = csv(tmp_path / "w.csv", time=HOURS[kept], rain=kept.astype(float))
    store = make_store(240)
    found = raw(store, {"file": file}, [49, 50, 51, 52]).ravel()
    np.testing.assert_array_equal(found, [49, np.nan, np.nan, 52])
    held = raw(store, {"file": file, "max_age": "2h"}, [49, 50, 51, 52]).ravel()
    np.testing.assert_array_equal(held, [49, 49, np.nan, 52])


def test_missing_values_are_the_mean_with_a_mask_where_training_lacks_some(
    tmp_path: Path,
) -> None:
    rain = np.arange(240.0)
    rain[[20, 30]] = np.nan
    file = csv(tmp_path / "w.csv", time=HOURS, rain=rain, wind=np.ones(240))
    store = make_store(240)
    spec, notes = learned(store, {"file": file})
    assert spec.told[0].missing == [True, False]
    assert len(notes) == 1
    assert "has 'rain' for 98.8 % of the times of the training period" in notes[0]
    found = CovariateSet.of(spec, store)
    assert found.names("past") == ("rain", "wind", "rain_known")
    values = found.values("past", np.array([21]))
    assert values is not None
    assert values[0, :, 0, 0, 0][1] == 0
    assert values[0, :, 2, 0, 0].tolist() == [1, 0, 1]
    assert (values[0, :, 1] == 0).all()  # a constant has no spread


def test_a_value_missing_where_training_lacked_none_is_warned_of(tmp_path: Path) -> None:
    rain = np.arange(240.0)
    rain[230] = np.nan
    file = csv(tmp_path / "w.csv", time=HOURS, rain=rain)
    store = make_store(240)
    spec, _ = learned(store, {"file": file})
    found = CovariateSet.of(spec, store)
    with pytest.warns(StForecastWarning, match=r"lacks 'rain' at 1 of the 3 times .*2000-01-10 14"):
        found.require(np.array([231]), 2, "the forecast")
    found.require(np.array([239]), 2, "the forecast")
    values = found.values("past", np.array([231]))
    assert values is not None
    assert values.ravel()[1] == 0


def test_what_ends_too_early_is_named_with_the_range_needed(tmp_path: Path) -> None:
    file = csv(tmp_path / "plan.csv", time=HOURS, plan=np.arange(240.0))
    store = make_store(240)
    spec, _ = learned(store, {"file": file, "known": "future"})
    found = CovariateSet.of(spec, store)
    found.require(np.array([237]), 1, "the forecast")
    words = (
        r"has 'plan' \(future\) from 2000-01-01 to 2000-01-10 23:00, and the forecast needs it "
        r"from 2000-01-10 20:00 to 2000-01-11 02:00; bring what is missing with --future FILE"
    )
    with pytest.raises(DataError, match=words):
        found.require(np.array([238]), 3, "the forecast")  # two windows of two steps
    more = pd.DataFrame({"time": HOURS[-3:] + pd.Timedelta(hours=3), "plan": [6.0, 7.0, 8.0]})
    longer = CovariateSet.of(spec, store, [more], trained=True)
    longer.require(np.array([238]), 3, "the forecast")
    (source,) = longer.sources
    assert source.values(np.array([239, 241, 242])).ravel().tolist() == [239, 7, 8]


def test_what_is_brought_takes_the_place_of_the_file(tmp_path: Path) -> None:
    file = csv(tmp_path / "w.csv", time=HOURS, rain=np.arange(240.0), wind=np.arange(240.0))
    store = make_store(240)
    spec, _ = learned(store, {"file": file, "columns": "rain"})
    new = xr.Dataset({"rain": ("time", [5.0, 6.0])}, {"time": HOURS[-2:]})
    (source,) = CovariateSet.of(spec, store, [new], trained=True).sources
    assert source.values(np.array([237, 238, 239])).ravel().tolist() == [237, 5, 6]
    Path(file).unlink()
    lost = CovariateSet.of(spec, store, trained=True)
    words = r"'rain' \(past\) for the forecast from 2000-01-10 to .* 02:00, and there is no file"
    with pytest.raises(DataError, match=words):
        lost.require(np.array([218]), 2, "the forecast")
    alone = CovariateSet.of(spec, store, [new], trained=True)
    (source,) = alone.sources
    assert source.values(np.array([239])).ravel().tolist() == [6]
    with pytest.raises(DataError, match="nothing that the run is told: it is told 'rain'"):
        CovariateSet.of(spec, store, [new.rename(rain="hail")], trained=True)


def test_deepsts_meteorology(tmp_path: Path) -> None:
    dates = [f"2000{day:04d}{slot:02d}" for day in range(101, 106) for slot in range(1, 49)]
    with h5py.File(tmp_path / "BJ_Meteorology.h5", "w") as file:
        file["date"] = np.array(dates, "S10")
        file["Temperature"] = np.arange(240.0)
        file["Weather"] = np.eye(17)[np.arange(240) % 17]
    store = make_store(240, step="30min")
    spec, _ = learned(store, {"file": str(tmp_path / "BJ_Meteorology.h5")})
    assert spec.told[0].kind == "past"
    assert spec.told[0].names == ["Temperature", *(f"Weather_{k}" for k in range(17))]
    (source,) = CovariateSet.of(spec, store).sources
    found = source.values(np.array([0, 47, 48]))
    assert found[:, 0].tolist() == [0, 47, 48]
    assert found[:, 1:].argmax(axis=1).tolist() == [0, 47 % 17, 48 % 17]


def test_fields_on_the_grid_and_on_a_larger_one(tmp_path: Path) -> None:
    store = make_store(240)
    lat, lon = np.linspace(36, 64, 8), np.arange(-2, 10) * 1.5 + 360
    values = np.arange(240.0)[:, None, None] + np.zeros((240, 8, 12)) + np.arange(12) / 100
    wide = xr.Dataset(
        {"pressure": (("time", "latitude", "longitude"), values)},
        {
            "time": HOURS,
            "latitude": ("latitude", lat[::-1], {"units": "degrees_north"}),
            "longitude": ("longitude", lon, {"units": "degrees_east"}),
        },
    )
    wide.to_netcdf(tmp_path / "wide.nc")
    spec, _ = learned(store, {"file": str(tmp_path / "wide.nc"), "known": "future"})
    found = CovariateSet.of(replace(spec, told=()), store).values("future", np.array([5]))
    assert found is not None
    assert found.shape == (1, 5, 1, 6, 8)
    np.testing.assert_allclose(found[0, 0, 0, 2], 3 + np.arange(2, 10) / 100, rtol=1e-6)
    scaled = CovariateSet.of(spec, store).values("future", np.array([5]))
    assert scaled is not None
    assert np.abs(scaled).max() < 3
    shifted = wide.assign_coords(latitude=("latitude", lat[::-1] + 1, {"units": "degrees_north"}))
    shifted.to_netcdf(tmp_path / "shifted.nc")
    with pytest.raises(DataError, match="is on another grid than the record"):
        learned(store, {"file": str(tmp_path / "shifted.nc")})


def test_a_field_without_a_time_is_static_and_its_gaps_are_masked(tmp_path: Path) -> None:
    store = make_store(240)
    height = np.arange(48.0).reshape(6, 8)
    height[0, 0] = np.nan
    fields = xr.Dataset({"z": (("lat", "lon"), height)}, {k: store.dataset[k].values for k in ()})
    fields.to_netcdf(tmp_path / "z.nc")
    spec, notes = learned(store, {"file": str(tmp_path / "z.nc")})
    assert spec.told[0].kind == "static"
    assert "97.9 % of the cells" in notes[0]
    found = CovariateSet.of(spec, store)
    assert found.names("static") == ("z", "z_known")
    values = found.values("static", np.array([5, 6]))
    assert values is not None
    assert values.shape == (2, 2, 6, 8)
    assert values[0, :, 0, 0].tolist() == [0, 0]
    assert values[0, 1].sum() == 47
    np.testing.assert_allclose(values[0, 0].sum(), 0, atol=1e-4)


def test_delimiters_commas_and_orders_of_tables(tmp_path: Path) -> None:
    lines = [f"{time:%d.%m.%Y %H:%M};{row},5" for row, time in enumerate(HOURS)]
    file = tmp_path / "w.csv"
    file.write_text("\ufeffZeit; Regen\n" + "\n".join(lines[::-1]) + "\n" + lines[0] + "\n")
    item = {"file": str(file), "time": "Zeit", "time_format": "%d.%m.%Y %H:%M"}
    assert raw(make_store(240), item, [0, 1, 239]).ravel().tolist() == [0.5, 1.5, 239.5]


BROKEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "no time": ("a,b\n1,2\n", {}, "has no column called time or date"),
    "no column": ("time,b\n2000-01-01,2\n", {"columns": "rain"}, "has no column 'rain'; it has"),
    "no numbers": ("time,b\n2000-01-01,Sunny\n", {"columns": "b"}, "holds 'Sunny', which is no n"),
    "no date": ("time,b\nyesterday,1\n", {}, "holds 'yesterday', which is no time"),
    "other dates": ("time,b\n1990-01-01,1\n1990-01-02,2\n", {}, r"no value of 'b' in the training"),
    "empty": ("", {}, "w.csv is empty"),
    "no rows": ("time,b\n", {"columns": "b"}, "has no rows"),
    "one column": ("20000101\n20000102\n", {}, "has a single column"),
    "zone": ("time,b\n2000-01-01,1\n", {"timezone": "Nowhere"}, "there is no time zone 'Nowhere'"),
    "static": ("time,b\n2000-01-01,1\n2000-01-02,1\n", {"known": "static"}, "said to be static"),
    "ambiguous": ("date,b\n2000010105,1\n2000010106,1\n", {}, "may be hours of day or slots"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, name: str) -> None:
    text, options, words = BROKEN[name]
    file = tmp_path / "w.csv"
    file.write_text(text)
    with pytest.raises(StForecastError, match=words):
        learned(make_store(240), {"file": str(file), **options})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        learned(make_store(240), {"file": str(tmp_path / "w.csv")})


def test_a_validation_period_without_values_is_refused(tmp_path: Path) -> None:
    file = csv(tmp_path / "w.csv", time=HOURS[:170], rain=np.arange(170.0))
    with pytest.raises(
        DataError, match=r"the validation period needs it from .*; bring the file up"
    ):
        learned(make_store(240), {"file": file})


def test_statistics_of_a_run_that_goes_on_stay(tmp_path: Path) -> None:
    file = csv(tmp_path / "w.csv", time=HOURS, rain=np.arange(240.0))
    store = make_store(240)
    spec, _ = learned(store, {"file": file})
    csv(tmp_path / "w.csv", time=HOURS, rain=np.arange(240.0) * 2)
    splits = resolve_splits(store.axis, SplitOptions(), spec)
    assert learn_covariates(spec, store, splits, spec.told).told == spec.told
    assert learn_covariates(spec, store, splits).told != spec.told
