"""Fields without a time that several files have: the same but for rounding, or told."""

import numpy as np
import pytest
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest import ingest, prepare
from stforecast.ingest.append import append
from stforecast.options import DataOptions
from stforecast.sources import open_source
from stforecast.sources.timeless import Timeless, same_field
from stforecast.store import TensorStore

HEIGHT = np.linspace(-50.0, 4000, 12).reshape(3, 4)


def hour(at: int, height: np.ndarray | None = HEIGHT, name: str = "t") -> xr.Dataset:
    stamp = np.datetime64("2020-01-01", "ns") + np.timedelta64(at, "h")
    dataset = xr.Dataset(
        {name: (("time", "lat", "lon"), np.full((1, 3, 4), float(at)), {"units": "K"})},
        coords={
            "time": [stamp],
            "lat": ("lat", np.arange(3.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
        },
    )
    if height is not None:
        dataset = dataset.assign(z=(("lat", "lon"), height, {"units": "m"}))
    return dataset


def write(folder, datasets) -> list[str]:
    paths = [str(folder / f"{number:02}.nc") for number in range(len(datasets))]
    for path, dataset in zip(paths, datasets, strict=True):
        dataset.to_netcdf(path)
    return paths


def told(paths, options=None) -> list[str]:
    notes = prepare(open_source(paths, options), options).findings.notes
    return [note for note in notes if "does not change with time" in note]


@pytest.mark.parametrize("count", [3, 20])
class TestOneIngest:
    """Also of so many files that they are put together in another way."""

    def test_the_same(self, tmp_path, count):
        assert told(write(tmp_path, [hour(at) for at in range(count)])) == []

    def test_the_same_but_for_packing(self, tmp_path, count):
        datasets = [hour(at, HEIGHT + 0.05 * (at % 2)) for at in range(count)]
        assert told(write(tmp_path, datasets)) == []

    def test_another_one(self, tmp_path, count):
        """The earliest file's is taken, whatever the order of the files."""
        paths = write(tmp_path, [hour(at, HEIGHT + 10 * (at == 0)) for at in range(count)])
        (note,) = told(paths[::-1])
        assert note == (
            f"z does not change with time and is not the same in {paths[-1]} and {paths[0]}; that "
            f"of {paths[0]} is taken"
        )
        ingest(paths[::-1], tmp_path / "s.zarr")
        store = TensorStore.open(tmp_path / "s.zarr")
        np.testing.assert_array_equal(store.static("z"), (HEIGHT + 10).astype("f4"))
        assert note in store.meta.findings

    def test_by_the_name_that_it_gets(self, tmp_path, count):
        paths = write(tmp_path, [hour(at, HEIGHT + at) for at in range(count)])
        (note,) = told(paths, DataOptions(variables={"t": {}, "orography": {"source": "z"}}))
        assert note.startswith("orography does not change with time and is not the same in")

    def test_one_that_is_not_taken(self, tmp_path, count):
        paths = write(tmp_path, [hour(at, HEIGHT + at) for at in range(count)])
        assert told(paths, DataOptions(variables=["t"])) == []

    def test_rows_and_columns_in_another_order(self, tmp_path, count):
        turned = [
            hour(at).transpose("lon", "lat", "time") if at else hour(at) for at in range(count)
        ]
        assert told(write(tmp_path, turned)) == []


def test_in_files_of_other_variables(tmp_path):
    paths = write(tmp_path, [hour(0), hour(0, HEIGHT + 10, "p"), hour(1), hour(1, HEIGHT, "p")])
    (note,) = told(paths)
    assert f"not the same in {paths[0]} and {paths[1]}; that of {paths[0]} is taken" in note


def test_in_one_source_of_several(tmp_path):
    paths = write(tmp_path, [hour(0, None), hour(1, None)])
    (tmp_path / "p").mkdir()
    others = write(tmp_path / "p", [hour(0, HEIGHT, "p"), hour(1, HEIGHT + 9, "p")])
    options = DataOptions(sources=[{"files": paths}, {"files": others}])
    notes = prepare(open_source([], options), options).findings.notes
    assert any("01.nc" not in note[:10] and "z does not change with time" in note for note in notes)


def test_files_that_are_added(tmp_path):
    """What differs among themselves is a finding, like what is in one ingest."""
    paths = write(tmp_path, [hour(at, HEIGHT + 10 * (at == 3)) for at in range(4)])
    ingest(paths[:2], tmp_path / "s.zarr")
    found = append(paths[2:], tmp_path / "s.zarr")
    assert any("z does not change with time and is not the same in" in note for note in found.notes)


def test_files_of_a_single_time_have_no_other_fields():
    timeless = Timeless()
    for at in range(2):
        timeless.add(str(at), hour(at, HEIGHT + at).isel(time=0))
    assert timeless.differing == {}


def test_one_that_cannot_be_read():
    class Broken(xr.backends.BackendArray):
        shape, dtype = (3, 4), np.dtype("f4")

        def __getitem__(self, key):
            raise OSError("no such byte")

    lazy = xr.core.indexing.LazilyIndexedArray(Broken())
    dataset = hour(0).assign(z=xr.Variable(("lat", "lon"), lazy))
    with pytest.raises(
        DataError, match=r"a\.nc: z: the data cannot be read .*; get the file again"
    ):
        Timeless().add("a.nc", dataset)


class TestSame:
    def test_missing_values(self):
        one = np.where(HEIGHT > 1000, np.nan, HEIGHT)
        assert same_field(one, one)
        assert same_field(one, np.where(np.isnan(one), np.inf, one))
        assert not same_field(one, HEIGHT)

    def test_nothing_but_zeros(self):
        assert same_field(np.zeros((2, 2)), np.zeros((2, 2)))
        assert not same_field(np.zeros((2, 2)), np.ones((2, 2)))

    def test_another_size(self):
        assert not same_field(np.zeros((2, 2)), np.zeros((2, 3)))
