"""Scores under a protocol: the published formulas, written here anew, and published numbers."""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from skimage.metrics import structural_similarity

from stforecast import names
from stforecast.config import experiment_of
from stforecast.product import build_product
from stforecast.verification import FrameScaling, score_table, verify, write_scores
from stforecast.verification.protocol import protocol_frame
from stforecast.verification.scoring import verify_as_asked
from tests.helpers import make_store

MOST = 1292.0  # the largest count of TaxiBJ's training part
TAXIBJ = {"v0": (0.0, MOST), "v1": (0.0, MOST)}

# Of OpenSTL's model zoo: MSE, MAE, SSIM, PSNR on TaxiBJ after 50 epochs.
ZOO_TAXIBJ = {
    "ConvLSTM": (0.3358, 15.32, 0.9836, 39.45),
    "PredRNN": (0.3194, 15.31, 0.9838, 39.51),
    "MIM": (0.3110, 14.96, 0.9847, 39.65),
    "PhyDNet": (0.3622, 15.53, 0.9828, 39.46),
    "IncepU": (0.3282, 15.45, 0.9835, 39.45),
    "gSTA": (0.3246, 15.03, 0.9844, 39.71),
    "TAU": (0.3108, 14.93, 0.9848, 39.74),
}
# Likewise on t2m at 5.625°, in K: MSE, RMSE.
ZOO_WEATHER = {
    "ConvLSTM": (1.521, 1.233),
    "PredRNN": (1.331, 1.154),
    "PredRNN++": (1.634, 1.278),
    "PredRNN-V2": (1.545, 1.243),
    "MIM": (1.784, 1.336),
    "E3D-LSTM": (1.592, 1.262),
    "IncepU": (1.238, 1.113),
    "gSTA": (1.105, 1.051),
    "TAU": (1.162, 1.078),
}


def forecast_with(errors, truth):
    """A forecast that is off by `errors` (init, lead, channel, y, x), and its observations."""
    inits, leads = len(errors), errors.shape[1]
    store = make_store(len(truth), 2, values=truth)
    valid = np.arange(inits)[:, None] + np.arange(1, leads + 1)
    product = build_product(
        (truth[valid] + errors).astype(np.float32),
        store=store,
        init_positions=np.arange(inits),
        lead_steps=np.arange(1, leads + 1),
        attrs={},
    )
    return product, store.observations(), truth[valid]


def counts(n, height=32, width=32, seed=0):
    random = np.random.default_rng(seed)
    return (random.random((n, 2, height, width)) ** 4 * MOST).astype(np.float32)


def under(protocol, product, observed, ranges=TAXIBJ, references=None):
    options = experiment_of({"name": "x", "protocol": protocol}, (), "here").verification
    return verify_as_asked(options, product, observed, references or {}, ranges, protocol)


def test_openstl_scores_are_those_of_its_formulas():
    truth = counts(9)
    errors = np.random.default_rng(1).normal(scale=80, size=(5, 4, 2, 32, 32))
    product, observed, true = forecast_with(errors, truth)
    scores = under("openstl", product, observed)
    row = protocol_frame(scores).iloc[0]

    # what its code does with arrays (sample, frame, channel, height, width) in [0, 1]
    pred = np.stack([product[name].values for name in ("v0", "v1")], axis=2) / MOST
    true = true / MOST
    mse = np.mean((pred - true) ** 2, axis=(0, 1)).sum()
    mae = np.mean(np.abs(pred - true), axis=(0, 1)).sum()
    pred = np.minimum(np.maximum(pred, 0), 1).astype(np.float32)
    true = true.astype(np.float32)
    ssim, psnr = [], []
    for sample, of in zip(pred.reshape(-1, 2, 32, 32), true.reshape(-1, 2, 32, 32), strict=True):
        # skimage 0.19 took floats to lie in [-1, 1]
        ssim.append(structural_similarity(sample, of, channel_axis=0, data_range=2.0))
        psnr.append(20 * np.log10(1 / np.sqrt(np.mean((sample - of) ** 2))))
    assert row["mse_per_frame"] == pytest.approx(mse, rel=1e-5)
    assert row["mae_per_frame"] == pytest.approx(mae, rel=1e-5)
    assert row["ssim"] == pytest.approx(np.mean(ssim), abs=1e-6)
    assert row["psnr"] == pytest.approx(np.mean(psnr), rel=1e-6)
    # and in vehicles beside
    assert row["rmse"] == pytest.approx(np.sqrt(mse / 2048) * MOST, rel=1e-5)
    assert row["mae"] == pytest.approx(mae / 2048 * MOST, rel=1e-5)
    assert row["units"] == "K"


@pytest.mark.parametrize("system", ZOO_TAXIBJ)
def test_published_scores_of_taxibj_fit_each_other(system):
    """An error that is the same in all cells has the published MSE, and then a PSNR and an MAE.

    The published PSNR, a mean over frames of a convex function, cannot be below, nor the MAE above.
    """
    mse, mae, _, psnr = ZOO_TAXIBJ[system]
    error = np.sqrt(mse / 2048) * MOST
    truth = counts(3) * 0.9
    product, observed, _ = forecast_with(np.full((2, 1, 2, 32, 32), error), truth)
    row = protocol_frame(under("openstl:taxibj", product, observed)).iloc[0]
    assert row["mse_per_frame"] == pytest.approx(mse, rel=1e-4)
    assert row["rmse"] == pytest.approx(error, rel=1e-4)
    assert 15 < row["rmse"] < 18
    assert row["mae_per_frame"] >= mae
    assert row["psnr"] <= psnr


@pytest.mark.parametrize("system", ZOO_WEATHER)
def test_published_scores_of_weather_fit_each_other(system):
    mse, rmse = ZOO_WEATHER[system]
    random = np.random.default_rng(2)
    errors = np.sqrt(mse) * random.choice([-1, 1], size=(2, 3, 2, 6, 8))
    truth = (280 + random.random((5, 2, 6, 8))).astype(np.float32)
    product, observed, _ = forecast_with(errors, truth)
    frame = protocol_frame(under("openstl:weather", product, observed, ranges={}))
    assert frame["variable"].tolist() == ["v0", "v1"]
    np.testing.assert_allclose(frame["mse"], mse, rtol=1e-4)
    np.testing.assert_allclose(frame["rmse"], rmse, atol=0.0006)
    assert "ssim" not in frame


def test_weather_is_not_weighted_by_area():
    truth = np.full((3, 2, 4, 5), 280, np.float32)
    errors = np.zeros((2, 1, 2, 4, 5))
    errors[..., 3, :] = 4.0  # the row nearest to the pole
    product, observed, _ = forecast_with(errors, truth)
    frame = protocol_frame(under("openstl:weather", product, observed, ranges={}))
    np.testing.assert_allclose(frame["mse"], 4.0)
    assert verify(product, observed)["rmse"].values.max() < 2


def test_deepst_scores_the_next_step_in_counts():
    truth = counts(9, 8, 16)
    errors = np.random.default_rng(1).normal(scale=20, size=(5, 3, 2, 8, 16))
    product, observed, true = forecast_with(errors, truth)
    worse, _, _ = forecast_with(3 * errors, truth)
    references = {"other": worse}
    scores = under("deepst", product, observed, references=references)
    frame = protocol_frame(scores)
    assert frame["forecast"].tolist() == ["forecast", "other"]
    first = np.stack([product[name].values for name in ("v0", "v1")], axis=2)[:, 0]
    # in [-1, 1], as its network is trained and scored, then times half the range
    scaled = (first / MOST * 2 - 1) - (true[:, 0] / MOST * 2 - 1)
    rmse = np.sqrt(np.mean(scaled**2))
    assert frame["rmse_scaled"][0] == pytest.approx(rmse, rel=1e-5)
    assert frame["rmse"][0] == pytest.approx(rmse * (MOST - 0) / 2, rel=1e-5)
    assert frame["rmse"][1] == pytest.approx(3 * frame["rmse"][0], rel=1e-4)


def test_units_or_ranges_that_differ_leave_the_common_columns_out():
    truth = counts(6, 8, 16)
    product, observed, _ = forecast_with(np.ones((2, 3, 2, 8, 16)), truth)
    unlike = {"v0": (0.0, 10.0), "v1": (0.0, MOST)}
    assert "rmse_scaled" not in protocol_frame(under("deepst", product, observed, unlike))
    for data in (product, observed):
        data["v1"].attrs["units"] = "m s-1"
    frame = protocol_frame(under("openstl", product, observed))
    assert "rmse" not in frame
    assert "psnr" in frame


def shown(scores):
    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(score_table(scores))
    console.file.close()
    return console.export_text()


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("openstl", "all lead times together, frames of all variables."),
        ("deepst:bikenyc", "the next step (1 h), all variables together."),
        ("openstl:weather", "all lead times together."),
    ],
)
def test_output_names_the_protocol(protocol, words, tmp_path):
    truth = counts(6, 8, 16)
    errors = np.random.default_rng(3).normal(size=(2, 3, 2, 8, 16))
    product, observed, _ = forecast_with(errors, truth)
    scores = under(protocol, product, observed)
    assert scores.attrs["protocol"] == protocol
    text = shown(scores)
    assert f"Protocol {protocol}: {words}" in " ".join(text.split())
    table = text[text.index(f"protocol {protocol}") :]
    assert "RMSE" in table
    written = write_scores(scores, tmp_path)
    assert written[-1].name == "protocol_scores.csv"
    pd.testing.assert_frame_equal(pd.read_csv(written[-1]), protocol_frame(scores), rtol=1e-6)
    plain = verify(product, observed, frames=FrameScaling(TAXIBJ))
    assert "protocol" not in shown(plain)
    assert names.SYSTEM in plain.dims
