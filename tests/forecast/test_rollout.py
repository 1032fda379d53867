"""Forecasts fed back as history."""

from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from stforecast.forecast import rollout
from stforecast.models import Covariates
from stforecast.windows.dataset import Batch
from stforecast.windows.statistics import Statistics
from stforecast.windows.transform import Transform


class Continue(nn.Module):
    """Goes on by the last difference, T' = 2; remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Covariates | None] = []

    def forward(self, history: Tensor, covariates: Covariates | None = None) -> Tensor:
        self.seen.append(covariates)
        slope = history[:, -1] - history[:, -2]
        return torch.stack([history[:, -1] + slope, history[:, -1] + 2 * slope], dim=1)


def transform(departure: str = "none", minimum: float | None = None) -> Transform:
    one = np.ones(1)
    statistics = Statistics(
        mean=5 * one,
        std=2 * one,
        minimum=0 * one,
        maximum=9 * one,
        count=np.array([10]),
        missing=np.array([True]),
        departure_scale=None if departure == "none" else 3 * one,
    )
    return Transform(statistics, departure, [minimum])  # type: ignore[arg-type]


def line(steps: int) -> Tensor:
    """(1, steps, 1, 2, 2): 0, 1, 2, … in every cell."""
    return torch.arange(steps, dtype=torch.float32)[None, :, None, None, None].expand(
        1, -1, 1, 2, 2
    )


def alone(history: Tensor, ahead: int) -> Batch:
    return Batch(history, None, None, torch.zeros(len(history), 2, dtype=torch.int64))


def roll(model: nn.Module, history: Tensor, shots: int, **settings: object) -> Tensor:
    made = rollout(model, transform(**settings), history, alone)  # type: ignore[arg-type]
    return torch.cat(list(islice(made, shots)), dim=1)


def test_a_line_goes_on_for_as_long_as_asked() -> None:
    for departure in ("none", "last_frame", "history_mean"):
        found = roll(Continue(), line(3), 4, departure=departure)
        torch.testing.assert_close(found, 3 + line(8), msg=departure)


def test_a_shot_longer_than_the_history() -> None:
    found = roll(Continue(), line(2), 3)
    torch.testing.assert_close(found, 2 + line(6))


def test_missing_cells_stay_missing() -> None:
    history = line(3).clone()
    history[..., 0, 0] = torch.nan  # always
    history[:, 0, :, 1, 1] = torch.nan  # once
    found = roll(Continue(), history, 3)
    assert found[..., 0, 0].isnan().all()
    assert int(found.isnan().sum()) == 6


def test_bounds_hold_at_every_shot() -> None:
    found = roll(Continue(), 3 - line(3), 3, minimum=0.0)
    assert float(found.min()) == 0


def test_covariates_go_on_in_time() -> None:
    asked: list[int] = []

    def window(history: Tensor, ahead: int) -> Batch:
        asked.append(ahead)
        told = Covariates(future=torch.full((1, 5, 1), float(ahead)))
        return replace(alone(history, ahead), covariates=told)

    model = Continue()
    list(islice(rollout(model, transform(), line(3), window), 3))
    assert asked == [0, 2, 4]
    told = [seen.future[0, 0, 0] for seen in model.seen if seen and seen.future is not None]
    assert told == [0, 2, 4]
    assert all(seen is not None and seen.past is not None for seen in model.seen)  # the masks
