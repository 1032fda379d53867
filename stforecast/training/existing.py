"""A run that is there, held against the options that it would be trained with now."""

from pathlib import Path

import numpy as np

from stforecast.card import STATE, RunCard
from stforecast.errors import RunError
from stforecast.models.registry import complete_settings
from stforecast.options import ModelOptions, TrainingOptions
from stforecast.store import TensorStore
from stforecast.training.files import read_state
from stforecast.training.plan import Plan
from stforecast.training.resume import (
    budget_words,
    comparable,
    describe_budget,
    difference,
    what_matters,
)
from stforecast.training.schedules import OPEN_ENDED
from stforecast.windows import Statistics

# Sums over the training period differ in their last digits from machine to machine.
_SAME = 1e-6


def check_trained_alike(
    folder: str | Path,
    store: TensorStore,
    plan: Plan,
    model: ModelOptions,
    training: TrainingOptions,
) -> RunCard:
    """The card of the run in `folder`, finished or not, if these options would train the same one.

    `plan` is that of the store with the statistics of its training period.

    Raises:
        RunError: names what the run was trained with otherwise, or what is wrong with its folder.
    """
    card = RunCard.read(folder)
    card.check_fits(store)
    before = read_state(Path(folder) / STATE, lazily=True)["matters"]
    name, settings = complete_settings(model.name, model.settings)
    now = what_matters(
        {"name": name, **settings}, comparable(plan.spec), plan.learned_from(store), training
    )
    changed = difference(before, now)
    budgets = before["budget"], describe_budget(training)
    if changed is None and budgets[0] != budgets[1] and training.schedule not in OPEN_ENDED:
        changed = f"the budget was {budget_words(budgets[0])} and is now {budget_words(budgets[1])}"
    if changed is None and not _alike(Statistics.from_json(card.statistics), plan.statistics):
        changed = "the data of the training period have other statistics now"
    if changed is not None:
        raise RunError(f"the run in {folder} was trained otherwise: {changed}")
    return card


def _alike(one: Statistics, other: Statistics) -> bool:
    """Whether statistics are the same but for the last digits of their numbers."""
    if not (np.array_equal(one.count, other.count) and np.array_equal(one.missing, other.missing)):
        return False
    return all(
        np.allclose(a, b, rtol=_SAME, atol=_SAME * one.std)
        for a, b in (
            (one.mean, other.mean),
            (one.std, other.std),
            (one.minimum, other.minimum),
            (one.maximum, other.maximum),
        )
    )
