"""The commands over a cluster, as their users meet them."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner, Result

import stforecast as sf
from stforecast.cli.main import program
from stforecast.product import write_product
from stforecast.store import TensorStore
from tests.forecast.runs import make_run

EXPERIMENT = """\
name: city
data: {files: t.nc, split: {train: 0.6, validation: 0.2, test: 0.2}}
training: {device: cpu}
verification: {references: [persistence, hour_of_week], diagnostics: [error_maps]}
"""
RUN = Path("runs/city")


def run(*words: str) -> Result:
    return CliRunner().invoke(program, [*words, "-c", "city.yaml"])


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    times = np.datetime64("2020-01-01", "ns") + np.arange(600) * np.timedelta64(1, "h")
    values = np.random.default_rng(0).normal(size=(600, 6, 8)).astype(np.float32)
    coords = {"time": times, "lat": np.linspace(50, 45, 6), "lon": np.linspace(0, 7, 8)}
    xr.Dataset({"t": (("time", "lat", "lon"), values)}, coords).to_netcdf("t.nc")
    Path("city.yaml").write_text(EXPERIMENT)
    return tmp_path


@pytest.mark.usefixtures("study")
def test_three_commands(scheduler: str) -> None:
    done = run("ingest", "--scheduler", scheduler)
    assert done.exit_code == 0, done.output
    assert f"Cluster: 2 workers at {scheduler}" in done.stderr
    store = TensorStore.open(RUN / "store.zarr")
    make_run(RUN / "model", store, name="city")
    commands = {
        "forecast": ["forecast", "--period", "test", "--every", "5"],
        "verify": ["verify"],
    }
    made = {"forecast": RUN / "forecast.nc", "verify": RUN / "verification" / "scores.nc"}
    for name, words in commands.items():
        found = []
        for more in ([], ["--scheduler", scheduler]):
            done = run(*words, *more)
            assert done.exit_code == 0, done.output
            with xr.open_dataset(made[name], decode_timedelta=False) as written:
                found.append(written.load())
        for label in found[0].variables:
            xr.testing.assert_identical(found[0][label].variable, found[1][label].variable)


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_the_same_in_python(scheduler: str) -> None:
    sf.ingest("t.nc", RUN / "store.zarr", scheduler=scheduler)
    assert sf.check(RUN / "store.zarr")
    make_run(RUN / "model", TensorStore.open(RUN / "store.zarr"), name="city")
    loaded = sf.load(RUN, device="cpu")
    alone = loaded.hindcast(RUN / "store.zarr")
    spread = loaded.hindcast(RUN / "store.zarr", scheduler=scheduler)
    xr.testing.assert_equal(spread, alone)
    write_product(alone, "hindcast.nc")
    scores = sf.verify("hindcast.nc", RUN / "store.zarr", scheduler=scheduler)
    xr.testing.assert_equal(scores, sf.verify("hindcast.nc", RUN / "store.zarr"))


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_a_cluster_that_is_started_for_the_command() -> None:
    done = run("ingest", "--set", "cluster.workers=1")
    assert done.exit_code == 0, done.output
    assert "Starting LocalCluster …\nCluster: 1 worker at tcp://127.0.0.1" in done.stderr
    dry = run("ingest", "--overwrite", "--dry-run", "--set", "cluster.workers=1")
    assert "Cluster" not in dry.stderr


@pytest.mark.usefixtures("study")
def test_what_is_refused() -> None:
    failed = run("ingest", "--scheduler", "tcp://127.0.0.1:1")
    assert failed.exit_code == 1
    assert failed.stderr.startswith(
        "Error: no dask scheduler answers at tcp://127.0.0.1:1 ([Errno 111] Connection refused); "
    )
    assert not RUN.exists()
    failed = run("forecast", "--scheduler", "tcp://127.0.0.1:1")
    assert failed.exit_code == 2
    assert "--scheduler goes with --period" in failed.stderr
    failed = run("ingest", "--append", "--scheduler", "tcp://127.0.0.1:1")
    assert failed.stderr.startswith("Error: no dask scheduler answers at tcp://127.0.0.1:1")
    failed = run("ingest", "--set", "cluster={class: none.Cluster}")
    assert "Error: cluster.class: none.Cluster needs the package none, which" in failed.stderr
