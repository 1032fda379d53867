"""Periods counted back from the end of a record: ``last 28D``, ``last 500 windows``."""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError
from stforecast.timeaxis import TimeAxis
from stforecast.windows.spec import WindowSpec

LAST: Final = "last"
_WINDOWS = re.compile(r"(\d+)\s+windows?")


def counted_back(
    axis: TimeAxis,
    key: str,
    length: str,
    spec: WindowSpec,
    end: int,
    usable: NDArray[np.bool_],
) -> tuple[int, int]:
    """Half-open positions of a period that ends at ``end``.

    The valid times of its first forecasts are the first of the length asked for, and the history
    they start from lies before. With ``spec.complete_days`` a length counts whole days alone.

    Args:
        key: dotted name of the option, for errors.
        length: a number of steps, a duration (``28D``) or of windows (``500 windows``).
        usable: (time,), True where a time may stand in a window.

    Raises:
        ConfigError: the length is none, or the record is shorter.
    """
    windows = _WINDOWS.fullmatch(length.strip())
    if windows is not None:
        first = _nth_window(int(windows[1]), key, spec, end, usable)
        return first - spec.history + 1, end
    steps = axis.step.steps(length, f"{key}: {LAST}")
    counted = np.arange(end)
    if spec.complete_days:
        counted = np.flatnonzero(usable[:end])
    if steps + spec.history_needed > counted.size:
        raise ConfigError(
            f"{key} is the {LAST} {length}, which is {steps} steps, and before it ends the record "
            f"has {counted.size}, of which {spec.history_needed} are for the first history"
        )
    return int(counted[-steps]) - spec.history, end


def _nth_window(
    number: int, key: str, spec: WindowSpec, end: int, usable: NDArray[np.bool_]
) -> int:
    """The initial position of the n-th last window that lies whole before ``end``."""
    unusable = np.concatenate([[0], np.cumsum(~usable[:end])])
    inits = np.arange(spec.history_needed - 1, end - spec.horizon)
    gaps = unusable[inits + 1 + spec.horizon] - unusable[inits + 1 - spec.history]
    whole = inits[gaps == 0]
    if not 1 <= number <= whole.size:
        raise ConfigError(
            f"{key} is the {LAST} {number} windows, and before it ends the record has {whole.size}"
        )
    return int(whole[-number])
