"""DeepST's HDF5 files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from stforecast.errors import DataError
from stforecast.ingest.layout import lay_out
from stforecast.options import DataOptions
from stforecast.sources import find_source, open_source
from stforecast.timeaxis.slots import read_dates


def write(path: Path, dates, shape=(2, 4, 3), data=None) -> Path:
    if data is None:
        data = np.arange(len(dates) * np.prod(shape), dtype="f8").reshape(len(dates), *shape)
    with h5py.File(path, "w") as file:
        file["data"] = data
        file["date"] = dates
    return path


def days(*slots: int, day: str = "20130701") -> list[bytes]:
    return [f"{day}{slot:02d}".encode() for slot in slots]


@pytest.mark.parametrize(
    ("slots", "first", "last"),
    [
        (range(1, 49), "2013-07-01T00:00", "2013-07-01T23:30"),
        (range(1, 25), "2013-07-01T00:00", "2013-07-01T23:00"),
        (range(24), "2013-07-01T00:00", "2013-07-01T23:00"),
        ([3, 0, 23], "2013-07-01T03:00", "2013-07-01T23:00"),
    ],
)
@pytest.mark.parametrize("kind", ["bytes", "text", "int"])
def test_slots_are_told_from_the_dates(tmp_path, slots, first, last, kind):
    dates = days(*slots)
    if kind == "text":
        dates = np.array([date.decode() for date in dates], dtype=h5py.string_dtype())
    elif kind == "int":
        dates = np.array([int(date) for date in dates])
    path = write(tmp_path / "flows.h5", dates)
    assert find_source([path]) == "deepst"
    times = open_source([path]).time.values
    assert times[0] == np.datetime64(first)
    assert times[-1] == np.datetime64(last)


def test_what_the_dates_do_not_tell(tmp_path):
    path = write(tmp_path / "flows.h5", days(*range(1, 20)))
    with pytest.raises(DataError, match=r"end in 01 to 19, which may be.*data\.slots"):
        open_source([path])
    hours = {
        slots: open_source([path], DataOptions(slots=slots)).time.values[0]
        for slots in ("hour", "slot24", "slot48")
    }
    assert hours["hour"] == np.datetime64("2013-07-01T01")
    assert hours["slot24"] == hours["slot48"] == np.datetime64("2013-07-01T00")


@pytest.mark.parametrize(
    ("dates", "slots", "words"),
    [
        (["2013070100", "2013070124"], "auto", "neither hours"),
        (["2013070101", "2013070149"], "auto", "01 to 49"),
        (["2013070100", "2013070101"], "slot48", "not slots 01 to 48 as data.slots says"),
        (["2013070124"], "hour", "not hours of day 00 to 23"),
        (["2013023101"], "hour", "'20130231', which is no day"),
        (["2013-07-01"], "auto", "'2013-07-01', which is not such as"),
        (["2013070"], "auto", "not such as"),
        (["201307012460"], "auto", "no time of day"),
    ],
)
def test_dates_that_are_none(dates, slots, words):
    with pytest.raises(DataError, match=words):
        read_dates(dates, slots, "flows.h5")


def test_days_and_minutes():
    assert read_dates(["20130702"], "auto", "f")[0] == np.datetime64("2013-07-02")
    assert read_dates(["201307021530"], "auto", "f")[0] == np.datetime64("2013-07-02T15:30")


def test_files_one_after_another_as_they_are(tmp_path):
    later = write(tmp_path / "a.h5", days(*range(24), day="20140101"))
    early = write(tmp_path / "b.h5", days(5, 5, 3, 0, day="20130101"))
    dataset = open_source([later, early])
    assert dataset.sizes == {"time": 28, "y": 4, "x": 3}
    assert dataset.channel_1.chunks is not None
    hours = [str(stamp)[:13] for stamp in dataset.time.values[-4:]]
    assert hours == ["2013-01-01T05", "2013-01-01T05", "2013-01-01T03", "2013-01-01T00"]
    with h5py.File(early) as file:
        np.testing.assert_array_equal(dataset.channel_1.values[-4:], file["data"][:, 1])
    layout = lay_out(dataset, DataOptions(variables={"inflow": {"index": 0, "minimum": 0}}))
    assert [channel.name for channel in layout.channels] == ["inflow"]
    assert layout.channels[0].minimum == 0


def test_blocks_join_what_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("stforecast.sources.deepst._BLOCK_CELLS", 100)
    path = write(tmp_path / "flows.h5", days(*range(24)))
    dataset = open_source([path])
    assert dataset.channel_0.chunks[0][0] == 4
    with h5py.File(path) as file:
        np.testing.assert_array_equal(dataset.channel_0.values, file["data"][:, 0])
    assert not h5py.File(path, "a").close()  # nothing holds it open


def test_graphs_travel_to_other_processes(tmp_path):
    import pickle

    dataset = open_source([write(tmp_path / "flows.h5", days(*range(24)))])
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.channel_0.values, dataset.channel_0.values)


def test_files_that_are_not_so(tmp_path):
    path = tmp_path / "bad.h5"
    write(path, days(*range(24)), data=np.zeros((24, 4, 3)))
    with pytest.raises(DataError, match="not numbers of times x channels x rows x columns"):
        open_source([path])
    write(path, days(*range(23)), data=np.zeros((24, 2, 4, 3)))
    with pytest.raises(DataError, match="24 frames and 23 dates"):
        open_source([path])
    write(path, np.zeros(0, "S10"), data=np.zeros((0, 2, 4, 3)))
    with pytest.raises(DataError, match="holds no frames"):
        open_source([path])
    good = write(tmp_path / "good.h5", days(*range(24)))
    wide = write(tmp_path / "wide.h5", days(*range(24)), shape=(2, 5, 3))
    with pytest.raises(DataError, match="two grids: 2 channels of 4 x 3 and 2 channels of 5 x 3"):
        open_source([good, wide])
    content = good.read_bytes()
    good.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is broken, perhaps truncated"):
        open_source([good])
    with h5py.File(path, "w") as file:
        file["flows"] = np.zeros(3)
    with pytest.raises(DataError, match="'data' and 'date' as DeepST's files do; it has flows"):
        open_source([path], DataOptions(reader="deepst"))


def test_formats_do_not_mix(tmp_path):
    from tests.ingest import zoo

    path = write(tmp_path / "flows.h5", days(*range(24)))
    zoo.ascending().to_netcdf(tmp_path / "t.nc")
    with pytest.raises(DataError, match=r"a file of deepst and .*t\.nc one of netcdf"):
        open_source([path, tmp_path / "t.nc"])
