"""Lengths in steps of the data, and their way onto the card and back."""

import pytest

from stforecast.errors import ConfigError, RunError, StForecastError
from stforecast.options import WindowOptions
from stforecast.timeaxis import TimeStep
from stforecast.windows import WindowSpec, resolve_windows


def test_durations_become_steps() -> None:
    options = WindowOptions(
        history="12h", horizon=4, departure="last_frame", covariates=[{"calendar": ["hour"]}]
    )
    spec = resolve_windows(options, TimeStep.parse("30min"))
    assert (spec.history, spec.horizon, spec.departure) == (24, 4, "last_frame")
    assert spec.span == 28
    assert spec.history_needed == 24


def test_calendar_durations_become_steps() -> None:
    spec = resolve_windows(WindowOptions(history="2Y", horizon="6M"), TimeStep.parse("1M"))
    assert (spec.history, spec.horizon) == (24, 6)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (WindowOptions(horizon=0), "horizon"),
        (WindowOptions(history=-3), "history"),
        (WindowOptions(history="90min"), "history"),
        (WindowOptions(horizon="soon"), "soon"),
    ],
)
def test_lengths_that_make_no_window_are_named(options: WindowOptions, word: str) -> None:
    with pytest.raises(StForecastError, match=word):
        resolve_windows(options, TimeStep.parse("1h"))


def test_json_round_trip() -> None:
    options = WindowOptions(covariates=[{"calendar": ["hour", "month"]}], departure="history_mean")
    spec = resolve_windows(options, TimeStep.parse("1h"))
    assert WindowSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"history": 0}, "windows.history"),
        ({"departure": "yesterday"}, "windows.departure"),
        ({"covariates": [{"calendar": ["moon"]}]}, "windows.covariates.0.calendar.0"),
        ({"lags": [0]}, "windows.lags.0"),
        ({"delays": [24]}, "windows.delays"),
    ],
)
def test_damaged_json_is_named(change: dict[str, object], where: str) -> None:
    values = WindowSpec(4, 4).to_json() | change
    with pytest.raises(RunError, match=where):
        WindowSpec.from_json(values)


def test_the_scaling_goes_along_and_old_cards_are_standard() -> None:
    options = WindowOptions(scaling="minmax", scale_together=True, complete_days=True)
    spec = resolve_windows(options, TimeStep.parse("1h"))
    assert (spec.scaling, spec.scale_together, spec.complete_days) == ("minmax", True, True)
    card = spec.to_json()
    assert WindowSpec.from_json(card) == spec
    del card["scaling"], card["scale_together"], card["complete_days"]
    old = WindowSpec.from_json(card)
    assert (old.scaling, old.scale_together, old.complete_days) == ("standard", False, False)


def test_lags_become_steps_and_lengthen_what_is_needed() -> None:
    options = WindowOptions(history="2h", horizon=4, lags=["24h", 3])
    spec = resolve_windows(options, TimeStep.parse("30min"))
    assert spec.lags == (48, 3)
    assert (spec.span, spec.history_needed, spec.record_needed) == (8, 52, 56)
    assert WindowSpec.from_json(spec.to_json()) == spec
    card = WindowSpec(4, 4).to_json()
    del card["lags"]
    assert WindowSpec.from_json(card).lags == ()


@pytest.mark.parametrize(
    ("lags", "words"),
    [
        (["90min"], "windows.lags 90min is not a whole number of time steps"),
        ([0], "windows.lags must be at least 1 step"),
        (["1D", "24h"], r"windows.lags \(1D, 24h\) has the same lag twice"),
    ],
)
def test_lags_that_cannot_be(lags: list[int | str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_windows(WindowOptions(lags=lags), TimeStep.parse("1h"))


@pytest.mark.parametrize("given", ["yesterday", {"v0": "yesterday"}])
def test_a_departure_that_is_none_is_named_on_the_card(given: object) -> None:
    place = "windows.departure" + (".v0" if isinstance(given, dict) else "")
    with pytest.raises(RunError, match=f"damaged at '{place}'"):
        WindowSpec.from_json(WindowSpec(4, 4).to_json() | {"departure": given})
