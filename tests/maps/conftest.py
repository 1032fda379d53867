"""Small forecasts on grids of every kind."""

import numpy as np
import pytest
import xarray as xr

INIT = np.array(["2020-03-01T00", "2020-03-01T12"], "datetime64[ns]")
LEADS = np.array([6, 12, 18, 24], "timedelta64[h]").astype("timedelta64[ns]")


def make_forecast(coords, dims, shape, name="t2m", attrs=None, leads=LEADS, offset=280.0, **where):
    """A smooth field on any coordinates."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]] / 5
    values = offset + 5 * np.sin(y) * np.cos(x) + rng.normal(size=(2, len(leads), *shape))
    attrs = attrs or {"units": "K", "long_name": "2 metre temperature"}
    data = xr.Dataset(
        {name: (("init_time", "lead_time", *dims), values.astype("f4"), attrs)},
        coords={"init_time": INIT, "lead_time": leads, **coords},
    )
    valid = INIT[:, None] + leads if leads.dtype.kind == "m" else where.pop("valid")
    data = data.assign_coords(valid_time=(("init_time", "lead_time"), valid))
    if "grid_mapping" in where:
        data[name].encoding["grid_mapping"] = where["grid_mapping"]
    return data


def geographic(lat, lon, **options):
    """A forecast on latitudes and longitudes."""
    coords = {
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return make_forecast(coords, ("lat", "lon"), (len(lat), len(lon)), **options)


def analysis(forecast, name="t2m"):
    """Observations of the first initial time's leads, a little off the forecast."""
    first = forecast[name].isel(init_time=0, drop=True)
    valid = forecast["valid_time"].values[0]
    first = first.drop_vars("valid_time", errors="ignore").rename(lead_time="time")
    first = first.assign_coords(time=valid) - 1
    first.attrs = forecast[name].attrs
    first.encoding = dict(forecast[name].encoding)
    return first.to_dataset(name=name)


@pytest.fixture(scope="module")
def uk():
    """A region."""
    return geographic(np.arange(58.0, 49.9, -0.5), np.arange(-10, 2.1, 0.5))


@pytest.fixture(scope="module")
def globe():
    """The globe, longitudes from 0."""
    return geographic(np.arange(-90, 91, 10.0), np.arange(0, 360, 10.0))


@pytest.fixture(scope="module")
def city():
    """A city."""
    attrs = {"units": "1", "long_name": "taxi departures"}
    lat, lon = np.linspace(40.68, 40.83, 16), np.linspace(-74.01, -73.91, 8)
    forecast = geographic(lat, lon, name="trips", attrs=attrs, offset=6.0)
    return forecast.assign(trips=np.exp(forecast["trips"]).assign_attrs(attrs))


@pytest.fixture(scope="module")
def projected():
    """A Lambert grid whose coordinates count kilometres."""
    crs = {
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel": [50.0, 50.0],
        "longitude_of_central_meridian": 8.0,
        "latitude_of_projection_origin": 50.0,
        "earth_radius": 6371229.0,
    }
    coords = {
        "y": ("y", np.arange(-300, 301, 50.0), {"standard_name": "projection_y_coordinate"}),
        "x": ("x", np.arange(-400, 401, 50.0), {"standard_name": "projection_x_coordinate"}),
        "crs": ((), 0, crs),
    }
    for name in "yx":
        coords[name][2]["units"] = "km"
    return make_forecast(coords, ("y", "x"), (13, 17), grid_mapping="crs")


@pytest.fixture(scope="module")
def rotated():
    """A rotated pole, as European regional models have it."""
    crs = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    coords = {
        "rlat": ("rlat", np.arange(-20, 21, 4.0), {"standard_name": "grid_latitude"}),
        "rlon": ("rlon", np.arange(340, 381, 4.0), {"standard_name": "grid_longitude"}),
        "rotated_pole": ((), 0, crs),
    }
    for name in ("rlat", "rlon"):
        coords[name][2]["units"] = "degrees"
    return make_forecast(coords, ("rlat", "rlon"), (11, 11), grid_mapping="rotated_pole")


@pytest.fixture(scope="module")
def curvilinear():
    """Latitude and longitude per cell, across the seam."""
    y, x = np.mgrid[:9, :12]
    lat, lon = 20 + 2.0 * y + 0.3 * x, 165 + 3.0 * x - 0.5 * y
    lon = (lon + 180) % 360 - 180
    coords = {
        "nav_lat": (("j", "i"), lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "nav_lon": (("j", "i"), lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return make_forecast(coords, ("j", "i"), (9, 12))


@pytest.fixture(scope="module")
def bare():
    """A grid without a place."""
    return make_forecast({}, ("y", "x"), (6, 9))
