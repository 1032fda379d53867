"""What values are shifted by and divided by before a model sees them: plain numpy.

``(value - offset) / scale``, with both from the statistics of the training period alone; values
outside what that period held are scaled alike and not cut.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import ConfigError, RunError
from stforecast.store import ChannelMeta
from stforecast.windows.spec import Departure, Scaling, Value, WindowSpec, check_variables
from stforecast.windows.statistics import Statistics

Floats = NDArray[np.float64]


def offset_and_scale(
    statistics: Statistics,
    departure: Departure | Sequence[Departure] = "none",
    scaling: Scaling | Sequence[Scaling] = "standard",
    together: bool = False,
) -> tuple[Floats, Floats]:
    """What the channels are shifted by and divided by, (C,) each, in the units of the statistics.

    Departure and scaling are one for all channels, or one for each.

    - ``standard``: mean and standard deviation, so that the training period has mean 0 and
      variance 1
    - ``minmax``: minimum and range, so that it fills [0, 1]
    - ``minmax_symmetric``: middle and half the range, so that it fills [-1, 1]
    - ``none``: 0 and 1

    With ``together`` all channels share those of their values taken together. A channel with one
    value is shifted and not scaled. Departures are about zero, so they are divided only: for
    ``standard`` by their own spread, else as the values would be.

    Raises
    ------
    RunError
        The statistics have no spread of departures, and departures are asked for.
    """
    if together:
        statistics = _together(statistics)
    count = len(statistics.mean)
    offset, scale = np.zeros(count), np.ones(count)
    for index, kinds in enumerate(
        zip(each_channel(departure, count), each_channel(scaling, count), strict=True)
    ):
        shifts, divisors = _of_all(statistics, *kinds)
        offset[index], scale[index] = shifts[index], divisors[index]
    return offset, scale


def each_channel(given: Value | Sequence[Value], count: int) -> tuple[Value, ...]:
    """One value for each channel, where one may stand for all."""
    return (given,) * count if isinstance(given, str) else tuple(given)


def _of_all(
    statistics: Statistics, departure: Departure, scaling: Scaling
) -> tuple[Floats, Floats]:
    """Offset and scale of all channels, were they all departures and scaled like this."""
    low, high = statistics.minimum, statistics.maximum
    span = np.where(statistics.constant, 1.0, high - low)
    if scaling == "none":
        return np.zeros_like(low), np.ones_like(low)
    if scaling == "minmax":
        return low, span
    if scaling == "minmax_symmetric":
        return (low + high) / 2, span / 2
    if departure == "none":
        return statistics.mean, statistics.scale
    if statistics.departure_scale is None:
        raise RunError(f"the run has no scale for departures from {departure}; train it again")
    return statistics.mean, statistics.departure_scale


def value_ranges(
    statistics: Statistics, spec: WindowSpec, channels: Sequence[ChannelMeta]
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each channel, in physical units: what makes frames of [0, 1].

    Those of the training period where values are scaled by them; else a channel's bounds, and the
    training period's where it has none. The same for all channels that are scaled together.
    """
    scalings = spec.scalings([channel.name for channel in channels])
    ranges = {}
    for index, channel in enumerate(channels):
        by_bounds = scalings[index] not in ("minmax", "minmax_symmetric")
        low, high = float(statistics.minimum[index]), float(statistics.maximum[index])
        if by_bounds and channel.minimum is not None:
            low = channel.minimum
        if by_bounds and channel.maximum is not None:
            high = channel.maximum
        ranges[channel.name] = low, high
    if spec.scale_together:
        together = min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())
        ranges = dict.fromkeys(ranges, together)
    return ranges


def check_scaling(spec: WindowSpec, channels: Sequence[ChannelMeta]) -> None:
    """ConfigError where channels that differ are to be scaled together, or one is unknown."""
    names = [channel.name for channel in channels]
    check_variables(spec, names)
    if spec.scale_each_window and not spec.has_departures:
        raise ConfigError(
            "windows.scale_each_window scales departures, and there are none; set "
            "windows.departure, for example to last_frame"
        )
    if spec.scale_together:
        for option, values in (
            ("departure", spec.departures(names)),
            ("scaling", spec.scalings(names)),
            ("function", spec.functions(names)),
        ):
            if len(set(values)) > 1:
                raise ConfigError(
                    f"windows.scale_together needs one windows.{option} for all variables; set "
                    "scale_together to false"
                )
    units = {(channel.units or "").strip() for channel in channels}
    if spec.scale_together and len(units) > 1:
        listed = ", ".join(f"{channel.name} in {channel.units or '1'}" for channel in channels)
        raise ConfigError(
            f"windows.scale_together needs variables of one unit, and there are {listed}; set it "
            "to false"
        )


def _together(statistics: Statistics) -> Statistics:
    """The statistics of the values of all channels together, for each channel."""
    weight = statistics.count / statistics.count.sum()
    mean = float((weight * statistics.mean).sum())
    variance = float((weight * (statistics.std**2 + (statistics.mean - mean) ** 2)).sum())
    departure = statistics.departure_scale
    channels = len(weight)

    def alike(value: Any) -> Floats:
        return np.full(channels, float(value))

    return Statistics(
        mean=alike(mean),
        std=alike(np.sqrt(variance)),
        minimum=alike(statistics.minimum.min()),
        maximum=alike(statistics.maximum.max()),
        count=statistics.count,
        missing=statistics.missing,
        departure_scale=(
            None if departure is None else alike(np.sqrt((weight * departure**2).sum()))
        ),
    )
