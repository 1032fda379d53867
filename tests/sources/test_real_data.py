"""Real files, through their source and laid out."""

import cftime
import numpy as np
import pyproj
import pytest
import xarray as xr

from stforecast.ingest.layout import lay_out
from stforecast.options import DataOptions
from stforecast.sources import open_source

SAMPLES = "package:iris_sample_data/sample_data/"


def test_the_demo():
    dataset = open_source([SAMPLES + "A1B_north_america.nc"])
    layout = lay_out(dataset)
    assert layout.dataset.air_temperature.shape == (240, 37, 49)
    assert layout.dataset.time.values[0] == cftime.Datetime360Day(1860, 6, 1)
    assert layout.dataset.time_bnds.values[0, 0] == cftime.Datetime360Day(1859, 12, 1)
    assert layout.dataset.time.encoding["bounds"] == "time_bnds"
    assert layout.grid.kind == "geographic"
    assert layout.grid.grid_mapping == "latitude_longitude"
    assert layout.grid.crs.ellipsoid.semi_major_metre == 6371229
    assert layout.scalars["height"]["value"] == 1.5
    assert layout.notes == []
    out = layout.grid.georeference(layout.dataset)
    for name in ("latitude", "longitude", "latitude_longitude"):
        xr.testing.assert_identical(out[name].variable, dataset[name].variable)
    assert out.air_temperature.encoding["grid_mapping"] == "latitude_longitude"


def test_grib_and_netcdf_give_the_same(shared):
    folder = shared / "data" / "era5_uk_t2m"
    layouts = [lay_out(open_source([path])) for path in sorted(folder.glob("era5*"))]
    assert len(layouts) == 2
    grib, netcdf = layouts
    assert grib.channels == netcdf.channels
    assert grib.scalars == netcdf.scalars == {}
    assert grib.time_name == netcdf.time_name == "time"
    coords = [layout.dataset.coords.to_dataset() for layout in layouts]
    xr.testing.assert_identical(*(part.drop_attrs(deep=False) for part in coords))
    xr.testing.assert_equal(grib.dataset.load(), netcdf.dataset.load())
    assert grib.grid.difference(grib.grid.fingerprint(), netcdf.grid.fingerprint()) is None
    assert not list(folder.glob("*.idx"))


def test_packed_radiation(shared):
    (path,) = (shared / "data" / "era5_ssr").glob("*.nc")
    layout = lay_out(open_source([path]))
    assert layout.dataset.ssr.shape == (1416, 64, 64)
    assert layout.dataset.ssr.dtype == np.float32
    night = layout.dataset.ssr[0]
    assert float(night.max()) == 0
    with xr.open_dataset(path) as plain:
        np.testing.assert_array_equal(layout.dataset.ssr[12], plain.ssr[12].astype("f4"))
    assert layout.channels[0].attrs.keys() == {"units", "long_name", "standard_name"}


def test_taxis(shared):
    files = [str(shared / "data" / "taxinyc" / "*.h5")]
    variables = {"departures": {"index": 0}, "arrivals": {"index": 1}}
    edges = {"west": -74.02, "east": -73.90, "south": 40.67, "north": 40.84}
    layout = lay_out(open_source(files), DataOptions(variables=variables, grid=edges))
    assert list(layout.dataset.data_vars) == ["departures", "arrivals"]
    times = layout.dataset.time.values
    assert times.min() == np.datetime64("2010-01-01T00")
    assert times.max() == np.datetime64("2013-12-31T23")
    assert times.size == 32736
    assert np.unique(times).size < times.size
    assert layout.grid.kind == "geographic"
    assert layout.grid.shape == (16, 8)
    np.testing.assert_allclose(layout.grid.latitude.values[0], 40.84 - 0.17 / 32)


def test_a_rotated_pole():
    dataset = open_source([SAMPLES + "rotated_pole.nc"])
    layout = lay_out(dataset.expand_dims(time=[dataset.time.values]))
    assert layout.grid.kind == "projected"
    assert layout.grid.crs.is_derived
    assert (layout.grid.y_name, layout.grid.x_name) == ("grid_latitude", "grid_longitude")
    weights = layout.grid.area_weights()
    assert weights is not None
    assert float(weights.std()) > 0


def test_an_ocean_grid():
    dataset = open_source([SAMPLES + "orca2_votemper.nc"])
    dataset["votemper"] = dataset.votemper.expand_dims(time_counter=[dataset.time_counter.values])
    layout = lay_out(dataset)
    assert layout.grid.kind == "curvilinear"
    assert (layout.grid.y_name, layout.grid.x_name) == ("dim0", "dim1")
    out = layout.grid.georeference(layout.dataset)
    for name in ("nav_lat", "nav_lon", "nav_lat_bnds", "nav_lon_bnds"):
        xr.testing.assert_identical(out[name].variable.load(), dataset[name].variable.load())


def test_a_satellite_projection():
    dataset = open_source([SAMPLES + "toa_brightness_stereographic.nc"])
    layout = lay_out(dataset.assign(data=dataset.data.expand_dims(time=[dataset.time.values])))
    assert layout.grid.kind == "projected"
    assert isinstance(layout.grid.crs, pyproj.CRS)
    assert layout.grid.latitude.ndim == 2
    assert layout.grid.y_coord.dims == ("y",)


def test_a_monthly_climatology_of_the_globe():
    layout = lay_out(open_source([SAMPLES + "ostia_monthly.nc"]))
    assert layout.grid.is_periodic
    assert layout.dataset.time.values[0] == np.datetime64("2006-04-16")


@pytest.mark.parametrize("region", [(170, -170), (-20, 20), (350, 10)])
def test_regions_across_the_date_line_and_greenwich(region):
    west, east = region
    box = {"west": west, "east": east, "south": -3, "north": 3}
    layout = lay_out(open_source([SAMPLES + "ostia_monthly.nc"]), DataOptions(region=box))
    longitude = np.unwrap(layout.grid.longitude.values.astype(float), period=360)
    np.testing.assert_allclose(np.diff(longitude), 360 / 432, atol=1e-4)
    assert layout.dataset.surface_temperature.shape == (54, *layout.grid.shape)
