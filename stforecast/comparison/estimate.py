"""How long the scoring of what is to be trained takes, guessed before anything is."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from stforecast.comparison.contenders import Contender
from stforecast.forecast.ensemble import DEFAULT_MEMBERS
from stforecast.models import SampleShape
from stforecast.models.cost import Costs
from stforecast.profiling import Job, forecast_seconds
from stforecast.training.hardware import choose_hardware

# Seconds that may be spent on trying how fast models are.
_TRYING: Final = 10.0
# Multiply-adds that are tried at once, about a tenth of a second's, and most samples.
_AT_ONCE: Final = {"cuda": 10**12, "mps": 10**11, "cpu": 3 * 10**9}
_BATCH: Final = 16


def seconds_of_forecasts(
    contenders: Sequence[Contender], costs: Mapping[str, Costs], shape: SampleShape
) -> dict[str, float]:
    """Seconds of one forecast of each contender, with all of its members, by its label.

    Each is tried once with fresh weights, the cheapest ones first; once that has taken long enough,
    the others count as fast by multiply-add as the last one, as large models are alike in that.
    Nothing is known of any where one does not fit into memory.
    """
    found: dict[str, float] = {}
    pace = 0.0  # seconds of a multiply-add
    begin = time.monotonic()
    for contender in sorted(contenders, key=lambda one: costs[one.label].multiply_adds):
        operations = costs[contender.label].multiply_adds
        if pace == 0 or time.monotonic() - begin < _TRYING:
            try:
                seconds = _tried(contender, shape, operations)
            except (MemoryError, RuntimeError):  # which the training will tell of in its place
                return {}
            pace = seconds / operations
        else:
            seconds = pace * operations
        members = DEFAULT_MEMBERS if contender.training.loss == "crps" else 1
        found[contender.label] = members * seconds
    return found


def _tried(contender: Contender, shape: SampleShape, operations: int) -> float:
    hardware = choose_hardware(contender.training, shape.height * shape.width)
    if hardware.device == "cpu":
        hardware = replace(hardware, precision="float32")  # as forecasts are made there
    model = contender.model
    batch = max(1, min(_BATCH, _AT_ONCE[hardware.device] // operations))
    return forecast_seconds(Job(model.name, shape, model.settings, hardware, batch))


def long_text(seconds: float) -> str:
    """So much time in words."""
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.1f} hours"
    if seconds >= 2 * 60:
        return f"{seconds / 60:.0f} minutes"
    return "a second" if seconds < 1.5 else f"{seconds:.0f} seconds"
