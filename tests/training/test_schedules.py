"""Learning rates: PyTorch's own where it has the schedule, and the corners."""

import pytest
import torch

from stforecast.errors import ConfigError
from stforecast.training.schedules import SCHEDULES, make_schedule


def test_onecycle_is_that_of_torch() -> None:
    steps, warmup = 1000, 0.3
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=1e-3)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, total_steps=steps, pct_start=warmup
    )
    schedule = make_schedule("onecycle", 1e-2, warmup)
    for step in range(steps):
        ours = schedule(step / (steps - 1))
        group = optimizer.param_groups[0]
        # PyTorch turns one step early: its cycle ends at step pct_start · steps − 1.
        assert ours.learning_rate == pytest.approx(group["lr"], abs=1e-2 * 0.005)
        assert ours.momentum == pytest.approx(group["betas"][0], abs=0.1 * 0.005)
        optimizer.step()
        if step < steps - 1:
            theirs.step()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_the_peak_is_the_learning_rate(name: str, warmup: float) -> None:
    schedule = make_schedule(name, 3e-4, warmup)
    rates = [schedule(i / 1000).learning_rate for i in range(1001)]
    assert max(rates) == pytest.approx(3e-4)
    assert min(rates) >= 0
    assert schedule(warmup).learning_rate == pytest.approx(3e-4)


@pytest.mark.parametrize("name", ["onecycle", "cosine"])
def test_rises_then_anneals(name: str) -> None:
    schedule = make_schedule(name, 1.0, 0.2)
    rates = [schedule(i / 100).learning_rate for i in range(101)]
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[-1] < 1e-5


def test_constant_and_beyond_the_ends() -> None:
    constant = make_schedule("constant", 1e-3, 0.5)
    assert {constant(p).learning_rate for p in (0, 0.2, 1)} == {1e-3}
    cosine = make_schedule("cosine", 1e-3, 0.1)
    assert cosine(1.5) == cosine(1.0)
    assert cosine(-0.5) == cosine(0.0)


def test_unknown_schedule() -> None:
    with pytest.raises(ConfigError, match="can be constant, cosine, onecycle"):
        make_schedule("step", 1e-3, 0.1)
