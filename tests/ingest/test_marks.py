"""Marks of missing values that files do not declare: missing before anything is made of values."""

import warnings
from pathlib import Path

import dask.array as da
import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from stforecast.errors import ConfigError, DataError
from stforecast.ingest import ingest, prepare
from stforecast.ingest.append import append
from stforecast.ingest.layout import lay_out
from stforecast.options import DataOptions, SourceOptions
from stforecast.sources import open_source
from stforecast.store import TensorStore
from tests.ingest.test_append import arrays
from tests.sources.test_netcdf import timed, write

HOURS = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(1, "h")
ICE = np.zeros((6, 2, 4), bool)
ICE[:, 0, 1] = True
ICE[2, 1, 3] = True


def sea(mark: float = -1000.0, dtype: str = "f4", name: str = "sst") -> xr.Dataset:
    """Temperatures of the sea, and a mark where there is ice."""
    values = np.arange(48.0).reshape(6, 2, 4).astype(dtype)
    values[ICE] = mark
    return xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": "J m-2"})},
        coords={
            "time": HOURS,
            "lat": ("lat", np.array([10.0, 20]), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
        },
    )


def marked(*marks: float, **more) -> DataOptions:
    return DataOptions(variables={"sst": {"missing": list(marks) or [-1000], **more}})


def values_of(dataset: xr.Dataset, options: DataOptions) -> np.ndarray:
    return prepare(dataset, options).store().read(0, 6)[:, 0]


class TestValues:
    @pytest.mark.parametrize(
        ("dtype", "mark", "said"),
        [
            ("f4", -1000, -1000),
            ("f4", -9999.9, -9999.9),
            ("f8", -9999.9, -9999.9),
            ("f4", 1e36, 1e36),
            ("f4", netCDF4.default_fillvals["f4"], 9.96921e36),
            ("f8", -3.4028234663852886e38, -3.40282e38),
            ("i2", -9999, -9999),
            ("i4", -2147483648, -2147483648),
            ("f4", 0, 0),
        ],
    )
    def test_only_marks_are_missing(self, dtype, mark, said):
        found = values_of(sea(mark, dtype), marked(said))
        also = sea(5, dtype).sst.values == 0 if mark == 0 else np.zeros_like(ICE)
        np.testing.assert_array_equal(np.isnan(found), ICE | also)
        np.testing.assert_array_equal(
            found[~(ICE | also)], sea(1, dtype).sst.values[~(ICE | also)].astype("f4")
        )

    def test_neighbours_of_a_mark_stay(self):
        dataset = sea()
        near = np.array([-1000.01, -999.99, 1000, -100], "f4")
        dataset.sst[1, 1] = near
        np.testing.assert_array_equal(values_of(dataset, marked())[1, 1], near)

    def test_several_marks(self):
        dataset = sea()
        dataset.sst[0, 1, 0] = 1e36
        found = np.isnan(values_of(dataset, marked(-1000, 1e36)))
        np.testing.assert_array_equal(found.sum(), ICE.sum() + 1)

    def test_lazily(self):
        dataset = sea().chunk({"time": 2})
        layout = lay_out(dataset, marked())
        assert isinstance(layout.dataset.sst.data, da.Array)
        assert layout.dataset.sst.data.chunks == dataset.sst.chunks

    def test_by_the_name_that_it_gets(self):
        options = DataOptions(
            variables={"t": {"source": "sst", "missing": -1000}, "s": {"source": "sst"}}
        )
        with pytest.raises(ConfigError, match="t and s are both made of sst and differ in missing"):
            prepare(sea(), options)


class TestReaders:
    def test_packed_numbers(self, tmp_path):
        """What counts is the number that the packed one stands for."""
        packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 5.0, "_FillValue": None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", xr.SerializationWarning)  # there is no _FillValue
            sea(-322.68).to_netcdf(tmp_path / "a.nc", encoding={"sst": packing})
        found = values_of(open_source([tmp_path / "a.nc"]), marked(-322.68))
        np.testing.assert_array_equal(np.isnan(found), ICE)

    def test_whole_numbers_of_a_file_are_as_exact_as_they_were(self, tmp_path):
        sea(-9999, "i4").to_netcdf(tmp_path / "a.nc", encoding={"sst": {"_FillValue": None}})
        prepared = prepare(open_source([tmp_path / "a.nc"]), marked(-9999))
        np.testing.assert_array_equal(np.isnan(prepared.store().read(0, 6)[:, 0]), ICE)
        assert not [note for note in prepared.findings.notes if "rounded" in note]

    def test_many_files(self, tmp_path):
        paths = []
        for hour in range(20):
            stamp = np.datetime64("2020-01-01", "ns") + np.timedelta64(hour, "h")
            paths.append(str(tmp_path / f"{hour:02}.nc"))
            sea().isel(time=[0]).assign_coords(time=[stamp]).to_netcdf(paths[-1])
        ingest(paths, tmp_path / "s.zarr", marked())
        found = TensorStore.open(tmp_path / "s.zarr").read(0, 20)[:, 0]
        np.testing.assert_array_equal(np.isnan(found), np.broadcast_to(ICE[0], found.shape))

    def test_zarr(self, tmp_path):
        sea().to_zarr(tmp_path / "a.zarr", consolidated=False)
        found = values_of(open_source([tmp_path / "a.zarr"]), marked())
        np.testing.assert_array_equal(np.isnan(found), ICE)

    def test_deepst(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"] = sea().sst.values[:, np.newaxis]
            file["date"] = [f"20200101{hour:02d}".encode() for hour in range(6)]
        options = marked(-1000, index=0)
        found = values_of(open_source([tmp_path / "a.h5"], options), options)
        np.testing.assert_array_equal(np.isnan(found), ICE)

    def test_frames(self, tmp_path):
        """Black may mean that a camera saw nothing."""
        for number in range(3):
            pixels = np.full((2, 4), 51 * (number + 1), np.uint8)
            pixels[0, number] = 0
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        options = DataOptions(variables={"intensity": {"missing": 0}}, files=[str(tmp_path)])
        store = prepare(open_source([tmp_path], options), options).store()
        assert np.argwhere(np.isnan(store.read(0, 3, 0))[:, 0]).tolist() == [
            [0, 0, 0],
            [1, 0, 1],
            [2, 0, 2],
        ]


class TestBeforeAllElse:
    def test_the_fullest_of_duplicated_times(self):
        """A copy of nothing but marks is no full one."""
        twice = xr.concat([xr.full_like(sea(), -1000.0).isel(time=[0]), sea()], "time")
        np.testing.assert_array_equal(values_of(twice, marked()), values_of(sea(), marked()))

    def test_rates_larger_cells_and_longer_steps(self):
        options = DataOptions(
            variables={"sst": {"missing": -1000, "rate": True}},
            coarsen={"y": 1, "x": 2},
            resample={"step": "3h"},
        )
        nothing = sea().where(~ICE)
        without = options.model_copy(
            update={"variables": DataOptions(variables={"sst": {"rate": True}}).variables}
        )
        found, expected = (
            prepare(dataset, chosen).store()
            for dataset, chosen in ((sea(), options), (nothing, without))
        )
        np.testing.assert_array_equal(found.read(0, 1), expected.read(0, 1))
        assert found.read(0, 1).min() >= 0

    def test_versions(self):
        """The preliminary version counts where the final one has a mark."""
        both = xr.concat([sea(), sea(7)], xr.Variable("expver", [1, 5]))
        assert (values_of(both, marked())[ICE] == 7).all()

    def test_fields_without_a_time(self):
        mask = sea().sst.isel(time=0, drop=True)
        dataset = sea(1, name="t").assign(sst=mask)
        options = DataOptions(variables={"t": {}, "sst": {"missing": -1000}})
        found = prepare(dataset, options).store().static("sst")
        np.testing.assert_array_equal(np.isnan(found), ICE[0])

    def test_of_one_of_several_sources(self, tmp_path):
        paths = write(tmp_path, a=sea(1, name="t"), b=sea())
        options = DataOptions(
            sources=[
                SourceOptions(files=paths[0]),
                SourceOptions(files=paths[1], variables={"sst": {"missing": -1000}}),
            ]
        )
        prepared = prepare(open_source([], options), options)
        assert prepared.findings.mapping["missing where"] == "sst is -1000"
        np.testing.assert_array_equal(np.isnan(prepared.store().read(0, 6)[:, 1]), ICE)


class TestTold:
    def test_what_was_done(self):
        options = marked(-1000, -9999, 1e36)
        found = prepare(sea(), options).findings
        assert found.mapping["missing where"] == "sst is -1000, -9999 or 1e+36"

    @pytest.mark.parametrize(
        ("mark", "words"),
        [
            (1e36, "values as large as 1e+36 are marks of missing ones"),
            (-9999, "its smallest value is -9999, which many files write"),
            (1e20, "its largest value is 1e+20, which many files write"),
        ],
    )
    def test_marks_that_nobody_declared(self, mark, words):
        lines = prepare(sea(mark)).survey().findings()
        (line,) = [line for line in lines if words in line]
        assert "data.variables.sst.missing" in line
        assert f"missing: {mark:g}" in line
        lines = prepare(sea(mark), marked(mark)).survey().findings()
        assert not [line for line in lines if words in line]

    def test_what_is_not_there(self):
        options = DataOptions(variables={"sts": {"missing": -1000}})
        with pytest.raises(DataError, match="no variable 'sts'; did you mean sst"):
            prepare(sea(), options)


class TestGrowing:
    def paths(self, folder: Path) -> list[str]:
        return write(
            folder,
            a=timed(sea().isel(time=slice(0, 3)), "2020-01-01", 3),
            b=timed(sea().isel(time=slice(3, 6)), "2020-01-01T03", 3),
        )

    def test_as_one_ingest(self, tmp_path):
        """What marks missing values is kept with the store, for files that come later."""
        paths = self.paths(tmp_path)
        ingest(paths[:1], tmp_path / "grown.zarr", marked())
        append(paths[1:], tmp_path / "grown.zarr")
        ingest(paths, tmp_path / "one.zarr", marked())
        assert arrays(tmp_path / "grown.zarr") == arrays(tmp_path / "one.zarr")

    def test_files_that_are_known_are_not_read_again(self, tmp_path):
        paths = self.paths(tmp_path)
        ingest(paths, tmp_path / "s.zarr", marked())
        found = append(paths, tmp_path / "s.zarr")
        assert found.mapping["already there"] == "all that the files hold"

    def test_in_another_way(self, tmp_path):
        paths = self.paths(tmp_path)
        ingest(paths[:1], tmp_path / "s.zarr", marked())
        with pytest.raises(DataError, match=r"missing .*-9999.* against .*-1000"):
            append(paths[1:], tmp_path / "s.zarr", marked(-9999))
