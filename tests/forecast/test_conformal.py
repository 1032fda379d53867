"""Intervals from past errors cover what they say; spreads become those of the errors."""

import numpy as np
import pytest

from stforecast.errors import ConfigError
from stforecast.forecast.conformal import make_tables

Floats = np.ndarray


def forecasts(windows: int, seed: int, cells: int = 6) -> tuple[Floats, Floats]:
    """Forecasts (I, 2, 1, 1, cells) with errors that grow with cell, lead and forecast."""
    random = np.random.default_rng(seed)
    mean = random.gamma(2.0, 10.0, (windows, 2, 1, 1, cells)).astype(np.float32)
    size = (1 + np.arange(cells)) * np.array([1.0, 2.0])[:, None, None, None] * np.sqrt(mean)
    skewed = random.gamma(1.5, 1.0, mean.shape) - 1.5
    return mean, (mean + size * skewed).astype(np.float32)


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("windows", [40, 600])
def test_coverage(windows: int, coverage: float) -> None:
    tables = make_tables(*forecasts(windows, 0))
    mean, truth = forecasts(4000, 1)
    lower, upper = tables.bounds(mean, coverage)
    inside = (truth >= lower) & (truth <= upper)
    slack = 0.03 if windows == 600 else 0.08
    np.testing.assert_allclose(inside.mean(axis=(0, 2, 3, 4)), coverage, atol=slack)
    if windows == 600:
        np.testing.assert_allclose(inside.mean(axis=(0, 1, 2, 3)), coverage, atol=0.05)
        # both ends miss equally often
        np.testing.assert_allclose((truth < lower).mean(), (1 - coverage) / 2, atol=0.02)
        width = upper - lower
        high = mean > np.median(mean)
        assert width[high].mean() > 1.3 * width[~high].mean()


def test_by_hand() -> None:
    """Errors -1 … 99 of one cell: order statistics, each one further out than its level."""
    mean = np.zeros((99, 1, 1, 1, 1), np.float32)
    truth = np.arange(1, 100, dtype=np.float32).reshape(mean.shape) - 50
    tables = make_tables(mean, truth)
    lower, upper = tables.bounds(mean[:1], 0.9)
    # (n + 1) p is 5 and 95: the fifth and the ninety-fifth error
    assert (lower.item(), upper.item()) == pytest.approx((-45, 45), rel=1e-5)
    assert tables.scale.item() == pytest.approx(np.abs(truth).mean())
    assert tables.lead_times == 1


def test_errors_of_few_stretches_of_time_make_wider_intervals() -> None:
    mean = np.zeros((99, 1, 1, 1, 1), np.float32)
    truth = np.arange(1, 100, dtype=np.float32).reshape(mean.shape) - 40  # errors -39 ... 59
    narrow = make_tables(mean, truth).bounds(mean[:1], 0.9)
    wide = make_tables(mean, truth, stretches=4).bounds(mean[:1], 0.9)
    # the 95th percentile of Student's t with 4 degrees of freedom, and of the normal law
    factor = 2.1318 / 1.6449
    for before, after in zip(narrow, wide, strict=True):
        assert after.item() - 10 == pytest.approx(factor * (before.item() - 10), rel=1e-3)
    many = make_tables(mean, truth, stretches=1000).bounds(mean[:1], 0.9)
    assert many.upper.item() == pytest.approx(narrow.upper.item(), rel=2e-3)


def test_a_size_known_from_few_days_still_covers() -> None:
    """Errors of one day are of one size, which differs from day to day: six days, then many."""
    covered = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        size = np.sqrt(random.chisquare(1, 206)).repeat(12)  # of the days of twelve windows each
        error = (size * random.choice([-1.0, 1.0], size.size)).astype(np.float32)
        truth = error.reshape(-1, 1, 1, 1, 1)
        mean = np.zeros_like(truth)
        lower, upper = make_tables(mean[:72], truth[:72], stretches=6).bounds(mean[72:], 0.9)
        covered.append(((truth[72:] >= lower) & (truth[72:] <= upper)).mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.04)


def test_at_a_minimum_all_is_missed_above() -> None:
    mean, truth = forecasts(600, 0)
    truth = np.maximum(truth, 0)
    tables = make_tables(mean, truth, minimum=[0.0])
    unbounded = make_tables(mean, truth)
    mirrored = make_tables(-mean, -truth, maximum=[0.0])
    mean, truth = forecasts(4000, 1)
    truth = np.maximum(truth, 0)
    lower, upper = tables.bounds(mean, 0.9)
    assert lower.min() == 0
    inside = ((truth >= lower) & (truth <= upper)).mean()
    assert 0.88 < inside < 0.93
    assert upper.mean() < unbounded.bounds(mean, 0.9).upper.mean()
    turned = mirrored.bounds(-mean, 0.9)
    np.testing.assert_allclose(turned.lower, -upper, rtol=1e-3, atol=1e-3)


def test_missing_cells_and_perfect_ones() -> None:
    mean, truth = forecasts(100, 0)
    mean[..., 0] = np.nan
    truth[..., 1] = np.nan
    truth[..., 2] = mean[..., 2]
    tables = make_tables(mean, truth)
    lower, upper = tables.bounds(mean, 0.9)
    assert np.isnan(lower[..., 0]).all()
    assert np.isfinite(upper[..., 1:]).all()
    assert (upper >= lower)[..., 1:].all()
    np.testing.assert_allclose(upper[..., 2], mean[..., 2], rtol=1e-4)


def test_forecasts_at_the_minimum_have_intervals_of_their_own() -> None:
    """The night stays night, also where a cell has too few forecasts for classes."""
    for windows in (120, 900):
        mean, truth = forecasts(windows, 0)
        night = np.arange(windows) % 2 == 0
        mean[night] = truth[night] = 0
        tables = make_tables(mean, np.maximum(truth, 0), minimum=[0.0])
        upper = tables.bounds(mean, 0.9).upper
        assert np.abs(upper[night]).max() < 1e-3
        assert upper[~night].min() > 1
        # of a forecast at the minimum where there never was one nothing is known but the next class
        day = make_tables(mean[~night], np.maximum(truth[~night], 0), minimum=[0.0])
        assert day.bounds(mean[night], 0.9).upper.min() > 0


def test_spread_becomes_that_of_the_errors() -> None:
    random = np.random.default_rng(0)
    members, windows = 5, 400

    def drawn(seed: int) -> tuple[Floats, Floats]:
        centre = np.random.default_rng(seed).normal(size=(windows, 1, 1, 2, 2))
        truth = centre + 2 * np.random.default_rng(seed + 1).normal(size=centre.shape)
        values = centre[:, :, None] + 0.5 * random.normal(size=(windows, 1, members, 1, 2, 2))
        return values.astype(np.float32), truth.astype(np.float32)

    values, truth = drawn(1)
    variance = values.var(axis=2, ddof=1) * (members + 1) / members
    tables = make_tables(values.mean(axis=2), truth, variance)
    values, truth = drawn(3)
    mean = values.mean(axis=2)
    variance = values.var(axis=2, ddof=1) * (members + 1) / members
    factors = tables.factors(mean, variance)[:, :, None]
    wide = mean[:, :, None] + factors * (values - mean[:, :, None])
    variance = wide.var(axis=2, ddof=1) * (members + 1) / members
    assert np.sqrt(variance.mean() / np.square(truth - mean).mean()) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(wide.mean(axis=2), mean, atol=1e-5)


@pytest.mark.parametrize("informs", [True, False])
def test_spread_that_tells_nothing_of_the_error_is_not_believed(informs: bool) -> None:
    """Members twice as far apart as usual: of a time twice as hard to forecast, or of any."""
    random = np.random.default_rng(0)

    def fields(size: Floats) -> tuple[Floats, Floats, Floats]:
        shape = (size.size, 1, 1, 4, 5)
        at = size[:, None, None, None, None]
        mean = random.normal(size=shape).astype(np.float32)
        error = random.normal(size=shape) * (at if informs else 1)
        variance = np.broadcast_to((0.5 * at) ** 2, shape).astype(np.float32)
        return mean, (mean + error).astype(np.float32), variance

    tables = make_tables(*fields(np.exp(random.normal(size=200)).astype(np.float32)))
    assert tables.told[0, 0] == pytest.approx(1 if informs else 0, abs=0.1)
    for size in (0.5, 1.0, 4.0):
        mean, truth, variance = fields(np.full(50, size, np.float32))
        drawn = (tables.factors(mean, variance) ** 2 * variance).mean()
        assert np.sqrt(drawn / np.square(truth - mean).mean()) == pytest.approx(1, abs=0.15)


def test_of_few_stretches_of_time_spread_is_believed_only_where_it_tells_much() -> None:
    random = np.random.default_rng(0)
    size = np.exp(random.normal(size=100)).astype(np.float32)
    shape = (100, 1, 1, 4, 5)
    mean = np.zeros(shape, np.float32)
    apart = np.broadcast_to(size[:, None, None, None, None] ** 2, shape)
    half = np.exp(0.5 * np.log(apart) + random.normal(size=(100, 1, 1, 1, 1)))
    truth = (np.sqrt(half) * random.normal(size=shape)).astype(np.float32)
    many, few = (make_tables(mean, truth, apart, stretches=count).told for count in (100, 2))
    assert many[0, 0] == pytest.approx(0.5, abs=0.15)
    assert few[0, 0] < 0.7 * many[0, 0]
    shown = (np.sqrt(apart) * random.normal(size=shape)).astype(np.float32)
    assert make_tables(mean, shown, apart, stretches=2).told[0, 0] > 0.8


def test_shorter_forecasts_take_the_first_lead_times() -> None:
    mean, truth = forecasts(300, 0)
    tables = make_tables(mean, truth)
    both, first = tables.bounds(mean, 0.8), tables.bounds(mean[:, :1], 0.8)
    np.testing.assert_array_equal(both.lower[:, :1], first.lower)


def test_coverages_beyond_the_tables() -> None:
    tables = make_tables(*forecasts(50, 0))
    for wrong in (0.0, 0.999, 90.0):
        with pytest.raises(ConfigError, match=r"cannot be given; choose one from 0\.1 to 0\.99"):
            tables.bounds(forecasts(1, 0)[0], wrong)
