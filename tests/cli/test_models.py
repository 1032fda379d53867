"""`stforecast models`: every system, counted for the experiment."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stforecast.cli.costs import count_text, seconds_text, shape_text
from stforecast.cli.main import program
from stforecast.config.presets import model_preset
from stforecast.models import SampleShape, variants
from stforecast.models.cost import count_costs
from stforecast.store import write_store
from tests.helpers import make_store

EXPERIMENT = """\
data: {files: none.nc, variables: [a], time_step: 1h}
windows: {history: 3h, horizon: 2, covariates: [{calendar: [hour]}]}
model: {name: simvp, hid_S: 4, hid_T: 8, N_S: 2, N_T: 2}
"""


def run(*words: str) -> Result:
    result = CliRunner().invoke(program, ["models", *words, "--json", "models.json"])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_store_the_windows_and_a_preset_tell_the_shape() -> None:
    output = run("-c", str(experiment())).stdout
    assert "Counted for 3 × 1 × 32 × 32 → 2: there is no runs/city/store.zarr yet" in output
    for name in variants():
        line = next(line for line in output.splitlines() if line.startswith(f"{name} "))
        assert "experiment" in line if name.startswith("simvp") else "defaults" in line
    assert "arXiv:2206.05099" in output
    found = {row["model"]: row for row in json.loads(Path("models.json").read_text())}
    shape = SampleShape(3, 2, 1, 32, 32)
    own = count_costs("simvp", shape, hid_S=4, hid_T=8, N_S=2, N_T=2)
    assert found["simvp"]["multiply_adds"] == own.multiply_adds
    assert found["simvp"]["parameters"] == own.parameters
    assert found["convlstm"]["parameters"] == count_costs("convlstm", shape).parameters


def test_the_store_tells_the_shape() -> None:
    missing = np.zeros((6, 8), dtype=bool)
    missing[2] = True
    write_store(make_store(48, missing=missing).dataset, Path("runs/city/store.zarr"))
    output = run("-c", str(experiment())).stdout
    assert (
        "Counted for 3 × 1 × 6 × 8 → 2 with 3 channels of covariates: samples of "
        "runs/city/store.zarr." in output
    )


def test_counts_what_set_would_make() -> None:
    run(
        "--set",
        "name=x",
        "--set",
        "model={preset: taxibj}",
        "--set",
        "windows.history=4",
        "--set",
        "data.variables=[a, b]",
    )
    found = {row["model"]: row for row in json.loads(Path("models.json").read_text())}
    assert set(found) == set(variants())
    shape = SampleShape(4, 4, 2, 32, 32)
    for name in ("simvp", "simvp:tau", "convlstm"):
        expected = count_costs(name, shape, **model_preset(name, "taxibj")["model"])
        assert found[name]["multiply_adds"] == expected.multiply_adds
        assert found[name]["counted_with"] == "experiment"
        assert "taxibj" in found[name]["presets"]
    assert not any(preset.startswith("tau") for preset in found["simvp"]["presets"])


def test_no_experiment_of_that_name() -> None:
    result = CliRunner().invoke(program, ["models", "-c", "none.yaml"])
    assert result.exit_code == 1
    assert "there is no experiment file none.yaml" in result.stderr


def experiment() -> Path:
    path = Path("city.yaml")
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (7, "7"),
        (999, "999"),
        (1000, "1.00 k"),
        (14_984_192, "14.98 M"),
        (298_838_917_120, "298.84 G"),
    ],
)
def test_counts_in_words(count: float, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0012345, "1.23 ms"),
        (0.0998, "99.8 ms"),
        (0.5, "500 ms"),
        (1.0, "1.00 s"),
        (31.24, "31.2 s"),
    ],
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_shapes_in_words() -> None:
    assert shape_text(SampleShape(10, 5, 1, 64, 32)) == "10 × 1 × 64 × 32 → 5"
    assert shape_text(SampleShape(1, 1, 1, 4, 8, 1, periodic_x=True)) == (
        "1 × 1 × 4 × 8 → 1 with 1 channel of covariates, round the globe"
    )
