"""Each scaling makes of the training period what it says, and decoding undoes it."""

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError, RunError
from stforecast.store import ChannelMeta
from stforecast.windows import Statistics, Transform, WindowSpec, compute_statistics
from stforecast.windows.parts import Splits
from stforecast.windows.scaling import check_scaling, offset_and_scale, value_ranges
from tests.helpers import make_store

SCALINGS = ["standard", "minmax", "minmax_symmetric", "none"]
TRAIN = (0, 60)


def record(departure: str = "none") -> tuple[torch.Tensor, torch.Tensor, Statistics]:
    """Training and later frames (1, n, 2, H, W), missing cells, and the training's statistics."""
    store = make_store(90, 2, missing=0.1)
    spec = WindowSpec(3, 2, departure)
    found = compute_statistics(store, spec, Splits(TRAIN))
    frames = torch.from_numpy(store.read(0, 90))[None]
    return frames[:, :60], frames[:, 60:], found


def normalised(scaling: str, together: bool) -> np.ndarray:
    train, _, found = record()
    encoded = Transform(found, scaling=scaling, together=together).encode(train).history
    return np.where(train.isnan(), np.nan, encoded.double().numpy())[0]


@pytest.mark.parametrize("together", [False, True])
def test_standard_has_mean_0_and_variance_1(together: bool) -> None:
    values = normalised("standard", together)
    axes = (0, 1, 2, 3) if together else (0, 2, 3)
    np.testing.assert_allclose(np.nanmean(values, axes), 0, atol=1e-4)
    np.testing.assert_allclose(np.nanstd(values, axes), 1, atol=1e-4)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("scaling", "low"), [("minmax", 0.0), ("minmax_symmetric", -1.0)])
def test_minmax_fills_its_range(scaling: str, low: float, together: bool) -> None:
    values = normalised(scaling, together)
    axes = (0, 1, 2, 3) if together else (0, 2, 3)
    np.testing.assert_allclose(np.nanmin(values, axes), low, atol=1e-6)
    np.testing.assert_allclose(np.nanmax(values, axes), 1, atol=1e-6)
    if together:  # the channels keep their difference
        assert np.nanmin(values[:, 1]) > low + 0.3
        assert np.nanmax(values[:, 0]) < 0.7


def test_none_leaves_values_as_they_are() -> None:
    train, _, found = record()
    encoded = Transform(found, scaling="none").encode(train).history
    valid = ~train.isnan()
    assert torch.equal(encoded[valid], train[valid])


@pytest.mark.parametrize("scaling", SCALINGS)
def test_missing_cells_are_the_mean(scaling: str) -> None:
    train, _, found = record()
    transform = Transform(found, scaling=scaling)
    encoded, _, state = transform.encode(train)
    back = transform.decode(encoded, state)[0]
    for channel in (0, 1):
        filled = back[:, channel][train[0, :, channel].isnan()]
        known = back[:, channel].isnan()
        assert not known.any()
        np.testing.assert_allclose(filled.numpy(), found.mean[channel], rtol=1e-6)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("departure", ["none", "last_frame", "history_mean"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_decoding_inverts_encoding_beyond_the_training_range(
    scaling: str, departure: str, together: bool
) -> None:
    _, later, found = record(departure)
    transform = Transform(found, departure, scaling=scaling, together=together)
    history, target = later[:, :4], 10 * later[:, 4:8]
    state = transform.encode(history).state
    encoded, mask = transform.encode_target(target, state)
    decoded = transform.decode(encoded, state)
    torch.testing.assert_close(decoded[mask], target[mask], rtol=1e-6, atol=1e-5)


def test_departures_are_divided_like_values_and_not_shifted() -> None:
    train, _, found = record("last_frame")
    history, target = train[:, :4], train[:, 4:6]
    valid = ~target.isnan() & ~history[:, -1:].isnan()
    change = (target - history[:, -1:])[valid]
    span = torch.tensor(found.maximum - found.minimum)[:, None, None].expand(1, 2, 2, 6, 8)[valid]
    for scaling, divisor in [("none", 1.0), ("minmax", span), ("minmax_symmetric", span / 2)]:
        transform = Transform(found, "last_frame", scaling=scaling)
        encoded, _ = transform.encode_target(target, transform.encode(history).state)
        torch.testing.assert_close(
            encoded[valid].double(), change.double() / divisor, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_constant_channel_is_not_scaled(scaling: str) -> None:
    store = make_store(60, values=np.full((60, 1, 2, 2), 0.25))
    found = compute_statistics(store, WindowSpec(3, 2), Splits(TRAIN))
    offset, scale = offset_and_scale(found, scaling=scaling)
    assert np.isfinite(offset).all()
    assert (scale > 0).all()
    transform = Transform(found, scaling=scaling)
    encoded, _, state = transform.encode(torch.full((1, 2, 1, 2, 2), 0.25))
    assert (encoded == (0.25 if scaling == "none" else 0)).all()
    assert (transform.decode(encoded, state) == 0.25).all()


def test_standard_departures_need_their_spread() -> None:
    _, _, found = record()
    with pytest.raises(RunError, match="no scale for departures from last_frame"):
        offset_and_scale(found, "last_frame")
    offset_and_scale(found, "last_frame", "minmax")


def test_unlike_units_are_not_scaled_together() -> None:
    channels = [ChannelMeta(name="t2m", units="K"), ChannelMeta(name="cover", units=None)]
    check_scaling(WindowSpec(3, 2, scaling="minmax"), channels)
    check_scaling(WindowSpec(3, 2, scale_together=True), channels[:1] * 2)
    with pytest.raises(ConfigError, match=r"scale_together.*t2m in K, cover in 1"):
        check_scaling(WindowSpec(3, 2, scale_together=True), channels)


def test_ranges_are_bounds_unless_values_are_scaled_by_theirs() -> None:
    _, _, found = record()
    low, high = found.minimum, found.maximum
    channels = [ChannelMeta(name="a", minimum=0.0), ChannelMeta(name="b", minimum=-5, maximum=5)]
    expected = {"a": (0.0, high[0]), "b": (-5.0, 5.0)}
    assert value_ranges(found, WindowSpec(3, 2), channels) == expected
    assert value_ranges(found, WindowSpec(3, 2, scaling="none"), channels) == expected
    own = {"a": (low[0], high[0]), "b": (low[1], high[1])}
    assert value_ranges(found, WindowSpec(3, 2, scaling="minmax"), channels) == own
    together = value_ranges(
        found, WindowSpec(3, 2, scaling="minmax_symmetric", scale_together=True), channels
    )
    assert together == dict.fromkeys("ab", (low.min(), high.max()))
