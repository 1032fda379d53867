"""How old the newest times of a record are, by the clock on the wall."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from stforecast.errors import ConfigError, StoreError
from stforecast.store.tensor import TensorStore
from stforecast.timeaxis import Stamp, TimeAxis, TimeStep, stamp_text

_CIVIL = ("standard", "gregorian", "proleptic_gregorian")


def check_age(store: TensorStore, max_age: str, now: datetime | None = None) -> None:
    """StoreError when the last time that has values is longer ago than `max_age`, such as ``2h``.

    Stamps are read in the clock of the record; where that was put back, in the later of the two
    hours. `now` is the time by the clock on the wall by default. ConfigError for an age that is no
    duration, for a calendar that no clock follows, and for frames, which have none.
    """
    try:
        limit = TimeStep.parse(max_age)
    except ConfigError as error:
        raise ConfigError(f"--max-age: {error}") from None
    name = store.path or "the record"
    if store.axis.step.frames:
        raise ConfigError(f"{name} has frames without a clock, so it has no age")
    if store.axis.calendar not in _CIVIL:
        raise ConfigError(
            f"{name} follows the calendar {store.axis.calendar}, which no clock does, so it has no "
            "age; leave --max-age out"
        )
    complete = np.flatnonzero(store.complete())
    if not complete.size:
        raise StoreError(f"{name} has no time with values of every variable")
    last = store.axis.times_at(complete[-1:])[0]
    until = TimeAxis(last, limit, 1, store.axis.calendar).times(1, 2)[0]
    zone = ZoneInfo(store.meta.timezone)
    present = now or datetime.now(UTC)
    # a duration is of time that passes, months and years are of dates
    end = _instant(last, zone) + timedelta(seconds=limit.seconds)
    if present > (end if limit.is_fixed else _instant(until, zone)):
        raise StoreError(
            f"{name} is stale: its last time with values is {stamp_text(last)} "
            f"({store.meta.timezone}), {_text(present - _instant(last, zone))} ago, and --max-age "
            f"is {max_age}; add newer files with stforecast ingest --append"
        )


def _instant(stamp: Stamp, zone: ZoneInfo) -> datetime:
    """A stamp of a clock as a time of the world."""
    if isinstance(stamp, np.datetime64):
        local = stamp.astype("datetime64[us]").item()
    else:
        local = datetime(
            *(stamp.year, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second),
            stamp.microsecond,
        )
    return local.replace(tzinfo=zone, fold=1).astimezone(UTC)  # type: ignore[no-any-return]


def _text(age: timedelta) -> str:
    """An age in two words at most: ``3 hours``, ``2 days``."""
    for word, seconds in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = int(age.total_seconds() // seconds)
        if count >= 2 or word == "second":
            return f"{count} {word}" + ("" if count == 1 else "s")
    return "no time"
