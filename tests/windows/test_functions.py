"""Whatever is done to values is undone: every function, departure and scaling, with gaps."""

import itertools

import numpy as np
import pytest
import torch

from stforecast.errors import ConfigError, RunError
from stforecast.options import WindowOptions
from stforecast.store import TensorStore
from stforecast.timeaxis import TimeStep
from stforecast.windows import (
    Statistics,
    Transform,
    WindowDataset,
    WindowSpec,
    compute_statistics,
    resolve_windows,
)
from stforecast.windows.climatology import Climatology, learn_climatology
from stforecast.windows.functions import of_values
from stforecast.windows.parts import Splits
from stforecast.windows.scaling import check_scaling
from tests.helpers import make_store, make_values

FUNCTIONS = ["none", "log1p", "sqrt"]
DEPARTURES = ["none", "last_frame", "history_mean", "climatology"]
SCALINGS = ["standard", "minmax", "minmax_symmetric", "none"]
MIXED = {
    "function": {"v0": "log1p", "v2": "sqrt"},
    "departure": {"v0": "climatology", "v1": "last_frame"},
    "scaling": {"v1": "minmax", "v2": "none"},
}


@pytest.fixture(scope="module")
def store() -> TensorStore:
    values = make_values(24 * 15, 3, 3, 4)
    values[:, 1] -= 20  # of both signs
    values[:, 2] *= np.random.default_rng(0).random(values[:, 2].shape) ** 8  # skewed
    return make_store(24 * 15, 3, values=values, missing=0.15)


def learned(store: TensorStore, spec: WindowSpec) -> tuple[Transform, Statistics, Climatology]:
    splits = Splits((0, 24 * 10))
    climatology = learn_climatology(store, spec, splits)
    usual = climatology.fields_at(store.axis)
    statistics = compute_statistics(store, spec, splits, usual=usual)
    transform = Transform.create(statistics, spec, store.meta.channels, climatology)
    return transform, statistics, climatology


def check_inverse(store: TensorStore, spec: WindowSpec) -> None:
    transform, _, climatology = learned(store, spec)
    batch = WindowDataset(store, spec, range(250, 300), climatology=climatology)[np.arange(50)]
    assert batch.target is not None
    history, covariates, state = transform.inputs(batch)
    assert not history.isnan().any()
    encoded, mask = transform.encode_target(batch.target, state)
    known = ~batch.history.isnan().all(dim=1, keepdim=True)
    assert torch.equal(mask, ~batch.target.isnan() & known)
    decoded = transform.decode(encoded, state)
    assert torch.equal(decoded.isnan(), ~known.expand_as(decoded))
    torch.testing.assert_close(decoded[mask], batch.target[mask], rtol=2e-5, atol=2e-5)
    members = transform.decode(torch.stack([encoded, 0 * encoded], dim=1), state)
    torch.testing.assert_close(members[:, 0], decoded, equal_nan=True, rtol=0, atol=0)
    if covariates is not None and covariates.future is not None:
        assert not covariates.future.isnan().any()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("function", "departure", "scaling"), [*itertools.product(FUNCTIONS, DEPARTURES, SCALINGS)]
)
def test_decoding_inverts_encoding(
    store: TensorStore, function: str, departure: str, scaling: str, together: bool
) -> None:
    spec = WindowSpec(
        3, 2, departure, scaling=scaling, function=function, scale_together=together, lags=(24,)
    )
    check_inverse(store, spec)


@pytest.mark.parametrize("left_out", ["", *MIXED])
def test_each_variable_may_have_its_own(store: TensorStore, left_out: str) -> None:
    chosen = {option: value for option, value in MIXED.items() if option != left_out}
    spec = WindowSpec(3, 2, lags=(24, 5), tells_climatology=True, **chosen)
    check_inverse(store, spec)


def test_variables_of_their_own_are_as_they_would_be_alone(store: TensorStore) -> None:
    mixed, _, climatology = learned(store, WindowSpec(3, 2, **MIXED))
    batch = WindowDataset(
        store, WindowSpec(3, 2, **MIXED), range(250, 260), climatology=climatology
    )[np.arange(10)]
    history, _, state = mixed.inputs(batch)
    for index, (function, departure, scaling) in enumerate(
        [
            ("log1p", "climatology", "standard"),
            ("none", "last_frame", "minmax"),
            ("sqrt", "none", "none"),
        ]
    ):
        alone, _, _ = learned(
            store, WindowSpec(3, 2, departure, scaling=scaling, function=function)
        )
        theirs, _, their_state = alone.inputs(batch)
        torch.testing.assert_close(history[:, :, index], theirs[:, :, index])
        forecast = torch.randn(10, 2, 3, 3, 4)
        torch.testing.assert_close(
            mixed.decode(forecast, state)[:, :, index],
            alone.decode(forecast, their_state)[:, :, index],
            equal_nan=True,
        )


@pytest.mark.parametrize("function", ["log1p", "sqrt"])
def test_the_training_period_is_normal_after_the_function(
    store: TensorStore, function: str
) -> None:
    spec = WindowSpec(3, 2, function=function)
    transform, statistics, _ = learned(store, spec)
    train = torch.from_numpy(store.read(0, 24 * 10))[None]
    encoded = transform.encode(train).history
    for channel in range(3):
        values = encoded[0, :, channel][~train[0, :, channel].isnan()]
        assert values.mean().item() == pytest.approx(0, abs=1e-4)
        assert values.std().item() == pytest.approx(1, abs=1e-3)
    # the card tells of the values themselves, too
    plain = train[0, :, 2][~train[0, :, 2].isnan()]
    assert statistics.mean[2] == pytest.approx(plain.mean().item(), rel=1e-5)
    again = Statistics.from_json(statistics.to_json())
    np.testing.assert_array_equal(
        again.after([function] * 3).std, statistics.after([function] * 3).std
    )


def test_functions_are_what_they_are_called_and_keep_the_sign() -> None:
    values = np.array([-4.0, -0.5, 0.0, 3.0, np.nan])
    np.testing.assert_allclose(of_values(values, "log1p")[2:], np.log1p(values[2:]))
    np.testing.assert_allclose(of_values(values, "log1p")[:2], -np.log1p(-values[:2]))
    np.testing.assert_allclose(of_values(values, "sqrt"), [-2, -(0.5**0.5), 0, 3**0.5, np.nan])
    transform, _, _ = learned(make_store(250), WindowSpec(3, 2, function="log1p"))
    wild = transform.decode(
        torch.full((1, 2, 1, 6, 8), 1e9), transform.encode(torch.ones(1, 3, 1, 6, 8)).state
    )
    assert wild.isfinite().all()


def test_names_that_are_no_variables_are_refused(store: TensorStore) -> None:
    spec = WindowSpec(3, 2, {"rain": "last_frame"})
    with pytest.raises(ConfigError, match=r"departure names the variable 'rain', .* v0, v1, v2"):
        check_scaling(spec, store.meta.channels)
    spec = WindowSpec(3, 2, scaling={"v0": "minmax"}, scale_together=True)
    with pytest.raises(ConfigError, match=r"needs one windows\.scaling for all variables"):
        check_scaling(spec, store.meta.channels)


def test_they_go_onto_the_card_and_back() -> None:
    options = WindowOptions(**MIXED, climatology="season", covariates=[{"climatology": True}])
    spec = resolve_windows(options, TimeStep.parse("1h"))
    assert spec.tells_climatology
    assert spec.covariates == ()
    assert WindowSpec.from_json(spec.to_json()) == spec
    assert spec.departures(["v0", "v2"]) == ("climatology", "none")
    assert spec.scalings(["v2", "v0"]) == ("none", "standard")
    card = WindowSpec(4, 4).to_json()
    for key in ("function", "climatology", "tells_climatology", "lags"):
        del card[key]
    assert WindowSpec.from_json(card) == WindowSpec(4, 4)
    with pytest.raises(RunError, match=r"windows\.departure"):
        WindowSpec.from_json({**card, "departure": {"v0": "yesterday"}})


def test_a_run_without_the_statistics_of_its_function_is_refused(store: TensorStore) -> None:
    found = compute_statistics(store, WindowSpec(3, 2), Splits((0, 100)))
    with pytest.raises(RunError, match=r"no statistics after windows\.function"):
        Transform(found, function="sqrt")
