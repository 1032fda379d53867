"""Forecasts over the workers of a cluster are those of one process, byte for byte."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from distributed import Client

from stforecast import cluster
from stforecast.card import NoiseCard
from stforecast.errors import RunError
from stforecast.forecast import ForecastOptions, load_ensemble, predict
from stforecast.forecast.ensemble import Ensemble
from stforecast.product import open_product, write_product
from stforecast.store import TensorStore, write_store
from tests.forecast.runs import make_run
from tests.helpers import make_store


def stored(folder: Path, *args: Any, **settings: Any) -> TensorStore:
    write_store(make_store(*args, **settings).dataset, folder / "store.zarr")
    return TensorStore.open(folder / "store.zarr")


def weather(folder: Path, store: TensorStore) -> dict[str, Any]:
    """A covariate from a file that is named from the working directory."""
    times = pd.DatetimeIndex(store.axis.times())
    frame = pd.DataFrame({"date": times, "rain": np.arange(len(times)) % 7})
    frame.to_csv(folder / "weather.csv", index=False)
    file = os.path.relpath(folder / "weather.csv")
    return {"file": file, "time": "date", "columns": ["rain"], "known": "future"}


CASES: dict[str, dict[str, Any]] = {
    "held": {},
    "held, of batches": {"options": ForecastOptions(batch_size=3)},
    "lazy": {"lazy_above": 0},
    "members": {"options": ForecastOptions(members=5, seed=3), "lazy_above": 0},
    "sequences": {
        "sequences": [2, 0],
        "options": ForecastOptions(batch_size=4),
        "lazy_above": 0,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_many_initial_times(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    settings = dict(CASES[case])
    store = stored(tmp_path, 80, 2, sequences=3 if case == "sequences" else None)
    made: dict[str, Any] = {"covariates": [weather(tmp_path, store)], "lags": [6]}
    if case == "members":
        made = {"noise": NoiseCard(uniform=1, local=1)}
    folders = [make_run(tmp_path / f"run{n}", store, seed=n, name=f"r{n}", **made) for n in (0, 1)]
    runs = load_ensemble(folders if case == "members" else folders[:1], "cpu")
    monkeypatch.setattr("stforecast.forecast.blocks._BLOCK", 4 * 2 * 4 * 2 * 6 * 8 * 4)
    settings["horizon"] = 4
    inits = np.arange(20, 60, 2)
    here = predict(runs, store, inits, **settings).load()
    seen: list[tuple[int, int]] = []
    with cluster.running(scheduler):
        spread = predict(runs, store, inits, progress=lambda *at: seen.append(at), **settings)
        assert (spread["v0"].chunks is not None) == ("lazy_above" in settings)
        path = write_product(spread, tmp_path / "forecast.nc")
    del spread
    with open_product(path) as found:
        for name in ("v0", "v1"):
            assert found[name].values.tobytes() == here[name].values.tobytes()
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path: Path, scheduler: str) -> None:
    store = stored(tmp_path, 400)
    runs = load_ensemble([make_run(tmp_path / "run", store)], "cpu")
    inits = np.arange(10, 390)
    here = predict(runs, store, inits, options=ForecastOptions(batch_size=4))
    with cluster.running(scheduler) as client:
        assert client is not None
        victims: Any = client.run(os.getpid)
        done = threading.Event()

        def kill(count: int, of: int) -> None:
            if count >= of // 4 and not done.is_set():
                done.set()
                os.kill(min(victims.values()), signal.SIGKILL)

        found = predict(runs, store, inits, progress=kill, options=ForecastOptions(batch_size=4))
    assert done.is_set()
    assert found["v0"].values.tobytes() == here["v0"].values.tobytes()


def test_the_users_own_client_writes_lazy_forecasts(tmp_path: Path, scheduler: str) -> None:
    store = stored(tmp_path, 60)
    runs = load_ensemble([make_run(tmp_path / "run", store)], "cpu")
    here = predict(runs, store, range(20, 40))
    with Client(scheduler):
        lazy = predict(runs, store, range(20, 40), lazy_above=0)
        write_product(lazy, tmp_path / "forecast.zarr")
    with open_product(tmp_path / "forecast.zarr") as found:
        xr.testing.assert_equal(found["v0"].load(), here["v0"])


def test_what_is_in_memory_alone_is_forecast_here(tmp_path: Path, scheduler: str) -> None:
    store = stored(tmp_path, 60)
    runs = load_ensemble([make_run(tmp_path / "run", store)], "cpu")
    expected = predict(runs, store, [20, 30])
    begin = time.monotonic()
    with cluster.running(scheduler):
        held = predict(runs, store.load(), [20, 30])
        loose = predict(Ensemble(runs.models), store, [20, 30])
    assert time.monotonic() - begin < 60
    xr.testing.assert_equal(held, expected.assign_attrs(held.attrs))
    xr.testing.assert_equal(loose, held.assign_attrs(loose.attrs))


def test_a_run_that_changes_under_way_is_told(tmp_path: Path, scheduler: str) -> None:
    store = stored(tmp_path, 60)
    folder = make_run(tmp_path / "run", store)
    runs = load_ensemble([folder], "cpu")
    make_run(folder, store, seed=1)
    with cluster.running(scheduler), pytest.raises(RunError, match="replaced while it was used"):
        predict(runs, store, [20, 30])
