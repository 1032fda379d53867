"""Scores of frames, by their definitions worked out independently."""

import json
import re
import warnings
from typing import get_args

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.options import VerificationOptions
from stforecast.options.evaluation import MetricName
from stforecast.product import build_product
from stforecast.verification import METRICS, FrameScaling, score_frame, verify, write_scores
from stforecast.verification.metrics import DEFAULT
from stforecast.verification.pooling import pooled
from tests.helpers import make_store

FRAMES = ("mse_per_frame", "mae_per_frame", "ssim", "psnr")
GRID = (12, 13)
INITS = np.array([2, 5, 9])


def case(low=0.0, high=1.0, *, sequences=None, seed=0, spread=0.2, unlike=False):
    """Forecast and observations whose values are mostly within a range, and both as frames.

    The frames are (init, lead, [sequence,] variable, y, x) in [0, 1]; with ``unlike`` the second
    variable has ten times the range of the first.
    """
    random = np.random.default_rng(seed)
    scale = np.array([high - low, (high - low) * (10 if unlike else 1)], np.float32)[:, None, None]
    record = random.random((sequences or 1, 15, 2, *GRID), np.float32) * scale + np.float32(low)
    store = make_store(
        15, 2, values=record if sequences else record[0], sequences=sequences, descending=False
    )
    leads = np.arange(1, 5)
    valid = INITS[:, None] + leads
    truth = np.moveaxis(record[:, valid], 0, 2) if sequences else record[0][valid]
    forecast = truth + spread * scale * random.normal(size=truth.shape).astype(np.float32)
    product = build_product(
        forecast,
        store=store,
        init_positions=INITS,
        lead_steps=leads,
        attrs={},
        sequences=range(sequences) if sequences else None,
    )
    return product, store, (forecast - low) / scale, (truth - low) / scale


def scaling(low=0.0, high=1.0, unlike=False, **options):
    second = (low, low + 10 * (high - low)) if unlike else (low, high)
    return FrameScaling({"v0": (low, high), "v1": second}, **options)


def only(scores, metric):
    return scores[metric].squeeze(names.SYSTEM, drop=True)


def by_frame(function, forecast, truth):
    """A function of pairs of frames (C, H, W), its mean over all but the leads."""
    values = [
        [
            function(f, t)
            for f, t in zip(fs.reshape(-1, 2, *GRID), ts.reshape(-1, 2, *GRID), strict=True)
        ]
        for fs, ts in zip(np.moveaxis(forecast, 1, 0), np.moveaxis(truth, 1, 0), strict=True)
    ]
    return np.mean(values, axis=1)


def psnr_of(forecast, truth):
    return 10 * np.log10(1 / np.mean((np.clip(forecast, 0, 1) - truth) ** 2))


def ssim_of(forecast, truth, data_range=1.0, **options):
    """By scikit-image, over the variables as channels."""
    return structural_similarity(
        np.clip(forecast, 0, 1).astype(np.float64),
        truth.astype(np.float64),
        channel_axis=0,
        data_range=data_range,
        **options,
    )


@pytest.mark.parametrize("sequences", [None, 5])
def test_frames_have_their_published_scores(sequences):
    product, store, forecast, truth = case(sequences=sequences)
    scores = verify(product, store.observations(), metrics=FRAMES, frames=scaling())
    assert scores["ssim"].dims == (names.SYSTEM, names.LEAD_TIME)
    mse = by_frame(lambda f, t: np.square(f - t, dtype=np.float64).sum(), forecast, truth)
    np.testing.assert_allclose(only(scores, "mse_per_frame"), mse, rtol=1e-6)
    mae = by_frame(lambda f, t: np.abs(f - t).astype(np.float64).sum(), forecast, truth)
    np.testing.assert_allclose(only(scores, "mae_per_frame"), mae, rtol=1e-6)
    np.testing.assert_allclose(only(scores, "psnr"), by_frame(psnr_of, forecast, truth), rtol=1e-6)
    np.testing.assert_allclose(only(scores, "ssim"), by_frame(ssim_of, forecast, truth), atol=1e-6)
    assert (scores["frames"] == 3 * (sequences or 1)).all()
    assert (scores["frames_left_out"] == 0).all()


def test_variables_are_scaled_by_their_own_ranges():
    product, store, forecast, truth = case(-3.0, 5.0, unlike=True)
    frames = scaling(-3.0, 5.0, unlike=True)
    scores = verify(product, store.observations(), metrics=FRAMES, frames=frames)
    mse = by_frame(lambda f, t: np.square(f - t, dtype=np.float64).sum(), forecast, truth)
    np.testing.assert_allclose(only(scores, "mse_per_frame"), mse, rtol=1e-5)
    np.testing.assert_allclose(only(scores, "ssim"), by_frame(ssim_of, forecast, truth), atol=1e-5)
    assert "v0 -3 to 5, v1 -3 to 77" in scores["psnr"].attrs["averaging"]


@pytest.mark.parametrize("data_range", [1.0, 2.0])
@pytest.mark.parametrize(
    ("window", "options"),
    [
        ("uniform", {}),
        ("gaussian", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    ],
)
def test_ssim_has_the_window_and_range_asked_for(data_range, window, options):
    product, store, forecast, truth = case()
    frames = scaling(window=window, ssim_range=data_range)
    scores = verify(product, store.observations(), metrics=["ssim"], frames=frames)
    expected = by_frame(lambda f, t: ssim_of(f, t, data_range, **options), forecast, truth)
    np.testing.assert_allclose(only(scores, "ssim"), expected, atol=1e-6)
    assert f"range of the values {data_range:g}" in scores["ssim"].attrs["window"]


def test_a_frame_that_lacks_a_cell_is_left_out_for_everyone_and_counted():
    product, store, forecast, truth = case()
    other = product.copy(deep=True)
    product["v1"][0, 1, 4, 4] = np.nan
    other["v0"][2, 1, 0, 0] = np.nan
    scores = verify(
        product, store.observations(), references={"o": other}, metrics=FRAMES, frames=scaling()
    )
    assert scores["frames"].values.tolist() == [3, 1, 3, 3]
    assert scores["frames_left_out"].values.tolist() == [0, 2, 0, 0]
    expected = ssim_of(forecast[1, 1], truth[1, 1])
    found = scores["ssim"].isel(lead_time=1)
    np.testing.assert_allclose(found, [expected, expected], atol=1e-6)
    assert "without 2 that lack a cell" in scores["ssim"].attrs["averaging"]
    # cells are scored without them, too
    assert int(scores["count"].sel(variable="v1").isel(lead_time=1)) == 3 * 12 * 13 - 1


def test_without_a_whole_frame_there_is_no_score():
    product, store, *_ = case()
    product["v0"][:, 0, 3, 3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = verify(product, store.observations(), metrics=FRAMES, frames=scaling())
    for metric in FRAMES:
        assert np.isnan(only(scores, metric)[0])
        assert np.isfinite(only(scores, metric)[1:]).all()


def test_a_frame_met_exactly_has_infinite_psnr():
    product, store, _, truth = case()
    exact = product.copy(deep=True)
    for number, name in enumerate(("v0", "v1")):
        exact[name][:, 0] = truth[:, 0, number]
    scores = verify(exact, store.observations(), metrics=FRAMES, frames=scaling())
    assert np.isposinf(only(scores, "psnr")[0])
    assert float(only(scores, "ssim")[0]) == pytest.approx(1)
    assert float(only(scores, "mse_per_frame")[0]) == 0
    assert np.isposinf(only(pooled(scores, [names.LEAD_TIME]), "psnr"))


def test_pooled_scores_are_those_of_all_frames_together():
    product, store, *_ = case()
    product["v0"][0, 1, 4, 4] = np.nan
    options = {"metrics": FRAMES, "frames": scaling()}
    apart = verify(product, store.observations(), **options)
    whole = verify(product, store.observations(), by=[], **options)
    together = pooled(apart, [names.LEAD_TIME])
    for metric in FRAMES:
        np.testing.assert_allclose(only(together, metric), only(whole, metric), rtol=1e-12)
    assert int(together["frames"]) == 11


@pytest.mark.parametrize("size", [1, 4 * 4 * 2 * 12 * 13 * 2, 2**30])
@pytest.mark.parametrize("sequences", [None, 5])
def test_blocks_of_any_size_give_the_same(monkeypatch, size, sequences):
    product, store, *_ = case(sequences=sequences)
    product["v1"][..., 0, 0][0, 1] = np.nan
    options = {"metrics": ["rmse", "bias", *FRAMES], "frames": scaling()}
    expected = verify(product, store.observations(), **options)
    monkeypatch.setattr("stforecast.verification.counting._BLOCK", size)
    monkeypatch.setattr("stforecast.verification.pieces._CELLS_AT_ONCE", 150)
    found = verify(product, store.observations(), **options)
    for name in expected.data_vars:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)


def test_the_ranges_are_those_that_the_forecast_tells():
    product, store, *_ = case(0.0, 50.0)
    told = {"v0": [0.0, 50.0], "v1": [0.0, 50.0]}
    by_hand = verify(product, store.observations(), metrics=FRAMES, frames=scaling(0.0, 50.0))
    product.attrs[names.VALUE_RANGES] = json.dumps(told)
    by_itself = verify(product, store.observations(), metrics=FRAMES)
    np.testing.assert_array_equal(by_itself["psnr"], by_hand["psnr"])
    given = verify(product, store.observations(), metrics=FRAMES, frames=scaling(0.0, 100.0))
    np.testing.assert_allclose(given["mae_per_frame"], by_hand["mae_per_frame"] / 2, rtol=1e-6)
    product.attrs[names.VALUE_RANGES] = "wide"
    with pytest.raises(DataError, match="stforecast_value_ranges"):
        verify(product, store.observations(), metrics=FRAMES)


def test_every_option_has_its_metric():
    assert list(get_args(MetricName)) == list(METRICS)
    assert VerificationOptions().metrics == list(DEFAULT)


def test_what_frames_need_is_said():
    product, store, *_ = case()
    observed = store.observations()
    with pytest.raises(ConfigError, match=r"psnr needs the range.* data\.variables\.v0\.minimum"):
        verify(product, observed, metrics=["psnr"])
    flat = FrameScaling({"v0": (0.0, 1.0), "v1": (2.0, 2.0)})
    with pytest.raises(ConfigError, match=r"range of v1, which is 2 to 2"):
        verify(product, observed, metrics=["psnr"], frames=flat)
    with pytest.raises(ConfigError, match="there is no metric 'fid'; there are rmse, mae"):
        verify(product, observed, metrics=["fid"])
    with pytest.raises(ConfigError, match="no metric is asked for"):
        verify(product, observed, metrics=[])
    narrow = product.isel(lat=slice(0, 6))
    few = observed.isel(lat=slice(0, 6))
    verify(narrow, few, metrics=["psnr"], frames=scaling())
    with pytest.raises(ConfigError, match="at least 7 × 7 cells, and these have 6 × 13"):
        verify(narrow, few, metrics=["ssim"], frames=scaling())
    narrow, few = product.isel(lon=slice(0, 10)), observed.isel(lon=slice(0, 10))
    verify(narrow, few, metrics=["ssim"], frames=scaling())
    with pytest.raises(ConfigError, match="at least 11 × 11 cells, and these have 12 × 10"):
        verify(narrow, few, metrics=["ssim"], frames=scaling(window="gaussian"))


def test_metrics_not_asked_for_are_not_shown(tmp_path):
    product, store, *_ = case()
    scores = verify(product, store.observations(), metrics=["psnr", "mse"], frames=scaling())
    assert {"rmse", "mae", "bias", "mse", "psnr"} <= set(scores.data_vars)
    assert "ssim" not in scores
    np.testing.assert_allclose(scores["mse"], scores["rmse"] ** 2)
    assert scores["mse"].attrs["units"] == "(K)2"
    frame = score_frame(scores)
    assert "mse" in frame
    assert not {"rmse", "mae", "bias"} & set(frame)
    written = write_scores(scores, tmp_path)
    assert [path.name for path in written] == ["scores.nc", "scores.csv", "frame_scores.csv"]
    lines = written[2].read_text().splitlines()
    assert lines[0] == "forecast,lead_time,lead_hours,psnr,frames,frames_left_out"
    assert len(lines) == 1 + 4
    assert re.match(r"forecast,1 h,1,\d+\.\d+,3,0", lines[1])
    plain = verify(product, store.observations())
    assert [path.name for path in write_scores(plain, tmp_path / "plain")] == [
        "scores.nc",
        "scores.csv",
    ]
