"""Scores of members, intervals, percentages, anomalies: by hand, and against the package scores."""

import io

import numpy as np
import pytest
import xarray as xr
from scores.continuous import quantile_interval_score
from scores.probability import crps_for_ensemble

from stforecast import names
from stforecast.errors import ConfigError
from stforecast.product import build_product
from stforecast.product.uncertainty import Interval
from stforecast.verification import read_scores, score_table, verify, write_scores
from stforecast.verification.details import Details
from stforecast.verification.pooling import pooled
from tests.helpers import make_store

INITS = np.arange(4, 34)
LEADS = [1, 2]


def ensemble(members=5, seed=0, interval=None, missing=None, n=40):
    """An ensemble around the truth, and the record; fields (init, lead, member, C, y, x)."""
    store = make_store(n, 2, 3, 4, missing=missing)
    rng = np.random.default_rng(seed)
    truth = np.stack([[store.read(i + lead, i + lead + 1)[0] for lead in LEADS] for i in INITS])
    noise = rng.normal(0.3, 1.0, (*truth.shape[:2], members, *truth.shape[2:]))
    values = (np.nan_to_num(truth, nan=10.0)[:, :, None] + noise).astype(np.float32)
    bounds = None
    if interval is not None:
        bounds = Interval(values.min(2), values.max(2), interval, "lowest and highest member")
    product = build_product(
        values if interval is None else values[:, :, 0],
        store=store,
        init_positions=INITS,
        lead_steps=LEADS,
        attrs={},
        members=members if interval is None else None,
        interval=bounds,
    )
    return product, store, values, truth


def alone(value, *errors):
    """One cell, one time: members, and what was observed."""
    store = make_store(4, 1, 1, 1, values=np.full((4, 1, 1, 1), value))
    members = np.array(errors, np.float32).reshape(1, 1, -1, 1, 1, 1)
    product = build_product(
        members,
        store=store,
        init_positions=[1],
        lead_steps=[1],
        attrs={},
        members=len(errors),
    )
    return product, store.observations()


def test_by_hand():
    product, observed = alone(2.0, 1.0, 3.0, 5.0)
    scores = verify(product, observed).squeeze()
    # the mean is 3; |1-2|, |3-2|, |5-2| have the mean 5/3; pairs differ by 2, 2 and 4
    assert float(scores["rmse"]) == pytest.approx(1.0)
    assert float(scores["crps"]) == pytest.approx(5 / 3 - (2 + 2 + 4) / 6)
    assert float(scores["spread"]) == pytest.approx(2.0)
    assert float(scores["spread_error"]) == pytest.approx(2 * np.sqrt(4 / 3))
    # 5 % of the way from the first to the last of three members
    assert float(scores["interval_width"]) == pytest.approx(3.6, rel=1e-6)
    assert float(scores["coverage"]) == 1.0
    assert scores.attrs["metrics"] == "rmse, mae, bias, crps, spread_error"
    outside, observed = alone(0.0, 1.0, 3.0, 5.0)
    score = verify(outside, observed, details=Details(interval=0.5)).squeeze()
    assert float(score["coverage"]) == 0.0
    assert float(score["interval_score"]) == pytest.approx(2 + 2 / 0.5 * 2)
    assert score["stated_coverage"].values == 0.5


def test_crps_is_that_of_the_package_scores():
    product, store, values, truth = ensemble()
    made = verify(product, store.observations(), area_weighted=False)
    dims = ("init", "lead", "member", "channel", "y", "x")
    expected = crps_for_ensemble(
        xr.DataArray(values.astype(float), dims=dims),
        xr.DataArray(truth.astype(float), dims=(*dims[:2], *dims[3:])),
        "member",
        method="fair",
        preserve_dims=["channel", "lead"],
    ).transpose("channel", "lead")
    np.testing.assert_allclose(made["crps"][0], expected, rtol=1e-5)
    spread = values.astype(float).var(axis=2, ddof=1).mean(axis=(0, 3, 4)).T
    np.testing.assert_allclose(made["spread"][0] ** 2, spread, rtol=1e-5)
    error = ((values.mean(2) - truth) ** 2).mean(axis=(0, 3, 4)).T
    np.testing.assert_allclose(made["spread_error"][0] ** 2, spread / error * 6 / 5, rtol=1e-4)


def test_crps_without_members_is_the_absolute_error():
    product, store, *_ = ensemble()
    single = product.isel(member=0, drop=True)
    scores = verify(single, store.observations(), metrics=["crps"], references={"all": product})
    np.testing.assert_allclose(scores["crps"][0], scores["mae"][0])
    assert (scores["crps"][1] < scores["mae"][1]).all()
    assert np.isnan(scores["spread"][0]).all()


def test_intervals_are_those_of_the_package_scores():
    product, store, values, truth = ensemble(interval=0.8)
    made = verify(product, store.observations(), area_weighted=False, metrics=["interval_score"])
    dims = ("init", "lead", "channel", "y", "x")
    lower, upper, observed = (
        xr.DataArray(item.astype(float), dims=dims)
        for item in (values.min(2), values.max(2), truth)
    )
    expected = quantile_interval_score(
        lower, upper, observed, 0.1, 0.9, preserve_dims=["channel", "lead"]
    ).transpose("channel", "lead")
    np.testing.assert_allclose(made["interval_score"][0], expected["total"], rtol=1e-5)
    np.testing.assert_allclose(made["interval_width"][0], expected["interval_width_penalty"], 1e-5)
    inside = ((lower <= observed) & (observed <= upper)).mean(("init", "y", "x"))
    np.testing.assert_allclose(made["coverage"][0], inside.transpose("channel", "lead"))
    assert list(made["stated_coverage"].values) == [0.8]


def test_of_members_the_interval_is_of_their_quantiles():
    product, store, values, truth = ensemble(9)
    made = verify(product, store.observations(), area_weighted=False, metrics=["coverage"])
    lower, upper = np.quantile(values, [0.05, 0.95], axis=2)
    inside = (lower <= truth) & (truth <= upper)
    np.testing.assert_allclose(made["coverage"][0], inside.mean(axis=(0, 3, 4)).T, atol=1e-9)
    width = (upper - lower).mean(axis=(0, 3, 4)).T
    np.testing.assert_allclose(made["interval_width"][0], width, rtol=1e-5)


def test_percentages_by_hand():
    store = make_store(5, 1, 1, 4, values=np.tile([10.0, 20.0, 1.0, 0.0], (5, 1, 1, 1)))
    forecast = np.array([12.0, 15.0, 4.0, 0.5], np.float32).reshape(1, 1, 1, 1, 4)
    product = build_product(forecast, store=store, init_positions=[1], lead_steps=[1], attrs={})
    wanted = {"metrics": ["wape", "mape"], "area_weighted": False}
    scores = verify(product, store.observations(), **wanted).squeeze()
    assert float(scores["wape"]) == pytest.approx(100 * (2 + 5 + 3 + 0.5) / 31)
    assert float(scores["mape"]) == pytest.approx((20 + 25 + 300) / 3)
    larger = verify(product, store.observations(), **wanted, details=Details(mape_threshold=5))
    assert float(larger["mape"].squeeze()) == pytest.approx((20 + 25) / 2)
    assert larger["mape"].attrs["mape_threshold"] == 5
    assert larger["mape"].attrs["units"] == "%"


def test_anomaly_correlation_by_hand():
    product, store, values, truth = ensemble()
    usual = build_product(
        np.full_like(truth, 10.0), store=store, init_positions=INITS, lead_steps=LEADS, attrs={}
    )
    observed = store.observations()
    made = verify(
        product,
        observed,
        references={"climatology": usual},
        metrics=["acc"],
        area_weighted=False,
    )
    f, o = values.mean(2).astype(float) - 10, truth.astype(float) - 10
    axes = (0, 3, 4)
    expected = (f * o).sum(axes) / np.sqrt((f**2).sum(axes) * (o**2).sum(axes))
    np.testing.assert_allclose(made["acc"][0], expected.T, rtol=1e-5)
    assert np.isnan(made["acc"][1]).all()  # the climatology never departs from itself
    with pytest.raises(ConfigError, match="acc needs the climatology"):
        verify(product, observed, metrics=["acc"])


def test_what_is_put_together_is_of_all_values():
    product, store, _, truth = ensemble(missing=0.3)
    usual = build_product(
        np.full_like(truth, 10.0), store=store, init_positions=INITS, lead_steps=LEADS, attrs={}
    )
    wanted = {
        "references": {"climatology": usual},
        "metrics": [
            "rmse",
            "crps",
            "spread_error",
            "coverage",
            "wape",
            "mape",
            "acc",
            "fss",
            "csi",
        ],
        "details": Details(thresholds={"v0": [10.0, 11.0]}, fss_scales=[1, 3], bootstrap=0),
    }
    apart = verify(product, store.observations(), by=["lead_time", "hour"], **wanted)
    together = verify(product, store.observations(), by=[], **wanted)
    found = pooled(apart, ["lead_time", "hour"])
    for name in (*wanted["metrics"], "spread", "interval_score", "hits", "skill", "weight"):
        np.testing.assert_allclose(found[name], together[name], err_msg=name, rtol=1e-9)


def test_pieces_of_any_size_give_the_same(monkeypatch):
    product, store, *_ = ensemble(missing=0.2)
    details = Details(
        thresholds={"v0": [10.0], "v1": [20.0, 21.0]},
        fss_scales=[2],
        diagnostics=["rank_histogram", "reliability", "spectrum", "error_maps", "cases"],
    )
    wanted = {"metrics": ["rmse", "crps", "fss", "mape", "coverage"], "details": details}
    whole = verify(product, store.observations(), **wanted)
    monkeypatch.setattr("stforecast.verification.counting._BLOCK", 1)
    monkeypatch.setattr("stforecast.verification.pieces._CELLS_AT_ONCE", 30)
    xr.testing.assert_allclose(verify(product.chunk(), store.observations(), **wanted), whole)


def test_what_metrics_need_is_said():
    product, store, *_ = ensemble()
    observed, single = store.observations(), product.isel(member=0, drop=True)
    for metric in ("spread_error", "coverage"):
        with pytest.raises(ConfigError, match=f"{metric} needs a forecast with members"):
            verify(single, observed, metrics=[metric])
    with pytest.raises(ConfigError, match="csi needs thresholds"):
        verify(product, observed, metrics=["csi"])
    with pytest.raises(ConfigError, match="rank_histogram needs a forecast with members"):
        verify(single, observed, details=Details(diagnostics=["rank_histogram"]))
    with pytest.raises(ConfigError, match="no diagnostic 'map'"):
        verify(single, observed, details=Details(diagnostics=["map"]))


def test_files_and_tables_hold_them(tmp_path):
    from rich.console import Console

    product, store, *_ = ensemble()
    details = Details(
        thresholds={"v0": [10.0]},
        fss_scales=[2],
        regions={},
        diagnostics=["rank_histogram", "spectrum", "error_maps", "cases"],
    )
    metrics = ["rmse", "crps", "spread_error", "coverage", "wape", "csi", "fss"]
    scores = verify(product, store.observations(), metrics=metrics, details=details)
    written = write_scores(scores, tmp_path)
    assert [path.name for path in written] == ["scores.nc", "scores.csv", "event_scores.csv"]
    xr.testing.assert_allclose(read_scores(written[0]), scores)
    assert "fss_2" in written[2].read_text().splitlines()[0]
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(score_table(scores))
    text = console.export_text()
    for word in ("CRPS", "spread/error", "coverage", "WAPE", "events of v0", "FSS", "%"):
        assert word in text, word
    for name, variable in scores.data_vars.items():
        assert "long_name" in variable.attrs, name
        assert {"units", "units_of"} & variable.attrs.keys(), name
    assert scores["crps"].attrs["units"] == "K"
    assert "Ferro" in scores["crps"].attrs["definition"]
    assert names.MEMBER not in scores.dims


def test_from_python_with_the_options_of_a_file():
    import stforecast as sf

    product, store, *_ = ensemble(n=60)
    observed = store.observations()
    asked = {
        "thresholds": {"v0": 10},
        "regions": {"south": {"west": -1, "east": 9, "south": 39, "north": 45}},
        "bootstrap": 0,
    }
    scores = sf.verify(product, observed, references=[], **asked)
    assert list(scores["region"].values) == ["all", "south"]
    assert list(scores["threshold"].values) == [10.0]
    with pytest.raises(ConfigError, match=r"there is no treshold; .* thresholds"):
        sf.verify(product, observed, references=[], treshold={"v0": 10})
    with pytest.raises(ConfigError, match="interval"):
        sf.verify(product, observed, references=[], interval=90)
