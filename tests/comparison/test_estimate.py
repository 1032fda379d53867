"""How long scoring takes, guessed by trying models for a few seconds."""

from collections.abc import Callable

import pytest

from stforecast.comparison import estimate
from stforecast.comparison.contenders import Contender
from stforecast.comparison.estimate import long_text, seconds_of_forecasts
from stforecast.models import SampleShape
from stforecast.models.cost import Costs, count_costs
from stforecast.options import ModelOptions, TrainingOptions
from stforecast.profiling import Job

SHAPE = SampleShape(3, 2, 1, 16, 16)
SIZES = {"small": 4, "middle": 8, "large": 16}


def contender(label: str, **training: object) -> Contender:
    model = ModelOptions(name="convlstm", hidden=[SIZES[label]])
    return Contender(label, model, TrainingOptions(device="cpu", **training))


def estimated(*contenders: Contender) -> dict[str, float]:
    costs: dict[str, Costs] = {
        one.label: count_costs(one.model.name, SHAPE, **one.model.settings) for one in contenders
    }
    return seconds_of_forecasts(contenders, costs, SHAPE)


def trying(monkeypatch: pytest.MonkeyPatch, tried: Callable[[int], float]) -> None:
    """Let a forecast take what its width says."""
    monkeypatch.setattr(estimate, "forecast_seconds", lambda job: tried(job.settings["hidden"][0]))


def test_every_model_is_tried_on_this_machine() -> None:
    found = estimated(contender("large"), contender("small"))
    assert found.keys() == {"small", "large"}
    assert all(0 < seconds < 10 for seconds in found.values())


def test_what_gives_members_takes_as_much_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    trying(monkeypatch, lambda width: 0.5)
    found = estimated(contender("small"), contender("large", loss="crps"))
    assert found == {"small": 0.5, "large": 5.0}


def test_large_models_are_not_tried_once_it_took_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_TRYING", 0.0)
    tried: list[Job] = []
    monkeypatch.setattr(estimate, "forecast_seconds", lambda job: tried.append(job) or 2.0)
    three = [contender(label) for label in ("large", "small", "middle")]
    found = estimated(*three)
    assert [job.settings["hidden"] for job in tried] == [[4]]
    work = {
        label: count_costs("convlstm", SHAPE, hidden=[width]).multiply_adds
        for label, width in SIZES.items()
    }
    for label, operations in work.items():
        assert found[label] == pytest.approx(2.0 * operations / work["small"])


def test_nothing_is_known_where_a_model_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(job: Job) -> float:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(estimate, "forecast_seconds", refuse)
    assert estimated(contender("small")) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.02, "a second"),
        (1.6, "2 seconds"),
        (119, "119 seconds"),
        (121, "2 minutes"),
        (7100, "118 minutes"),
        (32_400, "9.0 hours"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert long_text(seconds) == text
