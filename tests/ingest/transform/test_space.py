"""Larger cells: values by hand and beside plain xarray, coordinates, what is left over."""

import dask.array as da
import numpy as np
import pyproj
import pytest
import xarray as xr

from stforecast import names
from stforecast.errors import ConfigError
from stforecast.grid import Grid
from stforecast.ingest import ingest, prepare
from stforecast.ingest.transform.grids import Blocks
from stforecast.ingest.transform.space import reduce_cells
from stforecast.options import DataOptions
from stforecast.store import TensorStore

HOURS = np.datetime64("2020-01-01", "us") + np.arange(3) * np.timedelta64(1, "h")


def record(values, lat=None, lon=None, **attrs) -> xr.Dataset:
    """One variable ``t``; a bare grid without latitudes."""
    values = np.asarray(values, float)
    values = np.broadcast_to(values, (3, *values.shape[-2:])).copy()
    coords = {"time": HOURS}
    if lat is not None:
        coords["lat"] = ("lat", np.asarray(lat), {"units": "degrees_north"})
        coords["lon"] = ("lon", np.asarray(lon), {"units": "degrees_east"})
    return xr.Dataset({"t": (("time", "lat", "lon"), values, attrs)}, coords)


def coarse(dataset: xr.Dataset, cells, **variable) -> TensorStore:
    options = {"coarsen": cells}
    if variable:
        options["variables"] = {"t": variable}
    return prepare(dataset, DataOptions(**options)).store()


FOUR = [[1, 2, 3, 4], [5, 6, 7, 8]]


class TestByHand:
    @pytest.mark.parametrize(
        ("method", "expected"),
        [("mean", [3.5, 5.5]), ("sum", [14, 22]), ("max", [6, 8]), ("min", [1, 3])],
    )
    def test_methods_on_a_bare_grid(self, method, expected):
        store = coarse(record(FOUR), 2, coarsen=method)
        np.testing.assert_array_equal(store.read(0, 1)[0, 0], [expected])

    def test_the_mean_is_by_area(self):
        # from the equator to 30 degrees the sine grows by 1/2, from 30 to 90 by 1/2 as well
        dataset = record([[1.0], [2.0], [5.0]], [15.0, 45.0, 75.0], [0.0])
        sines = np.diff(np.sin(np.deg2rad([0, 30, 60, 90])))
        by_hand = (1 * sines[0] + 2 * sines[1] + 5 * sines[2]) / sines.sum()
        store = coarse(dataset, {"y": 3})
        assert store.read(0, 1)[0, 0] == pytest.approx(by_hand, rel=1e-6)

    def test_the_sum_is_not(self):
        dataset = record([[1.0], [2.0]], [0.0, 60.0], [0.0])
        assert coarse(dataset, {"y": 2}, coarsen="sum").read(0, 1)[0, 0] == 3

    def test_rows_and_columns_by_numbers_of_their_own(self):
        store = coarse(record(FOUR), {"y": 1, "x": 4})
        np.testing.assert_array_equal(store.read(0, 1)[0, 0], [[2.5], [6.5]])

    def test_one_is_as_it_was(self):
        np.testing.assert_array_equal(coarse(record(FOUR), 1).read(0, 1)[0, 0], FOUR)


class TestMissing:
    values = np.array([[1.0, np.nan, 3.0, np.nan], [np.nan, np.nan, 7.0, np.nan]])

    def test_a_cell_with_more_than_half_missing_is_missing(self):
        np.testing.assert_array_equal(
            coarse(record(self.values), 2).read(0, 1)[0, 0], [[np.nan, 5]]
        )

    def test_the_limit_is_an_option(self):
        store = coarse(record(self.values), {"y": 2, "x": 2, "missing": 0.75})
        np.testing.assert_array_equal(store.read(0, 1)[0, 0], [[1, 5]])
        part = record(np.hstack([self.values, [[1, 2], [3, 4]]]))
        store = coarse(part, {"y": 2, "x": 2, "missing": 0})
        np.testing.assert_array_equal(store.read(0, 1)[0, 0], [[np.nan, np.nan, 2.5]])

    def test_the_share_is_of_the_area(self):
        # the row at 80 degrees is a small part of both
        dataset = record([[1.0], [np.nan]], [0.0, 80.0], [0.0])
        assert coarse(dataset, {"y": 2, "missing": 0.4}).read(0, 1)[0, 0] == 1
        dataset = record([[np.nan, 2.0], [1.0, 2.0]], [0.0, 80.0], [0.0, 1.0])
        store = coarse(dataset, {"y": 2, "missing": 0.4})
        np.testing.assert_array_equal(store.read(0, 1)[0, 0], [[np.nan, 2]])

    @pytest.mark.parametrize("method", ["mean", "sum", "max", "min"])
    def test_nothing_of_nothing_is_missing(self, method):
        values = np.full((1, 2, 2), np.nan)
        got = reduce_cells(values, np.ones((2, 2)), step=(2, 2), method=method, missing=0.99)
        assert np.isnan(got).all()

    def test_absent_times_stay_absent(self):
        dataset = record(FOUR).isel(time=[0, 2])
        store = prepare(dataset, DataOptions(coarsen=2, time_step="1h")).store()
        np.testing.assert_array_equal(store.present, [True, False, True])
        assert np.isnan(store.read(1, 2)).all()
        assert store.valid_cells[1].sum() == 0


class TestRemainder:
    values = np.arange(15.0).reshape(3, 5)

    def test_left_out_and_told(self):
        prepared = prepare(record(self.values), DataOptions(coarsen=2))
        assert prepared.store().shape == (3, 1, 1, 2)
        (told,) = [line for line in prepared.findings.notes if "left out" in line]
        assert told.startswith("the last row and the last column make no whole cell and are left")

    def test_kept_as_smaller_cells(self):
        store = coarse(record(self.values), {"y": 2, "x": 2, "remainder": "pad"})
        np.testing.assert_array_equal(store.read(0, 1)[0, 0], [[3, 5, 6.5], [10.5, 12.5, 14]])

    def test_bounds_tell_the_size_of_each(self):
        dataset = record(self.values, [30.0, 20, 10], [0.0, 10, 20, 30, 40])
        store = coarse(dataset, {"y": 2, "x": 2, "remainder": "pad"})
        np.testing.assert_array_equal(store.dataset["lat"], [25, 10])
        np.testing.assert_array_equal(store.dataset["lat_bnds"], [[35, 15], [15, 5]])
        np.testing.assert_array_equal(store.dataset["lon_bnds"], [[-5, 15], [15, 35], [35, 45]])
        weights = store.grid.area_weights()
        fine = prepare(dataset).store().grid.area_weights()
        share = weights.values / weights.values.sum()
        assert share[0, 0] == pytest.approx(float(fine[:2, :2].sum() / fine.sum()))
        assert share[1, 2] == pytest.approx(float(fine[2, 4] / fine.sum()))

    def test_more_than_the_grid_has(self):
        with pytest.raises(ConfigError, match=r"data.coarsen.y is 4, and the grid has 3 rows"):
            coarse(record(self.values), 4)


class TestCoordinates:
    def test_longitudes_across_the_seam(self):
        dataset = record(FOUR, [1.0, 0.0], [350.0, 355.0, 0.0, 5.0])
        store = coarse(dataset, {"x": 2})
        np.testing.assert_array_equal(store.dataset["lon"], [352.5, 2.5])
        np.testing.assert_array_equal(store.dataset["lon_bnds"], [[347.5, 357.5], [-2.5, 7.5]])
        store = coarse(dataset.isel(lon=[1, 2, 3, 3]).isel(lon=slice(3)), {"x": 3})
        np.testing.assert_array_equal(store.dataset["lon"], [0])

    def test_a_globe_stays_one(self):
        dataset = record(np.ones((4, 8)), [67.5, 22.5, -22.5, -67.5], np.arange(8) * 45.0)
        grid = coarse(dataset, 2).grid
        assert grid.is_periodic
        np.testing.assert_array_equal(grid.longitude, [22.5, 112.5, 202.5, 292.5])
        assert float(grid.area_weights().max()) == pytest.approx(1)

    def test_bounds_and_mapping_of_the_source(self):
        dataset = record(np.ones((2, 2)), [10.0, 30.0], [0.0, 10.0])
        dataset["lat_edges"] = (("lat", "nv"), [[5.0, 15], [15, 45]])
        dataset["crs"] = ((), np.int32(0), pyproj.CRS("EPSG:4326").to_cf())
        dataset.lat.attrs["bounds"] = "lat_edges"
        dataset.t.attrs["grid_mapping"] = "crs"
        store = coarse(dataset, 2)
        np.testing.assert_array_equal(store.dataset["lat_edges"], [[5, 45]])
        assert store.grid.crs == pyproj.CRS("EPSG:4326")
        shown = store.variables()
        assert shown["lat"].encoding["bounds"] == "lat_edges"

    def test_types_and_attributes_stay(self):
        dataset = record(FOUR, np.array([1, 0], "f4"), np.array([0, 1, 2, 3], "f4"))
        store = coarse(dataset, 2)
        assert store.dataset["lon"].dtype == np.float32
        assert store.dataset["lon"].attrs["units"] == "degrees_east"

    def test_latitude_and_longitude_of_each_cell(self):
        lat, lon = np.meshgrid([0.0, 1, 2, 3], [358.0, 359, 0, 1], indexing="ij")
        dataset = record(np.arange(16.0).reshape(4, 4)).rename(lat="y", lon="x")
        dataset = dataset.assign_coords(
            nav_lat=(("y", "x"), lat, {"units": "degrees_north"}),
            nav_lon=(("y", "x"), lon, {"units": "degrees_east"}),
            name=("x", list("abcd")),
        )
        prepared = prepare(dataset, DataOptions(coarsen=2))
        store = prepared.store()
        assert store.grid.kind == "curvilinear"
        np.testing.assert_array_equal(store.dataset["nav_lat"], [[0.5, 0.5], [2.5, 2.5]])
        np.testing.assert_array_equal(store.dataset["nav_lon"], [[358.5, 0.5], [358.5, 0.5]])
        assert "left out: name, which has no mean over larger cells" in prepared.findings.notes

    def test_projected(self):
        dataset = record(np.ones((4, 4))).rename(lat="y", lon="x")
        dataset = dataset.assign_coords(
            y=("y", np.arange(4) * 1000.0, {"standard_name": "projection_y_coordinate"}),
            x=("x", np.arange(4) * 1000.0, {"standard_name": "projection_x_coordinate"}),
            crs=((), 0, pyproj.CRS("EPSG:27700").to_cf()),
        )
        store = coarse(dataset, 2)
        assert store.grid.kind == "projected"
        np.testing.assert_array_equal(store.dataset["x"], [500, 2500])
        np.testing.assert_array_equal(store.dataset["x_bnds"], [[-500, 1500], [1500, 3500]])


class TestWhichMethod:
    @pytest.mark.parametrize(
        ("cell_methods", "method", "after"),
        [
            (None, "mean", "area: mean"),
            ("area: sum", "sum", "area: sum"),
            ("time: sum area: maximum", "max", "time: sum area: maximum"),
            (
                "time: maximum (interval: 1 hour)",
                "mean",
                "time: maximum (interval: 1 hour) area: mean",
            ),
            ("lat: lon: sum", "sum", "lat: lon: sum area: sum"),
            ("area: point", "mean", "area: mean"),
        ],
    )
    def test_as_the_file_says(self, cell_methods, method, after):
        dataset = record(FOUR, [1.0, 0], [0.0, 1, 2, 3])
        if cell_methods is not None:
            dataset.t.attrs["cell_methods"] = cell_methods
        prepared = prepare(dataset, DataOptions(coarsen=2))
        store = prepared.store()
        assert store.meta.channels[0].cell_methods == after
        word = "area-weighted mean" if method == "mean" else method
        assert prepared.findings.mapping["larger cells"] == (
            f"2 x 2 cells are one ({word} of t): 2 x 4 became 1 x 2"
        )

    def test_the_user_before_the_file(self):
        dataset = record(FOUR, [1.0, 0], [0.0, 1, 2, 3], cell_methods="area: sum")
        assert coarse(dataset, 2, coarsen="max").read(0, 1).max() == 8


class TestLazily:
    @pytest.mark.parametrize("chunks", [(3, 5, 7), (1, 3, 2), (2, 11, 13)])
    @pytest.mark.parametrize("remainder", ["trim", "pad"])
    def test_however_it_is_cut(self, chunks, remainder):
        values = np.random.default_rng(0).normal(size=(3, 11, 13))
        values[0, :4, :5] = np.nan
        dataset = record(np.ones((11, 13)), np.arange(11.0), np.arange(13.0))
        whole = dataset.assign(t=dataset.t.copy(data=values))
        cut = whole.chunk(dict(zip(("time", "lat", "lon"), chunks, strict=True)))
        options = {"y": 3, "x": 2, "remainder": remainder}
        np.testing.assert_array_equal(
            coarse(whole, options).read(0, 3), coarse(cut, options).read(0, 3)
        )

    def test_nothing_is_read_before_it_must_be(self):
        def fail(block):
            raise AssertionError("read")

        values = da.zeros((3, 4, 4), chunks=(1, 4, 4)).map_blocks(
            fail, dtype=float, meta=np.empty((0, 0, 0))
        )
        dataset = record(np.ones((4, 4)))
        prepared = prepare(
            dataset.assign(t=(dataset.t.dims, values.astype(np.float32))), DataOptions(coarsen=2)
        )
        assert prepared.dataset[names.DATA].chunks is not None

    def test_chunks_end_where_blocks_end(self):
        assert Blocks.of(10, 3, pad=False).aligned((4, 4, 1)) == (3, 3, 3)
        assert Blocks.of(10, 3, pad=True).aligned((1, 1, 8)) == (10,)

    def test_sequences(self):
        dataset = xr.Dataset(
            {
                "v": (
                    ("sequence", "time", "y", "x"),
                    np.arange(32.0).reshape(2, 1, 4, 4).repeat(3, 1),
                )
            }
        )
        store = prepare(dataset, DataOptions(coarsen=2)).store()
        assert store.read(0, 1, sequence=1)[0, 0, 0, 0] == 16 + 2.5


class TestBesideXarray:
    def test_a_weighted_mean(self, shared, tmp_path):
        path = shared / "data/era5_uk_t2m/era5_t2m_uk_201903.nc"
        ingest([str(path)], tmp_path / "s.zarr", DataOptions(coarsen={"y": 3, "x": 7}))
        store = TensorStore.open(tmp_path / "s.zarr")
        with xr.open_dataset(path) as source:
            t2m = source.t2m.astype(float).load()
        areas = Grid.of_field(t2m.to_dataset(), "t2m", "latitude", "longitude").area_weights()
        weights = xr.zeros_like(t2m[0]) + areas.values
        sizes = {"latitude": 3, "longitude": 7}
        top = (t2m * weights).coarsen(sizes).sum()
        expected = top / weights.coarsen(sizes).sum()
        got = store.variables()["t2m"]
        np.testing.assert_allclose(got.values, expected.values, rtol=2e-7)
        np.testing.assert_allclose(got.latitude, expected.latitude)
        np.testing.assert_allclose(got.longitude, expected.longitude)
        assert store.meta.recipe == {
            "coarsen": {"y": 3, "x": 7, "remainder": "trim", "missing": 0.5}
        }
