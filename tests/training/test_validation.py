"""Scores of a validation, against sums by hand in numpy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stforecast.models import SampleShape
from stforecast.options import SplitOptions, TrainingOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.distributed import Ranks
from stforecast.training.module import TrainingModule
from stforecast.training.plan import Plan, make_plan
from stforecast.training.validation import Validator
from stforecast.windows import ResumableLoader, Transform, WindowDataset
from tests.helpers import make_store


class Mean(torch.nn.Module):
    """Forecasts the mean of the training period: zeros, in normalised units."""

    def __init__(self, shape: SampleShape) -> None:
        super().__init__()
        self.horizon = shape.out_steps

    def forward(self, history: torch.Tensor, covariates: object = None) -> torch.Tensor:
        return torch.zeros_like(history[:, :1]).expand(-1, self.horizon, -1, -1, -1)


def prepared(store: TensorStore, departure: str = "none") -> tuple[Plan, TrainingModule]:
    windows = WindowOptions(history=3, horizon=2, departure=departure)
    plan = make_plan(store, windows, SplitOptions())
    module = TrainingModule(
        Mean(plan.shape),
        Transform.create(plan.statistics, plan.spec, store.meta.channels),
        TrainingOptions(),
        torch.abs,
        fused=False,
        scaled=False,
        ranks=Ranks(),
    )
    return plan, module


def validator(store: TensorStore, plan: Plan, penalty: Callable = torch.abs) -> Validator:
    dataset = WindowDataset(store, plan.spec, plan.validation, plan.frames)
    loader = ResumableLoader(dataset, 4, shuffle=False)
    return Validator(loader, store.channels, penalty, None, Ranks())


def windows_of(store: TensorStore, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Last history frame (n, 1, C, H, W) and target (n, T', C, H, W) of each window, float64."""
    values = store.read(0, store.shape[0]).astype(np.float64)
    inits = plan.validation[:, 1]
    target = np.stack([values[i + 1 : i + 1 + plan.spec.horizon] for i in inits])
    return values[inits][:, None], target


def rmse(errors: np.ndarray) -> list[float]:
    return np.sqrt(np.nanmean(errors**2, axis=(0, 1, 3, 4))).tolist()


@pytest.mark.parametrize("missing", [None, 0.1])
def test_scores_by_hand(missing: float | None) -> None:
    store = make_store(120, 2, 5, 6, missing=missing)
    plan, module = prepared(store)
    scores = validator(store, plan).run(module, lambda: False)
    assert scores is not None
    last, target = windows_of(store, plan)
    mean = plan.statistics.mean[:, None, None]
    scale = plan.statistics.scale[:, None, None]
    # Both are scored where observation and last frame are known: the very same cells.
    both = np.where(np.isnan(last), np.nan, target)
    assert list(scores.rmse.values()) == pytest.approx(rmse(both - mean), rel=1e-5)
    assert list(scores.persistence_rmse.values()) == pytest.approx(rmse(both - last), rel=1e-5)
    normalised = (target - mean) / scale
    known = ~np.isnan(target)
    assert scores.mse == pytest.approx(float((normalised[known] ** 2).mean()), rel=1e-5)
    assert scores.loss == pytest.approx(float(np.abs(normalised[known]).mean()), rel=1e-5)


def test_no_departure_from_the_last_frame_is_persistence() -> None:
    store = make_store(120, 2, 5, 6)
    plan, module = prepared(store, "last_frame")
    scores = validator(store, plan).run(module, lambda: False)
    assert scores is not None
    assert list(scores.rmse.values()) == pytest.approx(
        list(scores.persistence_rmse.values()), rel=1e-5
    )


def test_what_was_never_observed_has_no_score() -> None:
    store = make_store(120, 2, 5, 6)
    plan, _ = prepared(store)
    assert validator(store, plan)._rmse([8.0, 0.0], [2.0, 0.0]) == {"v0": 2.0, "v1": None}


def test_stops_when_told_to_and_leaves_the_module_training() -> None:
    store = make_store(120, 1, 5, 6)
    plan, module = prepared(store)
    assert validator(store, plan).run(module, lambda: True) is None
    assert module.training


def test_probes_how_long_a_pass_takes() -> None:
    store = make_store(120, 1, 5, 6)
    plan, module = prepared(store)
    assert 0 < validator(store, plan).probe(module) < 5
