"""Forecasts go to files whole, and come back as they went."""

import os
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError, StForecastError
from stforecast.product import open_product, write_product
from tests.helpers import make_store
from tests.product.test_build import product_of

STEPS = [
    pytest.param({}, id="hours"),
    pytest.param({"step": "30min"}, id="half hours"),
    pytest.param({"step": "1D", "calendar": "noleap", "start": "1850-02-27"}, id="noleap days"),
    pytest.param({"step": "1Y", "calendar": "360_day", "start": "1860-06-01"}, id="years"),
    pytest.param({"step": "1M", "start": "2001-01-16"}, id="months"),
]


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize("record", STEPS)
def test_what_is_written_comes_back(tmp_path: Path, ending: str, record: dict[str, str]) -> None:
    product = product_of(make_store(48, ["a", "b"], missing=0.1, **record))
    path = write_product(product, tmp_path / f"new/folder/forecast.{ending}")
    back = open_product(path)
    xr.testing.assert_identical(back.load(), product)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize("record", STEPS)
def test_the_layout_time_comes_back(tmp_path: Path, ending: str, record: dict[str, str]) -> None:
    product = product_of(make_store(48, **record), inits=(10,))
    path = write_product(product, tmp_path / f"forecast.{ending}", layout="time")
    with xr.open_dataset(path, engine="zarr" if ending == "zarr" else None) as plain:
        assert plain["v0"].dims == ("time", "lat", "lon")
        assert plain["forecast_reference_time"].ndim == 0
        assert plain["time"].values[0] == product["valid_time"].values[0, 0]
    xr.testing.assert_identical(open_product(path).load(), product)


def test_the_layout_time_holds_one_initial_time(tmp_path: Path) -> None:
    product = product_of(make_store(48))
    with pytest.raises(DataError, match="holds one initial time and the forecast has 2"):
        write_product(product, tmp_path / "forecast.nc", layout="time")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layout", ["forecast", "time"])
def test_the_bytes_in_netcdf(tmp_path: Path, layout: str) -> None:
    """Whole numbers of hours, no fill value on coordinates, NaN for missing data."""
    product = product_of(make_store(48, missing=0.2), inits=(10,))
    with netCDF4.Dataset(write_product(product, tmp_path / "f.nc", layout=layout)) as file:
        file.set_auto_maskandscale(False)
        for name, variable in file.variables.items():
            assert ("_FillValue" in variable.ncattrs()) == (name == "v0"), name
        assert np.isnan(file["v0"].getncattr("_FillValue"))
        assert np.isnan(file["v0"][:]).any()
        assert file["lead_time"].units == "hours"
        assert file["lead_time"].dtype == np.int32
        valid = file["time" if layout == "time" else "valid_time"]
        assert valid.units == "hours since 1970-01-01"
        assert valid.dtype == np.int32
        assert file.Conventions == "CF-1.11"


def test_a_plain_to_netcdf_is_the_same(tmp_path: Path) -> None:
    product = product_of(make_store(48))
    write_product(product, tmp_path / "ours.nc")
    product.to_netcdf(tmp_path / "plain.nc")
    ours = xr.load_dataset(tmp_path / "ours.nc", decode_cf=False)
    xr.testing.assert_identical(ours, xr.load_dataset(tmp_path / "plain.nc", decode_cf=False))


def test_a_part_of_a_forecast_can_be_written(tmp_path: Path) -> None:
    """After arithmetic and selection the encodings no longer fit and are made anew."""
    product = product_of(make_store(48))
    part = (product.sel(lead_time=["1h", "3h"]) - 273.15).isel(init_time=[1])
    back = open_product(write_product(part, tmp_path / "part.nc"))
    np.testing.assert_allclose(back["v0"], part["v0"])
    assert back["valid_time"].values[0, 1] == product["valid_time"].values[1, 2]


def test_missing_shards_of_zarr_read_as_missing(tmp_path: Path) -> None:
    path = write_product(product_of(make_store(48)), tmp_path / "f.zarr")
    (path / "v0/c/0/0/0/0").unlink()
    assert open_product(path)["v0"].isel(init_time=0).isnull().all()


# --- what is in the way --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_forecast_gives_way_to_the_next(tmp_path: Path, ending: str) -> None:
    store, path = make_store(48), tmp_path / f"f.{ending}"
    write_product(product_of(store, inits=(10,)), path)
    write_product(product_of(store, inits=(11,)), path)
    assert open_product(path)["init_time"].values[0] == np.datetime64("2000-01-01T11")
    assert os.listdir(tmp_path) == [path.name]


def test_other_files_do_not_give_way(tmp_path: Path) -> None:
    store = make_store(48)
    path = tmp_path / "f.nc"
    path.write_text("thesis")
    with pytest.raises(DataError, match=r"is not a forecast of stforecast.*--overwrite"):
        write_product(product_of(store), path)
    assert path.read_text() == "thesis"
    write_product(product_of(store), path, overwrite=True)
    assert open_product(path).sizes["init_time"] == 2


def test_folders_do_not_give_way(tmp_path: Path) -> None:
    store = make_store(48)
    folder = tmp_path / "results.zarr"
    folder.mkdir()
    (folder / "thesis.txt").write_text("thesis")
    with pytest.raises(DataError, match="a folder that is not Zarr"):
        write_product(product_of(store), folder, overwrite=True)
    (tmp_path / "f.nc").mkdir()
    with pytest.raises(DataError, match=r"f\.nc is a folder"):
        write_product(product_of(store), tmp_path / "f.nc", overwrite=True)
    assert (folder / "thesis.txt").exists()


def test_a_tensor_store_does_not_give_way(tmp_path: Path) -> None:
    store = make_store(48)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.dataset.drop_vars("channel").to_zarr(tmp_path / "store.zarr")
    with pytest.raises(DataError, match="is not a forecast of stforecast"):
        write_product(product_of(store), tmp_path / "store.zarr")
    with pytest.raises(DataError, match="is a tensor store, not a forecast"):
        open_product(tmp_path / "store.zarr")


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"end it in \.nc for NetCDF or in \.zarr"):
        write_product(product_of(make_store(48)), tmp_path / "forecast.tif")


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_failure_leaves_the_former_forecast(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_product(product_of(make_store(48)), tmp_path / f"f.{ending}")
    before = open_product(path).load()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    method = "to_netcdf" if ending == "nc" else "to_zarr"
    monkeypatch.setattr(xr.Dataset, method, full_disk)
    with pytest.raises(StForecastError, match=r"cannot write the forecast .*: (?i:no space left)"):
        write_product(product_of(make_store(48)), path)
    monkeypatch.undo()
    xr.testing.assert_identical(open_product(path).load(), before)
    assert os.listdir(tmp_path) == [path.name]


# --- what is no forecast -------------------------------------------------------------------------


def test_files_that_are_no_forecast(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no forecast at .*stforecast forecast"):
        open_product(tmp_path / "none.nc")
    (tmp_path / "empty.nc").touch()
    with pytest.raises(DataError, match="is empty; make or get it again"):
        open_product(tmp_path / "empty.nc")
    (tmp_path / "text.nc").write_text("thesis")
    with pytest.raises(DataError, match="is neither NetCDF nor Zarr; give a forecast in one"):
        open_product(tmp_path / "text.nc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="is a folder, not a forecast"):
        open_product(tmp_path / "folder")
    whole = write_product(product_of(make_store(48)), tmp_path / "whole.nc")
    (tmp_path / "cut.nc").write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(DataError, match="cannot be read as NetCDF or Zarr"):
        open_product(tmp_path / "cut.nc")
    xr.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "table.nc")
    with pytest.raises(DataError, match="this is not a forecast"):
        open_product(tmp_path / "table.nc")


def test_a_forecast_of_another_model(tmp_path: Path) -> None:
    """Names of its own, leads in hours without a dtype, an accumulation in seconds."""
    field = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    xr.Dataset(
        {
            "t2m": (("time", "prediction_timedelta", "latitude", "longitude"), field),
            "sunshine": (
                ("time", "prediction_timedelta", "latitude", "longitude"),
                field,
                {"units": "s"},
            ),
        },
        coords={
            "time": np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]"),
            "prediction_timedelta": ("prediction_timedelta", [6, 12, 18], {"units": "hours"}),
            "latitude": ("latitude", np.arange(4.0), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(5.0), {"units": "degrees_east"}),
        },
    ).to_netcdf(tmp_path / "other.nc")
    product = open_product(tmp_path / "other.nc")
    assert product["t2m"].dims == ("init_time", "lead_time", "latitude", "longitude")
    assert product["lead_time"].values[0] == np.timedelta64(6, "h")
    assert product["valid_time"].values[1, 2] == np.datetime64("2020-01-02T18")
    assert product["sunshine"].dtype == np.float32
