"""A small record on disk, a run trained on it once, and the command line as a user meets it."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from click.testing import CliRunner, Result

from stforecast.cli.main import program
from tests.helpers import make_values

Run = Callable[..., Result]

EXPERIMENT = """\
name: small
data:
  files: small.nc
windows: {history: 3, horizon: 2}
model: {name: simvp, hid_S: 4, hid_T: 8, N_S: 2, N_T: 2}
training: {max_steps: 3, validations: 1, batch_size: 8, device: cpu}
verification: {references: [persistence, history_mean]}
"""


def small_dataset(n: int = 72, height: int = 6, width: int = 8, units: str = "K") -> xr.Dataset:
    """Hourly fields on a small geographic grid."""
    times = np.datetime64("2000-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    return xr.Dataset(
        {"t2m": (("time", "lat", "lon"), make_values(n, 1, height, width)[:, 0])},
        coords={
            "time": ("time", times, {"standard_name": "time"}),
            "lat": ("lat", np.linspace(60, 50, height), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(width) * 1.5, {"units": "degrees_east"}),
        },
    ).assign(t2m=lambda ds: ds.t2m.assign_attrs(units=units, long_name="2 metre temperature"))


@dataclass
class Workspace:
    """A folder with an experiment, in which commands are run."""

    folder: Path

    def run(self, *words: str | Path) -> Result:
        return CliRunner().invoke(program, [str(word) for word in words])

    def works(self, *words: str | Path) -> Result:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result

    def refuses(self, *words: str | Path, saying: str | tuple[str, ...], code: int = 1) -> str:
        """The one sentence with which a command refuses, after which everything is as before."""
        before = contents(self.folder)
        result = self.run(*words)
        assert result.exit_code == code, result.output
        lines = result.stderr.splitlines()
        told = [line for line in lines if line.startswith("Error: ")]
        assert len(told) == 1, result.output
        assert lines[-1] == told[0], result.output
        assert "Traceback" not in result.output
        assert "unexpected" not in told[0], told[0]
        for words_said in (saying,) if isinstance(saying, str) else saying:
            assert words_said in told[0], told[0]
        assert contents(self.folder) == before, "something was lost or left behind"
        return told[0]


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder by its checksum."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Models this small lose more by sharing their work than they win."""
    torch.set_num_threads(1)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """A folder with `small.nc` and its experiment file, and nothing made of them yet."""
    monkeypatch.chdir(tmp_path)
    small_dataset().to_netcdf("small.nc")
    Path("stforecast.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Path:
    """A folder in which `small.nc` was read, learned, forecast and verified."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_dataset().to_netcdf("small.nc")
        Path("stforecast.yaml").write_text(EXPERIMENT, encoding="utf-8")
        made = Workspace(folder)
        for command in ("ingest", "train", "forecast", "verify"):
            made.works(command)
    return folder


@pytest.fixture
def made(made_once, tmp_path, monkeypatch) -> Workspace:
    """A copy of :func:`made_once` that a test may spoil."""
    folder = tmp_path / "made"
    shutil.copytree(made_once, folder)
    monkeypatch.chdir(folder)
    return Workspace(folder)
