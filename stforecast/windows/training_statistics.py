"""The statistics of a training period, taken once.

Read in blocks, so that memory stays flat, and merged in float64 by the pairwise update of Chan,
Golub & LeVeque (1983), which loses no digits when the mean is large beside the spread
(temperatures in kelvin, pressures in pascal).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.generators import SequenceGenerator
from stforecast.windows.days import usable_times
from stforecast.windows.frame_blocks import FrameSource, SampleStore, block_length, blocks
from stforecast.windows.functions import apply
from stforecast.windows.parts import Splits
from stforecast.windows.samples import list_samples
from stforecast.windows.spec import Departure, Function, WindowSpec
from stforecast.windows.statistics import Floats, Statistics

DEPARTURE_SAMPLES: Final = 2048
DRAWN_SEQUENCES: Final = 512

# What is usual at positions (n,): fields (n, C, H, W), after the functions.
Usual = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def compute_statistics(
    store: SampleStore,
    spec: WindowSpec,
    splits: Splits,
    frames: FrameSource | None = None,
    usual: Usual | None = None,
) -> Statistics:
    """Statistics of the training part of ``splits``, and of nothing else.

    Of training sequences that are drawn as they are needed, they are those of the first
    ``DRAWN_SEQUENCES``.
    Departures are taken from at most ``DEPARTURE_SAMPLES`` windows, evenly spread over the period.
    ``frames`` reads the same data from memory, if it is there, and ``usual`` gives the climatology
    that departures may be from.

    Raises
    ------
    DataError
        A channel has no value in the training period, or an infinite one.
    """
    source: FrameSource = store if frames is None else frames
    sequences = splits.sequences_of("train")
    if store.generator is not None:
        source, sequences = _Drawn(store.generator), range(DRAWN_SEQUENCES)
    functions = spec.functions(store.channels)
    moments = _Moments(store.shape[1])
    changed = _Moments(store.shape[1]) if spec.has_functions else None
    start, stop = splits.train
    usable = usable_times(store, spec)
    for sequence in sequences:
        for first, last in blocks(start, stop, block_length(store.shape)):
            block = source.read(first, last, sequence)[usable[first:last]]
            moments.add(block)
            if changed is not None:
                changed.add(apply(block, functions))
    _check_values(store.channels, moments)
    departure_scale = None
    if spec.has_departures:
        samples = (
            list_samples(store, spec, splits, "train")
            if store.generator is None
            else _windows(spec, store.shape[0], sequences)
        )
        departures = spec.departures(store.channels)
        departure_scale = _departure_scale(source, spec, samples, departures, functions, usual)
    return Statistics(
        mean=moments.mean,
        std=np.sqrt(moments.m2 / moments.count),
        minimum=moments.minimum,
        maximum=moments.maximum,
        count=moments.count,
        missing=moments.missing,
        departure_scale=departure_scale,
        function_mean=None if changed is None else changed.mean,
        function_std=None if changed is None else np.sqrt(changed.m2 / changed.count),
    )


def _check_values(channels: Sequence[str], moments: "_Moments") -> None:
    """DataError where a channel has no values, or infinite ones."""
    for name, count, total in zip(channels, moments.count, moments.m2, strict=True):
        if count == 0:
            raise DataError(
                f"variable {name!r} has no value in the training period; "
                "choose other periods in data.split or leave the variable out"
            )
        if not np.isfinite(total):
            raise DataError(
                f"variable {name!r} holds infinite values in the training period; "
                "mark them as missing in the source"
            )


class _Drawn:
    """Frames of sequences that are drawn, by their numbers."""

    def __init__(self, generator: SequenceGenerator) -> None:
        self._generator = generator
        self.shape = generator.shape

    def read(self, start: int, stop: int, sequence: int = 0) -> NDArray[np.float32]:
        """Frames ``start`` to ``stop`` (n, C, H, W) of one of them."""
        return self._generator.draw([sequence])[0, start:stop]


def _windows(spec: WindowSpec, frames: int, sequences: range) -> NDArray[np.int64]:
    """All samples (n, 2) of sequences in which no frame is missing."""
    inits = np.arange(spec.history_needed - 1, frames - spec.horizon)
    numbers = np.repeat(np.asarray(sequences, np.int64), len(inits))
    return np.stack([numbers, np.tile(inits, len(sequences))], axis=1)


class _Moments:
    """Count, mean and sum of squared deviations of each channel, merged block by block."""

    def __init__(self, channels: int) -> None:
        self.count = np.zeros(channels, np.int64)
        self.mean = np.zeros(channels)
        self.m2 = np.zeros(channels)
        self.minimum = np.full(channels, np.inf)
        self.maximum = np.full(channels, -np.inf)
        self.missing = np.zeros(channels, np.bool_)

    def add(self, block: NDArray[np.float32]) -> None:
        """Take in a block (n, C, H, W)."""
        for channel in range(block.shape[1]):
            values = block[:, channel]
            valid = ~np.isnan(values)
            kept = values[valid].astype(np.float64)
            self.missing[channel] |= kept.size < values.size
            if kept.size:
                self._merge(channel, kept)

    def _merge(self, channel: int, values: Floats) -> None:
        with np.errstate(invalid="ignore"):  # infinite values show in m2 and are named later
            mean = values.mean()
            m2 = np.square(values - mean).sum()
            before = self.count[channel]
            total = before + values.size
            shift = mean - self.mean[channel]
            self.mean[channel] += shift * (values.size / total)
            self.m2[channel] += m2 + shift**2 * (before * values.size / total)
        self.count[channel] = total
        self.minimum[channel] = min(self.minimum[channel], values.min())
        self.maximum[channel] = max(self.maximum[channel], values.max())


def _departure_scale(
    source: FrameSource,
    spec: WindowSpec,
    samples: NDArray[np.int64],
    departures: Sequence[Departure],
    functions: Sequence[Function],
    usual: Usual | None,
) -> Floats:
    """Root mean square of ``target - reference`` per channel (C,), 1 for those without."""
    chosen = samples
    if len(samples) > DEPARTURE_SAMPLES:
        spread = np.linspace(0, len(samples) - 1, DEPARTURE_SAMPLES).round().astype(np.int64)
        chosen = samples[spread]
    squares = np.zeros(source.shape[1])
    count = np.zeros(source.shape[1], np.int64)
    for sequence, init in chosen:
        window = source.read(init - spec.history + 1, init + spec.horizon + 1, int(sequence))
        window = apply(window.astype(np.float64), functions)
        target = window[spec.history :]
        reference = np.zeros_like(target)
        for departure in set(departures) - {"none"}:
            chosen_channels = [one == departure for one in departures]
            if departure == "climatology":
                assert usual is not None
                found = usual(np.arange(init + 1, init + spec.horizon + 1))[:, chosen_channels]
            else:
                found = reference_frame(window[: spec.history, chosen_channels], departure)
            reference[:, chosen_channels] = found
        changes = target - reference
        valid = ~np.isnan(changes)
        squares += np.square(np.where(valid, changes, 0)).sum(axis=(0, 2, 3))
        count += valid.sum(axis=(0, 2, 3))
    scale = np.sqrt(squares / np.maximum(count, 1))
    plain = np.array([departure == "none" for departure in departures])
    return np.where((scale > 0) & ~plain, scale, 1.0)


def reference_frame(history: NDArray[Any], departure: Departure) -> NDArray[Any]:
    """What departures are taken from: the last value or the mean of each cell's history.

    ``history`` is (T, ...); a cell whose last frame is missing falls back on its last valid frame,
    the mean is that of the valid frames, and a cell without any stays missing.
    """
    valid = ~np.isnan(history)
    if departure == "history_mean":
        count = valid.sum(axis=0)
        total = np.where(valid, history, 0).sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
    reference = np.asarray(history[0])
    for frame in history[1:]:
        reference = np.where(np.isnan(frame), reference, frame)
    return reference
