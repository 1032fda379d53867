"""Scores of events, regions, and what lies behind scores: by hand, and by the package scores."""

import numpy as np
import pytest
import xarray as xr
from scores.categorical import ThresholdEventOperator
from scores.spatial import fss_2d

from stforecast.errors import ConfigError, DataError
from stforecast.options.evaluation import Region
from stforecast.product import build_product
from stforecast.verification import verify
from stforecast.verification.details import Details
from tests.helpers import make_store


def case(seed=0, shape=(6, 8), n=30, members=None, missing=None):
    rng = np.random.default_rng(seed)
    truth = rng.gamma(2.0, 3.0, (n, 1, *shape)).astype(np.float32)
    store = make_store(n, 1, *shape, values=truth, missing=missing)
    inits = np.arange(n - 2)
    observed = np.stack([[truth[i + 1], truth[i + 2]] for i in inits])
    beside = () if members is None else (members,)
    size = (*observed.shape[:2], *beside, *observed.shape[2:])
    around = observed if members is None else observed[:, :, None]
    values = (around + rng.normal(0, 2, size)).astype(np.float32)
    product = build_product(
        values, store=store, init_positions=inits, lead_steps=[1, 2], attrs={}, members=members
    )
    return product, store.observations(), values, observed


def test_contingency_tables_are_those_of_the_package_scores():
    product, observations, values, observed = case()
    details = Details(thresholds={"v0": [5.0, 9.0]})
    made = verify(product, observations, area_weighted=False, details=details)
    assert made.attrs["metrics"] == "rmse, mae, bias, csi, pod, far, frequency_bias"
    dims = ("init", "lead", "channel", "y", "x")
    pair = [xr.DataArray(item, dims=dims) for item in (values, observed)]
    for number, threshold in enumerate((5.0, 9.0)):
        operator = ThresholdEventOperator(default_event_threshold=threshold)
        table = operator.make_contingency_manager(*pair).transform(preserve_dims=["lead"])
        for name, expected in (
            ("csi", table.critical_success_index()),
            ("pod", table.probability_of_detection()),
            ("far", table.false_alarm_ratio()),
            ("frequency_bias", table.frequency_bias()),
        ):
            np.testing.assert_allclose(made[name][0, 0, number], expected, rtol=1e-12)


def test_events_by_hand():
    store = make_store(4, 1, 1, 4, values=np.tile([5.0, 5.0, 0.0, 0.0], (4, 1, 1, 1)))
    forecast = np.array([5.0, 1.0, 7.0, 0.0], np.float32).reshape(1, 1, 1, 1, 4)
    product = build_product(forecast, store=store, init_positions=[1], lead_steps=[1], attrs={})
    details = Details(thresholds={"v0": [5.0, 100.0]})
    made = verify(product, store.observations(), details=details, area_weighted=False).squeeze()
    assert [float(made[name][0]) for name in ("hits", "misses", "false_alarms")] == [1, 1, 1]
    found = [float(made[name][0]) for name in ("csi", "pod", "far", "frequency_bias")]
    assert found == pytest.approx([1 / 3, 1 / 2, 1 / 2, 1])
    assert np.isnan(made["csi"][1])  # never forecast, never observed


def test_a_value_that_is_written_like_the_threshold_is_an_event():
    """0.1 in single precision is above 0.1 in double, and 0.7 below."""
    store = make_store(4, 1, 1, 2, values=np.tile([0.1, 0.7], (4, 1, 1, 1)))
    forecast = np.array([0.1, 0.7], np.float32).reshape(1, 1, 1, 1, 2)
    product = build_product(forecast, store=store, init_positions=[1], lead_steps=[1], attrs={})
    details = Details(thresholds={"v0": [0.1, 0.7]}, fss_scales=[1])
    made = verify(
        product, store.observations(), metrics=["pod", "fss"], details=details, area_weighted=False
    )
    np.testing.assert_array_equal(made["hits"].squeeze(), [2, 1])
    np.testing.assert_array_equal(made["fss"].squeeze(), [1, 1])


def test_fractions_are_those_of_the_package_scores():
    product, observations, values, observed = case()
    details = Details(thresholds={"v0": [6.0]}, fss_scales=[1, 2, 5])
    made = verify(product, observations, metrics=["fss"], details=details)
    dims = ("init", "lead", "y", "x")
    pair = [xr.DataArray(item[:, :, 0].astype(float), dims=dims) for item in (values, observed)]
    for number, scale in enumerate((1, 2, 5)):
        expected = fss_2d(
            *pair,
            event_threshold=np.nextafter(6.0, 0),
            window_size=(scale, scale),
            spatial_dims=("y", "x"),
            preserve_dims=["lead"],
        )
        np.testing.assert_allclose(made["fss"][0, 0, 0, number], expected, rtol=1e-6)


def test_neighbourhoods_that_lack_a_cell_are_left_out():
    product, observations, values, observed = case(shape=(3, 4))
    observations["v0"][:, 0, 0] = np.nan
    details = Details(thresholds={"v0": [6.0]}, fss_scales=[3])
    made = verify(product, observations, metrics=["fss"], details=details)
    event = [(item[:, 0, 0, :, 1:] >= 6).mean(axis=(1, 2)) for item in (values, observed)]
    expected = 1 - ((event[0] - event[1]) ** 2).sum() / (event[0] ** 2 + event[1] ** 2).sum()
    assert float(made["fss"][0, 0, 0, 0, 0]) == pytest.approx(expected, rel=1e-6)


def test_what_thresholds_need_is_said():
    product, observations, *_ = case(n=8)
    with pytest.raises(ConfigError, match="the variable rain, which is not scored; there are v0"):
        verify(product, observations, details=Details(thresholds={"rain": [1.0]}))
    wide = Details(thresholds={"v0": [1.0]}, fss_scales=[7])
    with pytest.raises(ConfigError, match="6 × 8"):
        verify(product, observations, metrics=["fss"], details=wide)


def test_regions_are_parts_by_the_centres_of_cells():
    product, observations, *_ = case(missing=0.2)
    # latitudes 40, 44 … 60, longitudes 0, 1.5 … 10.5
    regions = {
        "west": Region(west=-1, east=4, south=40, north=60),
        "row": Region(west=359.5, east=11, south=47, north=49),
    }
    details = Details(regions=regions, thresholds={"v0": [5.0]})
    made = verify(product, observations, details=details)
    assert list(made["region"].values) == ["all", "west", "row"]
    plain = verify(product, observations)
    np.testing.assert_allclose(made["rmse"].sel(region="all"), plain["rmse"])
    for name, part in (
        ("west", {"lon": slice(0, 3)}),
        ("row", {"lat": slice(2, 3)}),
    ):
        chosen = verify(product.isel(part), observations.isel(part), area_weighted=False)
        same = verify(product, observations, details=details, area_weighted=False)
        np.testing.assert_allclose(same["rmse"].sel(region=name), chosen["rmse"])
        np.testing.assert_allclose(same["count"].sel(region=name), chosen["count"])
    sea = {"sea": Region(west=0, east=1, south=0, north=1)}
    with pytest.raises(ConfigError, match=r"region sea has no cell.* 40 to 60 degrees north"):
        verify(product, observations, details=Details(regions=sea))
    bare = [item.drop_vars(["lat", "lon"]) for item in (product, observations)]
    with pytest.raises(DataError, match="needs latitude and longitude"):
        verify(*bare, details=Details(regions=regions))


def test_maps_and_cases_by_hand():
    product, observations, values, observed = case()
    details = Details(diagnostics=["error_maps", "cases"])
    made = verify(product, observations, area_weighted=False, by=[], details=details)
    error = (values.astype(float) - observed)[:, :, 0]
    assert made["rmse_map"].dims == ("forecast", "variable", "lead_time", "lat", "lon")
    np.testing.assert_allclose(made["rmse_map"][0, 0] ** 2, (error**2).mean(0), rtol=1e-5)
    np.testing.assert_allclose(made["bias_map"][0, 0], error.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(made["case_rmse"][0, 0] ** 2, (error**2).mean((1, 2, 3)), rtol=1e-6)
    assert (made["init_time"] == product["init_time"]).all()
    assert (made["lat"] == product["lat"]).all()


def test_ranks_by_hand():
    store = make_store(4, 1, 1, 3, values=np.tile([2.5, 0.0, 9.0], (4, 1, 1, 1)))
    members = np.array([[1.0, 0.0, 1.0], [2.0, 0.0, 2.0], [3.0, 4.0, 3.0]], np.float32)
    product = build_product(
        members.reshape(1, 1, 3, 1, 1, 3),
        store=store,
        init_positions=[1],
        lead_steps=[1],
        attrs={},
        members=3,
    )
    details = Details(diagnostics=["rank_histogram"])
    made = verify(product, store.observations(), details=details)
    # above two members; equal to two, so a third each of ranks 0, 1 and 2; above all
    expected = [1 / 3, 1 / 3, 1 + 1 / 3, 1]
    np.testing.assert_allclose(made["rank_histogram"].squeeze(), expected)


def test_reliability_by_hand():
    product, observations, values, observed = case(members=5)
    details = Details(thresholds={"v0": [6.0]}, diagnostics=["reliability"])
    made = verify(product, observations, details=details).squeeze()
    probability = (values >= 6).mean(axis=2).ravel()
    event = (observed >= 6).ravel()
    for number in range(10):
        here = np.minimum((probability * 10).astype(int), 9) == number
        assert made["reliability_count"][number] == here.sum()
        if here.any():
            assert made["reliability_forecast"][number] == pytest.approx(probability[here].mean())
            assert made["reliability_observed"][number] == pytest.approx(event[here].mean())
    np.testing.assert_allclose(made["probability_bin"], np.arange(0.05, 1, 0.1))


def test_a_wave_has_its_variance_at_its_wavenumber():
    x = np.arange(12) + 0.5
    wave = 3 * np.cos(np.pi * 4 * x / 12)[None] * np.ones((8, 1))
    values = np.tile(20 + wave, (6, 1, 1, 1)).astype(np.float32)
    store = make_store(6, 1, 8, 12, values=values)
    half = build_product(
        np.stack([[20 + wave / 2]] * 3).reshape(3, 1, 1, 8, 12).astype(np.float32),
        store=store,
        init_positions=[1, 2, 3],
        lead_steps=[1],
        attrs={},
    )
    made = verify(half, store.observations(), details=Details(diagnostics=["spectrum"])).squeeze()
    # four half waves along 12 cells are 8 * 4 / 12 = 2.7 along the shorter side: in wavenumber 2
    assert float(made["spectrum_observed"].sel(wavenumber=2)) == pytest.approx(4.5, rel=1e-5)
    assert float(made["spectrum"].sel(wavenumber=2)) == pytest.approx(4.5 / 4, rel=1e-5)
    assert float(made["spectrum"].sum()) == pytest.approx(4.5 / 4, rel=1e-5)
    assert float(made["wavelength"].sel(wavenumber=2)) == 8


def test_spectra_hold_the_variance_and_leave_broken_fields_out():
    product, observations, values, observed = case(members=3)
    observations["v0"][5, 2, 2] = np.nan
    made = verify(product, observations, details=Details(diagnostics=["spectrum"]))
    valid = product["valid_time"].values[:, 0]
    whole = valid != observations["time"].values[5]
    variance = observed[whole, 0, 0].astype(float).var(axis=(1, 2)).mean()
    assert float(made["spectrum_observed"][0, 0].sum()) == pytest.approx(variance, rel=1e-5)
    of_members = values[whole, 0, :, 0].astype(float).var(axis=(2, 3)).mean()
    assert float(made["spectrum"][0, 0, 0].sum()) == pytest.approx(of_members, rel=1e-5)
    assert int(made["spectrum_fields"][0, 0]) == whole.sum()
