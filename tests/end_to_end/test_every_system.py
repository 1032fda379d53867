"""Every system from a dataset to a forecast: round the globe, with gaps, told the hour and lags."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import stforecast as sf
from stforecast.models import variants


@pytest.fixture(scope="module")
def observed() -> xr.Dataset:
    values = np.random.default_rng(0).normal(size=(60, 5, 8)).astype(np.float32)
    values[:, 0, 3] = np.nan
    values[::7, 2, 5] = np.nan
    coords = {
        "time": pd.date_range("2020-01-01", periods=60, freq="6h"),
        "latitude": ("latitude", np.linspace(-72, 72, 5), {"units": "degrees_north"}),
        "longitude": ("longitude", np.arange(0, 360, 45.0), {"units": "degrees_east"}),
    }
    dims = ("time", "latitude", "longitude")
    return xr.Dataset({"t2m": (dims, values, {"units": "K"})}, coords=coords)


@pytest.mark.parametrize("name", variants())
def test_from_a_dataset_to_a_forecast(name: str, observed: xr.Dataset, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = sf.train(
            observed,
            model=name,
            preset="small",
            history=4,
            horizon=3,
            max_steps=2,
            batch_size=4,
            covariates=[{"calendar": ["hour"]}, {"climatology": True}],
            lags=["1D", 3],
            departure="climatology",
            function="sqrt",
            folder=tmp_path / "model",
            progress=False,
        )
        forecast = run.predict(observed, horizon=7)
    finally:
        torch.set_num_threads(threads)
    assert dict(forecast.sizes) == {"init_time": 1, "lead_time": 7, "latitude": 5, "longitude": 8}
    # A cell that was missing in the whole history has no forecast; every other has one.
    assert (forecast.t2m.isnull().sum(("init_time", "lead_time")) > 0).sum() == 1
    xr.testing.assert_equal(forecast.longitude, observed.longitude)
