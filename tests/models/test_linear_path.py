"""The regression beside a network."""

import numpy as np
import pytest
import torch

from stforecast.models import Covariates, SampleShape, create_model
from stforecast.models.linear_path import PENALTY, LinearPath

SHAPE = SampleShape(in_steps=3, out_steps=2, channels=2, height=4, width=5, future_channels=2)


def samples(seed: int = 0, batches: int = 3) -> list:
    """Batches whose targets are the same weighted sums of the inputs in every cell."""
    random = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(batches):
        history = torch.randn(4, 3, 2, 4, 5, generator=random)
        future = torch.randn(4, 5, 2, 4, 5, generator=random)
        target = torch.stack(
            [0.5 * history[:, 2] - 0.25 * history[:, 0], history[:, 1].flip(1) + future[:, 4]], 1
        )
        valid = torch.rand(target.shape, generator=random) < 0.8
        made.append((history, Covariates(future=future), target, valid))
    return made


def test_finds_the_weights_of_a_linear_target() -> None:
    path = LinearPath(SHAPE)
    path.fit(samples())
    history, covariates, target, _ = samples(seed=1)[0]
    error = (path(history, covariates) - target).square().mean().sqrt()
    # the penalty draws the weights towards zero by about its own size
    assert error < 3 * PENALTY
    assert (path.missed < 3 * PENALTY).all()


def test_is_the_ridge_regression_of_the_cells_that_are_known() -> None:
    given = samples()
    path = LinearPath(SHAPE)
    path.fit(given)
    lead, channel = 1, 0
    rows, values = [], []
    for history, covariates, target, valid in given:
        future = covariates.future
        inputs = torch.cat((history.flatten(1, 2), future[:, 2], future[:, 3 + lead]), 1)
        chosen = valid[:, lead, channel].numpy()
        rows.append(inputs.movedim(1, -1).numpy()[chosen])
        values.append(target[:, lead, channel].numpy()[chosen])
    x, y = np.concatenate(rows).astype(np.float64), np.concatenate(values).astype(np.float64)
    size = np.sqrt((x**2).sum(0))
    z = x / size
    expected = np.linalg.solve(z.T @ z + PENALTY * np.eye(len(size)), z.T @ y) / size
    np.testing.assert_allclose(path.weights[lead, channel].numpy(), expected, atol=1e-6)
    left = np.sqrt(((y - x @ expected) ** 2).mean())
    assert float(path.missed[lead, channel]) == pytest.approx(max(left, 1e-3), rel=1e-4)


def test_cells_that_are_not_known_say_nothing() -> None:
    given = samples()
    spoilt = [(h, c, torch.where(v, t, 1e6), v) for h, c, t, v in given]
    one, other = LinearPath(SHAPE), LinearPath(SHAPE)
    one.fit(given)
    other.fit(spoilt)
    torch.testing.assert_close(one.weights, other.weights)


def test_an_input_that_is_always_zero_weighs_nothing() -> None:
    given = [
        (h, Covariates(future=torch.cat((c.future[:, :, :1], 0 * c.future[:, :, :1]), 2)), t, v)
        for h, c, t, v in samples()
    ]
    path = LinearPath(SHAPE)
    path.fit(given)
    assert torch.isfinite(path.weights).all()
    assert (path.weights[..., -1] == 0).all()


def test_future_covariates_may_be_the_same_in_all_cells() -> None:
    given = [(h, Covariates(future=c.future.mean((3, 4))), t, v) for h, c, t, v in samples()]
    path = LinearPath(SHAPE)
    path.fit(given)
    assert path(given[0][0], given[0][1]).shape == (4, 2, 2, 4, 5)


def test_simvp_forecasts_the_regression_and_what_it_leaves() -> None:
    model = create_model("simvp", SHAPE, hid_S=4, hid_T=8, N_T=1, linear_path=True).eval()
    history, covariates, *_ = samples()[0]
    with torch.no_grad():
        alone = model(history, covariates)  # nothing is prepared: the network by itself
        model.prepare(iter(samples()))
        both = model(history, covariates)
        torch.testing.assert_close(
            both, model.linear(history, covariates) + model.linear.missed * alone
        )
    # it is kept with the weights, and no optimiser changes it
    assert "linear.weights" in model.state_dict()
    assert not any(name.startswith("linear") for name, _ in model.named_parameters())


def test_the_published_simvp_has_none() -> None:
    model = create_model("simvp", SHAPE, hid_S=4, hid_T=8, N_T=1)
    assert not any(name.startswith("linear") for name in model.state_dict())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_compiles_and_exports() -> None:
    torch._dynamo.reset()
    model = create_model("simvp", SHAPE, hid_S=4, hid_T=8, N_T=1, linear_path=True).eval()
    model.prepare(iter(samples()))
    history, covariates, *_ = samples()[0]
    with torch.no_grad():
        expected = model(history, covariates)
        compiled = torch.compile(model, fullgraph=True, dynamic=False, backend="aot_eager")
        torch.testing.assert_close(compiled(history, covariates), expected)
        exported = torch.export.export(model, (history, covariates)).module()
        torch.testing.assert_close(exported(history, covariates), expected)
