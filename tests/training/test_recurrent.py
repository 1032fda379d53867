"""Training of systems that forecast frames of the history too, with the losses of their own."""

import csv
import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from stforecast.errors import Interrupted
from stforecast.models import Covariates, Forecaster, SampleShape, TrainingForward
from stforecast.models.simvp import SimVP
from stforecast.options import TrainingOptions
from stforecast.training.distributed import Ranks
from stforecast.training.losses import pointwise_loss
from stforecast.training.module import TrainingModule
from stforecast.windows import Batch, Transform
from stforecast.windows.statistics import Statistics
from tests.training.conftest import AfterStep, Trainer, equal

RECURRENT: dict[str, Any] = {"name": "predrnn_v2", "hidden": [4, 4], "filter_size": 3}
T, T_OUT, C, H, W = 4, 3, 2, 5, 6
PLAIN = Statistics(
    mean=np.zeros(C),
    std=np.ones(C),
    minimum=np.full(C, -9.0),
    maximum=np.full(C, 9.0),
    count=np.full(C, 1000),
    missing=np.ones(C, bool),
)


class Free(Forecaster):
    """Its forecast of every frame after the first is one number per cell, to be learned."""

    def __init__(self, shape: SampleShape) -> None:
        super().__init__(shape)
        self.y = nn.Parameter(torch.ones(2, T + T_OUT - 1, C, H, W))

    def training_forward(
        self, history: Tensor, target: Tensor, covariates: Covariates | None = None, **rest: Any
    ) -> TrainingForward:
        frames = torch.cat((history, target), dim=1)
        return TrainingForward(self.y, frames[:, 1:], {"own": 0.5 * self.y.mean()})


def test_missing_cells_of_history_and_target_do_not_enter_the_loss() -> None:
    random = torch.Generator().manual_seed(0)
    frames = torch.randn(2, T + T_OUT, C, H, W, generator=random)
    frames[torch.rand(frames.shape, generator=random) < 0.2] = torch.nan
    frames[0, :T, 1, 2, 3] = torch.nan  # a cell without any history: what it becomes is not told
    frames[0, T:, 1, 2, 3] = 5.0
    model = Free(SampleShape(T, T_OUT, C, H, W))
    module = TrainingModule(
        model,
        Transform(PLAIN),
        TrainingOptions(),
        pointwise_loss("mse"),
        fused=False,
        scaled=False,
        ranks=Ranks(),
    )
    batch = Batch(frames[:, :T], frames[:, T:], None, torch.zeros(2, 2, dtype=torch.int64))
    loss = module.training_step(batch, 0)
    loss.backward()

    counted = ~frames[:, 1:].isnan()
    counted &= (~frames[:, :T].isnan()).any(dim=1, keepdim=True)
    assert not counted[0, :, 1, 2, 3].any()
    expected = (1 - frames[:, 1:][counted]).square().mean() + 0.5
    torch.testing.assert_close(loss, expected)
    assert module.take_sums() == pytest.approx({"prediction": expected.item() - 0.5, "own": 0.5})
    own = 0.5 / model.y.numel()
    gradient = model.y.grad
    assert gradient is not None
    torch.testing.assert_close(gradient[~counted], torch.full_like(gradient[~counted], own))
    assert (gradient[counted] != own).all()


@pytest.mark.parametrize("own", ["mae", "mse+mae"])
def test_the_loss_is_the_model_s_own_unless_told(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    trainer(max_steps=4, loss=own)
    told = trainer.weights()
    trainer(max_steps=4, replace=True)
    published = trainer.weights()
    monkeypatch.setattr(SimVP, "loss", own)
    trainer(max_steps=4, replace=True)
    assert equal(trainer.weights(), told)
    assert not equal(published, told)
    trainer(max_steps=4, loss="mse", replace=True)
    assert equal(trainer.weights(), published)


def test_a_recurrent_system_is_trained_and_says_what_it_lost(trainer: Trainer) -> None:
    card = trainer(model=RECURRENT, max_steps=30, learning_rate=1e-2)
    assert card.training.finished
    with (trainer.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["validation_loss"]) < float(rows[0]["validation_loss"])
    decoupling = [float(row["loss_decoupling"]) for row in rows]
    assert all(0 < loss <= 0.1 for loss in decoupling)


@pytest.mark.parametrize("step", [2, 7])
def test_what_is_shown_goes_on_after_an_interruption(
    trainer: Trainer, after_step: AfterStep, step: int
) -> None:
    trainer(model=RECURRENT)
    whole = trainer.weights()
    after_step(step, lambda session: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        trainer(model=RECURRENT, replace=True)
    after_step(-1, lambda session: None)
    trainer(model=RECURRENT, resume=True)
    assert equal(trainer.weights(), whole)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler about torch
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # which it hides itself
def test_compiled(trainer: Trainer) -> None:
    trainer(model=RECURRENT, max_steps=3)
    eager = trainer.weights()
    counters.clear()
    trainer(model=RECURRENT, max_steps=3, compile=True, replace=True)
    assert counters["stats"]["unique_graphs"] > 0
    compiled = trainer.weights()
    assert compiled.keys() == eager.keys()
    for name, tensor in eager.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=1e-2, atol=1e-3)
