"""Intervals of scores by bootstrap: blocks, coverage, and plain loops."""

import numpy as np
import pytest
import xarray as xr

from stforecast.product import build_product
from stforecast.verification import verify
from stforecast.verification.bootstrap import Resampling
from stforecast.verification.details import Details
from tests.helpers import make_store


def pair(errors, step="1h", lead=1):
    """Forecasts with an error for each initial time, (systems, inits), and the record."""
    errors = np.asarray(errors, np.float32)
    n = errors.shape[1] + lead
    store = make_store(n, 1, 2, 2, step=step)
    truth = np.stack([store.read(i + lead, i + lead + 1)[0] for i in range(errors.shape[1])])
    products = [
        build_product(
            (truth + error[:, None, None, None])[:, None],
            store=store,
            init_positions=range(errors.shape[1]),
            lead_steps=[lead],
            attrs={},
        )
        for error in errors
    ]
    return products, store.observations()


def test_intervals_are_those_of_plain_resampling():
    rng = np.random.default_rng(3)
    errors = rng.normal(0, [[1.0], [2.0]], (2, 24 * 8)).astype(np.float32)
    (one, two), observed = pair(errors)
    made = verify({"one": one}, observed, references={"two": two}).squeeze()
    assert "in blocks of 24" in made.attrs["bootstrap"]
    random = np.random.default_rng(0)
    rmse, skill, difference = [], [], []
    for _ in range(10):
        starts = random.integers(0, 24 * 8 - 24 + 1, (100, 8))
        for sample in range(100):
            chosen = np.concatenate([np.arange(start, start + 24) for start in starts[sample]])
            own = np.sqrt((errors[:, chosen].astype(float) ** 2).mean(axis=1))
            rmse.append(own[0])
            skill.append(1 - own[0] / own[1])
            difference.append(own[0] - own[1])
    for name, drawn, found in (
        ("rmse", rmse, made.sel(forecast="one")),
        ("skill", skill, made.sel(forecast="one")),
        ("rmse_difference", difference, made.sel(forecast="one", beside="two")),
        ("overall_skill", skill, made.sel(forecast="one")),
        ("overall_rmse", rmse, made.sel(forecast="one")),
    ):
        limits = [float(found[f"{name}{ending}"]) for ending in ("_lower", "_upper")]
        np.testing.assert_allclose(limits, np.quantile(drawn, [0.025, 0.975]), rtol=1e-4)
    assert float(made["skill"].sel(forecast="one")) == pytest.approx(
        1 - np.sqrt((errors[0] ** 2).mean() / (errors[1] ** 2).mean()), rel=1e-4
    )
    beside = made["rmse_difference"].sel(forecast="two", beside="one")
    assert float(beside) > 0


def test_overall_is_over_all_groups_together():
    rng = np.random.default_rng(3)
    products, observed = pair(rng.normal(0, 1, (2, 24 * 8)))
    forecasts = dict(zip(("one", "two"), products, strict=True))
    apart = verify(forecasts, observed, by=["hour"])
    whole = verify(forecasts, observed, by=[])
    for ending in ("", "_lower", "_upper"):
        np.testing.assert_allclose(
            apart[f"overall_rmse_difference{ending}"], whole[f"rmse_difference{ending}"], atol=1e-12
        )
    np.testing.assert_allclose(apart["overall_rmse"], whole["rmse"])
    assert "overall_skill" not in apart


def test_blocks_are_a_day_or_the_longest_lead_time():
    rng = np.random.default_rng(3)
    for step, lead, number, block in (("1h", 30, 200, 30), ("6h", 2, 60, 4), ("1M", 3, 30, 3)):
        (product, _), _ = pair(rng.normal(size=(2, number)), step, lead)
        found = Resampling.of(10, product, np.ones(number, bool))
        assert found.block == block, step
    # every second initial time
    (product, _), _ = pair(rng.normal(size=(2, 60)), "6h", 2)
    used = np.arange(60) % 2 == 0
    found = Resampling.of(10, product, used)
    assert found.block == 2
    np.testing.assert_array_equal(found.order, np.flatnonzero(used))
    counts = next(found.draws())
    np.testing.assert_array_equal(counts.sum(axis=1), 30)


def test_few_initial_times_have_no_intervals_and_say_why():
    products, observed = pair(np.ones((2, 40)))
    made = verify(dict(zip("ab", products, strict=True)), observed)
    assert "rmse_lower" not in made
    assert made.attrs["bootstrap"] == (
        "none: it takes 5 blocks of 24 initial times, and there are 40"
    )
    none = verify(products[0], observed, details=Details(bootstrap=0))
    assert "bootstrap is 0" in none.attrs["bootstrap"]


def test_the_same_every_time():
    products, observed = pair(np.random.default_rng(0).normal(size=(2, 24 * 6)))
    forecasts = dict(zip("ab", products, strict=True))
    xr.testing.assert_identical(verify(forecasts, observed), verify(forecasts, observed))
