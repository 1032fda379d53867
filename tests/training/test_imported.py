"""Public weights become runs that compute what they computed, on any data that fits them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stforecast.card import RunCard
from stforecast.errors import ConfigError, DataError, RunError
from stforecast.forecast import load_trained, predict
from stforecast.models import SampleShape, create_model, from_published
from stforecast.models.published.simvp import _public_name
from stforecast.options import SplitOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.imported import Normalisation, import_weights
from tests.helpers import make_store

LAYOUT = "openstl_simvp_tau"
SETTINGS = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "mlp_ratio": 2.0}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def public_weights(steps: int = 3, channels: int = 1) -> dict[str, Tensor]:
    """Weights as OpenSTL names them."""
    torch.manual_seed(0)
    openstl = {"spatial_skip": "add", "upsampling": "pixel_shuffle", "activation": "silu"}
    shape = SampleShape(steps, steps, channels, 8, 8)
    model = create_model("simvp:tau", shape, **SETTINGS, **openstl)
    for name, value in model.named_parameters():
        if name.endswith(("scale_1", "scale_2")):
            nn.init.ones_(value)
    return {_public_name(name): value.detach() for name, value in model.state_dict().items()}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "public.pth"
    torch.save({"state_dict": public_weights(), "epoch": 1}, path)
    return path


@pytest.fixture(scope="module")
def store() -> TensorStore:
    return make_store(80, 1, 8, 12)


def imported(
    file: Path, store: TensorStore, folder: Path, *, horizon: int = 3, **options: Any
) -> RunCard:
    windows = options.pop("windows", {})
    return import_weights(
        options.pop("layout", LAYOUT),
        file,
        store,
        folder,
        name="public",
        windows=WindowOptions(**{"history": 3, "horizon": horizon, **windows}),
        split=SplitOptions(),
        **options,
    )


def by_hand(file: Path, store: TensorStore, init: int, offset: Any, scale: Any) -> np.ndarray:
    """What the public implementation makes of values that are scaled as it knows them."""
    offset, scale = (np.reshape(value, (1, -1, 1, 1)) for value in (offset, scale))
    history = (store.read(init - 2, init + 1) - offset) / scale
    model = from_published(LAYOUT, torch.load(file)["state_dict"], {})
    with torch.no_grad():
        forecast = model(torch.as_tensor(history, dtype=torch.float32)[None])[0].numpy()
    return forecast * scale + offset


def test_the_run_forecasts_what_the_weights_do(
    weights: Path, store: TensorStore, tmp_path: Path
) -> None:
    card = imported(weights, store, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "card.json",
        "model.safetensors",
    }
    assert RunCard.read(tmp_path / "run") == card
    assert (card.model.name, card.model.settings["translator"]) == ("simvp", "tau")
    assert card.training.finished
    assert card.imported is not None
    assert (card.imported.layout, card.imported.file) == (LAYOUT, str(weights))
    run = load_trained(tmp_path / "run", "cpu")
    product = predict(run, store, [40])
    mean, std = (np.asarray(card.statistics[key]) for key in ("mean", "std"))
    expected = by_hand(weights, store, 40, mean, std)
    np.testing.assert_allclose(product["v0"].values[0], expected[:, 0], rtol=1e-5, atol=1e-4)
    assert product.attrs["references"].startswith("simvp:tau: Tan et al.")
    assert product.attrs["stforecast_weights"].startswith(f"{LAYOUT} of {weights}, sha256 ")
    assert "stforecast_trained_steps" not in product.attrs


@pytest.mark.parametrize(
    ("scaling", "given", "offset", "scale"),
    [
        ("standard", {"mean": (5.0,), "std": (2.5,)}, 5.0, 2.5),
        ("minmax", {"minimum": (0.0,), "maximum": (20.0,)}, 0.0, 20.0),
        ("minmax_symmetric", {"minimum": (4,), "maximum": (16,)}, 10.0, 6.0),
        ("none", {}, 0.0, 1.0),
    ],
)
def test_values_are_scaled_as_the_weights_know_them(
    weights: Path,
    store: TensorStore,
    tmp_path: Path,
    scaling: str,
    given: dict[str, Any],
    offset: float,
    scale: float,
) -> None:
    folder = tmp_path / "run"
    imported(
        weights,
        store,
        folder,
        windows={"scaling": scaling},
        normalisation=Normalisation(**given),
    )
    product = predict(load_trained(folder, "cpu"), store, [30])
    expected = by_hand(weights, store, 30, offset, scale)
    np.testing.assert_allclose(product["v0"].values[0], expected[:, 0], rtol=1e-5, atol=1e-4)


def test_each_variable_has_its_own_scaling(tmp_path: Path) -> None:
    file = tmp_path / "two.pth"
    torch.save({"state_dict": public_weights(channels=2)}, file)
    store = make_store(80, 2, 8, 12)
    given = Normalisation(mean=(9.0, 21.0), std=(2.0, 4.0))
    imported(file, store, tmp_path / "run", normalisation=given)
    product = predict(load_trained(tmp_path / "run", "cpu"), store, [30])
    expected = by_hand(file, store, 30, (9.0, 21.0), (2.0, 4.0))
    for channel in range(2):
        found = product[f"v{channel}"].values[0]
        np.testing.assert_allclose(found, expected[:, channel], rtol=1e-5, atol=1e-4)


def test_a_range_holds_although_the_data_does_not_vary(weights: Path, tmp_path: Path) -> None:
    still = make_store(80, values=np.full((80, 1, 8, 12), 7.0))
    given = Normalisation(minimum=(0.0,), maximum=(20.0,))
    imported(weights, still, tmp_path / "run", windows={"scaling": "minmax"}, normalisation=given)
    product = predict(load_trained(tmp_path / "run", "cpu"), still, [30])
    expected = by_hand(weights, still, 30, 0.0, 20.0)
    np.testing.assert_allclose(product["v0"].values[0], expected[:, 0], rtol=1e-5, atol=1e-4)


def test_the_globe_is_padded_as_the_public_code_does(weights: Path, tmp_path: Path) -> None:
    globe = make_store(80, 1, 8, 12, periodic=True)
    imported(weights, globe, tmp_path / "run", windows={"scaling": "none"})
    product = predict(load_trained(tmp_path / "run", "cpu"), globe, [30])
    expected = by_hand(weights, globe, 30, 0.0, 1.0)
    np.testing.assert_allclose(product["v0"].values[0], expected[:, 0], rtol=1e-5, atol=1e-4)


def test_missing_cells_enter_as_the_mean(weights: Path, tmp_path: Path) -> None:
    holes = make_store(80, 1, 8, 12, missing=0.2)
    card = imported(weights, holes, tmp_path / "run")
    run = load_trained(tmp_path / "run", "cpu")
    filled = make_store(80, values=np.nan_to_num(holes.read(0, 80), nan=card.statistics["mean"][0]))
    found, expected = predict(run, holes, [30])["v0"], predict(run, filled, [30])["v0"]
    seen = ~np.isnan(holes.read(28, 31)).all(axis=0)[0]
    np.testing.assert_allclose(found.values[0][:, seen], expected.values[0][:, seen], rtol=1e-5)


def test_a_longer_horizon_is_rolled_out(weights: Path, store: TensorStore, tmp_path: Path) -> None:
    told: list[str] = []
    card = imported(weights, store, tmp_path / "run", horizon=7, notify=told.append)
    assert card.windows["horizon"] == card.shape["out_steps"] == 3
    assert told == [
        "these weights forecast 3 steps at once, and that is the run's horizon; longer forecasts "
        "go on from there"
    ]
    run = load_trained(tmp_path / "run", "cpu")
    mean, std = (np.asarray(card.statistics[key])[0] for key in ("mean", "std"))
    history = torch.as_tensor((store.read(38, 41) - mean) / std, dtype=torch.float32)[None]
    with torch.no_grad():
        public = from_published(LAYOUT, torch.load(weights)["state_dict"], {"out_steps": 7})
        expected = public(history)[0, :, 0].numpy() * std + mean
    found = predict(run, store, [40], 7)["v0"].values[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_the_experiment_on_the_card_is_that_of_the_weights(
    weights: Path, store: TensorStore, tmp_path: Path
) -> None:
    experiment = {"name": "x", "model": {"name": "convlstm", "hidden": [8]}, "windows": {"a": 1}}
    card = imported(weights, store, tmp_path / "run", horizon=5, experiment=experiment)
    assert card.experiment is not None
    assert card.experiment["model"]["hid_S"] == 4
    assert "hidden" not in card.experiment["model"]
    assert card.experiment["windows"] == {"a": 1, "horizon": 3}
    assert experiment["windows"] == {"a": 1}


def test_a_run_is_whole_or_not_there_and_never_written_over(
    weights: Path, store: TensorStore, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "model"
    bad = tmp_path / "bad.pth"
    torch.save({"state_dict": {"enc.x": torch.zeros(1)}}, bad)
    with pytest.raises(DataError):
        imported(bad, store, folder, spec={"hid_S": 4, "N_S": 2, "N_T": 2, "hid_T": 8})
    assert not folder.parent.exists()
    first = imported(weights, store, folder)
    with pytest.raises(RunError, match="--replace"):
        imported(weights, store, folder)
    given = Normalisation(mean=(0.0,), std=(1.0,))
    second = imported(weights, store, folder, replace=True, normalisation=given)
    assert RunCard.read(folder).statistics == second.statistics != first.statistics
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_the_spec_is_read_from_the_file_and_may_be_added_to(
    store: TensorStore, tmp_path: Path
) -> None:
    names = public_weights()
    file = tmp_path / "x.safetensors"
    spec = {"N_S": 2, "in_steps": 3, "out_steps": 3, "height": 99, "name": "anything"}
    save_file(names, file, {"spec": json.dumps(spec)})
    assert imported(file, store, tmp_path / "run").model.settings["N_S"] == 2
    save_file(names, file, {"spec": json.dumps(spec | {"N_S": 4})})
    with pytest.raises(DataError, match=r"missing: enc\.enc\.2"):
        imported(file, store, tmp_path / "other")
    imported(file, store, tmp_path / "other", spec={"N_S": 2})


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"layout": "openstl_simvp_tao"}, ConfigError, "did you mean openstl_simvp_tau?"),
        ({"windows": {"history": 4}}, ConfigError, "windows.history comes to 4; set it to 3"),
        ({"windows": {"departure": "last_frame"}}, ConfigError, "set it to none"),
        ({"windows": {"function": {"v0": "sqrt"}}}, ConfigError, "the values themselves"),
        ({"windows": {"scaling": {"v0": "none"}}}, ConfigError, "give one windows.scaling"),
        ({"windows": {"lags": ["24h"]}}, ConfigError, "set windows.lags to []"),
        ({"windows": {"covariates": [{"climatology": True}]}}, ConfigError, "know no covariates"),
        ({"windows": {"covariates": [{"calendar": "hour"}]}}, ConfigError, "covariates to []"),
        ({"spec": {"in_steps": 3}}, ConfigError, "it comes from windows.history"),
        ({"spec": {"hid_T": 16}}, DataError, "of a wrong shape: hid.enc"),
        ({"spec": {"N_T": 3}}, DataError, "missing: hid.enc.2"),
        ({"normalisation": Normalisation(mean=(1.0,))}, ConfigError, "mean and std are given tog"),
        (
            {"normalisation": Normalisation(mean=(1.0, 2.0), std=(1.0,))},
            ConfigError,
            "mean has 2 values for 1 variables (v0)",
        ),
        (
            {"normalisation": Normalisation(mean=(float("nan"),), std=(1.0,))},
            ConfigError,
            "mean must be finite",
        ),
        (
            {"normalisation": Normalisation(mean=(1.0,), std=(0.0,))},
            ConfigError,
            "each std must be above 0",
        ),
        (
            {"normalisation": Normalisation(minimum=(0.0,), maximum=(1.0,))},
            ConfigError,
            "windows.scaling standard does not use; set it to minmax or minmax_symmetric",
        ),
        (
            {
                "windows": {"scaling": "minmax"},
                "normalisation": Normalisation(minimum=(1.0,), maximum=(1.0,)),
            },
            ConfigError,
            "each maximum must be above its minimum",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told(
    weights: Path,
    store: TensorStore,
    tmp_path: Path,
    options: dict[str, Any],
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error) as caught:
        imported(weights, store, tmp_path / "run", **options)
    assert sentence in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_data_of_other_variables_is_told(weights: Path, tmp_path: Path) -> None:
    two = make_store(80, 2, 8, 12)
    with pytest.raises(ConfigError, match="are for 1 variables, and the data has 2"):
        imported(weights, two, tmp_path / "run")
    file = tmp_path / "x.safetensors"
    save_file(public_weights(), file, {"spec": '{"channels": 1}'})
    with pytest.raises(ConfigError, match="are for 1 variables, and the data has 2"):
        imported(file, two, tmp_path / "run")


def test_weights_of_another_grid_are_told(tmp_path: Path, shared: Path) -> None:
    file = shared / "reference" / "mim.safetensors"
    other = make_store(80, 2, 8, 12)
    with pytest.raises(ConfigError, match="belong to a grid of 16 × 16 cells, and the data has 8"):
        imported(file, other, tmp_path / "run", layout="mim")
