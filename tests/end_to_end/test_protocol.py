"""A published comparison through the command line, on counts in DeepST's format."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.end_to_end.conftest import Workspace

EXPERIMENT = """\
name: city
protocol: PROTOCOL
data:
  files: city.h5
  variables: {inflow: {index: 0, units: count, minimum: 0}, outflow: {index: 1, units: count}}
windows: {history: 2, horizon: 2}
model: {name: simvp, hid_S: 4, hid_T: 8, N_S: 2, N_T: 2}
training: {max_steps: 2, validations: 1, batch_size: 8, device: cpu}
verification: {references: [persistence]}
"""


@pytest.fixture
def city(tmp_path, monkeypatch) -> Workspace:
    """Forty days of half hours, one of which lacks a slot."""
    monkeypatch.chdir(tmp_path)
    days = np.arange(np.datetime64("2016-03-01"), np.datetime64("2016-04-10"))
    dates = [f"{day}{slot:02d}".replace("-", "") for day in days for slot in range(1, 49)]
    kept = [index for index, date in enumerate(dates) if date != "2016030710"]
    counts = np.random.default_rng(0).poisson(9, size=(len(dates), 2, 8, 8))
    with h5py.File("city.h5", "w") as file:
        file["data"] = counts[kept].astype("f8")
        file["date"] = [dates[index].encode() for index in kept]
    return Workspace(tmp_path)


def begin(city: Workspace, protocol: str) -> str:
    Path("stforecast.yaml").write_text(EXPERIMENT.replace("PROTOCOL", protocol), encoding="utf-8")
    city.works("ingest")
    city.works("train")
    told = city.works("verify").stdout
    assert f"protocol {protocol}" in told
    return " ".join(told.split())


def test_deepst(city):
    told = begin(city, "deepst")
    assert "Protocol deepst: the next step (30 min), all variables together." in told
    scores = pd.read_csv("runs/city/verification/protocol_scores.csv")
    assert scores["forecast"].tolist() == ["city", "persistence"]
    most = 2 * scores["rmse"] / scores["rmse_scaled"]
    assert most[0] == pytest.approx(most[1])
    assert most[0] == pytest.approx(round(most[0]), rel=1e-6)  # largest less smallest count
    table = pd.read_csv("runs/city/verification/scores.csv")
    first = table[(table.forecast == "city") & (table.lead_time == "30 min")]
    assert scores["rmse"][0] == pytest.approx(np.sqrt((first.rmse**2).mean()), rel=1e-6)
    info = " ".join(city.works("info", "runs/city/model").stdout.split())
    assert "protocol deepst" in info
    assert "scaling minmax_symmetric, all variables together" in info
    assert "test 2016-03-12 23:00 to 2016-04-09 23:30" in info
    with xr.open_dataset("runs/city/verification/scores.nc", decode_timedelta=False) as saved:
        assert saved.attrs["protocol"] == "deepst"
        assert saved.attrs["initial_times"] == 28 * 48 - 1
    city.refuses(
        "verify",
        *("--set", "windows.scaling=none"),
        saying="windows.scaling is none, but the protocol deepst:taxibj has minmax_symmetric",
    )
    city.refuses(
        *("verify", "-c", "stforecast.yaml", "--set", "protocol=openstl"),
        saying="was trained under deepst, and cannot be scored under openstl",
    )
    assert "protocol" not in city.works("verify", "--set", "protocol=null").stdout


def test_openstl(city):
    told = begin(city, "openstl")
    assert "Frames scaled to [0, 1] from 0 to" in told
    scores = pd.read_csv("runs/city/verification/protocol_scores.csv")
    most = float(told.partition("scaled to [0, 1] from 0 to ")[2].split(".")[0])
    expected = np.sqrt(scores["mse_per_frame"] / 128) * most
    np.testing.assert_allclose(scores["rmse"], expected, rtol=1e-4)
    assert ((scores["ssim"] > 0) & (scores["ssim"] < 1)).all()
    frames = pd.read_csv("runs/city/verification/frame_scores.csv")
    assert set(frames["frames"]) == {500}
    assert set(frames["frames_left_out"]) == {0}
