"""A variant of a system by its name: trained, resumed, forecast with, and told."""

import xarray as xr
from safetensors.torch import load_file

from stforecast.card import RunCard
from tests.end_to_end.conftest import Workspace

TAU = ("--set", "model={name: 'simvp:tau', hid_S: 4, hid_T: 8, N_S: 2, N_T: 2, mlp_ratio: 2}")
LONGER = ("--set", "windows.horizon=3")  # two frames have no divergence


def test_a_variant_is_trained_and_forecast_with(workspace: Workspace) -> None:
    workspace.works("ingest")
    result = workspace.works("train", *TAU, *LONGER)
    assert "simvp:tau, 3 → 3 steps" in result.output
    folder = workspace.folder / "runs/small/model"
    card = RunCard.read(folder)
    assert (card.model.name, card.model.settings["translator"]) == ("simvp", "tau")
    header, row = (folder / "metrics.csv").read_text().splitlines()[:2]
    losses = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(losses["loss_divergence"]) > 0
    assert any(key.endswith("running_mean") for key in load_file(folder / "model.safetensors"))
    workspace.works("forecast")
    with xr.open_dataset(workspace.folder / "runs/small/forecast.nc") as product:
        assert product.attrs["references"].startswith("simvp:tau: Tan et al., CVPR 2023")


def test_a_variant_is_the_setting_it_stands_for(workspace: Workspace) -> None:
    """A run that is resumed may be named either way."""
    workspace.works("ingest")
    steps = ("--set", "training={max_steps: 2, batch_size: 8, device: cpu, schedule: constant}")
    workspace.works("train", *TAU, *LONGER, *steps)
    longer = ("--set", "training.max_steps=4")
    plain = ("--set", "model.name=simvp", "--set", "model.translator=tau")
    workspace.works("train", "--resume", *TAU, *plain, *LONGER, *steps, *longer)
    assert RunCard.read(workspace.folder / "runs/small/model").training.steps == 4


def test_a_wrong_variant_is_one_sentence(workspace: Workspace) -> None:
    workspace.works("ingest")
    name = ("train", "--set", "model.name=simvp:tao")
    unknown = "there is no model simvp:tao; did you mean simvp:tau?"
    workspace.refuses(*name, saying=unknown)
    workspace.refuses(*name, "--set", "model.preset=small", saying=unknown)
    both = ("--set", "model.name=simvp:gsta", "--set", "model.translator=tau")
    workspace.refuses("train", *both, saying="the model is simvp:gsta, but model.translator is tau")
