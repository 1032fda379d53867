"""Fields without a time: found, kept, shown, made larger with the others, and told to models."""

import numpy as np
import pytest
import xarray as xr

import stforecast as sf
from stforecast.errors import DataError, StoreError
from stforecast.ingest import ingest, prepare
from stforecast.options import DataOptions, RegionOptions, StaticCovariate, WindowOptions
from stforecast.store import TensorStore
from stforecast.windows.covariates import CovariateSet
from stforecast.windows.covariates.learning import learn_covariates
from stforecast.windows.spec import resolve_windows
from stforecast.windows.splits import resolve_splits

OROGRAPHY = np.arange(16.0).reshape(4, 4)


def record(**more) -> xr.Dataset:
    hours = np.datetime64("2020-01-01", "us") + np.arange(48) * np.timedelta64(1, "h")
    values = np.random.default_rng(0).normal(size=(48, 4, 4)).astype("f4")
    dataset = xr.Dataset(
        {
            "t": (("time", "lat", "lon"), values, {"units": "K"}),
            "z": (("lon", "lat"), OROGRAPHY.T, {"units": "m", "long_name": "height"}),
        },
        coords={
            "time": hours,
            "lat": ("lat", np.array([3.0, 2, 1, 0]), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
        },
    )
    return dataset.assign(more)


class TestIngest:
    def test_by_itself(self, tmp_path):
        prepared = prepare(record())
        assert prepared.findings.mapping["static fields"] == "z (m) 0 to 15"
        prepared.write(tmp_path / "s.zarr")
        store = TensorStore.open(tmp_path / "s.zarr")
        assert store.channels == ["t"]
        assert store.static_fields == ["z"]
        np.testing.assert_array_equal(store.static("z"), OROGRAPHY)
        assert store.dataset["static"].dims == ("static_field", "y", "x")
        shown = sf.open_store(tmp_path / "s.zarr")
        assert shown["z"].dims == ("lat", "lon")
        assert shown["z"].attrs == {"units": "m", "long_name": "height"}
        assert "static_field" not in shown.variables
        np.testing.assert_array_equal(shown["z"], OROGRAPHY)

    def test_by_name(self):
        options = DataOptions(variables={"t": {}, "height": {"source": "z", "units": "km"}})
        store = prepare(record(), options).store()
        assert store.static_fields == ["height"]
        assert store.meta.static[0].units == "km"

    def test_only_what_is_named(self):
        assert prepare(record(), DataOptions(variables=["t"])).store().static_fields == []

    def test_of_a_single_time(self):
        once = record().z.transpose("lat", "lon").expand_dims(when=[np.datetime64("2000", "ns")])
        options = DataOptions(variables={"t": {}, "lsm": {"static": True}})
        store = prepare(record(lsm=once), options).store()
        np.testing.assert_array_equal(store.static("lsm"), OROGRAPHY)

    def test_of_several_times(self):
        options = DataOptions(variables={"t": {}, "z": {"static": True}})
        with pytest.raises(DataError, match="z has 48 times along time and is said to be static"):
            prepare(record(z=record().t), options)

    def test_of_other_rows_and_columns(self):
        other = record(z=(("a", "b"), np.ones((2, 2))))
        prepared = prepare(other)
        assert prepared.store().static_fields == []
        (told,) = [line for line in prepared.findings.notes if line.startswith("left out: z has")]
        assert "no time axis" in told
        with pytest.raises(DataError, match="z has no time axis"):
            prepare(other, DataOptions(variables=["t", "z"]))

    def test_static_fields_alone_are_no_record(self):
        with pytest.raises(DataError, match="z has no time axis"):
            prepare(record()[["z"]])

    def test_without_a_value(self):
        with pytest.raises(DataError, match="all values of z are missing"):
            prepare(record(z=record().z * np.nan))

    def test_in_a_region_and_on_larger_cells(self):
        region = RegionOptions(west=0, east=3, south=2, north=3)
        store = prepare(record(), DataOptions(region=region)).store()
        np.testing.assert_array_equal(store.static("z"), OROGRAPHY[:2])
        store = prepare(record(), DataOptions(coarsen={"x": 2})).store()
        np.testing.assert_array_equal(store.static("z"), OROGRAPHY.reshape(4, 2, 2).mean(-1))
        options = DataOptions(coarsen={"x": 2}, variables={"t": {}, "z": {"coarsen": "max"}})
        np.testing.assert_array_equal(
            prepare(record(), options).store().static("z"), OROGRAPHY[:, 1::2]
        )

    def test_from_a_file_of_its_own(self, tmp_path):
        record()[["t"]].to_netcdf(tmp_path / "t.nc")
        record()[["z"]].to_netcdf(tmp_path / "z.nc")
        ingest([str(tmp_path / "*.nc")], tmp_path / "s.zarr", DataOptions())
        np.testing.assert_array_equal(TensorStore.open(tmp_path / "s.zarr").static("z"), OROGRAPHY)
        again = prepare(sf.open_store(tmp_path / "s.zarr").drop_attrs()).store()
        np.testing.assert_array_equal(again.static("z"), OROGRAPHY)

    def test_one_that_there_is_not(self):
        with pytest.raises(StoreError, match="no static field 'lsm'; there are z"):
            prepare(record()).store().static("lsm")


class TestToldToModels:
    def test_standardised_over_the_cells(self):
        store = prepare(record()).store()
        options = WindowOptions(history=2, horizon=2, covariates=[{"static": "z"}])
        assert isinstance(options.covariates[0], StaticCovariate)
        spec = resolve_windows(options, store.axis.step)
        spec = learn_covariates(spec, store, resolve_splits(store.axis, DataOptions().split, spec))
        covariates = CovariateSet.of(spec, store)
        assert covariates.names("static") == ("z",)
        told = covariates.values("static", np.array([5, 9]))
        expected = (OROGRAPHY - 7.5) / OROGRAPHY.std()
        np.testing.assert_allclose(told, np.broadcast_to(expected, (2, 1, 4, 4)), rtol=1e-6)

    def test_one_that_the_record_lacks(self):
        store = prepare(record()).store()
        options = WindowOptions(history=2, horizon=2, covariates=[{"static": ["z", "lsm"]}])
        spec = resolve_windows(options, store.axis.step)
        with pytest.raises(DataError, match="the record has no static field 'lsm'; it has z"):
            CovariateSet.of(spec, store)

    def test_train_forecast_verify(self, tmp_path):
        run = sf.train(
            record(),
            model="simvp",
            history=2,
            horizon=2,
            covariates=[{"static": "z"}],
            max_steps=1,
            hid_S=4,
            hid_T=8,
            N_S=2,
            N_T=1,
            folder=tmp_path / "run",
        )
        forecast = run.predict(record(), init_time="2020-01-02T12")
        assert set(forecast.data_vars) >= {"t"}
        assert "z" not in forecast.data_vars
        hindcast = run.hindcast(record(), period="test")
        assert sf.verify(hindcast, record(), references=["persistence"]) is not None
