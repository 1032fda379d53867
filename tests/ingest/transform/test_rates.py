"""Sums made into sums over each step and into rates: values by hand, units, what cannot be told."""

import cftime
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import ConfigError, DataError
from stforecast.ingest import Prepared, ingest, prepare
from stforecast.ingest.transform.units import converted, per_second, rate_name
from stforecast.options import DataOptions
from stforecast.store import TensorStore


def hourly(n: int, start: str = "2020-01-01", step: int = 1) -> np.ndarray:
    return np.datetime64(start, "us") + np.arange(n) * np.timedelta64(step, "h")


def record(values, times, **attrs) -> xr.Dataset:
    values = np.asarray(values, float)[:, None, None].repeat(2, axis=2)
    attrs = {"units": "J m**-2", **attrs}
    return xr.Dataset({"t": (("time", "y", "x"), values, attrs)}, {"time": times})


def made(dataset: xr.Dataset, **variable) -> Prepared:
    return prepare(dataset, DataOptions(variables={"t": variable}))


def values(prepared: Prepared) -> list[float]:
    return prepared.store().read(0, prepared.dataset.sizes["time"])[:, 0, 0, 0].tolist()


class TestRates:
    def test_of_sums_over_each_step(self):
        prepared = made(record([3600, 7200, 0], hourly(3)), rate=True)
        assert values(prepared) == [1, 2, 0]
        (channel,) = prepared.store().meta.channels
        assert (channel.units, channel.cell_methods) == ("W m-2", "time: mean")
        assert prepared.findings.mapping["rates"] == (
            "t is the mean rate over each step (J m**-2 became W m-2)"
        )

    def test_in_units_of_the_users(self):
        data = record([0.024, 0.048], hourly(2), units="m")
        prepared = made(data, rate=True, units="mm day-1")
        assert values(prepared) == pytest.approx([576, 1152])
        assert prepared.store().meta.channels[0].units == "mm day-1"
        assert prepared.store().meta.recipe["variables"]["t"]["units"] == "mm day-1"

    def test_units_of_another_kind(self):
        with pytest.raises(ConfigError, match="its rate is in W m-2, which cannot be turned into"):
            made(record([1, 2], hourly(2)), rate=True, units="mm day-1")

    def test_units_that_the_file_lacks(self):
        data = record([3600, 7200], hourly(2))
        del data.t.attrs["units"]
        prepared = made(data, rate=True, units="W m-2")
        assert values(prepared) == [1, 2]
        assert prepared.store().meta.channels[0].units == "W m-2"

    def test_of_months_of_their_own_length(self):
        times = np.array(["2020-01", "2020-02", "2020-03"], "datetime64[M]").astype(
            "datetime64[us]"
        )
        seconds = np.array([31, 29, 31]) * 86400.0
        assert values(made(record(seconds, times), rate=True)) == [1, 1, 1]
        ends = np.array([31, 31, 29]) * 86400.0  # of December, January and February
        assert values(made(record(ends, times), rate=True, stamp="end")) == [1, 1, 1]

    def test_of_months_of_a_model(self):
        times = np.array([cftime.datetime(2000, m, 16, calendar="360_day") for m in (1, 2, 3)])
        assert values(made(record([30 * 86400.0] * 3, times), rate=True)) == [1, 1, 1]

    def test_by_time_bounds(self):
        times = np.array(["2020-01", "2020-02"], "datetime64[M]").astype("datetime64[us]")
        edges = np.array(
            [["2019-12-01", "2020-01-01"], ["2020-01-01", "2020-02-01"]], "datetime64[us]"
        )
        data = record([31 * 86400.0, 31 * 86400.0], times).assign_coords(b=(("time", "nv"), edges))
        data.time.attrs["bounds"] = "b"
        assert values(made(data, rate=True)) == [1, 1]

    def test_days_of_rates_take_the_hours_that_end_in_them(self):
        data = record(np.arange(49) * 3600.0, hourly(49))
        options = DataOptions(variables={"t": {"rate": True}}, resample="1D")
        prepared = prepare(data, options)
        assert values(prepared) == [12.5, 36.5]
        assert prepared.store().meta.channels[0].cell_methods == "time: mean (interval: 1 hour)"


class TestSumsSinceLongAgo:
    # from midnight to midnight, as in ERA5-Land: at 00 stands the sum of the day before
    hours = hourly(7, "2020-01-01T21")
    sums = (21, 22, 23, 24, 2, 5, 9)

    def test_anew_every_day(self):
        prepared = made(record(self.sums, self.hours), accumulated="24h")
        assert values(prepared) == [1, 1, 1, 2, 3, 4]
        told = "t: 1 time has no value, as the one before, from which it is to be told, is absent"
        assert told in prepared.findings.notes
        (channel,) = prepared.store().meta.channels
        assert (channel.units, channel.cell_methods) == ("J m**-2", "time: sum")

    def test_and_a_rate(self):
        prepared = made(
            record(np.array(self.sums) * 3600.0, self.hours), accumulated="24h", rate=True
        )
        assert values(prepared) == [1, 1, 1, 2, 3, 4]
        assert prepared.findings.mapping["rates"] == (
            "t is the sum over each step of what was summed anew every 24h from midnight and the "
            "mean rate over each step (J m**-2 became W m-2)"
        )

    def test_what_is_absent_takes_the_next_with_it(self):
        data = record(self.sums, self.hours).isel(time=[0, 1, 3, 4, 5, 6])
        prepared = made(data, accumulated="24h")
        np.testing.assert_array_equal(values(prepared), [1, np.nan, np.nan, 2, 3, 4])
        np.testing.assert_array_equal(prepared.store().present, [1, 0, 0, 1, 1, 1])

    def test_beside_another_variable_it_is_missing(self):
        data = record(self.sums, self.hours).isel(time=[0, 1, 3, 4, 5, 6])
        data["s"] = data.t.copy()
        options = DataOptions(variables={"t": {"accumulated": "24h"}, "s": {}})
        store = prepare(data, options).store()
        np.testing.assert_array_equal(store.present, [1, 1, 0, 1, 1, 1, 1])
        np.testing.assert_array_equal(
            store.read(0, 7)[:, 0, 0, 0], [np.nan, 1, np.nan, np.nan, 2, 3, 4]
        )

    def test_the_time_before_a_period_is_used(self):
        options = DataOptions(
            variables={"t": {"accumulated": "24h"}}, period=("2020-01-01T22", "2020-01-02T01")
        )
        assert values(prepare(record(self.sums, self.hours), options)) == [1, 1, 1, 2]

    @pytest.mark.parametrize("chunks", [1, 3, 7])
    def test_across_chunks(self, chunks):
        data = record(self.sums, self.hours).chunk(time=chunks)
        assert values(made(data, accumulated="24h")) == [1, 1, 1, 2, 3, 4]

    def test_steps_of_hours(self):
        times = hourly(5, "2020-01-01T03", 3)
        assert values(made(record([3, 6, 9, 12, 1], times), accumulated="12h")) == [3, 3, 3, 3, 1]

    def test_steps_do_not_fit(self):
        with pytest.raises(ConfigError, match="5h is not a whole number of steps of 1 hour"):
            made(record([1, 2], hourly(2)), accumulated="5h")

    def test_a_step_of_the_calendar(self):
        times = np.array(["2020-01", "2020-02"], "datetime64[M]").astype("datetime64[us]")
        with pytest.raises(ConfigError, match="needs a step of fixed length"):
            made(record([1, 2], times), accumulated="24h")

    def test_large_sums_keep_small_steps(self):
        data = record(1e8 + np.arange(1.0, 4), hourly(3, "2020-01-01T02"))
        assert values(made(data, accumulated="24h")) == [1, 1]


class TestForecasts:
    def forecasts(self) -> xr.Dataset:
        """Two forecasts, twelve hours apart, of four steps of three hours each."""
        sums = np.array([[1, 3, 6, 10], [5, 5, 7, 8]], float)
        return xr.Dataset(
            {"t": (("time", "step", "y", "x"), sums[..., None, None].repeat(2, 3), {"units": "m"})},
            {
                "time": ("time", hourly(2, step=12), {"standard_name": "forecast_reference_time"}),
                "step": (
                    "step",
                    np.arange(1, 5) * np.timedelta64(3, "h").astype("m8[ns]"),
                    {"standard_name": "forecast_period"},
                ),
            },
        )

    def test_each_begins_anew(self):
        prepared = made(self.forecasts(), accumulated="forecast")
        assert values(prepared) == [1, 2, 3, 4, 5, 0, 2, 1]

    def test_with_a_coordinate_that_tells_when(self):
        stacked = hourly(8, "2020-01-01T03", 3)
        data = record([1, 3, 6, 10, 5, 5, 7, 8], stacked).assign_coords(
            began=(
                "time",
                hourly(2, step=12).repeat(4),
                {"standard_name": "forecast_reference_time"},
            )
        )
        assert values(made(data, accumulated="forecast")) == [1, 2, 3, 4, 5, 0, 2, 1]

    def test_files_that_do_not_tell(self):
        with pytest.raises(DataError, match="do not say when the forecasts of their times began"):
            made(record([1, 2], hourly(2)), accumulated="forecast")

    def test_words_that_mean_nothing(self):
        with pytest.raises(ValueError, match="none of step, forecast, or a duration such as 24h"):
            DataOptions(variables={"t": {"accumulated": "often"}})


class TestUnits:
    @pytest.mark.parametrize(
        ("units", "rate"),
        [
            ("J m**-2", "W m-2"),
            ("J m-2", "W m-2"),
            ("kg m-2", "kg m-2 s-1"),
            ("m", "m s-1"),
            ("mm", "mm s-1"),
            ("1", "s-1"),
            ("vehicles", "vehicles s-1"),
            ("N m**-2 s", "N m-2 s s-1"),
        ],
    )
    def test_per_second(self, units, rate):
        assert per_second(units) == rate

    def test_factors(self):
        assert converted("m s-1", "mm day-1", "tp") == pytest.approx(86.4e6)
        assert converted("vehicles s-1", "vehicles  s-1", "v") == 1

    @pytest.mark.parametrize(
        ("name", "units", "rate"),
        [
            (None, "W m-2", None),
            (
                "integral_wrt_time_of_surface_net_downward_shortwave_flux",
                "W m-2",
                "surface_net_downward_shortwave_flux",
            ),
            ("surface_net_downward_shortwave_flux", "W m-2", "surface_net_downward_shortwave_flux"),
            ("precipitation_amount", "kg m-2 s-1", "precipitation_flux"),
            ("lwe_thickness_of_precipitation_amount", "m s-1", "lwe_precipitation_rate"),
            ("air_temperature", "K s-1", None),
        ],
    )
    def test_standard_names(self, name, units, rate):
        assert rate_name(name, units) == rate


class TestBesideXarray:
    def test_real_radiation(self, shared, tmp_path):
        path = shared / "data/era5_ssr/era5_ssr_64x64_199701-02.nc"
        options = DataOptions(variables={"ssr": {"rate": True}}, resample="1D")
        ingest([str(path)], tmp_path / "s.zarr", options)
        got = TensorStore.open(tmp_path / "s.zarr").variables()["ssr"]
        with xr.open_dataset(path) as source:
            days = (source.ssr / 3600).resample(time="1D", closed="right", label="left").mean()
            expected = days.sel(time=got.time.values)
            np.testing.assert_allclose(got.values, expected.values, rtol=1e-6)
        assert got.sizes["time"] == days.sizes["time"] - 2
        assert got.attrs["standard_name"] == "surface_net_downward_shortwave_flux"
