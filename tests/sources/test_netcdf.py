"""Files that xarray opens, one or many."""

import warnings
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest.layout import lay_out
from stforecast.options import DataOptions
from stforecast.sources import open_source
from stforecast.sources.classic import missing_bytes
from tests.ingest import zoo


def write(folder: Path, **datasets: xr.Dataset) -> list[str]:
    for name, dataset in datasets.items():
        dataset.to_netcdf(folder / f"{name}.nc")
    return [str(folder / f"{name}.nc") for name in datasets]


def timed(dataset: xr.Dataset, start: str, size: int = 5) -> xr.Dataset:
    stamps = np.datetime64(start, "ns") + np.arange(size) * np.timedelta64(1, "h")
    return dataset.isel(time=slice(0, size)).assign_coords(
        time=("time", stamps, {"standard_name": "time"})
    )


class TestOneFile:
    @pytest.mark.parametrize("kind", zoo.ALL)
    @pytest.mark.parametrize("ending", ["nc", "zarr"])
    def test_grids_of_all_kinds_through_a_file(self, tmp_path, kind, ending):
        source = zoo.ALL[kind]()
        path = tmp_path / f"data.{ending}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Cc]onsolidated.*")
            source.to_netcdf(path) if ending == "nc" else source.to_zarr(path)
        opened = open_source([path])
        layout = lay_out(opened)
        direct = lay_out(source)
        assert layout.grid.kind == direct.grid.kind
        xr.testing.assert_identical(layout.grid.coords, direct.grid.coords)
        for name, variable in direct.grid.coords.variables.items():
            assert layout.grid.coords[name].encoding == variable.encoding
        for name in direct.dataset.data_vars:
            xr.testing.assert_equal(layout.dataset[name].variable, direct.dataset[name].variable)

    @pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4_CLASSIC"])
    def test_formats(self, tmp_path, form):
        path = tmp_path / "data"
        zoo.ascending().to_netcdf(path, format=form, engine="netcdf4")
        opened = open_source([path])
        xr.testing.assert_equal(opened.t, zoo.ascending().t)
        if form.startswith("NETCDF3"):
            assert missing_bytes(path) == 0

    def test_packed_integers(self, tmp_path):
        source = zoo.ascending()
        source.t[1, 2, 3] = np.nan
        packing = {"dtype": "i2", "scale_factor": 0.001, "add_offset": 1.0, "_FillValue": -32768}
        source.to_netcdf(tmp_path / "p.nc", encoding={"t": packing})
        opened = open_source([tmp_path / "p.nc"])
        assert opened.t.dtype == np.float32
        np.testing.assert_allclose(opened.t, source.t, atol=0.0006)
        assert np.isnan(opened.t.values[1, 2, 3])
        assert lay_out(opened).channels[0].attrs == {"units": "K"}

    def test_integers_stay_and_durations_are_numbers(self, tmp_path):
        source = zoo.ascending()
        source["count"] = (source.t * 10).astype("i4")
        source["sunshine"] = source.t.assign_attrs(units="hours")
        source.to_netcdf(tmp_path / "i.nc")
        opened = open_source([tmp_path / "i.nc"])
        assert opened["count"].dtype == np.int32
        assert opened.sunshine.dtype == np.float32
        assert opened.sunshine.attrs["units"] == "hours"

    @pytest.mark.parametrize(
        ("units", "calendar", "numbers", "last"),
        [
            ("days since 0001-01-01", "360_day", [0, 30], cftime.Datetime360Day(1, 2, 1)),
            ("days since 2000-02-28", "noleap", [0, 1], cftime.DatetimeNoLeap(2000, 3, 1)),
            ("days since 3000-01-01", "standard", [0, 1], np.datetime64("3000-01-02")),
            ("days since 1000-01-01", "proleptic_gregorian", [0, 1], np.datetime64("1000-01-02")),
            ("months since 1960-01-01", "standard", [0.5, 1.5], np.datetime64("1960-02-15T12")),
            ("months since 1960-01-01", "360", [0.5, 1.5], cftime.Datetime360Day(1960, 2, 16)),
            ("months since 1960-01-01", "mayan", [0.5, 1.5], None),
        ],
    )
    def test_calendars_without_warnings(self, tmp_path, units, calendar, numbers, last):
        path = tmp_path / "c.nc"
        zoo.ascending().isel(time=slice(0, 2)).drop_vars("time").to_netcdf(path)
        with netCDF4.Dataset(path, "a") as file:
            time = file.createVariable("time", "f8", ("time",))
            time[:] = numbers
            time.setncatts({"units": units, "calendar": calendar})
        opened = open_source([path])
        if last is None:
            with pytest.raises(DataError, match="'mayan', is none that CF knows"):
                lay_out(opened)
        else:
            assert lay_out(opened).dataset.time.values[-1] == last

    def test_references_to_other_files_make_no_noise(self, tmp_path):
        source = zoo.bounds_and_mapping()
        source.t.attrs |= {"cell_measures": "area: areacella", "ancillary_variables": "nowhere"}
        (path,) = write(tmp_path, a=source)
        opened = open_source([path])
        assert list(opened.data_vars) == ["t"]
        assert opened.lat.encoding["bounds"] == "lat_bnds"
        assert opened.t.encoding["grid_mapping"] == "crs"
        opened.load().to_netcdf(tmp_path / "again.nc")
        with xr.open_dataset(tmp_path / "again.nc") as again:
            assert again.lat.attrs["bounds"] == "lat_bnds"
            assert again.t.attrs["grid_mapping"] == "crs"

    def test_groups(self, tmp_path):
        path = tmp_path / "g.nc"
        zoo.ascending().to_netcdf(path, group="Grid")
        xr.testing.assert_equal(open_source([path]).t, zoo.ascending().t)
        zoo.ascending().to_netcdf(path, group="Other", mode="a")
        with pytest.raises(DataError, match="in the groups Grid, Other"):
            open_source([path])

    def test_blocks_follow_the_chunks_of_the_file(self, tmp_path):
        source = xr.Dataset(
            {"t": (("time", "y", "x"), np.zeros((3000, 60, 70), "f4"))},
            coords={"time": np.datetime64("2000-01-01", "ns") + np.arange(3000)},
        )
        encoding = {"t": {"chunksizes": (7, 60, 70), "zlib": True}}
        source.to_netcdf(tmp_path / "c.nc", encoding=encoding)
        blocks = open_source([tmp_path / "c.nc"]).t.chunks
        assert blocks[0][0] % 7 == 0
        assert 3e6 < blocks[0][0] * 60 * 70 * 4 < 5e6
        assert blocks[1:] == ((60,), (70,))
        encoding = {"t": {"chunksizes": (3000, 6, 7), "zlib": True}}
        source.to_netcdf(tmp_path / "s.nc", encoding=encoding)
        assert open_source([tmp_path / "s.nc"]).t.chunks[0] == (3000,)

    def test_a_store_is_read_as_what_it_was_made_of(self, tmp_path):
        from stforecast.store import write_store
        from tests.helpers import make_store

        write_store(make_store().dataset, tmp_path / "s.zarr")
        opened = open_source([tmp_path / "s.zarr"])
        assert list(opened.data_vars) == make_store().channels


class TestManyFiles:
    def test_along_time_in_any_order(self, tmp_path):
        source = zoo.ascending()
        a, b, c = (timed(source + n, f"2020-01-0{n + 1}") for n in range(3))
        files = write(tmp_path, z=a, m=c, a=b)
        opened = open_source(files)
        expected = xr.concat([a, b, c], "time")
        xr.testing.assert_equal(opened.load(), expected.load())
        assert opened.latitude.attrs == source.latitude.attrs

    def test_one_time_a_file(self, tmp_path):
        source = timed(zoo.bounds_and_mapping(), "2020-01-01")
        files = write(tmp_path, **{f"f{n}": source.isel(time=4 - n) for n in range(5)})
        opened = open_source(files)
        assert opened.t.dims == ("time", "lat", "lon")
        np.testing.assert_array_equal(opened.t, source.t)
        assert opened.lat_bnds.dims == ("lat", "bnds")
        assert opened.lat.encoding["bounds"] == "lat_bnds"
        assert lay_out(opened).grid.grid_mapping == "crs"

    def test_one_variable_a_file(self, tmp_path):
        source = timed(zoo.ascending(), "2020-01-01")
        later = timed(zoo.ascending() + 1, "2020-01-02")
        files = write(
            tmp_path,
            u2=later.rename(t="u"),
            u1=source.rename(t="u"),
            v1=source.rename(t="v"),
            v2=later.rename(t="v"),
            mask=source.isel(time=0, drop=True).rename(t="mask"),
        )
        opened = open_source(files)
        both = xr.concat([source, later], "time").t
        np.testing.assert_array_equal(opened.u, both)
        np.testing.assert_array_equal(opened.v, both)
        layout = lay_out(opened)
        assert list(layout.dataset.data_vars) == ["u", "v"]

    def test_times_of_one_variable_only_are_missing_in_the_other(self, tmp_path):
        u = timed(zoo.ascending(), "2020-01-01").rename(t="u")
        v = u.isel(time=slice(0, 3)).rename(u="v")
        opened = open_source(write(tmp_path, v=v, u=u))
        assert int(opened.v.isnull().any(["latitude", "longitude"]).sum()) == 2
        assert not opened.u.isnull().any()

    def test_overlaps_and_disorder_are_handed_on(self, tmp_path):
        source = timed(zoo.ascending(), "2020-01-01")
        shuffled = source.isel(time=[2, 0, 1])
        opened = open_source(write(tmp_path, a=shuffled, b=source))
        expected = [*shuffled.time.values, *source.time.values]
        np.testing.assert_array_equal(opened.time.values, expected)

    def test_packed_with_different_scales(self, tmp_path):
        parts = [timed(zoo.ascending() + n, f"2020-01-0{n + 1}") for n in range(2)]
        files = []
        for n, part in enumerate(parts):
            path = tmp_path / f"{n}.nc"
            packing = {"dtype": "i2", "scale_factor": 0.001 * (n + 1), "_FillValue": -1}
            part.to_netcdf(path, encoding={"t": packing})
            files.append(path)
        opened = open_source(files)
        np.testing.assert_allclose(opened.t, xr.concat(parts, "time").t, atol=0.0011)

    def test_rounding_of_coordinates_is_no_other_grid(self, tmp_path):
        source = timed(zoo.geographic(np.arange(3.0) + 0.1, np.arange(4.0)), "2020-01-01")
        later = timed(source, "2020-01-02")
        later = later.assign_coords(latitude=later.latitude.astype("f4").astype("f8"))
        opened = open_source(write(tmp_path, a=source, b=later))
        np.testing.assert_array_equal(opened.latitude, source.latitude)
        assert opened.t.shape == (10, 3, 4)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda ds: ds.assign_coords(latitude=ds.latitude + 1), "their latitude differ"),
            (lambda ds: ds.isel(longitude=slice(0, 4)), "longitude has 8 and 4 values"),
            (lambda ds: ds.assign(t=ds.t.assign_attrs(units="degC")), "in K in .* and in degC"),
            (lambda ds: ds.rename(time="valid_time"), "different time dimensions"),
            (lambda ds: ds.assign_coords(number=1), None),
        ],
    )
    def test_files_that_do_not_fit(self, tmp_path, change, words):
        source = timed(zoo.ascending(), "2020-01-01")
        other = change(timed(zoo.ascending(), "2020-01-02"))
        if words is None:
            source, words = source.assign_coords(number=0), "different values of number"
        with pytest.raises(DataError, match=words) as caught:
            open_source(write(tmp_path, a=source, b=other))
        assert "a.nc" in str(caught.value)
        assert "b.nc" in str(caught.value)

    def test_calendars_do_not_mix(self, tmp_path):
        source = timed(zoo.ascending(), "2020-01-01")
        with pytest.raises(DataError, match=r"in the calendar proleptic_gregorian, .* in noleap"):
            open_source(write(tmp_path, a=source, b=zoo.noleap()))

    def test_files_without_times(self, tmp_path):
        still = zoo.ascending().isel(time=0, drop=True)
        with pytest.raises(DataError, match="no times to put them in order"):
            open_source(write(tmp_path, a=still, b=still))

    def test_versions_in_some_files_only(self, tmp_path):
        final = timed(zoo.ascending(), "2020-01-01")
        mixed = timed(zoo.ascending(), "2020-01-02")
        mixed = xr.concat([mixed.where(mixed.time < mixed.time[2]), mixed + 10], "expver")
        mixed = mixed.assign_coords(expver=[1, 5]).transpose("time", "expver", ...)
        opened = open_source(write(tmp_path, a=final, b=mixed))
        notes = lay_out(opened).notes
        assert any("expver 1 is taken where it has a value, else 5" in note for note in notes)
        expected = np.concatenate([final.t, final.t[:2], final.t[2:] + 10])
        np.testing.assert_array_equal(opened.t, expected)


def test_a_variable_of_many_files_is_chosen(tmp_path):
    source = timed(zoo.ascending(), "2020-01-01")
    files = write(tmp_path, u=source.rename(t="u"), v=source.rename(t="v"))
    layout = lay_out(open_source(files), DataOptions(variables=["v"]))
    assert list(layout.dataset.data_vars) == ["v"]
