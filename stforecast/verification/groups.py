"""Groups of valid times that scores are told apart by: lead time, hour, weekday, month, season."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.climatology import clock
from stforecast.errors import ConfigError

# Of each group the labels that occur, and which of them each (init, lead) belongs to.
Groups = Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEASONS = ("DJF", "MAM", "JJA", "SON")
GROUPS = ("hour", "weekday", "month", "season")
_LONG_NAMES = {
    "hour": "hour of day of the valid time",
    "weekday": "day of the week of the valid time",
    "month": "month of the valid time",
    "season": "season of the valid time",
}


def find_groups(by: Sequence[str], frame: xr.Dataset) -> Groups:
    """The groups asked for, lead time first; ``frame`` has the valid times (init, lead).

    ConfigError for one that there is not.
    """
    known = (names.LEAD_TIME, *GROUPS)
    for group in by:
        if group not in known:
            raise ConfigError(
                f"scores cannot be grouped by {group!r}; by {', '.join(known)} they can"
            )
    return {group: _group(group, frame) for group in known if group in by}


def group_coordinate(
    group: str, labels: NDArray[Any], frame: xr.Dataset
) -> tuple[str, NDArray[Any], dict[str, Any]]:
    """The coordinate of a dimension of scores that is a group."""
    if group == names.LEAD_TIME:
        return group, labels, dict(frame[names.LEAD_TIME].attrs)
    return group, labels, {"long_name": _LONG_NAMES[group]}


def _group(group: str, frame: xr.Dataset) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Labels of the groups that occur, and which of them each (init, lead) belongs to."""
    valid = frame[names.VALID_TIME]
    if group == names.LEAD_TIME:
        leads = frame[names.LEAD_TIME].values
        return leads, np.broadcast_to(np.arange(leads.size), valid.shape)
    if group == "hour":
        numbers = clock.second_of_day(valid.values) // 3600
    elif group == "weekday":
        numbers = clock.weekday(valid.values)
    else:
        numbers = clock.month(valid.values)
        if group == "season":
            numbers = numbers % 12 // 3
    found, members = np.unique(numbers, return_inverse=True)
    members = members.reshape(valid.shape)
    words = {"weekday": WEEKDAYS, "season": SEASONS}.get(group)
    labels = found if words is None else np.array([words[number] for number in found], dtype=object)
    return labels, members
