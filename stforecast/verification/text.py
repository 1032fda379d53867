"""Lead times in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_UNITS = (("D", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def lead_texts(leads: NDArray[Any]) -> list[str]:
    """Durations in the largest unit, from days down, that suits all; calendar steps as they count.

    Hours stay hours up to two days, as forecasters say them.
    """
    if leads.dtype.kind != "m":
        return [str(lead) for lead in leads]
    seconds = leads / np.timedelta64(1, "s")
    for unit, size in _UNITS:
        if (seconds % size == 0).all() and (unit != "D" or seconds.max(initial=0) > 2 * size):
            return [f"{value / size:g} {unit}" for value in seconds]
    return [f"{value:g} s" for value in seconds]
