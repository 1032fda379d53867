"""Test windows and scaling of the public preprocessing, worked out from its stamps alone."""

import numpy as np
import pytest

from stforecast.config import experiment_of
from stforecast.store import TensorStore
from stforecast.training.plan import make_plan
from stforecast.windows import Transform, list_samples
from tests.helpers import make_store

SLOTS = 48
DAYS = 60


def record() -> TensorStore:
    """Half-hourly counts with days that lack slots, and one that is not there at all."""
    random = np.random.default_rng(0)
    values = random.poisson(30, size=(DAYS * SLOTS, 2, 3, 4)).astype(np.float32)
    absent = [5 * SLOTS + 7, *range(12 * SLOTS, 13 * SLOTS), *range(20 * SLOTS, 20 * SLOTS + 9)]
    return make_store(
        DAYS * SLOTS, ["inflow", "outflow"], values=values, step="30min", absent=absent, minimum=0
    )


def complete_slots(store: TensorStore) -> list[int]:
    """Positions on days that have all of their slots."""
    there = store.present.reshape(DAYS, SLOTS).all(axis=1)
    return [day * SLOTS + slot for day in range(DAYS) if there[day] for slot in range(SLOTS)]


def instances(slots: list[int], length: int) -> list[int]:
    """Last position of each run of `length` slots that follow one another."""
    there = set(slots)
    return [slot for slot in slots if all(slot - back in there for back in range(length))]


@pytest.mark.parametrize("horizon", [1, 4])
def test_deepst_tests_the_last_days(horizon: int) -> None:
    store = record()
    experiment = experiment_of(
        {"name": "x", "protocol": "deepst", "windows": {"history": 3, "horizon": horizon}}, (), ""
    )
    plan = make_plan(store, experiment.windows, experiment.data.split)
    slots = complete_slots(store)
    assert plan.splits.notes[-1].startswith("2 of 59 days lack some of their times")

    samples = list_samples(store, plan.spec, plan.splits, "test")[:, 1]
    targets = {int(init + lead) for init in samples for lead in range(1, horizon + 1)}
    assert targets == set(slots[-28 * SLOTS :])
    if horizon == 1:  # the next step: as many instances from the end as the test has slots
        assert [init + 1 for init in samples] == instances(slots, 4)[-28 * SLOTS :]

    # in [-1, 1] over both flows, by slots that were trained on
    trained = [slot for slot in slots if slot < plan.splits.train[1]]
    values = np.stack([store.read(slot, slot + 1)[0] for slot in trained])
    transform = Transform.create(plan.statistics, plan.spec, store.meta.channels)
    scale, offset = transform.scale.flatten().tolist(), transform.offset.flatten().tolist()
    half = (values.max() - values.min()) / 2
    assert scale == [half, half]
    assert offset == [values.min() + half] * 2
    read = {int(slot) for _, init in plan.train for slot in init + np.arange(-2, horizon + 1)}
    assert read <= set(trained)


def test_openstl_tests_the_last_500_windows() -> None:
    store = record()
    experiment = experiment_of({"name": "x", "protocol": "openstl"}, (), "")
    plan = make_plan(store, experiment.windows, experiment.data.split)
    samples = list_samples(store, plan.spec, plan.splits, "test")[:, 1]
    last = instances(complete_slots(store), 8)[-500:]
    assert (samples + 4).tolist() == last
    # in [0, 1] over both flows, by the training period, which ends a window before validation
    low, high = plan.statistics.minimum.min(), plan.statistics.maximum.max()
    transform = Transform.create(plan.statistics, plan.spec, store.meta.channels)
    assert transform.offset.flatten().tolist() == [low, low]
    assert transform.scale.flatten().tolist() == [high - low] * 2
    first = int(samples[0]) - 3
    assert plan.splits.validation is not None
    assert plan.splits.validation[1] == first - plan.spec.span
