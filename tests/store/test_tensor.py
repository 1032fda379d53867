"""A store seen as frames, as variables and as a description."""

import json
import math

import numpy as np
import pytest

from stforecast.errors import StoreError
from stforecast.store import ChannelMeta, StoreMeta, TensorStore, write_store
from stforecast.store.schema import plain
from tests.helpers import make_store


class TestFrames:
    def test_a_read_is_a_copy(self):
        store = make_store()
        frames = store.read(3, 5)
        frames[:] = 0
        assert frames.flags.writeable
        assert (store.read(3, 5) != 0).all()

    def test_an_empty_range_is_empty(self):
        assert make_store().read(4, 4).shape == (0, 1, 6, 8)

    @pytest.mark.parametrize("part", [(-1, 3), (40, 49), (5, 4), (0, 3, 1)])
    def test_what_does_not_exist_is_never_read_as_missing(self, part):
        with pytest.raises(IndexError):
            make_store().read(*part)

    def test_sequences_are_read_one_at_a_time(self):
        store = make_store(5, sequences=3)
        assert store.read(0, 2, 2).shape == (2, 1, 6, 8)
        assert not np.array_equal(store.read(0, 2, 0), store.read(0, 2, 2))
        assert store.variables()["v0"].dims == ("video", "time", "lat", "lon")


class TestCompleteness:
    def test_absent_empty_and_partly_missing_times(self):
        missing = np.zeros((10, 2, 1, 1), bool)
        missing[7] = True
        missing[8, 1] = True
        store = make_store(10, 2, absent=[3], missing=missing)
        assert np.flatnonzero(~store.present).tolist() == [3]
        assert np.flatnonzero(~store.complete()).tolist() == [3, 7, 8]

    def test_land_does_not_make_a_time_incomplete(self):
        land = np.zeros((6, 8), bool)
        land[:, :4] = True
        assert make_store(missing=land).complete().all()

    def test_counts_are_made_where_they_are_not_kept(self):
        store = make_store(missing=0.3)
        bare = TensorStore(store.dataset.drop_vars("valid_cells"))
        np.testing.assert_array_equal(bare.valid_cells, store.valid_cells)

    def test_with_sequences_every_one_must_be_complete(self):
        values = np.ones((2, 4, 1, 3, 3))
        values[1, 2] = np.nan
        assert make_store(values=values, n=4, sequences=2).complete().tolist() == [
            True,
            True,
            False,
            True,
        ]


class TestDescription:
    def test_channels_by_name(self):
        store = make_store(channels=["t2m", "ssr"])
        assert store.channel("ssr").title == "test ssr"
        with pytest.raises(StoreError, match="no variable 'tp'; there are t2m, ssr"):
            store.channel("tp")

    def test_own_words_come_before_those_of_the_file(self):
        channel = ChannelMeta(name="a", units="K", attrs={"units": "degC", "source": "model"})
        assert channel.cf_attrs() == {"units": "K", "source": "model"}
        assert channel.title == "a"

    def test_attributes_of_any_type_become_json(self):
        value = {
            "f": np.float32(0.5),
            "i": np.arange(3),
            "b": b"text",
            "t": (1, None),
            "d": np.datetime64("2000-01-01"),
        }
        assert json.loads(json.dumps(plain(value))) == {
            "f": 0.5,
            "i": [0, 1, 2],
            "b": "text",
            "t": [1, None],
            "d": "2000-01-01",
        }

    def test_attributes_that_are_not_finite_do_not_break_the_description(self):
        meta = StoreMeta(time_step="1h", channels=[ChannelMeta(name="a", attrs={"x": math.nan})])
        again = StoreMeta.from_json(meta.to_json())
        assert again.channels[0].name == "a"

    @pytest.mark.parametrize("text", [None, "", "{}", "[1]", b"\x00"])
    def test_what_is_no_description_is_told(self, text):
        with pytest.raises(StoreError, match="no readable description"):
            StoreMeta.from_json(text)


def test_a_store_can_be_loaded_whole(tmp_path):
    store = make_store(missing=0.1)
    write_store(store.dataset, tmp_path / "a.zarr")
    loaded = TensorStore.open(tmp_path / "a.zarr").load()
    assert loaded.path == tmp_path / "a.zarr"
    assert loaded.dataset["data"].variable._in_memory
    np.testing.assert_array_equal(loaded.read(0, 48), store.read(0, 48))
    assert loaded.variables()["v0"].chunks is None


@pytest.mark.parametrize("sequences", [None, 4])
def test_neighbouring_sequences_are_read_together(sequences):
    store = make_store(10, 2, sequences=sequences)
    count = sequences or 1
    for chosen in (slice(0, count), slice(count - 1, count), slice(0, 0)):
        read = store.read_sequences(3, 7, chosen)
        assert read.dtype == np.float32
        expected = [store.read(3, 7, number) for number in range(count)[chosen]]
        np.testing.assert_array_equal(read, np.reshape(expected, (-1, 4, 2, 6, 8)))
    with pytest.raises(IndexError, match="frames 3 to 11"):
        store.read_sequences(3, 11, slice(0, 1))
    with pytest.raises(IndexError, match="sequences"):
        store.read_sequences(3, 7, slice(0, count + 1))
