"""The Python lines of the README, on a small record that looks like ERA5."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import stforecast as sf
from stforecast.errors import RunError

LATITUDES, LONGITUDES = np.linspace(52, 50, 6), np.linspace(-2, 0.25, 8)


def write_year(folder: Path, year: int) -> None:
    """A seasonal cycle, a daily wave that travels west, a little noise; two variables."""
    times = pd.date_range(f"{year}-01-01", f"{year}-12-31T18", freq="6h")
    season = np.sin(2 * np.pi * (times.day_of_year.values / 365 - 0.3))[:, None, None]
    wave = np.sin(2 * np.pi * (times.hour.values[:, None, None] / 24 + LONGITUDES / 3))
    noise = np.random.default_rng(year).normal(scale=0.3, size=(len(times), 6, 8))
    field = (282 + 8 * season + 3 * wave + noise).astype(np.float32)
    dims = ("time", "latitude", "longitude")
    xr.Dataset(
        {
            "t2m": (dims, field, {"units": "K", "long_name": "2 metre temperature"}),
            "d2m": (dims, field - 2, {"units": "K"}),
        },
        coords={
            "time": ("time", times, {"standard_name": "time"}),
            "latitude": ("latitude", LATITUDES, {"units": "degrees_north"}),
            "longitude": ("longitude", LONGITUDES, {"units": "degrees_east"}),
        },
        attrs={"institution": "nobody"},
    ).to_netcdf(folder / f"{year}.nc")


@pytest.fixture
def era5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    (tmp_path / "era5").mkdir()
    for year in range(2016, 2021):
        write_year(tmp_path / "era5", year)
    monkeypatch.chdir(tmp_path)
    plt.close("all")


# Instead of ten minutes of the whole model.
BRIEF = {"max_steps": 60, "validations": 2, "batch_size": 16, "learning_rate": 1e-2}
SMALL = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2, "groups": 1}


@pytest.mark.usefixtures("era5")
def test_from_files_to_scores() -> None:
    obs = sf.open_data("era5/*.nc", variables=["t2m"])
    run = sf.train(
        obs,
        model="simvp",
        history="12h",
        horizon="24h",
        test=("2019", "2020"),
        progress=False,
        **BRIEF,
        **SMALL,
    )
    fc = run.predict(obs, init_time="2019-07-01T00", horizon="48h")
    figure = fc.stforecast.map("t2m", lead_time=["6h", "24h"], observed=obs)
    hind = run.hindcast(obs, period="test", every="12h")
    scores = sf.verify(
        hind, obs, references=["persistence", "climatology"], by=["lead_time", "season"]
    )

    assert list(obs.data_vars) == ["t2m"]
    assert obs["t2m"].dims == ("time", "latitude", "longitude")

    assert run.card.splits["test"] == ("2019-01-01", "2020-12-31 18:00")
    assert run.card.windows["history"] == 2
    assert run.card.training.steps == 60

    assert dict(fc["t2m"].sizes) == {
        "init_time": 1,
        "lead_time": 8,
        "latitude": 6,
        "longitude": 8,
    }
    assert fc["init_time"].values[0] == np.datetime64("2019-07-01")
    assert fc["valid_time"].values[0, -1] == np.datetime64("2019-07-03")
    for name in ("latitude", "longitude"):
        np.testing.assert_array_equal(fc[name], obs[name])
    error = fc["t2m"] - obs["t2m"].sel(time=fc["valid_time"])
    assert error.shape == (1, 8, 6, 8)
    assert fc.attrs["institution"] == "nobody"
    assert len(fc.attrs["data_files"].split(", ")) == 5

    assert figure.axes

    hours = np.unique(hind["init_time"].dt.hour)
    assert hours.tolist() == [6, 18]
    assert hind.sizes["lead_time"] == 4
    assert hind["init_time"].values[0] == np.datetime64("2019-01-01T06")
    assert hind["valid_time"].values.max() <= np.datetime64("2020-12-31T18")

    assert scores["rmse"].dims == ("forecast", "variable", "lead_time", "season")
    assert scores["forecast"].values.tolist() == ["simvp", "persistence", "climatology"]
    assert scores["season"].values.tolist() == ["DJF", "MAM", "JJA", "SON"]
    assert np.isfinite(scores["rmse"]).all()
    skill = scores["skill"].sel(forecast="simvp", reference="persistence", variable="t2m")
    assert float(skill.sel(lead_time="12h").mean()) > 0.2  # where the daily wave is upside down


@pytest.mark.usefixtures("era5")
def test_a_run_by_name_stays(capsys: pytest.CaptureFixture[str]) -> None:
    obs = sf.open_data(["era5/2019.nc", "era5/2020.nc"], variables=["t2m"], period=("2019", "2019"))
    settings = {**BRIEF, "max_steps": 2, "validations": 1}
    run = sf.train(obs, name="uk", history=2, horizon=2, progress=False, **settings, **SMALL)
    assert run.folder == Path("runs/uk/model")
    assert "runs/uk/model" in repr(run)
    again = sf.load("runs/uk")
    first, second = run.predict(obs), again.predict(obs)
    xr.testing.assert_equal(first, second)
    path = sf.write_forecast(first, "runs/uk/forecast.nc")
    xr.testing.assert_equal(sf.open_forecast(path).load(), first)
    assert set(os.listdir("runs/uk")) == {
        "model",
        "forecast.nc",
    }
    with pytest.raises(RunError, match="there is a finished run"):
        sf.train(obs, name="uk", history=2, horizon=2, progress=False, **settings, **SMALL)
