"""Sequences frame by frame, by their structure: rows, columns, labels, and what is shown."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from stforecast.errors import DataError, MapError
from stforecast.maps import plot_sequences, sequence_figure
from stforecast.maps.sequences import find_clips, pictures, sequence_dimension

START = np.datetime64("2015-01-01T00:00:00", "ns")
SECOND = np.timedelta64(1, "s")
TITLES = ["Input", "Truth", "Prediction", "Error"]


def videos(count=5, frames=8, shape=(6, 9), names=("intensity",), labels=None):
    """Observed frames in [0, 1]; of sequences that may have names."""
    rng = np.random.default_rng(0)
    dims = ("video", "time", "y", "x")
    data = {
        name: (dims, rng.random((count, frames, *shape)).astype("f4"), {"units": "1"})
        for name in names
    }
    coords = {"time": START + np.arange(frames) * SECOND}
    if labels is not None:
        coords["video"] = labels
    return xr.Dataset(data, coords)


def forecast_of(observed, numbers, init=4, leads=3, error=0.1, history=4):
    """Forecasts that are off by `error`, of the sequences with these numbers."""
    labels = observed["video"].values[numbers] if "video" in observed.coords else numbers
    chosen = observed.isel(video=numbers).drop_vars("video", errors="ignore")
    made = chosen.isel(time=slice(init + 1, init + 1 + leads))
    steps = np.arange(1, made.sizes["time"] + 1) * SECOND
    if made.sizes["time"] < leads:  # beyond the end of the sequences
        steps = np.arange(1, leads + 1) * SECOND
        made = chosen.isel(time=[-1] * leads)
    made = (made - error).assign_coords(time=steps).rename(time="lead_time")
    for name in made.data_vars:
        made[name].attrs = observed[name].attrs
    made = made.expand_dims(init_time=[observed.time.values[init]])
    valid = made.init_time.values[:, None] + steps
    made = made.assign_coords(video=labels, valid_time=(("init_time", "lead_time"), valid))
    return made.transpose("init_time", "lead_time", "video", "y", "x").assign_attrs(
        stforecast_history=history, stforecast_model="simvp"
    )


@pytest.fixture
def observed():
    return videos()


@pytest.fixture
def forecast(observed):
    return forecast_of(observed, [1, 3, 4])


def texts(figure):
    return [text.get_text() for text in figure.texts]


def frames(figure, row, number=0):
    """What is shown in a row of a sequence, from the left."""
    found = [ax for ax in figure.axes if str(ax.get_label()).startswith(f"{row} {number} ")]
    return [np.asarray(ax.images[0].get_array()) for ax in found]


def test_rows_and_columns(observed, forecast):
    figure = sequence_figure(forecast, observed=observed, sequences=[3])
    assert [text for text in texts(figure) if text in TITLES] == TITLES
    assert "video 3" in texts(figure)
    assert "Intensity" in texts(figure)
    assert "model simvp, initial time 2015-01-01 00:00:04" in texts(figure)
    labels = [text for text in texts(figure) if text.endswith(" s") or text == "0"]
    assert labels == ["−3 s", "−2 s", "−1 s", "0", "+1 s", "+2 s", "+3 s"]
    truth = observed.intensity.values[3]
    np.testing.assert_array_equal(frames(figure, "input"), truth[1:5])
    np.testing.assert_array_equal(frames(figure, "truth"), truth[5:8])
    np.testing.assert_allclose(frames(figure, "prediction"), truth[5:8] - 0.1, rtol=1e-5)
    np.testing.assert_allclose(frames(figure, "error"), -0.1, rtol=1e-4)


def test_the_error_stands_beside_that_of_the_last_frame(observed, forecast):
    figure = sequence_figure(forecast, observed=observed, sequences=[3])
    truth = observed.intensity.values[3]
    repeated = np.sqrt(np.mean((truth[4] - truth[5:8]) ** 2))
    assert f"RMSE 0.1; repeating the last frame {repeated:.3g}" in texts(figure)


def test_the_first_two_unless_others_are_named(observed, forecast):
    assert {"video 1", "video 3"} < set(texts(sequence_figure(forecast, observed=observed)))
    figure = sequence_figure(forecast, observed=observed, sequences=["4", 1])
    named = [text for text in texts(figure) if text.startswith("video")]
    assert named == ["video 4", "video 1"]
    np.testing.assert_array_equal(frames(figure, "truth", 1), observed.intensity.values[1][5:8])
    with pytest.raises(MapError, match="the forecast has no video 0; it has 1, 3, 4"):
        sequence_figure(forecast, sequences=[0])


def test_sequences_are_found_by_their_names():
    observed = videos(labels=["a", "b", "c", "d", "e"])
    forecast = forecast_of(observed, [1, 3])
    figure = sequence_figure(forecast, observed=observed, sequences=["d"])
    np.testing.assert_array_equal(frames(figure, "truth"), observed.intensity.values[3][5:8])
    some = observed.isel(video=[0, 1, 2])
    with pytest.raises(DataError, match="the observations have 3"):
        sequence_figure(forecast, observed=some)


def test_a_forecast_beyond_the_record_has_inputs_only(observed):
    forecast = forecast_of(observed, [1, 3, 4], init=7)
    figure = sequence_figure(forecast, observed=observed)
    assert [text for text in texts(figure) if text in TITLES] == ["Input", "Prediction"] * 2
    assert len(frames(figure, "input")) == 4
    alone = sequence_figure(forecast)
    assert [text for text in texts(alone) if text in TITLES] == ["Prediction"] * 2
    assert "+1 s" in texts(alone)
    assert not any("RMSE" in text for text in texts(alone))


def test_lead_times_may_be_chosen(observed, forecast):
    figure = sequence_figure(forecast, lead_time=["1s", 3], observed=observed, sequences=[1])
    assert len(frames(figure, "prediction")) == 2
    assert "+2 s" not in texts(figure)


def test_of_many_frames_ten_are_drawn():
    observed = videos(frames=40)
    forecast = forecast_of(observed, [1], init=24, leads=15, history=25)
    clips = find_clips(forecast, ("intensity",), observed=observed)
    assert clips.rows["input"].labels[0] == "−24 s"
    assert clips.rows["input"].labels[-1] == "0"
    assert clips.rows["truth"].labels[-1] == "+15 s"
    assert len(clips.rows["input"].labels) == len(clips.rows["truth"].labels) == 10


def test_frames_without_a_clock_have_numbers(tmp_path):
    observed = videos()
    start = np.datetime64("1970-01-01", "ns")
    observed = observed.assign_coords(time=start + np.arange(8) * SECOND)
    forecast = forecast_of(observed, [1, 3, 4])
    for name in ("init_time", "lead_time", "valid_time"):
        forecast[name].attrs["stforecast_counts"] = "frames"
    clips = find_clips(forecast, ("intensity",), observed=observed)
    assert clips.rows["input"].labels == ["frame 2", "frame 3", "frame 4", "frame 5"]
    assert clips.rows["truth"].labels == ["frame 6", "frame 7", "frame 8"]
    assert clips.headline == "after frame 5"
    (path,) = plot_sequences(forecast, tmp_path, init_time="5", lead_time=["2 frames"])
    assert path.name == "intensity_frame5.png"
    with pytest.raises(MapError, match="no initial time frame 9; it has frame 5"):
        find_clips(forecast, ("intensity",), init_time="frame 9")


def test_colours_share_a_picture():
    names = ("red", "green", "blue", "depth")
    observed = videos(names=names)
    forecast = forecast_of(observed, [1, 3])
    assert pictures(forecast, None) == [("red", "green", "blue"), ("depth",)]
    assert pictures(forecast, ["red"]) == [("red",)]
    figure = sequence_figure(forecast, names[:3], observed=observed, sequences=[3])
    shown = frames(figure, "truth")[0]
    assert shown.shape == (6, 9, 4)
    expected = np.stack([observed[name].values[3, 5] for name in names[:3]], axis=-1)
    np.testing.assert_allclose(shown[..., :3], expected, atol=1e-6)
    assert frames(figure, "error")[0].shape == (6, 9)
    with pytest.raises(MapError, match="red, green, blue, depth; say which to draw"):
        sequence_figure(forecast)


def test_missing_cells_are_left_open(observed, forecast):
    observed.intensity[3, 5, 0, 0] = np.nan
    forecast.intensity[0, 0, 1, 1, 1] = np.nan
    figure = sequence_figure(forecast, observed=observed, sequences=[3])
    shown = np.ma.getmaskarray(
        next(ax for ax in figure.axes if ax.get_label() == "truth 0 0").images[0].get_array()
    )
    assert np.argwhere(shown).tolist() == [[0, 0]]
    figure.savefig("/dev/null", format="png")


def test_values_in_other_units_have_a_scale(observed):
    observed = observed * 300
    observed.intensity.attrs = {"units": "K", "long_name": "temperature"}
    figure = sequence_figure(forecast_of(observed, [1, 2]), observed=observed)
    bars = [ax for ax in figure.axes if ax.get_label() == "colours"]
    assert [bar.get_ylabel() for bar in bars] == ["K", "K"]


def test_pictures_are_named_after_what_they_show(observed, forecast, tmp_path):
    first = plot_sequences(forecast, tmp_path, observed=observed)
    assert [path.name for path in first] == ["intensity_20150101T000004.png"]
    second = plot_sequences(forecast, tmp_path, sequences=["3", "4"], observed=observed)
    assert [path.name for path in second] == ["intensity_20150101T000004_3_4.png"]
    height, width, _ = imread(first[0]).shape
    assert 0.5 < height / width < 2.5


def test_only_sequences_without_a_place(forecast, globe, uk):
    assert sequence_dimension(forecast) == "video"
    assert sequence_dimension(uk) is None
    placed = uk.expand_dims(city=["a", "b"], axis=2)
    assert sequence_dimension(placed) is None
    with pytest.raises(MapError, match="has no independent sequences without a place"):
        sequence_figure(globe)
    # a notebook's way to the same
    assert len(forecast.stforecast.frames(sequences=[1]).axes) == 4
