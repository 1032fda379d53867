"""Scores that the workers of a cluster make are those of one process, byte for byte."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from distributed import Client

from stforecast import cluster
from stforecast.options import VerificationOptions
from stforecast.product import build_product, open_product, write_product
from stforecast.store import TensorStore, write_store
from stforecast.verification import references_for, verify_as_asked
from tests.helpers import make_store

OPTIONS = VerificationOptions(
    references=["persistence", "hour_of_week", "linear"],
    metrics=["rmse", "mae", "bias", "crps", "acc", "mape", "csi", "fss", "coverage", "ssim"],
    by=["lead_time", "hour"],
    regions={"north": {"west": -180, "east": 180, "south": 0, "north": 90}},
    thresholds={"v0": [0.0, 1.0]},
    diagnostics=["rank_histogram", "reliability", "spectrum", "error_maps", "cases"],
    bootstrap=20,
)
INITS = np.arange(400, 460, 2)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, and a forecast of five members, both in files."""
    folder = tmp_path_factory.mktemp("scores")
    write_store(make_store(500, 2, 8, 9).dataset, folder / "store.zarr")
    store = TensorStore.open(folder / "store.zarr")
    random = np.random.default_rng(0)
    truth = np.stack([store.read(at + 1, at + 4) for at in INITS])
    noise = random.normal(size=(*truth.shape[:2], 5, *truth.shape[2:]))
    values = (truth[:, :, None] + noise).astype(np.float32)
    values[random.random(values.shape) < 0.01] = np.nan
    product = build_product(
        values,
        store=store,
        init_positions=INITS,
        lead_steps=[1, 2, 3],
        attrs={"stforecast_run": "run", "value_ranges": '{"v0": [-5, 5], "v1": [-5, 5]}'},
        members=5,
    )
    write_product(product, folder / "forecast.nc", overwrite=True)
    return folder


def scored(folder: Path, progress: Any = None) -> xr.Dataset:
    store = TensorStore.open(folder / "store.zarr")
    with open_product(folder / "forecast.nc") as forecast:
        references = references_for(forecast, store, OPTIONS.references, history=4, train=(0, 380))
        ranges = {"v0": (-5.0, 5.0), "v1": (-5.0, 5.0)}
        return verify_as_asked(
            OPTIONS,
            forecast,
            store.observations(),
            references,
            ranges,
            progress=progress,
        )


def assert_same(one: xr.Dataset, other: xr.Dataset) -> None:
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        first, second = one[name].values, other[name].values
        if first.dtype.kind == "O":
            assert first.tolist() == second.tolist(), name
        else:
            assert first.tobytes() == second.tobytes(), name


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two initial times, and references that are made as they are read."""
    size = 2 * 3 * 2 * 8 * 9 * 4
    monkeypatch.setattr("stforecast.verification.counting._BLOCK", 5 * size)
    monkeypatch.setattr("stforecast.verification.references._BLOCK", 4 * size)


@pytest.mark.usefixtures("small")
def test_all_scores(study: Path, scheduler: str) -> None:
    here = scored(study)
    assert {"crps", "acc", "fss", "ssim", "rank_histogram", "rmse_map"} <= set(here)
    seen: list[tuple[int, int]] = []
    with cluster.running(scheduler):
        found = scored(study, lambda *at: seen.append(at))
    assert_same(found, here)
    assert [done for done, _ in seen] == [8, 16, 24, 30]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_worker_that_is_killed_costs_nothing_but_time(study: Path, scheduler: str) -> None:
    here = scored(study)
    with cluster.running(scheduler) as client:
        assert client is not None
        processes: Any = client.run(os.getpid)
        pids = sorted(processes.values())

        def kill(done: int, of: int) -> None:
            if done == 8:
                os.kill(pids[0], signal.SIGKILL)

        assert_same(scored(study, kill), here)


@pytest.mark.usefixtures("small")
def test_the_users_own_client_and_what_is_in_memory(
    study: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = scored(study)
    with Client(scheduler):
        assert_same(scored(study), here)
        monkeypatch.setattr("stforecast.verification.counting._SENT", 1000)
        monkeypatch.setattr(cluster, "spread", None)
        assert_same(scored(study), here)


def test_what_can_be_sent(study: Path) -> None:
    store = TensorStore.open(study / "store.zarr")
    assert cluster.can_send(store.observations(), 200_000)
    assert not cluster.can_send(store.load().observations(), 100_000)
    assert not cluster.can_send(threading.Lock(), 10**9)
