"""Regular time axes in any calendar: steps, positions, periods given as text.

Time stamps are numpy ``datetime64`` or ``cftime`` objects. All arithmetic is on whole microseconds
within the calendar of the stamps, never on floating-point days.
"""

from stforecast.timeaxis.axis import TimeAxis
from stforecast.timeaxis.stamps import Stamp, calendar_of, normalise_stamps, stamp_text
from stforecast.timeaxis.step import TimeStep
from stforecast.timeaxis.text import (
    COUNTS_FRAMES,
    counts_frames,
    ends_text,
    frame_number,
    span_text,
    time_text,
)

__all__ = [
    "COUNTS_FRAMES",
    "Stamp",
    "TimeAxis",
    "TimeStep",
    "calendar_of",
    "counts_frames",
    "ends_text",
    "frame_number",
    "normalise_stamps",
    "span_text",
    "stamp_text",
    "time_text",
]
