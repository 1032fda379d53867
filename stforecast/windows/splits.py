"""Training, validation and test period: resolved to positions, a window's length apart.

Between two parts lies a gap as long as a window, so that no frame of one is near enough to a frame
of another to have shared a sample with it. Fractions leave the gap; of periods given as dates, the
end of the earlier one gives way.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError
from stforecast.options import SplitOptions
from stforecast.timeaxis import TimeAxis
from stforecast.windows.parts import PARTS, PartName, Range, Splits
from stforecast.windows.periods import periods_of_dates
from stforecast.windows.shares import around_drawn, shares_of_sequences, shares_of_times
from stforecast.windows.spec import WindowSpec


def resolve_splits(
    axis: TimeAxis,
    options: SplitOptions,
    spec: WindowSpec,
    n_sequences: int = 1,
    stored: Mapping[PartName, Range] | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> Splits:
    """The periods asked for as positions on ``axis``.

    Fractions are shares of the record without its gaps, in the order training, validation, test;
    what is not given shares the rest as 0.7 : 0.1 : 0.2. Of many independent sequences, fractions
    are shares of the sequences, each of them whole. With some periods given as dates, training is
    what precedes them, validation the last eighth of what is there to train on, and test what
    follows them. Test and validation may be counted back from the end, by the times that
    ``usable`` (time,) says may stand in a window, all by default. Where training sequences are
    drawn as they are needed, ``stored`` says which sequences are for validation and for test, and
    nothing is left to ask for.

    Raises
    ------
    ConfigError
        Fractions mixed with dates, periods that overlap or cannot be completed, or a part with no
        room for a window.
    DataError
        A period outside the record.
    """
    given: dict[PartName, Any] = {
        name: getattr(options, name) for name in PARTS if getattr(options, name) is not None
    }
    dated = [name for name, value in given.items() if not isinstance(value, float)]
    if stored is not None:
        return around_drawn(axis, given, spec, n_sequences, stored)
    if dated and len(dated) < len(given):
        raise ConfigError(
            "data.split mixes fractions and dates; give its periods either all as fractions or "
            "all as dates, of which `last 28D` is one"
        )
    if dated:
        every = np.ones(axis.size, np.bool_)
        return periods_of_dates(axis, given, spec, n_sequences, every if usable is None else usable)
    if n_sequences > 1:
        return shares_of_sequences(axis, given, spec, n_sequences)
    return shares_of_times(axis, given, spec)
