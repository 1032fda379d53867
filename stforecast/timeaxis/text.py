"""Times as readers would write them: dates, or the numbers of frames that have no clock.

Videos and other sequences without dates are stamped a second apart from 1970-01-01 on, so that all
that holds for times holds for them. An attribute of their coordinates tells that the stamps count.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np

from stforecast import names
from stforecast.timeaxis.stamps import Stamp, stamp_text

_FRAME: Final = "frame "
COUNTS_FRAMES: Final = {names.COUNTS: "frames"}


def counts_frames(attrs: Mapping[Hashable, Any]) -> bool:
    """Whether the coordinate with these attributes counts frames."""
    return bool(attrs.get(names.COUNTS) == COUNTS_FRAMES[names.COUNTS])


def frame_number(stamp: Stamp) -> int:
    """The number of the frame that a stamp stands for; the first of a sequence is 1."""
    seconds = np.datetime64(stamp, "s") - np.datetime64("1970-01-01", "s")
    return int(seconds.astype(np.int64)) + 1


def time_text(stamp: Stamp, *, frames: bool) -> str:
    """A date, no more precise than it needs to be, or ``frame 11``."""
    return f"frame {frame_number(stamp)}" if frames else stamp_text(stamp)


def span_text(first: Stamp, last: Stamp, *, frames: bool) -> str:
    """First and last time: ``2012-01-01 to 2012-12-31``, ``frames 1 to 20``."""
    begin, end = (time_text(stamp, frames=frames) for stamp in (first, last))
    return ends_text(begin, end)


def ends_text(first: str, last: str) -> str:
    """The same of two times that are text already, such as the ends of a period on a card."""
    if first == last:
        return first
    if first.startswith(_FRAME) and last.startswith(_FRAME):
        return f"frames {first.removeprefix(_FRAME)} to {last.removeprefix(_FRAME)}"
    return f"{first} to {last}"
