"""A training from end to end: what it leaves, what it says, what it refuses."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stforecast.card import RunCard
from stforecast.errors import ConfigError, DataError, RunError, StForecastError
from stforecast.models import SampleShape, create_model
from stforecast.training.files import read_state
from tests.helpers import make_store
from tests.training.conftest import Trainer, equal


def test_leaves_a_run(trainer: Trainer) -> None:
    card = trainer(max_epochs=2, validations=4)
    assert {path.name for path in trainer.folder.iterdir()} == {
        "card.json",
        "model.safetensors",
        "last.safetensors",
        "state.pt",
        "metrics.csv",
        "tensorboard",
    }
    assert [path.name for path in trainer.folder.parent.iterdir()] == ["run"]
    assert card == RunCard.read(trainer.folder)
    assert card.training.finished
    assert card.training.budget == {"max_epochs": 2}
    assert card.training.epochs == 2
    assert card.training.steps == card.training.total_steps == 2 * -(-card.training.samples // 16)
    assert card.device == "cpu"
    assert card.precision == "float32"
    assert set(card.splits) == {"train", "validation", "test"}
    model = create_model(card.model.name, SampleShape(**card.shape), **card.model.settings)
    model.load_state_dict(trainer.weights("model.safetensors"))


def test_metrics_are_readable(trainer: Trainer) -> None:
    card = trainer(max_epochs=2, validations=4)
    with (trainer.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "step",
        "epoch",
        "learning_rate",
        "train_loss",
        "validation_loss",
        "validation_mse",
        "rmse_v0",
        "rmse_v1",
        "persistence_rmse_v0",
        "persistence_rmse_v1",
        "seconds",
    ]
    assert len(rows) == 4
    assert int(rows[-1]["step"]) == card.training.steps
    assert float(rows[-1]["epoch"]) == 2
    assert len({row["persistence_rmse_v0"] for row in rows}) == 1
    best = min(rows, key=lambda row: float(row["validation_mse"]))
    assert int(best["step"]) == card.training.best_step
    scores = card.scores["validation"]
    assert scores["model"]["v0"] == float(best["rmse_v0"])
    assert scores["persistence"]["v1"] == float(best["persistence_rmse_v1"])


def test_best_weights_are_kept_when_later_ones_are_worse(trainer: Trainer) -> None:
    # A rate that destroys what was learned, once it is reached.
    card = trainer(max_steps=40, validations=10, learning_rate=3.0, warmup=0.9, gradient_clip=None)
    assert card.training.best_step is not None
    assert card.training.best_step < card.training.steps
    best = trainer.weights("model.safetensors")
    assert not equal(best, trainer.weights("last.safetensors"))


def test_learns(trainer: Trainer) -> None:
    trainer(max_steps=80, validations=2, learning_rate=1e-2)
    first, last = trainer.metrics()[1:]
    assert float(last.split(",")[3]) < 0.7 * float(first.split(",")[3])


def test_same_seed_same_weights(trainer: Trainer, tmp_path: Path) -> None:
    model = {"drop_path": 0.3}
    trainer(model=model, seed=3)
    first = trainer.weights()
    lines = trainer.metrics()
    trainer(model=model, seed=3, replace=True)
    assert equal(first, trainer.weights())
    assert lines == trainer.metrics()
    trainer(model=model, seed=4, replace=True)
    assert not equal(first, trainer.weights())


def test_leaves_the_callers_random_numbers_alone(trainer: Trainer) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    def seed() -> None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)

    seed()
    expected = draw()
    seed()
    trainer(max_steps=2)
    assert draw() == expected


@pytest.mark.parametrize("loss", ["mse", "mae", "mse+mae", "huber"])
def test_losses(trainer: Trainer, loss: str) -> None:
    trainer(max_steps=3, validations=1, loss=loss)
    row = dict(zip(*[line.split(",") for line in trainer.metrics()], strict=True))
    assert float(row["train_loss"]) > 0
    assert (row["validation_loss"] == row["validation_mse"]) == (loss == "mse")


@pytest.mark.parametrize(
    ("schedule", "optimizer"), [("onecycle", "adam"), ("cosine", "adamw"), ("constant", "adam")]
)
def test_schedules_and_optimizers(trainer: Trainer, schedule: str, optimizer: str) -> None:
    trainer(max_steps=4, validations=4, schedule=schedule, optimizer=optimizer, weight_decay=0.1)
    rates = [float(line.split(",")[2]) for line in trainer.metrics()[1:]]
    assert (rates[0] == rates[-1]) == (schedule == "constant")
    group = read_state(trainer.folder / "state.pt")["optimizer"]["param_groups"][0]
    assert group["lr"] == rates[-1]
    assert group["weight_decay"] == 0.1
    assert (group["betas"][0] == 0.9) == (schedule != "onecycle")


def test_early_stopping(trainer: Trainer) -> None:
    card = trainer(
        max_steps=400,
        validations=200,
        schedule="constant",
        early_stopping=2,
        learning_rate=1.0,
        gradient_clip=None,
    )
    assert card.training.finished
    assert card.training.interrupted is not None
    assert card.training.steps < 400
    assert card.training.steps == card.training.best_step + 2 * 2


def test_without_validation_the_last_weights_are_the_best(trainer: Trainer) -> None:
    card = trainer(split={"train": 0.8, "test": 0.2})
    assert "validation" not in card.splits
    assert card.scores == {}
    assert card.training.best_step == card.training.steps
    assert equal(trainer.weights("model.safetensors"), trainer.weights("last.safetensors"))
    assert any("there is no validation period" in line for line in trainer.lines)
    header, *rows = trainer.metrics()
    assert "rmse_" not in header
    assert len(rows) == 3


def test_bf16(trainer: Trainer) -> None:
    card = trainer(precision="bf16", max_steps=3)
    assert card.precision == "bf16"
    assert {tensor.dtype for tensor in trainer.weights().values()} == {torch.float32}


def test_loader_processes_change_nothing(trainer: Trainer) -> None:
    trainer(max_steps=5)
    alone = trainer.weights()
    trainer(max_steps=5, workers=1, replace=True)
    assert equal(alone, trainer.weights())


def test_time(trainer: Trainer) -> None:
    # How exactly the time is kept is tested with a computed clock; this one is real.
    card = trainer(max_time="2s", validations=3)
    assert card.training.finished
    assert 0.5 < card.training.seconds < 10  # loose: the machine may be busy
    assert card.training.budget == {"max_time": "2s"}
    assert card.training.steps == card.training.total_steps
    assert any("fit the budget" in line for line in trainer.lines)
    last = trainer.metrics()[-1].split(",")
    assert int(last[0]) == card.training.steps
    assert 0 < float(last[2]) < 1e-3  # annealed, as far as so few steps can be


def test_says_little(trainer: Trainer, capfd: pytest.CaptureFixture[str]) -> None:
    trainer()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert "3 → 2 steps of one hour" in trainer.lines[0]
    assert "training on cpu in float32" in trainer.lines[0]
    assert trainer.lines[1].startswith("step 4/12; loss ")
    assert "persistence" in trainer.lines[1]
    assert len(trainer.lines) == 5
    assert not Path("lightning_logs").exists()


def test_lightning_is_loaded_late() -> None:
    code = "import sys, stforecast.training; sys.exit('pytorch_lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- what cannot begin ---------------------------------------------------------------------------


def test_a_finished_run_is_refused(trainer: Trainer) -> None:
    trainer(max_steps=2)
    before = (trainer.folder / "card.json").read_bytes()
    with pytest.raises(RunError, match=r"there is a finished run in .* --replace"):
        trainer(max_steps=2)
    assert (trainer.folder / "card.json").read_bytes() == before


def test_a_folder_of_something_else_is_refused(trainer: Trainer) -> None:
    trainer.folder.mkdir()
    (trainer.folder / "thesis.tex").touch()
    for replace in (False, True):
        with pytest.raises(RunError, match="is not empty and holds no run"):
            trainer(replace=replace)
    assert (trainer.folder / "thesis.tex").exists()


def test_an_empty_folder_is_taken(trainer: Trainer) -> None:
    trainer.folder.mkdir()
    assert trainer(max_steps=1).training.finished


def test_resume_and_replace(trainer: Trainer) -> None:
    with pytest.raises(ConfigError, match="only one of the two"):
        trainer(resume=True, replace=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "mps"}, "there is no Apple GPU"),
        ({"precision": "float16"}, "needs a CUDA GPU, not cpu"),
        ({"devices": 10_000, "batch_size": 10_000}, "there are .* of cpu here"),
        ({"devices": 3, "batch_size": 16}, "cannot share evenly"),
        ({"max_time": "soon"}, "write a duration such as"),
    ],
)
def test_hardware_and_options_that_cannot_be(
    trainer: Trainer, options: dict[str, object], words: str
) -> None:
    with pytest.raises(StForecastError, match=words):
        trainer(**options)
    assert not trainer.folder.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said(trainer: Trainer) -> None:
    with pytest.raises(RunError, match=r"training\.device is cuda, but .*; use device: auto or"):
        trainer(device="cuda")


def test_a_wrong_model_is_said_before_anything_is_written(trainer: Trainer) -> None:
    with pytest.raises(ConfigError, match="hid_s"):
        trainer(model={"hid_s": 4})
    assert not trainer.folder.parent.exists() or not any(trainer.folder.parent.iterdir())


def test_no_window_without_a_gap(trainer: Trainer) -> None:
    gaps = make_store(120, 1, 5, 6, absent=range(0, 120, 4))
    with pytest.raises(
        DataError, match="the training period has no 5 steps in a row without an absent time"
    ):
        trainer(store=gaps)
    assert list(trainer.folder.parent.iterdir()) == []


def test_a_place_that_cannot_be_written(trainer: Trainer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot write"):
        trainer(folder=tmp_path / "file" / "run")


# --- gaps and missing cells ----------------------------------------------------------------------


def test_gaps_and_missing_cells_leave_no_trace(trainer: Trainer) -> None:
    sea = np.zeros((5, 6), bool)
    sea[:, :2] = True
    patchy = make_store(160, 1, 5, 6, absent=[40, 41, 90], missing=sea)
    card = trainer(store=patchy, windows={"covariates": [{"calendar": ["hour"]}]})
    assert card.shape["past_channels"] == 1
    assert card.shape["future_channels"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in trainer.weights().values())
    assert card.scores["validation"]["model"]["v0"] is not None


@pytest.mark.parametrize("departure", ["last_frame", "history_mean"])
def test_departures(trainer: Trainer, departure: str) -> None:
    card = trainer(windows={"departure": departure}, max_steps=2)
    assert card.statistics["departure_scale"] is not None


def test_sequences(trainer: Trainer) -> None:
    videos = make_store(20, 1, 5, 6, sequences=8)
    card = trainer(store=videos, max_steps=3)
    assert card.sequences is not None
    assert json.loads((trainer.folder / "card.json").read_text())["sequences"]["train"][0] == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler about torch
def test_compiled(trainer: Trainer) -> None:
    trainer(max_steps=3)
    eager = trainer.weights()
    trainer(max_steps=3, compile=True, replace=True)
    compiled = trainer.weights()
    assert compiled.keys() == eager.keys()
    for name, tensor in eager.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=1e-2, atol=1e-3)
