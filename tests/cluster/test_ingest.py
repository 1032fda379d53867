"""Stores that the workers of a cluster write are those of one process, byte for byte."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from stforecast import cluster
from stforecast.ingest import ingest
from stforecast.ingest.append import append
from stforecast.options import DataOptions, StorageOptions
from stforecast.store import TensorStore

STEPS = 480
# shards of a few steps, so that there are many blocks
OPTIONS = DataOptions(storage=StorageOptions(chunk_steps=8, shard_size="64KB"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Hourly files of a day each, with a day that is absent and cells that are missing."""
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(0)
    times = np.datetime64("2020-01-01", "ns") + np.arange(STEPS) * np.timedelta64(1, "h")
    values = random.normal(size=(STEPS, 12, 16)).astype(np.float32)
    values[random.random(values.shape) < 0.02] = np.nan
    coords = {"time": times, "lat": np.linspace(50, 40, 12), "lon": np.linspace(0, 15, 16)}
    dims = ("time", "lat", "lon")
    whole = xr.Dataset({"t": (dims, values), "u": (dims, 2 * values)}, coords)
    paths = []
    for day in range(STEPS // 24):
        if day != 7:
            path = folder / f"day{day:02}.nc"
            whole.isel(time=slice(24 * day, 24 * day + 24)).to_netcdf(path)
            paths.append(str(path))
    return paths


def contents(store: Path) -> dict[str, bytes]:
    """All files of a store; the times at which it was written are left out."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and not path.name.endswith(".json")
    }


def test_a_store_is_the_same(
    files: list[str], tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone = ingest(files, "alone.zarr", OPTIONS)
    with cluster.running(scheduler):
        found = ingest(files, "spread.zarr", OPTIONS)
    here = contents(tmp_path / "alone.zarr")
    assert len([name for name in here if name.startswith("data/c/")]) > 8
    assert contents(tmp_path / "spread.zarr") == here
    assert found.findings() == alone.findings()
    xr.testing.assert_identical(
        TensorStore.open("spread.zarr").variables().load(),
        TensorStore.open("alone.zarr").variables().load(),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.zarr", "spread.zarr"]


class KillOnce:
    """Progress of which the first quarter costs a worker its life."""

    def __init__(self, client: Any) -> None:
        self._processes = client.run(os.getpid)
        self.killed: int | None = None

    def __call__(self, done: int, of: int) -> None:
        if done >= of // 4 and self.killed is None:
            self.killed = max(self._processes.values())
            os.kill(self.killed, signal.SIGKILL)


def test_a_worker_that_is_killed_costs_nothing_but_time(
    files: list[str], tmp_path: Path, scheduler: str
) -> None:
    ingest(files, tmp_path / "alone.zarr", OPTIONS)
    with cluster.running(scheduler) as client:
        assert client is not None
        ingest(files, tmp_path / "spread.zarr", OPTIONS, progress=(kill := KillOnce(client)))
        client.wait_for_workers(2, timeout=120)  # which the next test finds
    assert kill.killed
    assert contents(tmp_path / "spread.zarr") == contents(tmp_path / "alone.zarr")


def test_a_store_grows_as_in_one_process(
    files: list[str], tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first time, over times that it has, and at the end."""
    monkeypatch.chdir(tmp_path)
    spread, sent = cluster.spread, []

    def noted(work: Any, blocks: Any, **how: Any) -> Any:
        if cluster.current_client() is not None:
            sent.append(work.__name__)
        return spread(work, blocks, **how)

    monkeypatch.setattr(cluster, "spread", noted)
    for store, where in (("alone.zarr", None), ("spread.zarr", scheduler)):
        ingest(files[4:8], store, OPTIONS)
        with cluster.running(where):
            for part in (files[:8], files[6:12], files[10:]):
                append(part, store)
    assert sent.count("write_block") == 3
    assert sent.count("_compared") == 3
    ingest(files, "one.zarr", OPTIONS)
    here = contents(tmp_path / "one.zarr")
    assert contents(tmp_path / "alone.zarr") == here
    assert contents(tmp_path / "spread.zarr") == here
    counts = [TensorStore.open(f"{name}.zarr").meta.counts for name in ("one", "alone", "spread")]
    assert counts[0] == counts[1] == counts[2]


def test_a_worker_that_is_killed_in_an_append(
    files: list[str], tmp_path: Path, scheduler: str
) -> None:
    ingest(files, tmp_path / "alone.zarr", OPTIONS)
    ingest(files[:3], tmp_path / "spread.zarr", OPTIONS)
    with cluster.running(scheduler) as client:
        assert client is not None
        append(files[3:], tmp_path / "spread.zarr", progress=(kill := KillOnce(client)))
        client.wait_for_workers(2, timeout=120)  # which the next test finds
    assert kill.killed
    assert contents(tmp_path / "spread.zarr") == contents(tmp_path / "alone.zarr")
