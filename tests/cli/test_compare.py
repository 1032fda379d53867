"""`stforecast compare`, as a user meets it."""

import csv
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import xarray as xr

import stforecast as sf
from stforecast.api import contenders as contenders_module
from stforecast.card import RunCard
from stforecast.comparison import campaign as campaign_module
from stforecast.config import load_experiment
from stforecast.errors import ConfigError, StForecastWarning
from tests.end_to_end.conftest import EXPERIMENT, Workspace, small_dataset

SMALL_CONVLSTM = [
    "--set",
    "compare.convlstm.model={hidden: [4], patch_size: 1, filter_size: 3}",
]
TWO = ["compare", "stforecast.yaml", "--models", "simvp,convlstm", *SMALL_CONVLSTM]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small tensors gain nothing from more, and the machine is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def compared_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_dataset().to_netcdf("small.nc")
        Path("stforecast.yaml").write_text(EXPERIMENT, encoding="utf-8")
        workspace = Workspace(folder)
        workspace.works("ingest")
        shutil.copytree(folder, folder / "fresh")
        output = workspace.works(*TWO, "--seeds", "0,1").stdout
        Path("stdout").write_text(output)
    return folder


@pytest.fixture
def compared(compared_once, tmp_path, monkeypatch) -> Workspace:
    """A comparison of two models with two seeds that a test may spoil."""
    return _copied(compared_once, tmp_path, monkeypatch)


@pytest.fixture
def fresh(compared_once, tmp_path, monkeypatch) -> Workspace:
    """The same before anything was trained."""
    return _copied(compared_once / "fresh", tmp_path, monkeypatch)


def _copied(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(source, target / "work")
    monkeypatch.chdir(target / "work")
    return Workspace(target / "work")


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_tables_a_figure_and_runs(compared):
    folder = Path("runs/small/compare")
    assert {path.name for path in folder.iterdir()} == {
        *("simvp-seed0", "simvp-seed1", "convlstm-seed0", "convlstm-seed1"),
        *("scores.csv", "summary.csv", "summary.json", "comparison.md", "error_against_cost.png"),
    }
    text = Path("stdout").read_text()
    assert "4 runs of max_steps 3 each" in text
    for words in ("simvp", "convlstm", "persistence", "climatology", "history mean", " ± "):
        assert words in text
    assert f"Comparison: {folder}/scores.csv" in text
    described = json.loads((folder / "summary.json").read_text())
    assert described["seeds"] == [0, 1]
    assert described["budget"] == "max_steps 3"
    assert described["references"] == ["persistence", "history_mean", "climatology"]


def test_scores_are_those_that_verify_tells(compared):
    compared.works("verify", "runs/small/compare/convlstm-seed1/model", "-o", "verified")
    told = {row["lead_time"]: row for row in rows("verified/scores.csv")[:2]}
    ours = [
        row
        for row in rows("runs/small/compare/scores.csv")
        if (row["model"], row["seed"]) == ("convlstm", "1")
    ]
    assert [row["lead_time"] for row in ours] == ["1 h", "2 h", "all"]
    for row in ours[:2]:
        for name in ("rmse", "mae", "bias", "skill_vs_persistence", "skill_vs_climatology"):
            assert row[name] == told[row["lead_time"]][name]


def test_each_run_forecasts_and_is_described(compared):
    run = "runs/small/compare/simvp-seed1/model"
    compared.works("forecast", run)
    assert Path("runs/small/compare/simvp-seed1/forecast.nc").is_file()
    assert "small-simvp-seed1" in compared.works("info", run).stdout


def test_asked_again_it_trains_nothing(compared, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("something is trained")

    monkeypatch.setattr("stforecast.comparison.runs.train", fail)
    result = compared.works(*TWO, "--seeds", "0,1", "--dry-run")
    assert "all of them trained" in result.stdout
    before = Path("runs/small/compare/scores.csv").read_bytes()
    compared.works(*TWO, "--seeds", "0,1")
    assert Path("runs/small/compare/scores.csv").read_bytes() == before


def test_a_changed_experiment_is_refused(compared):
    compared.refuses(
        *TWO,
        *("--set", "training.batch_size=4"),
        saying=("simvp-seed0/model", "training.batch_size was 8 and is now 4", "--replace"),
    )


def test_dry_run_trains_nothing(fresh):
    result = fresh.works(*TWO, "--seeds", "0,2", "--dry-run")
    assert "seed 0" in result.stdout
    assert "seed 2" in result.stdout
    assert "to train" in result.stdout
    assert not Path("runs/small/compare").exists()


def test_all_systems_are_the_default(fresh):
    result = fresh.works("compare", "--preset", "small", "--dry-run")
    from stforecast.models import REGISTRY

    for name in REGISTRY:
        assert f" {name} " in result.stdout


def test_the_ablation(fresh):
    result = fresh.works("compare", "--ablation", "--dry-run")
    for words in ("model1: without S-UNet", "model9: kernel 11, twice as wide", "simvp: kernels"):
        assert words in result.stdout
    assert "10 runs" in result.stdout
    fresh.works("compare", "--ablation", "--models", "simvp,model5", "-q")
    folder = Path("runs/small/ablation")
    settings = [
        RunCard.read(folder / f"{label}-seed0/model").model.settings
        for label in ("simvp", "model5")
    ]
    changed = {key for key in settings[0] if settings[0][key] != settings[1][key]}
    assert changed == {"incep_kernels"}
    assert {key: settings[0][key] for key in ("hid_S", "hid_T", "N_S", "N_T")} == {
        "hid_S": 4,
        "hid_T": 8,
        "N_S": 2,
        "N_T": 2,
    }
    assert "kernel 3" in (folder / "comparison.md").read_text()


def test_the_layout_of_the_paper_is_told(fresh):
    result = fresh.works(*("compare", "--ablation", "--dry-run", "--set", "model.spatial_skip=add"))
    assert "layout of the paper: spatial_skip concatenate instead of add" in result.stderr


def test_a_run_that_fails_is_told_and_the_status_tells(fresh, monkeypatch):
    original = campaign_module.train_run

    def train_run(run, *args, **kwargs):
        if run.contender.label == "convlstm":
            raise MemoryError
        return original(run, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(campaign_module, "train_run", train_run)
        result = fresh.run(*TWO)
    assert result.exit_code == 1
    assert "convlstm, seed 0 failed: out of memory" in result.stdout
    assert "Error: 1 of 2 runs failed (convlstm, seed 0)" in result.stderr
    assert rows("runs/small/compare/summary.csv")[0]["model"] == "simvp"
    assert "2 runs of max_steps 3 each, 1 of them trained" in fresh.works(*TWO, "--dry-run").stdout


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["--models", "simvq"], "there is no model simvq; did you mean simvp?"),
        (["--models", "simvp", "--seeds", "a"], "--seeds a are not whole numbers"),
        (["--models", "simvp", "--seeds", "1,1"], "the seeds 1, 1 have one of them twice"),
        (["--models", ","], "there is no model to compare"),
        (["--models", "simvp,convlstm", "--preset", "smal"], "did you mean small?"),
        (["--models", "convlstm", "--set", "model.hid_S=4"], "convlstm has no setting hid_S"),
        (["--models", "simvp", "--set", "model.name=simvp"], "say which models with --models"),
        (["--ablation", "--models", "7"], "the ablation has no model 7; it has model1"),
        (["--ablation", "--set", "model.hid_T=12"], "model.hid_T (12) must be a multiple of 8"),
        (["--set", "compare.a.training.max_steps=3"], "training.max_steps is the same for all"),
        (["--set", "compare.a.modell.x=3"], "did you mean compare.a.model"),
        (
            ["--set", "compare.simvp.training.learning_rat=3"],
            ("compare.simvp: ", "did you mean training.learning_rate?"),
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(fresh, words, saying):
    fresh.refuses("compare", *words, saying=saying)


def test_two_experiments_are_refused(fresh):
    assert fresh.run("compare", "stforecast.yaml", "-c", "stforecast.yaml").exit_code == 2


def test_without_a_store_the_remedy_is_told(fresh):
    shutil.rmtree("runs/small/store.zarr")
    fresh.refuses("compare", saying=("there is no tensor store", "stforecast ingest"))


def resolved(text: str, models: list[str] | None, preset: str | None = None, *overrides: str):
    """The contenders of an experiment file, by their labels."""
    Path("experiment.yaml").write_text(text, encoding="utf-8")

    def load(change: Callable) -> object:
        return load_experiment("experiment.yaml", overrides, change=change).experiment

    experiment = load_experiment("experiment.yaml", overrides).experiment
    found = contenders_module.contenders_of(
        experiment, load, lambda item: item.model_dump(mode="json"), models, preset
    )
    return {contender.label: contender for contender in found}


OWN = """\
model: {name: simvp, hid_S: 8, groups: 2}
training: {learning_rate: 2.0e-3, max_steps: 5}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_settings_of_the_experiment_hold_for_its_own_system(here):
    found = resolved(OWN, ["simvp", "simvp:tau", "convlstm"])
    assert found["simvp"].model.settings == {"hid_S": 8, "groups": 2}
    assert found["simvp:tau"].model.name == "simvp:tau"
    assert found["simvp:tau"].model.settings == {"hid_S": 8}
    assert found["convlstm"].model.settings == {}
    assert {item.training.learning_rate for item in found.values()} == {2e-3}
    assert found["convlstm"].experiment["model"]["name"] == "convlstm"
    assert "compare" not in found["convlstm"].experiment


def test_a_preset_stands_in_the_place_of_the_experiments_settings(here):
    text = "model: {hid_S: 8}\ntraining: {max_steps: 5}\n"
    found = resolved(text, ["simvp", "convlstm"], "small")
    assert found["simvp"].model.preset == "small"
    assert found["simvp"].model.settings["hid_S"] != 8
    assert found["convlstm"].model.settings["hidden"] == [32, 32]
    assert found["convlstm"].training.max_steps == 5


def test_what_is_set_holds_for_every_model(here):
    found = resolved(OWN, ["simvp", "convlstm"], None, "model.padding=zeros")
    assert found["simvp"].model.settings["padding"] == "zeros"
    assert found["convlstm"].model.settings == {"padding": "zeros"}


def test_the_section_compare_says_what_differs(here):
    section = """\
compare:
  wide: {model: {hid_S: 16}}
  convlstm: {model: {hidden: [4]}, training: {learning_rate: 0.01}}
  small: {model: {name: predrnn, preset: small}}
  simvp:
"""
    found = resolved(OWN + section, None)
    assert list(found) == ["wide", "convlstm", "small", "simvp"]
    assert found["wide"].model.name == "simvp"
    assert found["wide"].model.settings == {"hid_S": 16, "groups": 2}
    assert found["convlstm"].model.settings == {"hidden": [4]}
    assert found["convlstm"].training.learning_rate == 0.01
    assert found["small"].model.name == "predrnn"
    assert found["small"].model.settings["hidden"] == [32, 32]
    assert found["simvp"].model.settings == {"hid_S": 8, "groups": 2}
    assert list(resolved(OWN + section, ["wide", "phydnet"])) == ["wide", "phydnet"]


def test_from_python(tmp_path):
    record = small_dataset(n=72)
    differs = {
        "narrow": {"model": {"hid_S": 2, "hid_T": 8, "N_T": 2, "groups": 1}},
        "convlstm": {"model": {"hidden": [2], "patch_size": 1}},
    }
    options = {
        "seeds": (0, 1),
        "history": 3,
        "horizon": 2,
        "max_steps": 2,
        "validations": 1,
        "references": ["history_mean"],
        "folder": tmp_path / "compare",
        "progress": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StForecastWarning)  # too short for seasons
        result = sf.compare(record, differs, **options)
    assert isinstance(result, xr.Dataset)
    assert result.rmse.dims == ("model", "seed", "variable", "lead_time")
    assert list(result.model.values) == ["narrow", "convlstm"]
    assert list(result.reference.values) == ["history_mean", "persistence", "climatology"]
    assert result.rmse.notnull().all()
    assert (result.failure == "").all()
    assert result.attrs["folder"] == str(tmp_path / "compare")
    assert sf.load(tmp_path / "compare/narrow-seed1").card.seed == 1
    assert (tmp_path / "compare/error_against_cost.png").is_file()


def test_from_python_a_setting_of_one_model_has_its_place():
    with pytest.raises(ConfigError, match="hid_S is no setting of the training or of the windows"):
        sf.compare(small_dataset(), ["simvp"], hid_S=4)
