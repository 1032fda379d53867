"""Dates as DeepST's files have them: ``YYYYMMDDSS``, with an hour or a slot of the day at the end.

DeepST's own files count the slots of a day from 01 (48 half hours in TaxiBJ, 24 hours in BikeNYC);
others end in the hour of day, 00 to 23.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError

Slots = Literal["auto", "hour", "slot24", "slot48"]

# Lowest and highest last digits, minutes of a slot, and what one would call them.
_KINDS: dict[str, tuple[int, int, int, str]] = {
    "hour": (0, 23, 60, "hours of day 00 to 23"),
    "slot24": (1, 24, 60, "slots 01 to 24"),
    "slot48": (1, 48, 30, "slots 01 to 48"),
}


def read_dates(texts: list[str], slots: Slots, where: str) -> NDArray[np.datetime64]:
    """Stamps of dates ``YYYYMMDDSS``, or ``YYYYMMDD`` or ``YYYYMMDDHHMM``, in their order.

    DataError, naming `where`, for text that is no date, and when the dates do not tell what their
    last digits are.
    """
    lengths = {len(text) for text in texts}
    wrong = [text for text in texts if not text.isdigit()]
    if wrong or len(lengths) != 1 or (length := lengths.pop()) not in (8, 10, 12):
        example = wrong[0] if wrong else min(texts, key=len, default="")
        raise DataError(f"{where} has the date {example!r}, which is not such as 2013070148")
    numbers = np.array(texts, dtype=f"U{length}")
    days = _days(numbers, where)
    if length == 8:
        return days
    last = np.array([int(text[8:]) for text in texts])
    if length == 12:
        hours, minutes = np.divmod(last, 100)
        if (hours > 23).any() or (minutes > 59).any():
            raise DataError(f"{where} has dates of 12 digits whose last four are no time of day")
        return days + hours * np.timedelta64(60, "m") + minutes * np.timedelta64(1, "m")
    kind = _kind(last, slots, where)
    low, _, minutes_each, _ = _KINDS[kind]
    return days + (last - low) * np.timedelta64(minutes_each, "m")


def _days(numbers: NDArray[Any], where: str) -> NDArray[np.datetime64]:
    stamps = []
    for text in sorted({str(number[:8]) for number in numbers}):
        try:
            stamps.append((text, np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}", "m")))
        except ValueError:
            raise DataError(f"{where} has the date {text!r}, which is no day") from None
    known = dict(stamps)
    return np.array([known[number[:8]] for number in numbers]).astype("datetime64[us]")


def _kind(last: NDArray[np.int64], slots: Slots, where: str) -> str:
    lowest, highest = int(last.min()), int(last.max())
    if slots != "auto":
        low, high, _, words = _KINDS[slots]
        if lowest < low or highest > high:
            raise DataError(
                f"{where} has dates ending in {lowest:02d} to {highest:02d}, which are not {words} "
                f"as data.slots says"
            )
        return slots
    if lowest == 0 and highest <= 23:
        return "hour"
    if lowest >= 1 and 24 < highest <= 48:
        return "slot48"
    if lowest >= 1 and highest == 24:
        return "slot24"
    if lowest == 0 or highest > 48:
        raise DataError(
            f"{where} has dates ending in {lowest:02d} to {highest:02d}, which are neither hours "
            "of day 00 to 23 nor slots 01 to 24 or 01 to 48"
        )
    raise DataError(
        f"the dates of {where} end in {lowest:02d} to {highest:02d}, which may be hours of day or "
        "slots counted from 01; say which with data.slots: hour, slot24 or slot48"
    )
