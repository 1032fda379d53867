"""Scores against numbers worked by hand, and what may and may not be compared."""

import numpy as np
import pytest
import xarray as xr

from stforecast import names
from stforecast.errors import ConfigError, DataError, StForecastWarning
from stforecast.product import build_product
from stforecast.verification import score_frame, verify
from stforecast.verification.tables import pooled
from tests.helpers import make_store


def case(errors, *, inits=(2, 3), n=12, **options):
    """A forecast that is off by `errors` (init, lead, channel, y, x), and its observations."""
    errors = np.asarray(errors, float)
    store = make_store(n, errors.shape[2], *errors.shape[3:], **options)
    leads = np.arange(1, errors.shape[1] + 1)
    truth = np.stack([[store.read(i + lead, i + lead + 1)[0] for lead in leads] for i in inits])
    product = build_product(
        (truth + errors).astype(np.float32),
        store=store,
        init_positions=inits,
        lead_steps=leads,
        attrs={},
    )
    return product, store


def field(*rows):
    """One channel."""
    return np.array([rows], float)


def value(scores, score, **where):
    return float(scores[score].sel({"variable": "v0", **where}).squeeze())


def test_rmse_mae_and_bias_by_hand():
    forecast, store = case([[field([1, -1], [2, 0])], [field([3, 1], [0, -2])]])
    scores = verify(forecast, store.observations(), area_weighted=False)
    assert value(scores, "rmse") == pytest.approx(np.sqrt((1 + 1 + 4 + 9 + 1 + 4) / 8), rel=1e-5)
    assert value(scores, "mae") == pytest.approx(10 / 8, rel=1e-5)
    assert value(scores, "bias") == pytest.approx(4 / 8, rel=1e-4)
    assert int(scores["count"].squeeze()) == 8
    assert scores["rmse"].dims == (names.SYSTEM, names.VARIABLE, names.LEAD_TIME)


def test_scores_are_those_of_another_library():
    """With areas, missing cells and several blocks, against the package ``scores``."""
    from scores.continuous import additive_bias, mae, mse

    random = np.random.default_rng(0)
    forecast, store = case(random.normal(size=(5, 3, 2, 6, 7)), inits=range(2, 7), n=15)
    for name in ("v0", "v1"):
        forecast[name] = forecast[name].where(random.random(forecast[name].shape) > 0.2)
    observed = store.observations()
    found = verify(forecast, observed, metrics=["mse"])
    weights = store.grid.area_weights().rename(y="lat", x="lon")
    valid = forecast[names.VALID_TIME]
    for name in ("v0", "v1"):
        truth = observed[name].sel(time=valid).astype(float).where(forecast[name].notnull())
        shared = {"preserve_dims": [names.LEAD_TIME], "weights": weights}
        for metric, function in (("mse", mse), ("mae", mae), ("bias", additive_bias)):
            expected = function(forecast[name], truth, **shared)
            score = found[metric].sel(variable=name).squeeze(names.SYSTEM)
            np.testing.assert_allclose(score, expected, rtol=1e-9)


def test_the_root_is_taken_of_the_mean_not_the_mean_of_roots():
    forecast, store = case([[field([1, 1])], [field([3, 3])]])
    scores = verify(forecast, store.observations(), area_weighted=False)
    assert value(scores, "rmse") == pytest.approx(np.sqrt(5), rel=1e-5)


def test_cells_are_weighted_by_their_area():
    forecast, store = case([[field([1, 1], [3, 3], [0, 0])]], inits=[2])
    scores = verify(forecast, store.observations())
    edges = np.deg2rad([35, 45, 55, 65])
    areas = np.diff(np.sin(edges))
    rmse = np.sqrt((areas * [1, 9, 0]).sum() / areas.sum())
    assert value(scores, "rmse") == pytest.approx(rmse, rel=1e-5)
    assert value(scores, "mae") == pytest.approx((areas * [1, 3, 0]).sum() / areas.sum(), rel=1e-4)
    assert "weighted by cell area" in scores["rmse"].attrs["averaging"]


def test_each_lead_time_and_variable_by_itself():
    errors = np.zeros((2, 3, 2, 2, 2))
    errors[:, 1, 0] = 2
    errors[:, 2, 1] = -4
    forecast, store = case(errors)
    scores = verify(forecast, store.observations())
    rmse = scores["rmse"].squeeze(names.SYSTEM, drop=True)
    np.testing.assert_allclose(rmse.sel(variable="v0"), [0, 2, 0], atol=1e-5)
    np.testing.assert_allclose(rmse.sel(variable="v1"), [0, 0, 4], atol=1e-5)
    bias = scores["bias"].squeeze(names.SYSTEM, drop=True)
    np.testing.assert_allclose(bias.sel(variable="v1"), [0, 0, -4], atol=1e-5)
    np.testing.assert_array_equal(scores[names.LEAD_TIME], forecast[names.LEAD_TIME])
    over_all = verify(forecast, store.observations(), by=[])
    assert value(over_all, "rmse") == pytest.approx(np.sqrt(4 / 3), rel=1e-5)


def test_a_value_missing_anywhere_is_left_out_for_everyone():
    errors = np.stack([[field([1, 5, 1, 7])], [field([1, 1, 1, 1])]])
    forecast, store = case(errors)
    other, _ = case(errors * 2)
    forecast["v0"][0, 0, 0, 1] = np.nan
    other["v0"][0, 0, 0, 3] = np.nan
    scores = verify(
        forecast, store.observations(), references={"other": other}, area_weighted=False
    )
    assert int(scores["count"].squeeze()) == 6
    assert value(scores, "rmse", forecast="forecast") == pytest.approx(1, rel=1e-5)
    assert value(scores, "rmse", forecast="other") == pytest.approx(2, rel=1e-5)
    assert value(scores, "skill", forecast="forecast", reference="other") == pytest.approx(0.5)
    assert value(scores, "skill", forecast="other", reference="other") == pytest.approx(0)
    assert "every system" in scores["rmse"].attrs["averaging"]


def test_a_perfect_reference_leaves_skill_undefined():
    forecast, store = case([[field([1, 1])]], inits=[2])
    perfect, _ = case([[field([0, 0])]], inits=[2])
    perfect["v0"][:] = store.read(3, 4)[0, 0]
    scores = verify(forecast, store.observations(), references={"perfect": perfect})
    assert np.isnan(scores["skill"].sel(forecast="forecast")).all()


def test_initial_times_without_observations_are_left_out_and_counted():
    forecast, store = case(
        [[field([1.0])], [field([2.0])], [field([9.0])]], inits=[2, 6, 9], absent=[10]
    )
    scores = verify(forecast, store.observations())
    assert scores.attrs["initial_times"] == 2
    assert scores.attrs["initial_times_left_out"] == 1
    short = store.observations().isel(time=slice(0, 5))
    scores = verify(forecast, short)
    assert (scores.attrs["initial_times"], scores.attrs["initial_times_left_out"]) == (1, 2)
    assert value(scores, "rmse") == pytest.approx(1, rel=1e-5)
    assert scores.attrs["period"] == "initial time 2000-01-01 02:00"


def test_groups_are_of_the_valid_time():
    inits = np.arange(0, 24 * 364, 24 * 7 + 5)
    store = make_store(24 * 366, 1, 1, 2, start="2001-01-01")
    valid = store.axis.times_at(inits + 9)
    month = valid.astype("datetime64[M]").astype(int) % 12 + 1
    hour = valid.astype("datetime64[h]").astype(int) % 24
    errors = (month * 100 + hour)[:, None, None, None, None] * np.ones((1, 1, 1, 1, 2))
    truth = np.stack([store.read(i + 9, i + 10) for i in inits])
    forecast = build_product(
        (truth + errors).astype(np.float32),
        store=store,
        init_positions=inits,
        lead_steps=[9],
        attrs={},
    )
    observed = store.observations()
    by_month = verify(forecast, observed, by=["lead_time", "month"])
    for number in by_month["month"].values:
        expected = errors[month == number].mean()
        assert value(by_month, "bias", month=number) == pytest.approx(expected, rel=1e-5)
    by_season = verify(forecast, observed, by=["season"])
    assert set(by_season["season"].values) == {"DJF", "MAM", "JJA", "SON"}
    expected = errors[np.isin(month, [12, 1, 2])].mean()
    assert value(by_season, "bias", season="DJF") == pytest.approx(expected, rel=1e-5)
    both = verify(forecast, observed, by=["hour", "weekday"])
    weekday = (valid.astype("datetime64[D]").astype(int) + 3) % 7
    for label, number in (("Monday", 0), ("Sunday", 6)):
        for at in np.unique(hour[weekday == number]):
            chosen = errors[(weekday == number) & (hour == at)]
            got = value(both, "mae", hour=at, weekday=label)
            assert got == pytest.approx(chosen.mean(), rel=1e-5)
    assert np.isnan(both["rmse"]).any()  # pairs that never occur
    with pytest.raises(ConfigError, match="'minute'"):
        verify(forecast, observed, by=["minute"])


def test_blocks_of_any_size_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    inits = np.arange(2, 30)
    forecast, store = case(rng.normal(size=(28, 3, 2, 3, 4)), inits=inits, n=40, missing=0.3)
    whole = verify(forecast, store.observations(), by=["lead_time", "hour"])
    monkeypatch.setattr("stforecast.verification.counting._BLOCK", 1)
    xr.testing.assert_allclose(
        verify(forecast, store.observations(), by=["lead_time", "hour"]), whole
    )


def test_pooled_scores_are_those_of_all_values_together():
    rng = np.random.default_rng(1)
    forecast, store = case(rng.normal(size=(5, 3, 1, 3, 4)), inits=range(2, 7), missing=0.4)
    other, _ = case(rng.normal(size=(5, 3, 1, 3, 4)), inits=range(2, 7), missing=0.2)
    observed = store.observations()
    apart = verify(forecast, observed, references={"other": other})
    together = verify(forecast, observed, references={"other": other}, by=[])
    of_leads = pooled(apart, [names.LEAD_TIME])
    for score in ("rmse", "mae", "bias", "skill", "weight", "count"):
        np.testing.assert_allclose(of_leads[score], together[score], err_msg=score)


def test_calendar_steps_and_calendars():
    forecast, store = case(
        [[field([1.0]), field([2.0])]] * 2, step="1Y", calendar="360_day", start="1950-06-01"
    )
    scores = verify(forecast, store.observations())
    np.testing.assert_allclose(scores["rmse"].squeeze(), [1, 2], rtol=1e-4)
    np.testing.assert_array_equal(scores[names.LEAD_TIME], [1, 2])
    observed = make_store(12, 1, 1, 1, step="1Y", calendar="noleap", start="1950-06-01")
    with pytest.raises(DataError, match=r"360_day.*noleap"):
        verify(forecast, observed.observations())


def test_sequences_are_scored_together():
    store = make_store(10, 1, 2, 2, sequences=3)
    truth = np.stack([store.read(5, 6, s)[0] for s in range(3)])[None, None]
    errors = np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    forecast = build_product(
        (truth + errors).astype(np.float32),
        store=store,
        init_positions=[4],
        lead_steps=[1],
        attrs={},
        sequences=range(3),
    )
    scores = verify(forecast, store.observations(), area_weighted=False)
    assert value(scores, "rmse") == pytest.approx(np.sqrt(14 / 3), rel=1e-5)
    # those of a forecast of some of them are found by their numbers
    some = verify(forecast.isel(video=[2, 1]), store.observations(), area_weighted=False)
    assert value(some, "rmse") == pytest.approx(np.sqrt(13 / 2), rel=1e-5)
    named = store.observations().assign_coords(video=["a", "b", "c"])
    last = forecast.assign_coords(video=["a", "b", "c"]).isel(video=[2])
    scores = verify({"one": last, "all": forecast.assign_coords(video=named["video"])}, named)
    assert scores["rmse"].squeeze().values == pytest.approx([3, 3], rel=1e-5)
    with pytest.raises(DataError, match="2 of the dimension video"):
        verify(forecast.isel(video=[0, 1]).drop_vars("video"), store.observations())


def test_several_forecasts_side_by_side_on_common_times():
    first, store = case([[field([1.0]), field([1.0])]] * 2)
    second, _ = case([[field([2.0])]] * 3, inits=[3, 4, 5])
    with pytest.warns(StForecastWarning) as warned:
        scores = verify({"a": first, "b": second}, store.observations())
    texts = [str(warning.message) for warning in warned]
    assert any("1 of the 2 initial times of a" in text for text in texts)
    assert any("1 of the 2 lead times of a" in text for text in texts)
    np.testing.assert_allclose(scores["rmse"].squeeze(), [1, 2], rtol=1e-5)
    assert "skill" not in scores
    apart, _ = case([[field([2.0])]], inits=[8])
    with pytest.raises(DataError, match="no initial times in common"):
        verify({"a": first, "b": apart}, store.observations())
    with pytest.raises(ConfigError, match="both called a"):
        verify({"a": first}, store.observations(), references={"a": second})


def test_the_name_of_a_forecast():
    forecast, store = case([[field([1.0])]], inits=[2])
    assert verify(forecast, store.observations())[names.SYSTEM].item() == "forecast"
    forecast.attrs["stforecast_run"] = "simvp"
    assert verify(forecast, store.observations())[names.SYSTEM].item() == "simvp"
    assert verify(forecast, store.observations(), name="x")[names.SYSTEM].item() == "x"


def test_forecasts_of_another_order_and_precision_of_coordinates():
    forecast, store = case([[field([1, 2, 3], [4, 5, 6])]], inits=[2])
    expected = verify(forecast, store.observations())
    other = forecast.transpose("lead_time", "lon", "init_time", "lat").rename(lat="y", lon="x")
    other = other.assign_coords(y=other["y"].astype("f4"), x=other["x"].astype("f4"))
    xr.testing.assert_allclose(verify(other, store.observations())["rmse"], expected["rmse"])
    scores = verify(forecast, store.observations(), references={"other": other})
    np.testing.assert_allclose(scores["rmse"][0], scores["rmse"][1])


def test_variables_that_are_not_everywhere_are_named():
    forecast, store = case(np.ones((2, 1, 2, 1, 2)))
    observed = store.observations()
    with pytest.warns(StForecastWarning, match="v1 cannot be scored"):
        scores = verify(forecast, observed.drop_vars("v1"))
    assert list(scores["variable"].values) == ["v0"]
    with pytest.raises(DataError, match=r"v0, v1.*temperature"):
        verify(forecast, observed.rename(v0="temperature").drop_vars("v1"))


def flipped(observed):
    return observed.isel(lat=slice(None, None, -1))


def other_longitudes(observed):
    return observed.assign_coords(lon=observed["lon"] - 360)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flipped, r"forecast and observations.*isel\(lat=slice\(None, None, -1\)\)"),
        (other_longitudes, "lon.*other convention"),
        (lambda observed: observed.isel(lat=[0, 1]), "3 x 2 cells against 2 x 2"),
        (lambda observed: observed.assign_coords(lat=observed["lat"] + 5), "differ"),
    ],
)
def test_other_grids_are_refused_with_what_differs(change, words):
    forecast, store = case([[field([1, 1], [1, 1], [1, 1])]], inits=[2])
    with pytest.raises(DataError, match=words):
        verify(forecast, change(store.observations()))


def test_other_units_are_refused_and_other_spellings_are_not():
    forecast, store = case([[field([1.0])]], inits=[2])
    observed = store.observations()
    observed["v0"].attrs["units"] = "degC"
    with pytest.raises(DataError, match="v0 is in K in the forecast but in degC"):
        verify(forecast, observed)
    observed["v0"].attrs["units"] = "kelvin"
    assert value(verify(forecast, observed), "rmse") == pytest.approx(1, rel=1e-5)
    del observed["v0"].attrs["units"]
    verify(forecast, observed)


def test_nothing_to_compare_is_said():
    forecast, store = case([[field([1.0])]], inits=[2])
    with pytest.raises(DataError, match="none of the valid times"):
        verify(forecast, store.observations().isel(time=slice(8, 12)))
    with pytest.raises(DataError, match="nothing to score"):
        verify(forecast, store.observations() * np.nan)
    twice = store.observations().isel(time=[0, 1, 1, 2, 3])
    with pytest.raises(DataError, match="2000-01-01 01:00 twice"):
        verify(forecast, twice)
    with pytest.raises(DataError, match="no dimension of times"):
        verify(forecast, store.observations().isel(time=3, drop=True))
    members = forecast.expand_dims(number=3, axis=2)
    with pytest.raises(DataError, match="number"):
        verify(members, store.observations())


def test_every_score_says_what_it_is():
    forecast, store = case(np.ones((2, 2, 2, 1, 2)))
    other, _ = case(np.ones((2, 2, 2, 1, 2)))
    scores = verify(forecast, store.observations(), references={"other": other})
    for name in ("rmse", "mae", "bias", "skill"):
        attrs = scores[name].attrs
        assert {"long_name", "definition", "averaging", "period", "units"} <= attrs.keys(), name
    assert scores["rmse"].attrs["units"] == "K"
    assert scores["skill"].attrs["units"] == "1"
    assert list(scores["variable_units"].values) == ["K", "K"]
    forecast["v1"].attrs["units"] = "Pa"
    observed = store.observations()
    observed["v1"].attrs["units"] = "Pa"
    mixed = verify(forecast, observed)
    assert list(mixed["variable_units"].values) == ["K", "Pa"]
    assert mixed["rmse"].attrs["units_of"] == "variable_units"
    assert list(score_frame(mixed)["units"]) == ["K", "K", "Pa", "Pa"]
