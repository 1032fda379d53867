"""Frames a day or a week before each time of a window: closeness, period and trend, for any system.

The idea is that of ST-ResNet (Zhang, Zheng & Qi 2017, section 3), which is given the same hour of
the days and weeks before beside the last few frames.
"""

import numpy as np
from numpy.typing import NDArray

from stforecast.windows.spec import WindowSpec

Positions = NDArray[np.int64]


def lag_positions(spec: WindowSpec, inits: Positions, ahead: int = 0) -> Positions:
    """Positions (B, G, T + T') of the lagged frames of windows with the initial times (B,).

    For each of the G lags and each time of the window, the position is the fewest whole lags, at
    least one, before that time that lie at or before the initial time. With ``ahead`` the window
    lies so many steps later and the initial time stays: the frames of a rolled-out forecast lie as
    many more lags back.
    """
    after = ahead + np.arange(1 - spec.history, spec.horizon + 1, dtype=np.int64)
    lags = np.asarray(spec.lags, np.int64)[:, None]
    times = np.maximum(1, -(-after // lags))
    found: Positions = np.asarray(inits, np.int64)[:, None, None] + after - times * lags
    return found
