"""Titles, units, times and colours."""

import cftime
import matplotlib
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import MapError
from stforecast.maps.colours import error_scale, field_scale
from stforecast.maps.labels import Times, unit_text, variable_title


def forecast(inits, leads, valid, **attrs):
    return xr.Dataset(
        coords={
            "init_time": np.asarray(inits),
            "lead_time": leads,
            "valid_time": (("init_time", "lead_time"), np.asarray(valid)),
        },
        attrs=attrs,
    )


def hourly(hours):
    init = np.array(["2019-03-28T18"], "datetime64[us]")
    leads = np.array(hours, "timedelta64[h]").astype("timedelta64[ns]")
    return Times(forecast(init, leads, init[:, None] + leads)), leads


def test_hours():
    times, leads = hourly([1, 6, 48])
    assert [times.lead(lead) for lead in leads] == ["+1 h", "+6 h", "+48 h"]
    assert times.stamp(np.datetime64("2019-03-28T18")) == "2019-03-28 18:00"
    assert times.zone == "UTC"
    assert times.file_stamp(np.datetime64("2019-03-28T18")) == "20190328T1800"
    times, leads = hourly([24, 72])
    assert [times.lead(lead) for lead in leads] == ["+1 day", "+3 days"]
    times, leads = hourly([24, 48])
    assert [times.lead(lead) for lead in leads] == ["+24 h", "+48 h"]


def test_days_and_minutes():
    init = np.array(["2019-03-28"], "datetime64[us]")
    leads = np.array([1, 2], "timedelta64[D]").astype("timedelta64[ns]")
    times = Times(forecast(init, leads, init[:, None] + leads))
    assert times.lead(leads[0]) == "+1 day"
    assert times.stamp(init[0]) == "2019-03-28"
    assert times.zone == ""
    leads = np.array([30, 60], "timedelta64[m]").astype("timedelta64[ns]")
    times = Times(forecast(init, leads, init[:, None] + leads, data_timezone="Asia/Shanghai"))
    assert times.lead(leads[1]) == "+60 min"
    assert times.zone == "Asia/Shanghai"


def test_months_and_years_of_any_calendar():
    def date(year, month):
        return cftime.datetime(year, month, 1, calendar="360_day")

    years = Times(forecast([date(2060, 6)], [1, 4], [[date(2061, 6), date(2064, 6)]]))
    assert (years.stamp(date(2060, 6)), years.file_stamp(date(2060, 6))) == ("2060", "2060")
    assert [years.lead(1), years.lead(4)] == ["+1 year", "+4 years"]
    months = Times(forecast([date(2060, 11)], [1, 3], [[date(2060, 12), date(2061, 2)]]))
    assert months.stamp(date(2060, 11)) == "2060-11"
    assert [months.lead(1), months.lead(3)] == ["+1 month", "+3 months"]


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ("m s-1", "m s⁻¹"),
        ("m s**-1", "m s⁻¹"),
        ("W m^-2", "W m⁻²"),
        ("kg/m2", "kg/m²"),
        ("degC", "°C"),
        ("1", ""),
        ("1E16 e/m^2", "1E16 e/m²"),
        ("vehicles", "vehicles"),
    ],
)
def test_units(units, text):
    assert unit_text(xr.DataArray(0.0, attrs={"units": units})) == text


def test_titles_of_variables():
    def title(name, **attrs):
        return variable_title(xr.DataArray(0.0, name=name, attrs=attrs))

    assert title("t2m", long_name="2 metre temperature") == "2 metre temperature (t2m)"
    assert title("air_temperature", standard_name="air_temperature") == "Air temperature"
    assert title("departures", long_name="taxi departures") == "Taxi departures"
    assert title("v") == "V"


def variable(name="x", **attrs):
    return xr.DataArray(0.0, name=name, attrs=attrs)


@pytest.mark.parametrize(
    ("attrs", "values", "name"),
    [
        ({"units": "K"}, [270, 300], "plasma"),
        ({"units": "degC"}, [-10, 12], "plasma"),
        ({"units": "mm", "long_name": "total precipitation"}, [0, 9], "YlGnBu"),
        (
            {"units": "J m**-2", "long_name": "solar radiation"},
            [0, 9],
            "inferno",
        ),
        ({"units": "1", "long_name": "departures"}, [0, 900], "magma_r"),
        ({"units": "Pa"}, [99000, 103000], "viridis"),
        ({"units": "m s-1", "standard_name": "eastward_wind"}, [-9, 5], "PuOr_r"),
        ({"units": "K", "long_name": "temperature anomaly"}, [-3, 2], "PuOr_r"),
        ({"units": "m s-1"}, [-5, 5], "PuOr_r"),
    ],
)
def test_colours_suit_what_is_shown(attrs, values, name):
    field = np.linspace(*values, 100)
    scale = field_scale(variable(**attrs), [field])
    assert scale.cmap.name == name
    if name == "PuOr_r":
        assert scale.norm.vmin == -scale.norm.vmax


def test_one_scale_for_all_panels_without_the_outliers():
    rng = np.random.default_rng(0)
    fields = [rng.normal(280, 3, 5000), rng.normal(290, 3, 5000)]
    fields[0][0] = 1e6
    scale = field_scale(variable(units="K"), fields)
    assert 268 <= scale.norm.vmin <= 275
    assert 295 <= scale.norm.vmax <= 302
    assert scale.extend in ("both", "max")
    plain = field_scale(variable(units="K"), [np.linspace(0, 10, 1000)])
    assert (plain.norm.vmin, plain.norm.vmax, plain.extend) == (0, 10, "neither")


def test_amounts_near_zero_get_a_square_root_scale_that_says_so():
    field = np.concatenate([np.zeros(900), np.linspace(0, 7000, 100)])
    scale = field_scale(variable(units="vehicles"), [field])
    assert scale.note == "square-root scale"
    assert scale.norm.vmin == 0
    assert scale.ticks[0] == 0
    assert len(scale.ticks) >= 5
    assert field_scale(variable(units="vehicles"), [np.linspace(0, 9, 99)]).note == ""


def test_errors_are_alike_on_both_sides_of_zero():
    scale = error_scale([np.linspace(-1, 5, 200), np.array([np.nan])])
    assert scale.norm.vmin == -scale.norm.vmax
    assert scale.norm.vmax == 5
    assert scale.cmap.name == "RdBu_r"


@pytest.mark.parametrize("field", [np.full(9, np.nan), np.zeros(9), np.full(9, 281.5)])
def test_fields_without_any_range(field):
    for scale in (field_scale(variable(units="K"), [field]), error_scale([field])):
        assert scale.norm.vmin < scale.norm.vmax
        assert scale.digits >= 1


def test_colour_maps_by_name():
    scale = field_scale(variable(units="K"), [np.arange(9.0)], "cividis")
    assert scale.cmap.name == "cividis"
    assert "cividis" in matplotlib.colormaps
    with pytest.raises(MapError, match="no colour map 'virids'"):
        field_scale(variable(), [np.arange(9.0)], "virids")
