"""`stforecast forecast --future`: new values of what a run is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner, Result

from stforecast.cli.main import program
from stforecast.store import write_store
from tests.forecast.runs import make_run
from tests.helpers import make_store

HOURS = pd.date_range("2000-01-01", periods=140, freq="h")


def forecast(*words: str) -> Result:
    return CliRunner().invoke(program, ["forecast", *words])


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in the working directory whose plan ends with its record."""
    monkeypatch.chdir(tmp_path)
    store = make_store(120)
    write_store(store.dataset, Path("runs/city/store.zarr"))
    plan = pd.DataFrame({"time": HOURS[:120], "plan": np.arange(120.0)})
    plan.to_csv("plan.csv", index=False)
    make_run(Path("runs/city/model"), store, covariates=[{"file": "plan.csv", "known": "future"}])


@pytest.mark.usefixtures("study")
def test_a_plan_that_ends_is_gone_on_with() -> None:
    failed = forecast("runs/city")
    assert failed.exit_code == 1
    assert failed.stderr.strip() == (
        "Error: plan.csv has 'plan' (future) from 2000-01-01 to 2000-01-05 23:00, and the forecast "
        "needs it from 2000-01-05 20:00 to 2000-01-06 02:00; bring what is missing with "
        "--future FILE (future= in Python), or forecast from an earlier time"
    )
    for number, part in enumerate((HOURS[118:121], HOURS[121:])):
        more = pd.DataFrame({"time": part, "plan": 1.0})
        more.to_csv(f"more_{number}.csv", index=False)
    done = forecast("runs/city", "--future", "more_0.csv", "more_1.csv", "-o", "next.nc")
    assert done.exit_code == 0, done.output
    with xr.open_dataset("next.nc") as product:
        assert product["v0"].notnull().all()
    earlier = forecast("runs/city", "--init-time", "2000-01-05T20", "-o", "earlier.nc")
    assert earlier.exit_code == 0, earlier.output


@pytest.mark.usefixtures("study")
def test_what_no_run_is_told_is_refused() -> None:
    pd.DataFrame({"time": HOURS, "rain": 1.0}).to_csv("rain.csv", index=False)
    failed = forecast("runs/city", "--future", "rain.csv")
    assert failed.stderr.strip() == (
        "Error: rain.csv has nothing that the run is told: it is told 'plan' (future)"
    )
    missing = forecast("runs/city", "--future", "tomorrow.csv")
    assert missing.stderr.startswith("Error: there is no file tomorrow.csv")
