"""Small records for the tests, in the tensor layout, all in memory."""

from collections.abc import Sequence
from typing import Any

import cftime
import numpy as np
import xarray as xr

from stforecast import names
from stforecast.store import ChannelMeta, StoreMeta, TensorStore
from stforecast.timeaxis import TimeAxis, TimeStep


def make_times(
    n: int, *, start: str = "2000-01-01", step: str = "1h", calendar: str = "proleptic_gregorian"
) -> np.ndarray:
    """``n`` regular stamps: datetime64[us] in the civil calendar, else cftime objects."""
    first: Any
    if calendar == "proleptic_gregorian":
        first = np.datetime64(start, "us")
    else:
        date, _, clock = start.replace("T", " ").partition(" ")
        numbers = [int(part) for part in date.split("-")]
        hour, minute = [int(part) for part in (clock or "0:0").split(":")][:2]
        numbers += [1] * (3 - len(numbers))
        first = cftime.datetime(*numbers, hour, minute, calendar=calendar)
    return TimeAxis(first, TimeStep.parse(step), n, calendar).times()


def make_values(n: int, channels: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """A field with a period of 24 steps that travels, and a little noise; float32 (n, C, H, W)."""
    rng = np.random.default_rng(seed)
    t, c, y, x = np.ogrid[:n, :channels, :height, :width]
    wave = np.sin(2 * np.pi * (t / 24 + x / max(width, 2))) * np.cos(np.pi * y / max(height, 2))
    noise = rng.normal(scale=0.1, size=(n, channels, height, width))
    return (10 * (c + 1) + 3 * wave + noise).astype(np.float32)


def make_store(
    n: int = 48,
    channels: int | Sequence[str] = 1,
    height: int = 6,
    width: int = 8,
    *,
    start: str = "2000-01-01",
    step: str = "1h",
    calendar: str = "proleptic_gregorian",
    times: np.ndarray | None = None,
    values: np.ndarray | None = None,
    absent: Sequence[int] = (),
    missing: Any = None,
    periodic: bool = False,
    descending: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    sequences: int | None = None,
    timezone: str = "UTC",
    seed: int = 0,
) -> TensorStore:
    """A record on a geographic grid.

    ``absent``: positions of times that the source lacks. ``missing``: a mask that broadcasts to
    ``(n, C, H, W)``, such as ``(H, W)``, or the fraction of cells that are missing at random.
    ``values``: ``(n, C, H, W)``, or ``(sequences, n, C, H, W)``.
    """
    stamps = make_times(n, start=start, step=step, calendar=calendar) if times is None else times
    n = len(stamps)
    if isinstance(channels, int):
        channels = [f"v{index}" for index in range(channels)]
    if values is None:
        stacks = [
            make_values(n, len(channels), height, width, seed + index)
            for index in range(sequences or 1)
        ]
        values = np.stack(stacks) if sequences else stacks[0]
    data = np.array(values, dtype=np.float32)
    height, width = data.shape[-2:]
    if isinstance(missing, float):
        missing = np.random.default_rng(seed + 1).random(data.shape) < missing
    if missing is not None:
        data[np.broadcast_to(missing, data.shape)] = np.nan
    data[..., list(absent), :, :, :] = np.nan
    flags = np.zeros(n, np.int8)
    flags[list(absent)] = 1

    latitude = np.linspace(40.0, 60.0, height)
    longitude = np.arange(width) * (360 / width if periodic else 1.5)
    axis = TimeAxis.from_times(stamps)
    meta = StoreMeta(
        time_step=axis.step.text,
        time_anchor=axis.step.anchor,
        calendar=axis.calendar,
        y_name="lat",
        x_name="lon",
        sequence_name="video" if sequences else None,
        channels=[
            ChannelMeta(
                name=name, units="K", long_name=f"test {name}", minimum=minimum, maximum=maximum
            )
            for name in channels
        ],
        grid_kind="geographic",
        timezone=timezone,
        attrs={"title": "a record for tests"},
    )
    lead = (names.SEQUENCE,) if sequences else ()
    counts = np.isfinite(data).sum(axis=(-2, -1), dtype=np.int32)
    dataset = xr.Dataset(
        {
            names.DATA: ((*lead, names.TIME, names.CHANNEL, names.Y, names.X), data),
            names.ABSENT: (names.TIME, flags),
            names.VALID_CELLS: ((*lead, names.TIME, names.CHANNEL), counts),
        },
        coords={
            names.TIME: (names.TIME, stamps, {"standard_name": "time"}),
            names.CHANNEL: (names.CHANNEL, np.array(list(channels), dtype=object)),
            "lat": (
                names.Y,
                latitude[::-1].copy() if descending else latitude,
                {"units": "degrees_north", "standard_name": "latitude"},
            ),
            "lon": (
                names.X,
                longitude,
                {"units": "degrees_east", "standard_name": "longitude"},
            ),
        },
        attrs={names.META_ATTRIBUTE: meta.to_json()},
    )
    return TensorStore(dataset)
