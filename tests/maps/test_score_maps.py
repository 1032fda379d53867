"""Maps of scores, and of the last field known before a forecast."""

import numpy as np

from stforecast import names
from stforecast.maps import map_figure, score_figure
from stforecast.verification import reference, verify
from tests.helpers import make_store

INITS = [4, 9]


def made():
    store = make_store(20, ["t2m"], 4, 6)
    return store, reference("persistence", store, INITS, 3, history=2, train=(0, 4))


def titles(figure):
    return [text.get_text() for text in figure.texts]


def panels(figure):
    return [axes.get_label() for axes in figure.axes if axes.get_label() != "colours"]


def field(figure, label):
    (axes,) = (axes for axes in figure.axes if axes.get_label() == label)
    return np.asarray(axes.collections[0].get_array()).reshape(4, 6)


def test_the_last_field_known_stands_first_among_the_observations():
    store, forecast = made()
    observed = store.observations()
    figure = map_figure(forecast, "t2m", [1, 3], observed=observed, init_time=0, initial=True)
    assert panels(figure) == [
        "observation 0",
        *[f"{row} {number}" for number in (1, 2) for row in ("forecast", "observation", "error")],
    ]
    assert "last known" in titles(figure)
    truth = observed["t2m"].isel(time=INITS[0]).values
    np.testing.assert_array_equal(field(figure, "observation 0"), truth)
    np.testing.assert_array_equal(field(figure, "forecast 1"), truth)  # persistence


def test_a_record_that_begins_later_has_no_field_before():
    store, forecast = made()
    late = store.observations().isel(time=slice(INITS[0] + 1, None))
    figure = map_figure(forecast, "t2m", [1, 3], observed=late, init_time=0, initial=True)
    assert "last known" not in titles(figure)
    assert len(panels(figure)) == 6


def test_scores_of_cells_are_drawn_as_they_are():
    store, forecast = made()
    scores = verify({"ours": forecast}, store.observations())
    truth = store.observations()["t2m"].sel(time=forecast[names.VALID_TIME])
    error = forecast["t2m"] - truth
    dims = (names.SYSTEM, names.VARIABLE, names.LEAD_TIME, "lat", "lon")
    scores["rmse_map"] = (dims, np.sqrt((error**2).mean(names.INIT_TIME)).values[None, None])
    scores["bias_map"] = (dims, error.mean(names.INIT_TIME).values[None, None])
    figure = score_figure(scores, forecast, "ours", "t2m")
    assert {"RMSE", "Bias", "+1 h", "+2 h", "+3 h"} <= set(titles(figure))
    assert not any(text.startswith("RMSE 0") for text in titles(figure))
    for number in range(3):
        for row, name in (("forecast", "rmse_map"), ("error", "bias_map")):
            expected = scores[name].values[0, 0, number].astype(np.float32)
            np.testing.assert_array_equal(field(figure, f"{row} {number}"), expected)
