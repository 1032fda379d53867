"""Windows drawn towards a lag before them."""

import pytest
import torch

from stforecast.errors import ConfigError
from stforecast.options import TrainingOptions
from stforecast.training.mixing import LEAST, LagMixing
from stforecast.windows import Batch, WindowSpec

SPEC = WindowSpec(3, 2, departure="last_frame", lags=(4, 8))


def batch(samples: int = 200) -> Batch:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(samples, 5, 2, 3, 4, generator=random)
    return Batch(
        history=values[:, :3],
        target=values[:, 3:],
        covariates=None,
        index=torch.zeros(samples, 2, dtype=torch.int64),
        lags=torch.randn(samples, 2, 5, 2, 3, 4, generator=random),
    )


def test_history_and_target_move_together_towards_one_lag() -> None:
    torch.manual_seed(0)
    given = batch()
    mixed = LagMixing(1.0).mixed(given)
    before = torch.cat((given.history, given.target), 1)
    after = torch.cat((mixed.history, mixed.target), 1)
    weights = []
    for sample in range(len(given)):
        fits = []
        for lag in range(2):
            way = given.lags[sample, lag] - before[sample]
            moved = after[sample] - before[sample]
            part = float((moved * way).sum() / (way * way).sum())
            fits.append((float((moved - part * way).abs().max()), 1 - part))
        wrong, weight = min(fits)
        assert wrong < 1e-5
        weights.append(weight)
    assert LEAST <= min(weights) < 0.2
    assert 0.9 < max(weights) <= 1
    torch.testing.assert_close(mixed.lags, given.lags)


def test_only_a_share_is_mixed() -> None:
    torch.manual_seed(0)
    given = batch()
    mixed = LagMixing(0.3).mixed(given)
    same = (mixed.history == given.history).flatten(1).all(1)
    assert 0.6 < same.float().mean() < 0.8
    torch.testing.assert_close(mixed.target[same], given.target[same])


def test_missing_cells() -> None:
    given = batch(4)
    given.lags[:, :, 0, 0, 0, 0] = torch.nan
    given.history[:, 1, 0, 1, 1] = torch.nan
    mixed = LagMixing(1.0).mixed(given)
    torch.testing.assert_close(mixed.history[:, 0, 0, 0, 0], given.history[:, 0, 0, 0, 0])
    assert mixed.history[:, 1, 0, 1, 1].isnan().all()
    assert int(mixed.history.isnan().sum()) == 4


def test_needs_lags_and_departures_of_the_window() -> None:
    options = TrainingOptions(lag_mixing=0.5)
    assert LagMixing.of(options, SPEC, ["a", "b"]) == LagMixing(0.5)
    assert LagMixing.of(TrainingOptions(), WindowSpec(3, 2), ["a"]) is None
    with pytest.raises(ConfigError, match=r"give windows\.lags"):
        LagMixing.of(options, WindowSpec(3, 2), ["a"])
    with pytest.raises(ConfigError, match="climatology"):
        LagMixing.of(options, WindowSpec(3, 2, departure={"a": "climatology"}, lags=(4,)), ["a"])
