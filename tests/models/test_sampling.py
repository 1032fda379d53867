"""What a recurrent system is shown in training: the published schedules, and honest draws."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from stforecast.errors import ConfigError
from stforecast.models import SampleShape, create_model
from stforecast.models.recurrent import RecurrentForecaster
from stforecast.models.sampling import Sampling

PUBLISHED = Sampling("scheduled", 0, 50_000, 5_000)
REVERSE = Sampling("reverse", 25_000, 50_000, 5_000)
CPU = torch.device("cpu")


def draw(sampling: Sampling, step: int, size: tuple[int, int, int]) -> Tensor:
    torch.manual_seed(0)
    return sampling.shown(step, 100_000, size, CPU)


@pytest.mark.parametrize("step", [0, 1, 100, 24_999, 25_000, 49_999])
def test_the_published_chance_falls_by_2e5_a_step(step: int) -> None:
    assert PUBLISHED.chances(step, None) == (1.0, pytest.approx(1 - 2e-5 * step, abs=1e-12))


@pytest.mark.parametrize("step", [50_000, 50_001, 10_000_000])
@pytest.mark.parametrize("sampling", [PUBLISHED, REVERSE])
def test_nothing_but_the_history_is_shown_from_the_end_on(sampling: Sampling, step: int) -> None:
    assert sampling.chances(step, None) == (1.0, 0.0)


@pytest.mark.parametrize("step", [0, 10_000, 24_999])
def test_reverse_begins_with_even_chances(step: int) -> None:
    assert REVERSE.chances(step, None) == (0.5, 0.5)


@pytest.mark.parametrize("step", [25_000, 30_000, 37_500, 49_999])
def test_reverse_shows_more_and_more_history_and_less_and_less_target(step: int) -> None:
    history, target = REVERSE.chances(step, None)
    assert history == pytest.approx(1 - 0.5 * math.exp(-(step - 25_000) / 5_000))
    assert target == pytest.approx(0.5 - 0.5 / 25_000 * (step - 25_000))


@pytest.mark.parametrize("step", [0, 1_000, 25_000, 40_000, 60_000, 125_000])
def test_by_default_the_published_schedules_as_parts_of_their_training(step: int) -> None:
    shape = SampleShape(2, 2, 1, 4, 4)
    for name, published in (("predrnn", PUBLISHED), ("predrnn_v2", REVERSE)):
        model = create_model(name, shape, hidden=[2])
        assert isinstance(model, RecurrentForecaster)
        expected = published.chances(step, None)
        assert model.sampling.chances(step, 125_000) == pytest.approx(expected)
        assert model.sampling.chances(step // 100, 1_250) == pytest.approx(expected)


def test_parts_have_not_come_while_the_whole_is_unknown() -> None:
    assert Sampling("scheduled", 0, 0.4, 0.04).chances(10**6, None) == (1.0, 1.0)
    assert Sampling("reverse", 0.2, 0.4, 0.04).chances(10**6, None) == (0.5, 0.5)
    assert Sampling("reverse", 10, 0.4, 0.04).chances(10**6, None) == (0.5, 0.5)
    assert Sampling("scheduled", 0, 0, 0.04).chances(0, None) == (1.0, 0.0)


def test_a_later_begin_and_no_way_between() -> None:
    assert Sampling("scheduled", 10, 20, 1).chances(10, None) == (1.0, 1.0)
    assert Sampling("scheduled", 10, 20, 1).chances(15, None) == (1.0, 0.5)
    assert Sampling("scheduled", 10, 10, 1).chances(9, None) == (1.0, 1.0)
    assert Sampling("scheduled", 10, 10, 1).chances(10, None) == (1.0, 0.0)


@pytest.mark.parametrize("step", [0, 50])
def test_none_shows_the_history_alone(step: int) -> None:
    sampling = Sampling("none", 0, 100, 1)
    assert sampling.chances(step, 100) == (1.0, 0.0)
    assert draw(sampling, step, (4, 3, 5)).tolist() == [[True] * 2 + [False] * 4] * 4


def test_draws_have_their_chances_and_columns() -> None:
    shown = draw(REVERSE, 30_000, (20_000, 3, 5))
    assert shown.shape == (20_000, 2 + 4)
    assert shown.dtype == torch.bool
    history, target = REVERSE.chances(30_000, None)
    rates = shown.double().mean(dim=0)
    expected = torch.tensor([history] * 2 + [target] * 4, dtype=torch.float64)
    assert (rates - expected).abs().max() < 4 * 0.5 / math.sqrt(20_000)


def test_draws_are_independent_between_samples_and_frames() -> None:
    shown = draw(PUBLISHED, 25_000, (20_000, 1, 5)).double()
    correlation = torch.corrcoef(shown.T) - torch.eye(4)
    assert correlation.abs().max() < 4 / math.sqrt(20_000)
    assert torch.corrcoef(torch.stack((shown[:-1, 0], shown[1:, 0])))[0, 1].abs() < 0.03


def test_scheduled_never_hides_the_history() -> None:
    assert draw(PUBLISHED, 49_999, (500, 4, 3))[:, :3].all()


def test_a_sequence_is_shown_whole_or_not_at_all() -> None:
    sampling = Sampling("sequence", 0, 100, 1)
    torch.manual_seed(0)
    draws = [sampling.shown(30, None, (3, 3, 4), CPU) for _ in range(400)]
    for shown in draws:
        assert shown.shape == (3, 5)
        assert shown[:, :2].all()
        assert shown[:, 2:].all() or not shown[:, 2:].any()
    rate = sum(bool(shown[0, -1]) for shown in draws) / 400
    assert rate == pytest.approx(0.7, abs=4 * 0.46 / 20)


@pytest.mark.parametrize("size", [(2, 1, 1), (2, 1, 3), (2, 3, 1)])
@pytest.mark.parametrize("kind", ["none", "scheduled", "reverse", "sequence"])
def test_any_lengths(kind: Any, size: tuple[int, int, int]) -> None:
    assert draw(Sampling(kind, 0, 0.4, 0.04), 3, size).shape == (2, size[1] + size[2] - 2)


@pytest.mark.parametrize("sampling", [PUBLISHED, REVERSE, Sampling("scheduled", 0.1, 0.5, 1)])
def test_the_middle_of_a_schedule(sampling: Sampling) -> None:
    _, first = sampling.chances(0, 100_000)
    _, middle = sampling.chances(sampling.middle(100_000), 100_000)
    assert middle == pytest.approx(first / 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling_begin": -1}, "sampling_begin is -1; it cannot be negative"),
        ({"sampling_end": -0.5}, "sampling_end is -0.5; it cannot be negative"),
        ({"sampling_decay": 0}, "sampling_decay is 0; it must be above 0"),
        ({"sampling_begin": 0.5}, "sampling_begin is 0.5 and sampling_end 0.4"),
        ({"sampling_begin": 500, "sampling_end": 400}, "let it begin before it ends"),
        ({"sampling": "always"}, "it must be none or scheduled or reverse or sequence"),
    ],
)
def test_what_makes_no_schedule_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model("convlstm", SampleShape(2, 2, 1, 4, 4), hidden=[2], **settings)
