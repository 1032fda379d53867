"""Any dataset laid out on canonical dimensions, and back."""

import cftime
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest.layout import lay_out
from stforecast.options import DataOptions
from tests.ingest import zoo

CANONICAL = ("time", "y", "x")


def options(**kwargs) -> DataOptions:
    return DataOptions(**kwargs)


def name_of(ds: xr.Dataset) -> str:
    return next(name for name in ("t", "tas", "rain", "sst", "T2", "channel_0") if name in ds)


def spatial_coords(ds: xr.Dataset, dims: set) -> dict:
    return {n: c.variable for n, c in ds.coords.items() if dims & set(c.dims)}


@pytest.mark.parametrize("kind", zoo.ALL)
def test_round_trip_gives_identical_coordinates(kind):
    source = zoo.ALL[kind]()
    name = name_of(source)
    layout = lay_out(source)
    assert layout.dataset[name].dims == CANONICAL
    assert layout.dataset[name].dtype == source[name].dtype
    assert layout.grid.kind == zoo.KINDS.get(kind, "geographic")

    out = layout.grid.georeference(layout.dataset)
    time = layout.time_name
    y, x = (dim for dim in out[name].dims if dim != "time")
    expected = source[name].transpose("Time" if kind == "wrf" else "time", y, x)
    np.testing.assert_array_equal(out[name].values, expected.values)
    dims = {y, x}
    wanted = spatial_coords(source, dims)
    if kind == "wrf":
        assert time == "Time"
        wanted = {n: source[n].isel(Time=0).variable for n in ("XLAT", "XLONG")}
    if kind == "bounds_and_mapping":
        wanted["lat_bnds"] = source["lat_bnds"].variable
        wanted["crs"] = source["crs"].variable
    if kind == "rotated":
        wanted["rotated_pole"] = source["rotated_pole"].variable
    got = spatial_coords(out, dims) | {
        n: out[n].variable for n in ("crs", "rotated_pole") if n in out.coords
    }
    assert list(got) == [n for n in got if n in wanted]
    assert set(got) == set(wanted)
    for n, variable in wanted.items():
        assert got[n].dims == variable.dims
        assert got[n].dtype == variable.dtype
        np.testing.assert_array_equal(got[n].values, variable.values)
        attrs = dict(variable.attrs)
        assert got[n].encoding.get("bounds") == attrs.pop("bounds", None)
        assert got[n].attrs == attrs
    assert set(out.indexes) - {"time"} == {n for n in wanted if n in dims}


@pytest.mark.parametrize("kind", ["ascending", "descending", "projected", "bare_with_indices"])
def test_forecast_minus_observed_aligns(kind):
    source = zoo.ALL[kind]()
    name = name_of(source)
    layout = lay_out(source)
    out = layout.grid.georeference(layout.dataset)
    difference = out[name] - source[name]
    assert difference.shape == out[name].shape
    assert float(abs(difference).max()) == 0


def test_the_crs_is_known():
    assert lay_out(zoo.projected()).grid.crs.to_epsg() == 27700
    assert lay_out(zoo.projected()).grid.grid_mapping == "spatial_ref"
    rotated = lay_out(zoo.rotated()).grid
    assert rotated.crs.is_derived
    assert rotated.latitude.dims == ("y", "x")
    assert lay_out(zoo.rotated(with_mapping=False)).grid.kind == "curvilinear"
    plain = lay_out(zoo.rotated(with_mapping=False, with_cells=False))
    assert plain.grid.kind == "bare"
    assert list(plain.grid.coords.variables) == ["rlat", "rlon"]
    assert any("no known place" in note for note in plain.notes)


def test_a_crs_that_cannot_be_read_is_kept_and_told():
    source = zoo.bounds_and_mapping()
    source["crs"].attrs = {"grid_mapping_name": "of_my_own"}
    layout = lay_out(source)
    assert layout.grid.grid_mapping == "crs"
    assert layout.grid.crs is None
    assert any("none that PROJ can read" in note for note in layout.notes)


def test_in_memory_values_are_not_copied_and_lazy_ones_stay_lazy(tmp_path):
    source = zoo.ascending()
    assert np.shares_memory(lay_out(source).dataset.t.values, source.t.values)
    source.to_netcdf(tmp_path / "t.nc")
    with xr.open_dataset(tmp_path / "t.nc") as opened:
        layout = lay_out(opened)
        assert layout.dataset.t.chunks is not None
        np.testing.assert_array_equal(layout.dataset.t.values, source.t.values)


def test_time_bounds_and_scalars_are_kept():
    source = zoo.ascending().assign_coords(
        height=((), 2.0, {"units": "m", "positive": "up"}),
        forecast_reference_time=((), cftime.Datetime360Day(1859, 9, 1)),
        forecast_period=("time", np.arange(5, dtype="i4"), {"units": "hours"}),
        version=("time", list("abcde")),
    )
    times = source.time.values
    source["time_bnds"] = (("time", "bnds"), np.stack([times, times], axis=-1))
    source.time.attrs["bounds"] = "time_bnds"
    layout = lay_out(source)
    assert layout.dataset.time.encoding["bounds"] == "time_bnds"
    assert layout.dataset.time_bnds.dims == ("time", "bnds")
    assert layout.dataset.forecast_period.dims == ("time",)
    assert layout.scalars["height"] == {"value": 2.0, "attrs": {"units": "m", "positive": "up"}}
    assert layout.scalars["forecast_reference_time"]["value"] == "1859-09-01"
    assert "version" not in layout.dataset.coords
    assert any("version" in note for note in layout.notes)


def test_channel_attributes():
    source = zoo.ascending()
    source.t.attrs |= {
        "standard_name": "unknown",
        "cell_methods": "time: mean",
        "GRIB_shortName": "2t",
        "Model scenario": "A1B",
        "valid_range": np.array([0, 10], "i2"),
    }
    source.t.encoding = {"scale_factor": 0.1, "dtype": "i2"}
    source.attrs = {"title": "a", "GRIB_edition": 1}
    layout = lay_out(
        source, options(variables={"temp": {"source": "t", "long_name": "heat", "minimum": 0}})
    )
    (channel,) = layout.channels
    assert channel.name == "temp"
    assert (channel.units, channel.long_name, channel.minimum) == ("K", "heat", 0)
    assert channel.standard_name is None
    assert channel.attrs == {
        "units": "K",
        "cell_methods": "time: mean",
        "Model scenario": "A1B",
        "long_name": "heat",
    }
    assert layout.dataset.attrs == {"title": "a"}


class TestVariables:
    def test_all_fields_by_default_and_the_rest_is_named(self):
        source = zoo.ascending()
        source["orography"] = source.t.isel(time=0, drop=True)
        source["index"] = source.t.mean(["latitude", "longitude"])
        source["quality"] = source.t > 0
        source["u"] = source.t * 2
        layout = lay_out(source)
        assert [channel.name for channel in layout.channels] == ["t", "u"]
        left_out = [note for note in layout.notes if note.startswith("left out")]
        assert len(left_out) == 2
        assert list(layout.static.data_vars) == ["orography"]

    def test_a_wrong_name_gets_the_nearest(self):
        source = zoo.ascending().rename(t="temperature")
        with pytest.raises(DataError, match="did you mean temperature"):
            lay_out(source, options(variables="temperatur"))
        source.temperature.attrs["GRIB_shortName"] = "2t"
        with pytest.raises(DataError, match="did you mean temperature"):
            lay_out(source, options(variables=["2t"]))
        with pytest.raises(DataError, match="is a coordinate"):
            lay_out(source, options(variables=["latitude"]))

    def test_indices_are_for_channels_without_names(self):
        source = zoo.bare()
        source["channel_1"] = source.channel_0 * 2
        layout = lay_out(source, options(variables={"out": {"index": 1}, "in": {"index": 0}}))
        assert list(layout.dataset.data_vars) == ["out", "in"]
        np.testing.assert_array_equal(layout.dataset.out.values, source.channel_1.values)
        with pytest.raises(DataError, match="channel 2, but the data have 2 channels"):
            lay_out(source, options(variables={"a": {"index": 2}}))
        with pytest.raises(DataError, match="channels have no names"):
            lay_out(zoo.ascending(), options(variables={"a": {"index": 0}}))

    @pytest.mark.parametrize(
        ("make", "what"),
        [
            (lambda t: t > 0, "true or false"),
            (lambda t: t.astype(str), "text"),
            (lambda t: t.astype("m8[ns]"), "durations"),
            (lambda t: t.astype(complex), "complex"),
        ],
    )
    def test_what_is_not_a_number_is_refused(self, make, what):
        source = zoo.ascending()
        source["bad"] = make(source.t)
        with pytest.raises(DataError, match=f"bad holds {what}"):
            lay_out(source, options(variables=["bad"]))
        assert list(lay_out(source).dataset.data_vars) == ["t"]

    def test_two_grids(self):
        source = zoo.ascending()
        other = zoo.short_names().rename(t="coarse")
        both = xr.merge([source, other.drop_vars("time")])
        with pytest.raises(DataError, match=r"t and coarse lie on two grids \(latitude 4"):
            lay_out(both)
        layout = lay_out(both, options(variables=["coarse"]))
        assert layout.grid.shape == (3, 4)
        assert list(layout.grid.coords.variables) == ["lat", "lon"]

    def test_different_times(self):
        source = zoo.ascending()
        source["monthly"] = source.t.isel(time=slice(0, 3)).rename(time="time2")
        with pytest.raises(DataError, match="t and monthly have different times"):
            lay_out(source)

    def test_a_channel_dimension_becomes_variables(self):
        source = zoo.bare().to_array("channel", name="data").to_dataset()
        assert list(lay_out(source).dataset.data_vars) == ["channel_0"]
        many = xr.Dataset(
            {"data": (("time", "channel", "y", "x"), zoo.values(5, 2, 4, 3))},
            coords={"time": zoo.hours()},
        )
        layout = lay_out(many, options(variables={"b": {"index": 1}}))
        np.testing.assert_array_equal(layout.dataset.b.values, many.data[:, 1].values)


class TestDimensions:
    def levels(self) -> xr.Dataset:
        source = zoo.ascending()
        t = xr.concat([source.t, source.t + 1], xr.DataArray([500.0, 850.0], dims="level"))
        return t.transpose("time", "level", ...).to_dataset(name="t")

    def test_one_level_goes_and_is_remembered(self):
        layout = lay_out(self.levels().isel(level=[1]))
        assert layout.dataset.t.dims == CANONICAL
        assert layout.scalars["level"]["value"] == 850.0

    def test_several_need_a_choice(self):
        with pytest.raises(DataError, match=r"2 values of level \(500 and 850\).*\{level: 500\}"):
            lay_out(self.levels())
        layout = lay_out(self.levels(), options(select={"level": 850}))
        np.testing.assert_array_equal(
            layout.dataset.t.values, self.levels().t.sel(level=850).values
        )
        with pytest.raises(DataError, match="level has no value 700; it has 500 and 850"):
            lay_out(self.levels(), options(select={"level": 700}))
        with pytest.raises(DataError, match="did you mean level"):
            lay_out(self.levels(), options(select={"levl": 700}))
        with pytest.raises(DataError, match=r"use data\.period"):
            lay_out(self.levels(), options(select={"time": "2020"}))

    def test_choice_by_text_duration_and_position(self):
        source = self.levels().drop_vars("level").rename(level="member")
        layout = lay_out(source, options(select={"member": 1}))
        np.testing.assert_array_equal(layout.dataset.t.values, source.t[:, 1].values)
        with pytest.raises(DataError, match="a number from 0 to 1"):
            lay_out(source, options(select={"member": 2}))
        named = source.assign_coords(member=["r1", "r2"])
        layout = lay_out(named, options(select={"member": "r2"}))
        assert layout.scalars["member"]["value"] == "r2"

    def test_versions_of_a_reanalysis_become_one(self):
        source = zoo.ascending()
        final, preliminary = source.t.copy(), source.t + 10
        final[3:] = np.nan
        preliminary[:3] = np.nan
        both = xr.concat([preliminary, final], xr.DataArray([5, 1], dims="expver"))
        layout = lay_out(both.to_dataset(name="t"))
        expected = np.concatenate([source.t.values[:3], source.t.values[3:] + 10])
        np.testing.assert_array_equal(layout.dataset.t.values, expected)
        assert any(
            "expver 1 is taken where it has a value, else 5" in note for note in layout.notes
        )

    def test_sequences(self):
        videos = xr.Dataset({"v": (("video", "frame", "height", "width"), zoo.values(6, 5, 4, 3))})
        layout = lay_out(videos, options(sequence="video"))
        assert layout.dataset.v.dims == ("sequence", *CANONICAL)
        assert layout.sequence_name == "video"
        assert layout.dataset.time.dtype.kind == "M"
        assert any("their frames are counted" in note for note in layout.notes)
        with pytest.raises(DataError, match="no dimension 'clip'"):
            lay_out(videos, options(sequence="clip"))

    def test_empty_dimension(self):
        with pytest.raises(DataError, match="no entries along time"):
            lay_out(zoo.ascending().isel(time=slice(0, 0)))


class TestTimes:
    def test_no_time_axis(self):
        source = zoo.ascending()
        with pytest.raises(DataError, match="no time axis among its dimensions"):
            lay_out(source.isel(time=0, drop=True))
        with pytest.raises(DataError, match="only a single time"):
            lay_out(source.isel(time=0))

    def test_numbers_without_units(self):
        source = zoo.ascending().assign_coords(time=np.arange(5.0))
        with pytest.raises(DataError, match="hours since 1900-01-01"):
            lay_out(source)
        with pytest.raises(DataError, match="has no dates"):
            lay_out(source.drop_vars("time"))

    @pytest.mark.parametrize(
        ("stamps", "attrs", "expected"),
        [
            ([20200101, 20200102], {}, ["2020-01-01", "2020-01-02"]),
            ([2020010100, 2020010123], {}, ["2020-01-01T00", "2020-01-01T23"]),
            ([20200101.25], {"units": "day as %Y%m%d.%f"}, ["2020-01-01T06"]),
            ([202001, 202012], {}, ["2020-01", "2020-12"]),
            (["2020-01-01_06:00:00"], {}, ["2020-01-01T06"]),
            ([b"2020010106"], {}, ["2020-01-01T06"]),
            ([0, 25], {"units": "hours since 2020-01-01"}, ["2020-01-01T00", "2020-01-02T01"]),
            ([0.5, 1.5], {"units": "months since 2020-01-01"}, ["2020-01-16T12", "2020-02-15T12"]),
            ([0, 13], {"units": "months since 1999-12-15"}, ["1999-12-15", "2001-01-15"]),
            ([1, 2], {"units": "years since 1999-01-01"}, ["2000-01-01", "2001-01-01"]),
            ([0, 1e6], {"units": "days since 2000-01-01"}, ["2000-01-01", "4737-11-28"]),
        ],
    )
    def test_stamps_of_all_kinds(self, stamps, attrs, expected):
        source = zoo.ascending().isel(time=slice(0, len(stamps)))
        source = source.assign_coords(time=("time", np.array(stamps), attrs))
        layout = lay_out(source)
        np.testing.assert_array_equal(
            layout.dataset.time.values, np.array(expected, dtype="M8[us]")
        )

    def test_stamps_in_other_calendars(self):
        source = zoo.ascending().isel(time=slice(0, 2))
        attrs = {"units": "days since 2000-02-29", "calendar": "360_day"}
        layout = lay_out(source.assign_coords(time=("time", [0, 1], attrs)))
        assert list(layout.dataset.time.values) == [
            cftime.Datetime360Day(2000, 2, 29),
            cftime.Datetime360Day(2000, 2, 30),
        ]
        attrs = {"units": "day as %Y%m%d", "calendar": "noleap"}
        layout = lay_out(source.assign_coords(time=("time", [20000101, 20000201], attrs)))
        assert layout.dataset.time.values[1] == cftime.DatetimeNoLeap(2000, 2, 1)

    def test_years(self):
        source = zoo.ascending().rename(time="year").assign_coords(year=np.arange(1990, 1995))
        layout = lay_out(source)
        assert layout.time_name == "year"
        assert layout.dataset.time.values[0] == np.datetime64("1990-01-01")

    def test_bad_units(self):
        source = zoo.ascending().assign_coords(
            time=("time", np.arange(5), {"units": "parsecs since 2000-01-01"})
        )
        with pytest.raises(DataError, match="parsecs since"):
            lay_out(source)
        with pytest.raises(DataError, match="is not a date"):
            lay_out(zoo.ascending().assign_coords(time=list("abcde")))

    def test_valid_time_as_the_dimension(self):
        layout = lay_out(zoo.ascending().rename(time="valid_time"))
        assert layout.time_name == "valid_time"
        assert layout.dataset.t.dims == CANONICAL

    def reanalysis(self, steps, every=12) -> xr.Dataset:
        """Accumulations: two forecasts a day, each over some hours, as cfgrib gives them."""
        made = np.datetime64("2020-01-01T06", "ns") + np.arange(4) * np.timedelta64(every, "h")
        reach = np.array(steps).astype("m8[h]").astype("m8[ns]")
        return xr.Dataset(
            {"tp": (("time", "step", "latitude", "longitude"), zoo.values(4, len(steps), 3, 4))},
            coords={
                "time": ("time", made, {"standard_name": "forecast_reference_time"}),
                "step": ("step", reach, {"standard_name": "forecast_period"}),
                "valid_time": (
                    ("time", "step"),
                    made[:, None] + reach[None],
                    {"standard_name": "time"},
                ),
                "latitude": np.arange(3.0),
                "longitude": np.arange(4.0),
            },
        )

    def test_time_and_step_become_valid_time(self):
        source = self.reanalysis(range(1, 13))
        layout = lay_out(source)
        assert layout.dataset.tp.shape == (48, 3, 4)
        steps = np.diff(layout.dataset.time.values)
        assert set(steps) == {np.timedelta64(1, "h")}
        np.testing.assert_array_equal(layout.dataset.tp.values, source.tp.values.reshape(48, 3, 4))
        assert layout.time_name == "time"

    def test_overlapping_forecasts_need_a_step(self):
        source = self.reanalysis(range(1, 19))
        with pytest.raises(DataError, match=r"18 values of step \(1h.*choose one with data.select"):
            lay_out(source)
        layout = lay_out(source, options(select={"step": "6h"}))
        np.testing.assert_array_equal(layout.dataset.time.values, source.valid_time.values[:, 5])
        assert layout.scalars["step"]["value"] == "6h"

    def test_one_step_is_no_dimension(self):
        source = self.reanalysis([6])
        layout = lay_out(source)
        np.testing.assert_array_equal(layout.dataset.time.values, source.valid_time.values[:, 0])

    def test_a_moving_grid(self):
        source = zoo.wrf()
        source["XLAT"][-1] += 1
        with pytest.raises(DataError, match="the grid moves: XLAT"):
            lay_out(source)


class TestLevelsThatAreMissing:
    def levels(self, *values: float) -> xr.Dataset:
        return xr.concat([zoo.ascending()] * len(values), xr.Variable("level", list(values)))

    def test_one_that_is_there_is_suggested(self):
        with pytest.raises(DataError, match=r"such as \{level: 500\}"):
            lay_out(self.levels(np.nan, 500.0))

    def test_of_none_the_number_is_chosen(self):
        levels = self.levels(np.nan, np.nan)
        with pytest.raises(DataError, match=r"2 values of level \(0 and 1\); .*\{level: 0\}"):
            lay_out(levels)
        assert lay_out(levels, DataOptions(select={"level": 1})).channels[0].name == "t"
        with pytest.raises(DataError, match="takes a number from 0 to 1, not 7"):
            lay_out(levels, DataOptions(select={"level": 7}))
