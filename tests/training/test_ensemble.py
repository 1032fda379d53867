"""The CRPS by hand, and models that are trained with it to give members."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from scores.probability import crps_for_ensemble

from stforecast.errors import Interrupted
from stforecast.forecast import ForecastOptions, load_trained, predict
from stforecast.options import TrainingOptions
from stforecast.store import TensorStore
from stforecast.training.ensemble import Draws
from stforecast.training.losses import crps_sum
from tests.helpers import make_store
from tests.training.conftest import Trainer, equal

NOISE = {"loss": "crps", "noise": 4, "max_steps": 12, "validations": 2}


def members(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("almost", "expected"),
    # |1 - 2| and |4 - 2| on average 1.5; half the distance of the two members 1.5, or less of it
    [(1.0, 1.5 - 1.5), (0.0, 1.5 - 0.75), (0.95, 1.5 - 0.975 * 1.5)],
)
def test_two_members_by_hand(almost: float, expected: float) -> None:
    truth = torch.full((1, 1, 1, 1, 1), 2.0)
    total, count = crps_sum(members(1.0, 4.0), truth, truth > 0, almost)
    assert total.item() == pytest.approx(expected, abs=1e-6)
    assert count.item() == 1


def test_the_fair_one_is_that_of_scores() -> None:
    random = torch.Generator().manual_seed(0)
    prediction = torch.randn(3, 5, 2, 1, 4, 4, generator=random)
    target = torch.randn(3, 2, 1, 4, 4, generator=random)
    total, count = crps_sum(prediction, target, target.isfinite(), almost=1.0)
    dims = ("sample", "member", "t", "c", "y", "x")
    expected = crps_for_ensemble(
        xr.DataArray(prediction.double().numpy(), dims=dims),
        xr.DataArray(target.double().numpy(), dims=("sample", *dims[2:])),
        ensemble_member_dim="member",
        method="fair",
    )
    assert (total / count).item() == pytest.approx(float(expected), rel=1e-5)


def test_missing_cells_have_no_weight_and_no_gradient() -> None:
    prediction = torch.randn(2, 3, 1, 1, 2, 2, requires_grad=True)
    target = torch.randn(2, 1, 1, 2, 2)
    target[0, 0, 0, 1, 1] = math.nan
    valid = target.isfinite()
    total, count = crps_sum(prediction, target, valid)
    total.backward()
    assert count.item() == 7
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert (prediction.grad[0, :, 0, 0, 1, 1] == 0).all()


def test_options() -> None:
    assert Draws.of(TrainingOptions()) is None
    draws = Draws.of(TrainingOptions(loss="crps", members=3, noise=5))
    assert draws is not None
    assert (draws.members, draws.noise.uniform, draws.noise.local) == (3, 3, 2)
    with pytest.raises(ValueError, match="members needs loss: crps"):
        TrainingOptions(members=4)


@pytest.mark.parametrize("model", ["simvp", "convlstm", "predrnn"])
def test_any_system_learns_to_spread(model: str, tmp_path: Path) -> None:
    store = make_store(120, 2, 5, 6, missing=0.02)
    settings: dict[str, Any] = {"name": model}
    if model == "simvp":
        settings |= {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
    else:
        settings |= {"hidden": [4]}
    card = Trainer(store, tmp_path / "run")(model=settings, **NOISE)
    assert card.noise is not None
    assert card.noise.uniform + card.noise.local == 4
    assert card.shape["static_channels"] == 4
    product = predict(
        load_trained(tmp_path / "run", "cpu"), store, [100], options=ForecastOptions(members=5)
    )
    assert product.sizes["member"] == 5
    assert np.nanmax(np.ptp(product["v0"].values, axis=2)) > 0


def test_resumes_exactly(
    store: TensorStore, tmp_path: Path, interrupt_after: Callable[[int], None]
) -> None:
    """The noise of a resumed run goes on where it was."""
    whole = Trainer(store, tmp_path / "whole")
    whole(**NOISE)
    parts = Trainer(store, tmp_path / "parts")
    interrupt_after(5)
    with pytest.raises(Interrupted):
        parts(**NOISE)
    interrupt_after(-1)
    parts(resume=True, **NOISE)
    assert equal(whole.weights(), parts.weights())
    assert whole.metrics() == parts.metrics()


def test_members_spread_like_the_noise_of_the_record(tmp_path: Path) -> None:
    """White noise cannot be forecast: its members have its spread, or nearly, after few steps."""
    values = np.random.default_rng(0).normal(size=(200, 1, 6, 6)).astype(np.float32)
    store = make_store(200, 1, values=values, height=6, width=6)
    train = Trainer(store, tmp_path / "run")
    train(loss="crps", max_steps=60, learning_rate=1e-2, validations=2)
    product = predict(
        load_trained(tmp_path / "run", "cpu"),
        store,
        range(170, 190),
        options=ForecastOptions(members=8),
    )
    spread = product["v0"].std("member", ddof=1)
    assert 0.7 < float(spread.mean()) < 1.3
