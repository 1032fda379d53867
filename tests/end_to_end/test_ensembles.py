"""Members and intervals through the command line."""

from pathlib import Path

import pytest
import xarray as xr

from tests.end_to_end.conftest import Workspace

SETTINGS = [
    *("--set", "data.split={train: 0.3, validation: 0.45, test: 0.25}"),
    *("--set", "training.validations=1"),
]


@pytest.fixture
def runs(made: Workspace) -> list[str]:
    """Two runs of other seeds and one that is told noise."""
    for seed, name in enumerate(("one", "two")):
        settings = [*SETTINGS, "--set", f"training.seed={seed}", "--set", f"name={name}"]
        made.works("train", "--store", "runs/small/store.zarr", *settings)
    noisy = [*SETTINGS, "--set", "training.loss=crps", "--set", "name=noisy"]
    made.works("train", "--store", "runs/small/store.zarr", *noisy)
    return ["runs/one", "runs/two", "runs/noisy"]


def test_members_and_intervals(made: Workspace, runs: list[str]) -> None:
    one, two, noisy = runs
    # training leaves past errors behind
    made.works("forecast", one, "--interval", "0.9", "--output", "one.nc")
    with xr.open_dataset("one.nc") as forecast:
        assert (forecast.t2m_lower <= forecast.t2m_upper).all()
        assert "member" not in forecast.dims
    made.works("forecast", noisy, "--members", "3", "--spread", "raw", "--output", "noisy.nc")
    with xr.open_dataset("noisy.nc") as forecast:
        assert forecast.sizes["member"] == 3
    made.refuses(
        *("forecast", one, two, "--interval", "0.9"),
        saying="make them with `stforecast calibrate runs/one/model runs/two/model`",
    )
    result = made.works("calibrate", one, two)
    assert "stforecast forecast runs/one runs/two --interval 0.9" in result.stdout
    made.works("forecast", one, two, "--interval", "0.9")
    with xr.open_dataset("runs/one+two/forecast.nc") as forecast:
        assert forecast.sizes["member"] == 2
        assert forecast.attrs["stforecast_spread"] == "calibrated"
    made.works("plot", "runs/one+two/forecast.nc")
    made.works("verify", one, two, "--set", "verification.metrics=[rmse, crps, coverage]")
    folder = Path("runs/one+two/verification")
    with xr.open_dataset(folder / "scores.nc") as scores:
        assert float(scores["coverage"].sel(forecast="one+two").min()) > 0
        assert float(scores["crps"].sel(forecast="one+two").min()) > 0
    made.refuses("forecast", one, "--members", "4", saying="gives one forecast, not 4 members")
    made.refuses("forecast", one, one, saying="is named twice")
