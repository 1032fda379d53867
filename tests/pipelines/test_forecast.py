"""The Snakemake workflow: the five steps, and only what is out of date again."""

import os
import subprocess
import sys
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[2] / "pipelines" / "forecast.smk"
QUICK = ["training.max_steps=3", "training.validations=1", "model.hid_S=4", "model.hid_T=8"]
STEPS = ["ingest", "train", "forecast", "verify", "plot"]


def snakemake(folder: Path, *words: str, overrides: list[str] | None = None) -> str:
    """Run the workflow in a folder; what it printed."""
    chosen = ", ".join(f'"{text}"' for text in (QUICK if overrides is None else overrides))
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW), "--cores", "2"),
        *("--config", "horizon=4", f"set=[{chosen}]", *words),
    ]
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / ".cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **home},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def steps_of(folder: Path, overrides: list[str] | None = None) -> list[str]:
    """Which steps would run."""
    told = snakemake(folder, "--dry-run", overrides=overrides)
    return [step for step in STEPS if f"rule {step}:" in told]


def test_the_demo_runs_and_only_what_is_out_of_date_runs_again(tmp_path):
    snakemake(tmp_path)
    folder = tmp_path / "runs" / "demo"
    assert (folder / "forecast.nc").is_file()
    assert (folder / "verification" / "scores.csv").is_file()
    assert list((folder / "maps").glob("*.png"))

    assert steps_of(tmp_path) == []
    assert steps_of(tmp_path, [*QUICK, "maps.cmap=viridis"]) == ["plot"]
    assert steps_of(tmp_path, [*QUICK, "verification.by=[lead_time]"]) == []
    assert steps_of(tmp_path, [*QUICK, "verification.references=[persistence]"]) == [
        "verify",
        "plot",
    ]
    assert steps_of(tmp_path, [*QUICK, "training.seed=1"]) == STEPS[1:]
    assert steps_of(tmp_path, [*QUICK, "data.region={west: 230, east: 300, south: 20, north: 55}"])[
        :2
    ] == ["ingest", "train"]


def test_a_changed_file_is_read_again(tmp_path):
    data, experiment = tmp_path / "small.nc", tmp_path / "small.yaml"
    data.touch()
    experiment.write_text("name: small\ndata: {files: small.nc}\n")
    told = snakemake(tmp_path, "experiment=small.yaml", "--dry-run")
    assert "small.nc" in told
    assert "runs/small/store.zarr" in told
