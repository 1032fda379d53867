"""Forecasts of other models, each with its own names of the axes, in one form."""

import cftime
import numpy as np
import pytest
import xarray as xr

from stforecast import names
from stforecast.errors import DataError
from stforecast.product import conform
from stforecast.product.conform import forecast_variables
from stforecast.product.observed import Observed

INITS = np.array(["2020-01-01T00", "2020-01-01T12"], "datetime64[ns]")
LEADS = np.array([6, 12, 18], "timedelta64[h]").astype("timedelta64[ns]")
VALUES = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("f4")
PLACE = {"lat": np.arange(4.0), "lon": np.arange(5.0)}


def checked(forecast, inits=INITS, leads=LEADS, values=VALUES):
    result = conform(forecast)
    assert result["t"].dims[:2] == (names.INIT_TIME, names.LEAD_TIME)
    np.testing.assert_array_equal(result[names.INIT_TIME], inits)
    np.testing.assert_array_equal(result[names.LEAD_TIME], leads)
    assert result[names.VALID_TIME].dims == (names.INIT_TIME, names.LEAD_TIME)
    if inits.dtype.kind == "M" and leads.dtype.kind == "m":
        np.testing.assert_array_equal(result[names.VALID_TIME], inits[:, None] + leads)
    np.testing.assert_array_equal(result["t"].transpose(..., "lat", "lon"), values)
    assert forecast_variables(result) == ["t"]
    return result


def test_time_and_step_as_grib_has_them():
    data = xr.Dataset(
        {"t": (("time", "step", "lat", "lon"), VALUES)},
        coords={"time": INITS, "step": LEADS, **PLACE},
    )
    valid = data["time"] + data["step"]
    checked(data.assign_coords(valid_time=valid))
    checked(data)


def test_time_and_prediction_timedelta_with_longitude_first():
    data = xr.Dataset(
        {"t": (("time", "prediction_timedelta", "lon", "lat"), VALUES.swapaxes(2, 3))},
        coords={"time": INITS, "prediction_timedelta": LEADS, **PLACE},
    )
    checked(data)


def test_names_told_by_standard_names_and_hours_by_units():
    data = xr.Dataset(
        {"t": (("fhour", "run", "lat", "lon"), VALUES.swapaxes(0, 1))},
        coords={
            "run": ("run", INITS, {"standard_name": "forecast_reference_time"}),
            "fhour": ("fhour", [6, 12, 18], {"standard_name": "forecast_period", "units": "hours"}),
            **PLACE,
        },
    )
    checked(data)


def test_one_initial_time_beside_lead_times():
    data = xr.Dataset(
        {"t": (("step", "lat", "lon"), VALUES[0]), "orography": (("lat", "lon"), VALUES[0, 0])},
        coords={"time": INITS[0], "step": LEADS, "valid_time": ("step", INITS[0] + LEADS), **PLACE},
    )
    result = checked(data, INITS[:1], LEADS, VALUES[:1])
    assert result["orography"].dims == ("lat", "lon")


def test_one_lead_time_beside_initial_times():
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES[:, 0])},
        coords={"time": INITS, "step": LEADS[0], **PLACE},
    )
    checked(data, INITS, LEADS[:1], VALUES[:, :1])


def test_times_beside_one_initial_time():
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES[0])},
        coords={"time": INITS[0] + LEADS, "forecast_reference_time": INITS[0], **PLACE},
    )
    checked(data, INITS[:1], LEADS, VALUES[:1])


def test_leads_beside_times_and_one_initial_time_as_iris_writes_them():
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES[0])},
        coords={
            "time": INITS[0] + LEADS,
            "forecast_period": ("time", [6.0, 12.0, 18.0], {"units": "hours"}),
            "forecast_reference_time": INITS[0],
            **PLACE,
        },
    )
    data["forecast_period"].attrs["standard_name"] = "forecast_period"
    data["forecast_reference_time"].attrs["standard_name"] = "forecast_reference_time"
    checked(data, INITS[:1], values=VALUES[:1])


def test_initial_times_beside_the_valid_times_of_one_lead():
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES[:, 0])},
        coords={
            "time": INITS + LEADS[0],
            "forecast_reference_time": ("time", INITS),
            "step": LEADS[0],
            **PLACE,
        },
    )
    checked(data, leads=LEADS[:1], values=VALUES[:, :1])


def test_times_alone_have_no_lead():
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES[0, :2])}, coords={"time": INITS, **PLACE}
    )
    checked(data, INITS, np.zeros(1, "timedelta64[ns]"), VALUES[0, :2][:, None])


def test_other_calendars():
    inits = np.array([cftime.datetime(2000, 2, 29, calendar="360_day")])
    data = xr.Dataset(
        {"t": (("init_time", "lead_time", "lat", "lon"), VALUES[:1, :1])},
        coords={"init_time": inits, "lead_time": [np.timedelta64(2, "D")], **PLACE},
    )
    result = conform(data)
    expected = cftime.datetime(2000, 3, 1, calendar="360_day")
    assert result[names.VALID_TIME].values[0, 0] == expected
    scalar = xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES[0, :1])},
        coords={"time": [expected], "forecast_reference_time": ((), inits[0]), **PLACE},
    )
    assert conform(scalar)[names.LEAD_TIME].values[0] == np.timedelta64(2, "D")


def test_the_only_level_goes():
    data = xr.Dataset(
        {"t": (("time", "step", "level", "lat", "lon"), VALUES[:, :, None])},
        coords={"time": INITS, "step": LEADS, "level": [500], **PLACE},
    )
    checked(data)


def test_a_product_of_ours_passes_unchanged():
    data = xr.Dataset(
        {"t": (("time", "step", "lat", "lon"), VALUES)},
        coords={"time": INITS, "step": LEADS, **PLACE},
    )
    ours = conform(data)
    assert conform(ours) is ours


@pytest.mark.parametrize(
    ("coords", "dims", "words"),
    [
        ({}, ("a", "b"), "not a forecast"),
        ({"init_time": [1, 2], "lead_time": LEADS}, ("init_time", "lead_time"), "no dates"),
        ({"init_time": INITS, "lead_time": [1.0, 2, 3]}, ("init_time", "lead_time"), "no units"),
        (
            {"init_time": INITS, "lead_time": list("abc")},
            ("init_time", "lead_time"),
            "no durations",
        ),
    ],
)
def test_what_is_no_forecast_is_refused(coords, dims, words):
    data = xr.Dataset({"t": ((*dims, "lat", "lon"), VALUES)}, coords={**coords, **PLACE})
    with pytest.raises(DataError, match=words):
        conform(data)


def test_observations_at_the_valid_times():
    data = conform(
        xr.Dataset(
            {"t": (("time", "step", "lat", "lon"), VALUES)},
            coords={"time": INITS, "step": LEADS, **PLACE},
        )
    )
    times = np.datetime64("2020-01-01T06", "ns") + np.arange(4) * np.timedelta64(6, "h")
    fields = np.arange(4.0)[:, None, None] * np.ones((4, 5))
    observed = xr.Dataset(
        {"t": (("valid", "lat", "lon"), fields)}, coords={"valid": times, **PLACE}
    )
    found = Observed(data, observed).values("t")
    assert found.shape == data["t"].shape
    expected = [[0, 1, 2], [2, 3, np.nan]]
    np.testing.assert_array_equal(found[..., 0, 0], expected)
