"""Trainings one after the other: kept, gone on with, refused, failed."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stforecast.card import RunCard
from stforecast.comparison import campaign as campaign_module
from stforecast.comparison import estimate, gather, scored
from stforecast.comparison.runs import Status
from stforecast.comparison.scored import identity_of
from stforecast.comparison.scoring import hindcast, score
from stforecast.errors import ConfigError, Interrupted, RunError
from stforecast.forecast import load_trained
from stforecast.options import VerificationOptions
from stforecast.store import TensorStore, write_store
from stforecast.training.session import Session
from stforecast.verification.output import read_scores
from tests.comparison.conftest import MODELS, MONTHS, campaign, contenders, monthly
from tests.helpers import make_values

RUNS = ["simvp-seed0", "convlstm-seed0", "simvp-seed1", "convlstm-seed1"]


def statuses(record, folder, **options) -> dict[str, Status]:
    return {run.folder.name: run.status for run in campaign(record, folder, **options).runs}


def weights(folder: Path, run: str) -> dict[str, torch.Tensor]:
    return load_file(folder / run / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_every_run_is_a_normal_run(record, compared_once):
    assert sorted(path.name for path in compared_once.iterdir()) == sorted(RUNS)
    for run in RUNS:
        model = load_trained(compared_once / run / "model", "cpu")
        assert model.card.training.finished
        assert model.card.name == f"small-{run}"
        assert model.card.experiment["training"]["seed"] == model.card.seed == int(run[-1])
        assert model.card.experiment["verification"]["references"][-1] == "climatology"
        assert model.card.training.step_seconds > 0


def test_seeds_differ_and_models_see_the_same_data(compared_once):
    assert not same(weights(compared_once, "simvp-seed0"), weights(compared_once, "simvp-seed1"))
    cards = [RunCard.read(compared_once / run / "model") for run in RUNS]
    assert len({str(card.splits) for card in cards}) == 1
    assert len({str(card.statistics) for card in cards}) == 1
    assert [card.training.steps for card in cards] == [4] * 4


def test_done_is_kept(record, compared):
    before = {run: (compared / run / "model/state.pt").read_bytes() for run in RUNS}
    again = campaign(record, compared)
    assert {run.status for run in again.runs} == {Status.FINISHED}
    assert again.describe() == "4 runs of max_steps 4 each, all of them trained"
    again.run(progress=False)
    assert before == {run: (compared / run / "model/state.pt").read_bytes() for run in RUNS}


def test_more_models_and_seeds_train_only_what_is_missing(record, compared_once, tmp_path):
    found = statuses(record, compared_once, seeds=(1, 2))
    assert found == {
        "simvp-seed1": Status.FINISHED,
        "convlstm-seed1": Status.FINISHED,
        "simvp-seed2": Status.MISSING,
        "convlstm-seed2": Status.MISSING,
    }


def test_interrupted_it_goes_on_at_the_last_batch(record, compared_once, tmp_path, monkeypatch):
    original = Session._agree
    steps = []

    def agree(self: Session) -> bool:
        steps.append(self.counters.step)
        if len(steps) == 7:  # the third step of the second run
            signal.raise_signal(signal.SIGINT)
        return original(self)

    monkeypatch.setattr(Session, "_agree", agree)
    with pytest.raises(
        Interrupted, match="interrupted after 3 steps of convlstm, seed 0; the same"
    ):
        campaign(record, tmp_path).run(progress=False)
    assert statuses(record, tmp_path) == {
        "simvp-seed0": Status.FINISHED,
        "convlstm-seed0": Status.UNFINISHED,
        "simvp-seed1": Status.MISSING,
        "convlstm-seed1": Status.MISSING,
    }
    lines: list[str] = []
    campaign(record, tmp_path).run(progress=False, notify=lines.append)
    assert steps == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]
    assert lines[1] == "[2/4] convlstm, seed 0: going on with the training"
    for run in RUNS:
        assert same(weights(tmp_path, run), weights(compared_once, run))


def test_other_settings_are_refused_by_name(record, compared):
    with pytest.raises(
        RunError,
        match=r"simvp-seed0/model was trained otherwise: training\.learning_rate was 0\.001 and is "
        r"now 0\.01 \(3 more do not fit either\); set it back, or train anew .* --replace",
    ):
        campaign(record, compared, contenders(learning_rate=0.01))
    with pytest.raises(RunError, match="the budget was max_steps 4 and is now max_steps 5"):
        campaign(record, compared, contenders(max_steps=5))
    wider = contenders({**MODELS, "convlstm": {**MODELS["convlstm"], "hidden": [6]}})
    with pytest.raises(RunError, match=r"convlstm-seed0/model .*: model\.hidden was \[4\] and is"):
        campaign(record, compared, wider)


def test_another_test_period_is_refused(record, compared_once):
    split = RunCard.read(compared_once / "simvp-seed0/model").splits
    assert {run.status for run in campaign(record, compared_once, split=split).runs} == {
        Status.FINISHED
    }
    split["test"] = ("2007-01", split["test"][1])
    with pytest.raises(
        RunError, match=r"data\.split\.test was 2006-11-01 to 2008-04-01 and is now"
    ):
        campaign(record, compared_once, split=split)


def test_other_data_are_refused(compared_once):
    values = make_values(MONTHS, 2, 5, 6)
    values[3] += 1
    other = monthly(values=values)
    with pytest.raises(RunError, match="the data of the training period have other statistics now"):
        campaign(other, compared_once)


def test_replace_trains_anew_what_does_not_fit(record, compared, compared_once):
    wider = contenders({**MODELS, "convlstm": {**MODELS["convlstm"], "hidden": [6]}})
    again = campaign(record, compared, wider, replace=True)
    assert [run.status for run in again.runs] == [Status.FINISHED, Status.OTHER] * 2
    assert [item.failure for item in again.run(progress=False)] == [""] * 4
    assert same(weights(compared, "simvp-seed0"), weights(compared_once, "simvp-seed0"))
    assert not same(weights(compared, "convlstm-seed0"), weights(compared_once, "convlstm-seed0"))
    assert {run.status for run in campaign(record, compared, wider).runs} == {Status.FINISHED}


def test_a_damaged_run_is_trained_anew_with_replace(record, compared):
    (compared / "simvp-seed1/model/card.json").write_text("{")
    with pytest.raises(RunError, match=r"card\.json is damaged .*--replace"):
        campaign(record, compared)
    found = statuses(record, compared, replace=True)
    assert found["simvp-seed1"] is Status.OTHER
    assert found["simvp-seed0"] is Status.FINISHED


def test_a_run_that_fails_does_not_lose_the_others(record, tmp_path, compared_once):
    chosen = contenders()
    ill = contenders(learning_rate=1e30, gradient_clip=None)[0]
    done = campaign(record, tmp_path, [ill, chosen[1]], (0,)).run(progress=False)
    assert done[0].scores is None
    assert "not finite at step" in done[0].failure
    assert done[1].failure == ""
    assert same(weights(tmp_path, "convlstm-seed0"), weights(compared_once, "convlstm-seed0"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "out of memory; lower training.batch_size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to"), "out of memory; lower"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), "out of memory; lower"),
        (ValueError("odd\nlines"), "unexpected ValueError: odd"),
    ],
)
def test_other_failures_are_sentences(record, compared, monkeypatch, error, sentence):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(campaign_module, "train_run", fail)
    lines: list[str] = []
    done = campaign(record, compared, seeds=(0,)).run(progress=False, notify=lines.append)
    assert done[0].failure.startswith(sentence)
    assert lines[0].startswith(f"[1/2] simvp, seed 0: failed: {sentence}")
    with pytest.raises(RunError, match="no run could be scored; simvp, seed 0: "):
        gather(campaign(record, compared, seeds=(0,)), done)


def test_scores_are_those_of_verify(record, compared_once):
    options = VerificationOptions(references=["history_mean", "persistence", "climatology"])
    for run in ("simvp-seed1", "convlstm-seed0"):
        model = load_trained(compared_once / run / "model", "cpu")
        forecasts = hindcast(model, record, options)
        assert forecasts.sizes["init_time"] == campaign(record, compared_once).forecasts
        verified = score(forecasts, model, record, options)
        kept = read_scores(compared_once / run / "verification/scores.nc")
        for name in ("rmse", "mae", "bias", "skill"):
            np.testing.assert_array_equal(kept[name].values, verified[name].values)
        assert list(kept["reference"].values) == options.references


def test_scores_are_made_once_for_the_same_weights_data_and_options(record, compared, monkeypatch):
    made = []
    original = scored.hindcast

    def counted(model, *args):
        made.append(model.card.name)
        return original(model, *args)

    monkeypatch.setattr(scored, "hindcast", counted)
    one_seed: dict[str, Any] = {"seeds": (0,)}
    campaign(record, compared, **one_seed).run(progress=False)
    assert made == []
    ours, other = (compared / run / "model/model.safetensors" for run in RUNS[::2])
    ours.write_bytes(other.read_bytes())
    campaign(record, compared, **one_seed).run(progress=False)
    assert made == ["small-simvp-seed0"]
    one_seed["verification"] = {"references": ["persistence"]}
    campaign(record, compared, **one_seed).run(progress=False)
    assert made[1:] == ["small-simvp-seed0", "small-convlstm-seed0"]
    (compared / "convlstm-seed0/verification/scores.nc").write_bytes(b"no netCDF")
    campaign(record, compared, **one_seed).run(progress=False)
    assert made[3:] == ["small-convlstm-seed0"]


def test_other_data_of_the_test_period_are_scored_anew(compared, record):
    values = make_values(MONTHS, 2, 5, 6)
    values[-1] += 5
    other = monthly(values=values)
    assert identity_of(other) != identity_of(record)
    before = read_scores(compared / "simvp-seed0/verification/scores.nc")
    campaign(other, compared, seeds=(0,)).run(progress=False)
    after = read_scores(compared / "simvp-seed0/verification/scores.nc")
    assert (after["rmse"].values > before["rmse"].values).any()


def test_persistence_and_climatology_are_always_beside(record, tmp_path):
    task = campaign(record, tmp_path, verification={"references": [], "by": ["hour"]}).task
    assert task.verification.references == ["persistence", "climatology"]
    assert task.verification.by == ["lead_time", "hour"]


def test_a_reference_that_the_record_does_not_suit_is_left_out(tmp_path, monkeypatch):
    from stforecast.comparison import references

    record = monthly()
    original = references.reference

    def unsuited(name, *args, **kwargs):
        if name == "climatology":
            raise references.DataError("there is nothing to learn from")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(references, "reference", unsuited)
    made = campaign(record, tmp_path)
    assert made.task.verification.references == ["history_mean", "persistence"]
    assert made.notes == ["climatology is left out: there is nothing to learn from"]


def test_without_a_test_period_nothing_is_trained(record, tmp_path):
    with pytest.raises(ConfigError, match="a comparison needs a test period"):
        campaign(record, tmp_path, split={"train": 0.8, "validation": 0.2})
    assert not any(tmp_path.iterdir())


def test_models_that_cannot_be_made_are_told_before_anything_is_trained(record, tmp_path):
    with pytest.raises(ConfigError, match="model convlstm has no setting hid_S"):
        campaign(record, tmp_path, contenders({"simvp": {}, "convlstm": {"hid_S": 4}}))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (
            {"max_time": "2min"},
            "6 runs of max_time 2min each; training takes about 12 minutes, one run after the "
            "other, and scoring about 3 minutes (14 forecasts of each)",
        ),
        (
            {"max_time": "10s"},
            "6 runs of max_time 10s each; training takes about 60 seconds, one run after the "
            "other, and scoring about 3 minutes (14 forecasts of each)",
        ),
        (
            {"max_time": "1h30min"},
            "6 runs of max_time 1h30min each; training takes about 9.0 hours, one run after the "
            "other, and scoring about 3 minutes (14 forecasts of each)",
        ),
        (
            {"max_steps": 4},
            "6 runs of max_steps 4 each; scoring takes about 3 minutes (14 forecasts of each)",
        ),
    ],
    ids=str,
)
def test_the_time_it_takes_is_told(record, tmp_path, monkeypatch, budget, words):
    seconds = {"simvp": 1.0, "convlstm": 3.5}
    monkeypatch.setattr(estimate, "forecast_seconds", lambda job: seconds[job.name])
    chosen = contenders(**{"max_steps": None, **budget})
    made = campaign(record, tmp_path, chosen, (0, 1, 2))
    assert made.describe() == words


def test_the_time_of_one_run(record, tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "forecast_seconds", lambda job: 0.01)
    chosen = contenders({"simvp": {}}, max_steps=None, max_time="1min")
    words = "1 run of max_time 1min; training takes about 60 seconds, and scoring about a second"
    assert campaign(record, tmp_path, chosen, (0,)).describe() == f"{words} (14 forecasts)"


def test_costs_are_those_of_the_models(record, tmp_path):
    costs = campaign(record, tmp_path, seeds=(0,)).costs
    gates = 4 * 4 * 3 * 3 * (2 + 4)  # of 4 channels, on 2 variables and on the 4 of the state
    assert costs["convlstm"].parameters == gates + 4 * 2
    # every weight once per cell and step, of which there are 3 + 2 - 1
    assert costs["convlstm"].multiply_adds == (gates + 4 * 2) * 5 * 6 * 4


def test_what_identifies_a_record(record, tmp_path):
    assert identity_of(record) == identity_of(monthly())
    assert identity_of(record) != identity_of(monthly(start="2001-01-01"))
    assert identity_of(record) != identity_of(monthly(seed=1))
    for name, values in (("a", {}), ("b", {"seed": 1})):
        write_store(monthly(**values).dataset, tmp_path / f"{name}.zarr")
    one, other = (TensorStore.open(tmp_path / f"{name}.zarr") for name in "ab")
    assert identity_of(one) == identity_of(TensorStore.open(tmp_path / "a.zarr"))
    assert identity_of(one) != identity_of(other)
