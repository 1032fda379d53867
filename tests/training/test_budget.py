"""Budgets, with a clock that is computed and not waited for."""

import itertools
import random
from collections.abc import Callable

import pytest

from stforecast.errors import ConfigError, RunError
from stforecast.options import TrainingOptions
from stforecast.training.budget import (
    Budget,
    StepBudget,
    TimeBudget,
    parse_duration,
    validation_is_due,
)
from stforecast.training.counters import Counters
from stforecast.training.resume import load_budget, make_budget


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10min", 600), ("1h30min", 5400), ("1.5h", 5400), ("2 d", 172800), ("5sec", 5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "10m", "min", "0s", "-5min", "ten minutes", "1h x"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="write a duration such as"):
        parse_duration(text)


def test_steps() -> None:
    budget = StepBudget(10, validations=4)
    assert [budget.done(step) for step in (0, 9, 10)] == [False, False, True]
    assert validated(budget) == [3, 5, 8, 10]


def test_never_more_validations_than_steps() -> None:
    budget = StepBudget(3, validations=20)
    assert validated(budget) == [1, 2, 3]


@pytest.mark.parametrize("steps", [7, 19, 20, 21, 12345])
@pytest.mark.parametrize("validations", [1, 3, 7])
def test_all_validations_fall_due_and_the_last_at_the_end(steps: int, validations: int) -> None:
    due = validated(StepBudget(steps, validations))
    assert len(due) == validations
    assert due[-1] == steps


def validated(budget: Budget) -> list[int]:
    """Steps after which a budget in steps has a validation."""
    steps, last = [], 0.0
    assert budget.total_steps is not None
    for step in range(1, budget.total_steps + 1):
        if validation_is_due(budget, step, last):
            steps.append(step)
            last = budget.progress(step)
    return steps


class Run:
    """A training whose steps and validations take as long as they are said to."""

    def __init__(
        self,
        budget: TimeBudget,
        step_seconds: Callable[[int], float],
        validation_seconds: float = 0.0,
        guess: float = 1.0,
    ) -> None:
        last = 0.0
        self.budget = budget
        self.progress = [0.0]
        self.validated: list[int] = []
        self.elapsed = self.stepping = 0.0
        budget.start(0, 0.0)
        for step in itertools.count(1):
            self.stepping += step_seconds(step)
            self.elapsed += step_seconds(step)
            if step == 1:
                budget.validation_costs(guess * validation_seconds)
            budget.stepped(step, self.elapsed, self.stepping)
            self.progress.append(budget.progress(step))
            if validation_is_due(budget, step, last):
                self.validated.append(step)
                last = budget.progress(step)
                self.elapsed += validation_seconds
                budget.validation_costs(validation_seconds)
            self.steps = step
            if budget.done(step):
                break


def test_even_steps_fill_the_time() -> None:
    run = Run(TimeBudget(600, 20), lambda step: 5.0 if step == 1 else 0.1, 1.0)
    assert run.elapsed == pytest.approx(600, rel=0.01)
    assert len(run.validated) == 20
    assert run.validated[-1] == run.steps


@pytest.mark.parametrize("seed", range(5))
def test_noisy_steps_fill_the_time(seed: int) -> None:
    noise = random.Random(seed)
    run = Run(TimeBudget(60, 20), lambda step: noise.lognormvariate(-2, 0.8), 0.3)
    assert run.elapsed == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("turn", [0.2, 0.5, 0.9])
def test_a_machine_that_changes_its_speed(factor: float, turn: float) -> None:
    def seconds(step: int) -> float:
        return 0.1 * (factor if step > turn * 1000 else 1)

    run = Run(TimeBudget(100, 10), seconds)
    assert run.elapsed == pytest.approx(100, rel=0.1)


def test_progress_never_jumps_and_ends_at_one() -> None:
    noise = random.Random(1)
    run = Run(TimeBudget(100, 20), lambda step: 0.1 * noise.uniform(0.5, 2), 0.2)
    steps = [b - a for a, b in itertools.pairwise(run.progress)]
    assert run.progress[-1] == 1.0
    assert min(steps) >= 0
    assert max(steps) < 0.03  # the first plan takes in the steps that were timed


def test_validations_that_cost_too_much_become_fewer() -> None:
    run = Run(TimeBudget(100, 20), lambda step: 0.1, 10.0)
    assert run.budget.validations == 2
    assert len(run.validated) == 2
    assert len(Run(TimeBudget(100, 20), lambda step: 0.1, 60.0).validated) == 1
    assert run.elapsed == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("guess", [0.1, 0.5, 3.0, 10.0])
def test_a_wrong_guess_of_what_validations_cost(guess: float) -> None:
    run = Run(TimeBudget(100, 20), lambda step: 0.1, 1.0, guess)
    assert run.elapsed == pytest.approx(100, rel=0.05)
    assert len(run.validated) >= 10


def test_steps_longer_than_the_time_end_after_one() -> None:
    run = Run(TimeBudget(10, 20), lambda step: 30.0)
    assert run.steps == 1
    assert run.progress[-1] == 1.0


def test_few_long_steps() -> None:
    run = Run(TimeBudget(100, 20), lambda step: 9.0, 1.0)
    assert run.elapsed == pytest.approx(100, rel=0.1)


def test_goes_on_from_its_state() -> None:
    first = TimeBudget(100, 20)
    first.start(0, 0.0)
    first.validation_costs(0.5)
    for step in range(1, 201):
        first.stepped(step, 0.1 * step, 0.1 * step)
    second = TimeBudget(100, 20)
    second.load_state_dict(first.state_dict())
    second.start(200, 20.0)
    assert second.total_steps == first.total_steps
    assert [second.progress(s) for s in range(200, 800)] == [
        first.progress(s) for s in range(200, 800)
    ]
    assert validation_is_due(second, 400, 0.4) == validation_is_due(first, 400, 0.4)


def test_extended() -> None:
    budget = TimeBudget(100, 20)
    budget.start(0, 0.0)
    for step in range(1, 1001):
        budget.stepped(step, 0.1 * step, 0.1 * step)
    assert budget.done(1000)
    longer = TimeBudget(200, 20)
    longer.load_state_dict(budget.state_dict())
    longer.extend(1000, 100.0)
    assert longer.total_steps == pytest.approx(2000, rel=0.02)
    assert not longer.done(1000)


@pytest.mark.parametrize("steps", [2, 5, 8, 60, 500])
def test_no_more_steps_than_are_wanted(steps: int) -> None:
    run = Run(TimeBudget(600, 20, most_steps=steps), lambda step: 0.1, 0.2)
    assert run.steps == steps
    assert run.progress[-1] == 1.0
    assert run.validated[-1] == steps
    # it anneals over these steps, not over those that the time would be enough for
    assert run.progress[steps // 2] < 0.8
    assert max(b - a for a, b in itertools.pairwise(run.progress)) <= max(0.07, 2 / steps)


def test_the_time_ends_before_the_steps() -> None:
    run = Run(TimeBudget(100, 20, most_steps=5000), lambda step: 0.1, 1.0)
    assert run.elapsed == pytest.approx(100, rel=0.01)
    assert run.steps < 1000


def test_budgets_of_options() -> None:
    both = make_budget(TrainingOptions(max_time="10min", max_epochs=20), steps_per_epoch=7)
    assert isinstance(both, TimeBudget)
    assert (both.seconds, both.most_steps) == (600, 140)
    time = make_budget(TrainingOptions(max_time="1h", max_steps=30), steps_per_epoch=7)
    assert isinstance(time, TimeBudget)
    assert (time.most_steps, time.validations) == (30, 20)
    steps = make_budget(TrainingOptions(max_epochs=3), steps_per_epoch=7)
    assert isinstance(steps, StepBudget)
    assert steps.steps == 21


def test_a_longer_limit_goes_on() -> None:
    counters = Counters(step=100, elapsed=10.0)
    shorter = TimeBudget(600, 20, most_steps=100)
    shorter.start(0, 0.0)
    for step in range(1, 101):
        shorter.stepped(step, 0.1 * step, 0.1 * step)
    assert shorter.done(100)
    with pytest.raises(RunError, match="the budget is used up"):
        load_budget(TimeBudget(600, 20, most_steps=90), shorter.state_dict(), counters)
    longer = TimeBudget(600, 20, most_steps=300)
    load_budget(longer, shorter.state_dict(), counters)
    assert longer.total_steps == 300
    assert counters.validated == pytest.approx(1 / 3)
