"""Workers of a cluster that are killed in the middle of an ingest: their blocks are done again."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stforecast import cluster
from stforecast.ingest.pipeline import ingest
from stforecast.options import ClusterOptions, DataOptions
from tests.faults import work

SEED = 20260506
FILES = 20


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster.running(ClusterOptions(workers=2)) as client:
        yield client


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """50 shards' worth of files."""
    return work.make_sources(str(tmp_path_factory.mktemp("sources")), SEED, FILES)


@pytest.fixture(scope="module")
def right(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of what one process makes of them."""
    store = tmp_path_factory.mktemp("right") / "a.zarr"
    with cluster.here():
        write(sources, store)
    return work.digest(store)


def write(
    sources: list[str], store: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    options = DataOptions.model_validate({"storage": work.STORAGE})
    ingest(sources, store, options, overwrite=True, progress=progress)


def kill_workers(client: Any, store: Path, sources: list[str], seed: int, kills: int) -> int:
    """Ingest, and kill a worker at each of some random moments on the way."""
    random_ = random.Random(seed)
    shares = sorted(random_.uniform(0.02, 0.95) for _ in range(kills))
    killed = 0

    def progress(done: int, total: int) -> None:
        nonlocal killed
        if killed < kills and done >= shares[killed] * total:
            pids = list(client.run(os.getpid).values())
            os.kill(random_.choice(pids), signal.SIGKILL)
            killed += 1

    write(sources, store, progress)
    return killed


def wait_for_workers(client: Any, number: int) -> None:
    """Killed ones are started anew."""
    until = time.monotonic() + 120
    while len(client.run(os.getpid)) < number and time.monotonic() < until:
        time.sleep(0.2)


def campaign(
    client: Any, sources: list[str], right: str, folder: Path, seed: int, kills: int
) -> None:
    killed = 0
    store = folder / "a.zarr"
    for round_ in range(kills):
        if killed >= kills:
            break
        print(f"seed {seed + round_}, {killed} workers killed so far")
        killed += kill_workers(client, store, sources, seed + round_, min(2, kills - killed))
        found = work.state(str(store))
        assert found["problems"] == []
        assert found["beside"] == found["strange"] == []
        assert found["digest"] == right
        wait_for_workers(client, 2)
    print(f"{killed} workers killed, every store the same as that of one process")
    assert killed == kills


def test_a_worker_is_killed(client: Any, sources: list[str], right: str, tmp_path: Path) -> None:
    campaign(client, sources, right, tmp_path, SEED, 1)


@pytest.mark.slow
def test_many_workers_are_killed(
    client: Any, sources: list[str], right: str, tmp_path: Path
) -> None:
    campaign(client, sources, right, tmp_path, SEED + 1, 20)
