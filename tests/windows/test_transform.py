"""Encoding and decoding are inverse, whatever the departure and whatever is missing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stforecast.errors import RunError
from stforecast.models import Covariates
from stforecast.windows import Statistics, Transform, WindowSpec, compute_statistics
from stforecast.windows.dataset import Batch
from stforecast.windows.parts import Splits
from stforecast.windows.training_statistics import reference_frame
from tests.helpers import make_store

DEPARTURES = ["none", "last_frame", "history_mean"]
NAN = float("nan")


def statistics(channels: int = 2, missing: bool = True, **changes: object) -> Statistics:
    values = {
        "mean": np.linspace(280.0, 100_000.0, channels),
        "std": np.linspace(8.0, 500.0, channels),
        "minimum": np.zeros(channels),
        "maximum": np.full(channels, 2e5),
        "count": np.full(channels, 1000),
        "missing": np.full(channels, missing),
        "departure_scale": np.linspace(2.0, 70.0, channels),
    }
    return Statistics(**{**values, **changes})


def sample(shape: tuple[int, ...], seed: int, missing: float) -> torch.Tensor:
    """Physical values of those statistics, some of them missing."""
    random = torch.Generator().manual_seed(seed)
    mean, std = torch.tensor([280.0, 1e5]), torch.tensor([8.0, 500.0])
    values = torch.randn(shape, generator=random) * std[:, None, None] + mean[:, None, None]
    values[torch.rand(shape, generator=random) < missing] = NAN
    return values


@settings(deadline=None)
@given(
    departure=st.sampled_from(DEPARTURES),
    seed=st.integers(0, 2**31),
    missing=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    steps=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_decoding_inverts_encoding(
    departure: str, seed: int, missing: float, steps: tuple[int, int]
) -> None:
    transform = Transform(statistics(), departure)
    history = sample((3, steps[0], 2, 4, 5), seed, missing)
    target = sample((3, steps[1], 2, 4, 5), seed + 1, missing)
    normalised, _, state = transform.encode(history)
    assert not normalised.isnan().any()
    assert (normalised[history.isnan()] == 0).all()
    encoded, mask = transform.encode_target(target, state)
    assert not encoded.isnan().any()

    known = ~history.isnan().all(dim=1, keepdim=True)
    assert torch.equal(mask, ~target.isnan() & known)
    decoded = transform.decode(encoded, state)
    assert torch.equal(~decoded.isnan(), known.expand_as(decoded))
    # a float32 of 1e5 is known to 0.008
    torch.testing.assert_close(decoded[mask], target[mask], rtol=3e-7, atol=0)
    torch.testing.assert_close(
        transform.decode(normalised, state)[~history.isnan()],
        history[~history.isnan()],
        rtol=3e-7,
        atol=0,
    )


def test_training_data_come_out_normalised() -> None:
    store = make_store(100, 2, missing=0.1)
    found = compute_statistics(store, WindowSpec(4, 2), Splits((0, 100)))
    normalised, _, _ = Transform(found).encode(torch.from_numpy(store.read(0, 100))[None])
    valid = ~torch.from_numpy(store.read(0, 100))[None].isnan()
    for channel in (0, 1):
        values = normalised[:, :, channel][valid[:, :, channel]]
        assert values.mean().item() == pytest.approx(0, abs=1e-4)
        assert values.std().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("departure", ["last_frame", "history_mean"])
def test_departures_are_scaled_changes_from_the_reference(departure: str) -> None:
    history = sample((2, 3, 2, 4, 5), 0, 0.4)
    normalised, _, state = Transform(statistics(), departure).encode(history)
    for one in range(2):
        reference = reference_frame(history[one].double().numpy(), departure)
        expected = (history[one].double().numpy() - reference) / np.array([2.0, 70.0])[
            :, None, None
        ]
        np.testing.assert_allclose(
            normalised[one].numpy(), np.nan_to_num(expected, nan=0.0), atol=1e-3
        )
        known = ~np.isnan(reference)
        np.testing.assert_allclose(
            state.reference[one, 0].numpy()[known], reference[known], rtol=1e-6
        )


def test_a_cell_falls_back_on_its_last_valid_frame() -> None:
    history = torch.tensor([[1.0, 2.0, NAN], [3.0, NAN, NAN]]).view(1, 2, 1, 1, 3)
    transform = Transform(
        statistics(1, mean=np.array([9.0]), departure_scale=np.array([2.0])), "last_frame"
    )
    normalised, mask, state = transform.encode(history)
    assert normalised.flatten().tolist() == [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert mask is not None
    assert mask.flatten().tolist() == [1, 1, 0, 1, 0, 0]
    assert state.known.flatten().tolist() == [True, True, False]
    forecast = transform.decode(torch.ones(1, 1, 1, 1, 3), state).flatten()
    assert forecast[:2].tolist() == [5.0, 4.0]
    assert forecast[2].isnan()


def test_masks_are_there_for_channels_with_missing_training_cells_only() -> None:
    history = sample((2, 3, 2, 4, 5), 0, 0.4)
    some = statistics(missing=False)
    some.missing[1] = True
    mask = Transform(some).encode(history).mask
    assert mask is not None
    assert torch.equal(mask, (~history[:, :, 1:].isnan()).float())
    assert Transform(statistics(missing=False)).encode(history).mask is None
    whole = sample((2, 3, 2, 4, 5), 0, 0.0)
    mask = Transform(statistics()).encode(whole).mask
    assert mask is not None
    assert (mask == 1).all()


def batch(history: Tensor, covariates: Covariates | None = None) -> Batch:
    return Batch(history, None, covariates, torch.zeros(len(history), 2, dtype=torch.int64))


def test_inputs_put_the_mask_behind_the_past_covariates() -> None:
    history = sample((2, 3, 2, 4, 5), 0, 0.4)
    transform = Transform(statistics())
    future, past = torch.ones(2, 5, 4), torch.full((2, 3, 1, 4, 5), 7.0)
    _, covariates, _ = transform.inputs(batch(history, Covariates(past=past, future=future)))
    assert covariates is not None
    assert covariates.future is future
    assert covariates.past is not None
    assert covariates.past.shape == (2, 3, 3, 4, 5)
    assert (covariates.past[:, :, 0] == 7).all()
    _, alone, _ = transform.inputs(batch(history))
    assert alone is not None
    assert torch.equal(alone.past, covariates.past[:, :, 1:])
    without = Transform(statistics(missing=False))
    assert without.inputs(batch(history))[1] is None


@pytest.mark.parametrize("departure", DEPARTURES)
def test_forecasts_keep_within_their_bounds(departure: str) -> None:
    transform = Transform(statistics(), departure, minimum=[275.0, None], maximum=[None, 1e5])
    state = transform.encode(sample((2, 3, 2, 4, 5), 0, 0.1)).state
    forecast = transform.decode(torch.randn(2, 6, 2, 4, 5) * 100, state)
    valid = ~forecast.isnan()
    assert forecast[:, :, 0][valid[:, :, 0]].min() == 275.0
    assert forecast[:, :, 0][valid[:, :, 0]].max() > 300.0
    assert forecast[:, :, 1][valid[:, :, 1]].max() == 1e5
    assert forecast[:, :, 1][valid[:, :, 1]].min() < 99_000.0


@pytest.mark.parametrize("departure", DEPARTURES)
def test_members_are_decoded_alike(departure: str) -> None:
    transform = Transform(statistics(), departure)
    state = transform.encode(sample((3, 2, 2, 4, 5), 0, 0.6)).state
    members = torch.randn(3, 5, 6, 2, 4, 5)
    decoded = transform.decode(members, state)
    for member in range(5):
        one = transform.decode(members[:, member], state)
        torch.testing.assert_close(decoded[:, member], one, equal_nan=True, rtol=0, atol=0)


def test_all_is_float32_whatever_comes_in() -> None:
    transform = Transform(statistics(), "history_mean")
    normalised, mask, state = transform.encode(sample((1, 2, 2, 4, 5), 0, 0.1).double())
    assert normalised.dtype == torch.float32
    assert mask is not None
    assert mask.dtype == torch.float32
    assert transform.decode(normalised.bfloat16(), state).dtype == torch.float32


def test_a_constant_channel_comes_back() -> None:
    constant = statistics(
        1,
        mean=np.array([0.25]),
        std=np.zeros(1),
        minimum=np.array([0.25]),
        maximum=np.array([0.25]),
    )
    transform = Transform(constant)
    normalised, _, state = transform.encode(torch.full((1, 2, 1, 2, 2), 0.25))
    assert (normalised == 0).all()
    assert (transform.decode(normalised, state) == 0.25).all()


def test_nothing_of_it_is_among_the_weights() -> None:
    transform = Transform(statistics())
    assert transform.state_dict() == {}
    assert list(transform.parameters()) == []
    assert transform.to("meta").mean.device.type == "meta"


def test_departures_need_their_scale() -> None:
    with pytest.raises(RunError, match="no scale for departures from last_frame"):
        Transform(statistics(departure_scale=None), "last_frame")
