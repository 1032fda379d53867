"""Windows that are scaled by their own departures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError
from stforecast.store import ChannelMeta
from stforecast.windows import Batch, Transform
from stforecast.windows.amplitude import STILLEST, amplitude
from stforecast.windows.scaling import check_scaling
from stforecast.windows.spec import WindowSpec
from stforecast.windows.statistics import Statistics

CHANNELS = [ChannelMeta(name="t", units="K"), ChannelMeta(name="q", units="1")]
SPEC = WindowSpec(3, 2, departure={"t": "last_frame"}, lags=(4,), scale_each_window=True)


def statistics() -> Statistics:
    return Statistics(
        mean=np.array([280.0, 0.5]),
        std=np.array([5.0, 0.1]),
        minimum=np.array([250.0, 0.0]),
        maximum=np.array([310.0, 1.0]),
        count=np.array([100, 100]),
        missing=np.array([False, False]),
        departure_scale=np.array([2.0, 1.0]),
    )


def batch(seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    field = random.normal(280, 3, (2, 8, 2, 3, 4)).astype(np.float32)
    field[:, :, 1] = random.random((2, 8, 3, 4))
    lags = random.normal(281, 3, (2, 1, 5, 2, 3, 4)).astype(np.float32)
    lags[..., 1, :, :] = random.random((2, 1, 5, 3, 4))
    values = torch.from_numpy(field)
    return Batch(
        history=values[:, :3],
        target=values[:, 3:5],
        covariates=None,
        index=torch.zeros(2, 2, dtype=torch.int64),
        lags=torch.from_numpy(lags),
    )


def test_is_the_spread_of_history_and_lags_about_their_reference() -> None:
    given = batch()
    transform = Transform.create(statistics(), SPEC, CHANNELS)
    _, _, state = transform.inputs(given)
    last = given.history[:, -1:, 0]
    history = (given.history[:, :, 0] - last) / 2
    lags = (given.lags[:, :, :, 0] - last[:, None]) / 2
    values = torch.cat((history.flatten(1), lags.flatten(1)), 1)
    expected = values.square().mean(1).sqrt()
    torch.testing.assert_close(state.amplitude[:, 0, 0, 0, 0], expected)
    # the channel without departures is left as it is
    assert (state.amplitude[:, 0, 1] == 1).all()


def test_decoding_undoes_it_with_members_too() -> None:
    given = batch()
    transform = Transform.create(statistics(), SPEC, CHANNELS)
    _, _, state = transform.inputs(given)
    target, mask = transform.encode_target(given.target, state)
    assert mask.all()
    torch.testing.assert_close(transform.decode(target, state), given.target)
    members = transform.decode(target[:, None].expand(-1, 3, -1, -1, -1, -1), state)
    torch.testing.assert_close(members[:, 1], given.target)


def test_departures_twice_as_large_look_the_same_to_a_model() -> None:
    given = batch()
    spec = replace(SPEC, departure="last_frame")
    transform = Transform.create(statistics(), spec, CHANNELS)
    last = given.history[:, -1:]
    wilder = replace(
        given,
        history=last + 2 * (given.history - last),
        lags=last[:, None] + 2 * (given.lags - last[:, None]),
    )
    one, told, state = transform.inputs(given)
    other, told_wilder, wilder_state = transform.inputs(wilder)
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(told.future, told_wilder.future, atol=1e-4, rtol=1e-4)
    forecast = torch.ones(2, 2, 2, 3, 4)
    mild = transform.decode(forecast, state) - last
    wild = transform.decode(forecast, wilder_state) - last
    torch.testing.assert_close(wild, 2 * mild, atol=1e-3, rtol=1e-3)


def test_missing_cells_do_not_count() -> None:
    given = batch()
    holes = given.history.clone()
    holes[:, 0, :, 0, 0] = torch.nan
    transform = Transform.create(statistics(), SPEC, CHANNELS)
    _, _, state = transform.inputs(replace(given, history=holes))
    assert torch.isfinite(state.amplitude).all()
    nothing = torch.full_like(given.history, torch.nan)
    no_lags = torch.full_like(given.lags, torch.nan)
    _, _, state = transform.inputs(replace(given, history=nothing, lags=no_lags))
    assert (state.amplitude == 1).all()


def test_a_still_window_is_not_blown_up() -> None:
    still = torch.zeros(1, 3, 1, 2, 2)
    known = torch.ones_like(still, dtype=torch.bool)
    found = amplitude(still, known, None, None, torch.tensor([True])[:, None, None])
    assert float(found) == pytest.approx(STILLEST)


def test_needs_departures() -> None:
    with pytest.raises(ConfigError, match=r"windows\.departure"):
        check_scaling(WindowSpec(3, 2, scale_each_window=True), CHANNELS)


def test_is_on_the_card() -> None:
    assert WindowSpec.from_json(SPEC.to_json()).scale_each_window
