"""`import-weights` from a checkpoint to a forecast, for every layout."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from stforecast.models import from_published
from stforecast.models.published import LAYOUTS
from tests.end_to_end.conftest import Workspace

EXPERIMENT = """\
name: public
data: {files: waves.nc}
windows: {history: 4, horizon: 4, scaling: none}
"""


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of two variables on the grid of the reference weights."""
    folder = tmp_path_factory.mktemp("public")
    times = np.datetime64("2000-01-01", "ns") + np.arange(60) * np.timedelta64(1, "h")
    values = np.random.default_rng(0).normal(size=(2, 60, 16, 16)).astype(np.float32)
    dims = ("time", "lat", "lon")
    coords = {
        "time": ("time", times, {"standard_name": "time"}),
        "lat": ("lat", np.linspace(60, 45, 16), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(16.0), {"units": "degrees_east"}),
    }
    units = {"units": "K"}
    waves = xr.Dataset({"a": (dims, values[0], units), "b": (dims, values[1], units)}, coords)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        waves.to_netcdf("waves.nc")
        Path("stforecast.yaml").write_text(EXPERIMENT, encoding="utf-8")
        Workspace(folder).works("ingest")
    return folder


@pytest.fixture
def public(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An experiment of one's own on that store."""
    text = EXPERIMENT.replace("data: {", f"data: {{store: {ingested}/runs/public/store.zarr, ")
    (tmp_path / "stforecast.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def reference(shared: Path, layout: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(shared / "reference" / f"{layout}.safetensors", "pt") as file:
        spec = json.loads(file.metadata()["spec"])
        names = [name for name in file.keys() if name.startswith("weights/")]  # noqa: SIM118
        weights = {name.removeprefix("weights/"): file.get_tensor(name) for name in names}
    return spec, weights


def history(ingested: Path) -> Tensor:
    waves = xr.open_dataset(ingested / "waves.nc").isel(time=slice(-4, None))
    with waves:
        return torch.as_tensor(np.stack([waves.a, waves.b], axis=1))[None]


def values_of(path: Path) -> Tensor:
    with xr.open_dataset(path) as product:
        return torch.as_tensor(np.stack([product.a[0], product.b[0]], axis=1))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_checkpoint_forecasts_what_the_public_code_does(
    layout: str, shared: Path, ingested: Path, public: Workspace
) -> None:
    spec, weights = reference(shared, layout)
    # Smaller ones: those of the reference let some systems blow up the last digit of a sum.
    weights = {key: 0.5 * t if t.is_floating_point() else t for key, t in weights.items()}
    torch.save({"state_dict": {f"model.{key}": t for key, t in weights.items()}}, "best.ckpt")
    own = {"in_steps", "out_steps", "channels", "height", "width", "name", "translator"}
    sizes = [f"--spec={key}={json.dumps(spec[key])}" for key in spec.keys() - own]
    horizon = ("--set", "windows.horizon=6")
    result = public.works("import-weights", layout, "best.ckpt", *sizes, *horizon)
    assert "Run: runs/public/model" in result.output
    public.works("forecast", "--horizon", "6")
    with torch.no_grad():
        model = from_published(layout, weights, {**spec, "out_steps": 6})
        expected = model(history(ingested))[0]
    found = values_of(public.folder / "runs/public/forecast.nc")
    assert expected.std() > 0.005
    assert (found - expected).abs().max() < 1e-4 * expected.std()


def test_a_file_with_its_spec_needs_no_options(
    shared: Path, ingested: Path, public: Workspace
) -> None:
    file = shared / "reference" / "convlstm.safetensors"
    public.works("import-weights", "convlstm", file, "-o", "elsewhere")
    result = public.works("info", "elsewhere")
    assert "convlstm of" in result.output
    assert "seed" not in result.output
    public.works("forecast", "elsewhere", "-o", "x.nc")
    assert values_of(public.folder / "x.nc").shape == (4, 2, 16, 16)
    public.works("verify", "elsewhere")


def test_a_mistake_is_one_sentence(shared: Path, public: Workspace) -> None:
    file = shared / "reference" / "convlstm.safetensors"
    spec, weights = reference(shared, "convlstm")
    del weights["conv_last.weight"]
    save_file(weights, "part.safetensors", {"spec": json.dumps(spec)})
    command = ("import-weights", "convlstm")
    wrong = {
        ("import-weights", "convlstn", file): "did you mean convlstm?",
        (*command, "none.pth"): "there is no file none.pth; name a checkpoint of convlstm",
        (*command, "stforecast.yaml"): "is damaged, or no file of weights",
        (*command, "part.safetensors"): "missing: conv_last.weight",
        (*command, file, "--spec", "patch_size"): "is not KEY=VALUE",
        (*command, file, "--spec", "patch_size=0"): "patch_size of the spec is 0",
        (*command, file, "--mean", "1"): "which windows.scaling none does not use",
        (*command, file, "--set", "model.name=simvp:tao"): None,  # the experiment's is not asked
    }
    for words, sentence in wrong.items():
        if sentence is None:
            public.works(*words)
        else:
            public.refuses(*words, saying=sentence)
    public.refuses(*command, file, saying="--replace")
    public.works(*command, file, "--replace")
    public.refuses(*command, file, "--std", "a,b", saying="Invalid value for '--std'", code=2)


def test_help_names_every_layout(public: Workspace) -> None:
    with warnings.catch_warnings():
        text = public.works("import-weights", "--help").output
    assert all(layout in text for layout in LAYOUTS)
