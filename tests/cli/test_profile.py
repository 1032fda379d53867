"""`stforecast profile`: a table, a list in JSON, and what is kept when something goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stforecast import profiling
from stforecast.cli.main import program
from stforecast.config.presets import model_preset
from stforecast.errors import RunError
from stforecast.models import variants
from stforecast.models.cost import count_costs
from stforecast.profiling import Job, Measured, Profile
from stforecast.profiling.shapes import PRESET_SHAPES

KEYS = {
    "model",
    "parameters",
    "multiply_adds",
    "multiply_adds_per_frame",
    "inference_seconds",
    "training_step_seconds",
    "inference_peak_bytes",
    "training_peak_bytes",
}
PROFILE = Profile(Measured((0.2, 0.1, 0.3), 2_000_000), Measured((12.0,), 1_500_000_000))


def run(*words: str) -> Result:
    return CliRunner().invoke(program, ["profile", *words])


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path("costs.json").read_text())
    return found


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Job]:
    """Nothing is run; the jobs by name, and `fate` says what happens to a system."""
    given: dict[str, Job] = {}

    def measure(self: Any, job: Job, tell: Any = None) -> Profile:
        given[job.name] = job
        tell("forecast, call 1")
        if job.name in FATE:
            raise FATE[job.name]
        return PROFILE

    monkeypatch.setattr(profiling.MeasuringProcess, "measure", measure)
    FATE.clear()
    return given


FATE: dict[str, BaseException] = {}


def test_measures_for_real() -> None:
    result = run(
        "--preset",
        "small",
        "--models",
        "simvp,convlstm",
        "--batch",
        "2",
        "--repeats",
        "2",
        "--json",
        "costs.json",
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        "4 × 2 × 16 × 8 → 4, batch 2, settings of small, float32 on cpu ("
    )
    simvp, convlstm = rows()
    assert [simvp["model"], convlstm["model"]] == ["simvp", "convlstm"]
    assert set(simvp) >= KEYS
    assert simvp["problem"] is None
    assert 0 < simvp["inference_seconds"] < simvp["training_step_seconds"]
    assert simvp["training_peak_bytes"] > simvp["inference_peak_bytes"] > 4 * simvp["parameters"]
    assert len(simvp["inference_seconds_all"]) == 2
    expected = count_costs(
        "simvp", PRESET_SHAPES["small"], **model_preset("simvp", "small")["model"]
    )
    assert simvp["parameters"] == expected.parameters
    assert simvp["multiply_adds"] == expected.multiply_adds == 4 * simvp["multiply_adds_per_frame"]


def test_the_table_fits_a_hundred_columns(jobs: dict[str, Job]) -> None:
    result = run("--preset", "moving_mnist", "--models", "causal_lstm,e3d_lstm")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert all(len(line) <= 100 for line in lines[1:])
    line = next(line for line in lines if line.startswith("e3d_lstm"))
    assert line.split()[-8:] == ["12.0", "s", "3,", "1", "2", "MB", "1.5", "GB"]
    assert "200 ms ±50%" in line


def test_all_systems_with_the_published_settings_of_taxibj(jobs: dict[str, Job]) -> None:
    assert run().exit_code == 0
    assert list(jobs) == variants()
    for name, job in jobs.items():
        assert job.shape == PRESET_SHAPES["taxibj"]
        if name != "crevnet":
            assert job.settings == model_preset(name, "taxibj")["model"]
    assert jobs["simvp"].batch == 1


@pytest.mark.parametrize(
    ("words", "sizes", "own_settings"),
    [
        (["--shape", "3,1,8,9"], (3, 3, 1, 8, 9, False), False),
        (["--shape", "3, 1, 8, 9", "--out-steps", "5"], (3, 5, 1, 8, 9, False), False),
        (["--preset", "taxibj", "--out-steps", "7"], (4, 7, 2, 32, 32, False), True),
        (["--preset", "weather"], (12, 12, 1, 32, 64, True), True),
        (["--preset", "weather", "--shape", "2,1,8,8"], (2, 2, 1, 8, 8, True), True),
    ],
)
def test_shapes(
    words: list[str], sizes: tuple[Any, ...], own_settings: bool, jobs: dict[str, Job]
) -> None:
    assert run("--models", "simvp", *words).exit_code == 0
    shape = jobs["simvp"].shape
    found = (shape.in_steps, shape.out_steps, shape.channels, shape.height, shape.width)
    assert (*found, shape.periodic_x) == sizes
    assert bool(jobs["simvp"].settings) == own_settings


def test_options_reach_the_measurement(jobs: dict[str, Job]) -> None:
    words = "--models simvp --batch 4 --repeats 3 --max-time 2min --device cpu --precision bf16"
    result = run(*words.split())
    assert result.exit_code == 0
    job = jobs["simvp"]
    assert (job.batch, job.repeats, job.max_seconds) == (4, 3, 120.0)
    assert (job.hardware.device, job.hardware.precision) == ("cpu", "bf16")
    assert "bf16 on cpu" in result.stdout


def test_times_of_a_forecast_are_of_a_sample(jobs: dict[str, Job]) -> None:
    run("--models", "simvp", "--batch", "4", "--json", "costs.json")
    (row,) = rows()
    assert row["inference_seconds"] == 0.05
    assert row["training_step_seconds"] == 12.0
    assert row["inference_seconds_all"] == [0.05, 0.025, 0.075]


def test_one_that_cannot_be_run_does_not_lose_the_others(jobs: dict[str, Job]) -> None:
    FATE["convlstm"] = RunError("there is not enough memory")
    result = run("--models", "simvp,convlstm,predrnn", "--json", "costs.json")
    assert result.exit_code == 0
    assert "convlstm could not be run: there is not enough memory" in result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("convlstm"))
    assert line.count("–") == 4
    _, failed, last = rows()
    assert set(failed) >= KEYS
    assert failed["problem"] == "there is not enough memory"
    assert failed["inference_seconds"] is None
    assert failed["multiply_adds"] > 0
    assert last["training_step_seconds"] == 12.0


def test_nothing_measured_is_a_failure(jobs: dict[str, Job]) -> None:
    FATE["simvp"] = RunError("there is not enough memory")
    result = run("--models", "simvp")
    assert result.exit_code == 1
    assert "Error: none of the systems could be run; there is not enough memory" in result.stderr


def test_interrupting_keeps_what_is_there(jobs: dict[str, Job]) -> None:
    FATE["predrnn"] = KeyboardInterrupt()
    result = run("--models", "simvp,predrnn,convlstm", "--json", "costs.json")
    assert result.exit_code == 130
    assert result.stderr.endswith("Error: interrupted after 1 of 3 systems\n")
    assert "\nsimvp" in result.stdout
    assert [row["model"] for row in rows()] == ["simvp"]


def test_a_system_without_the_preset_is_measured_as_it_is(
    jobs: dict[str, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stforecast.cli.costs.model_presets", lambda name: ["taxibj"])
    result = run("--preset", "small", "--models", "simvp", "--json", "costs.json")
    assert "simvp has no preset small; its own defaults are measured" in result.stderr
    assert jobs["simvp"].settings == {}
    assert rows()[0]["preset"] is None


def test_quiet_says_the_table_alone(jobs: dict[str, Job]) -> None:
    result = run("--models", "simvp", "-q")
    assert result.stderr == ""
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["model", "simvp"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--models", "simvq"], "there is no model simvq; did you mean simvp?"),
        (["--models", ""], "there is no model "),
        (["--shape", "3,4"], "--shape is 3,4; write frames, channels, rows and columns"),
        (["--shape", "3,4,x,5"], "--shape is 3,4,x,5"),
        (["--shape", "0,1,8,8"], "a sample needs in_steps of 1 or more"),
        (["--max-time", "long"], "--max-time is 'long'; write a duration"),
        (["--precision", "float16", "--device", "cpu"], "needs a CUDA GPU"),
        (["--json", "."], ". is a folder; name a file"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    words: list[str], sentence: str, jobs: dict[str, Job]
) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert sentence in result.stderr
    assert not jobs
