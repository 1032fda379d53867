"""Statistics of the training period: what normalises a run's data, now and for ever after.

Read in blocks, so that memory stays flat, and merged in float64 by the pairwise update of Chan,
Golub & LeVeque (1983), which loses no digits when the mean is large beside the spread
(temperatures in kelvin, pressures in pascal).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError, RunError
from stforecast.generators import SequenceGenerator
from stforecast.windows.days import usable_times
from stforecast.windows.functions import apply, of_values
from stforecast.windows.parts import Splits
from stforecast.windows.samples import SteppedStore, list_samples
from stforecast.windows.spec import Departure, Function, WindowSpec

BLOCK_BYTES = 32 * 2**20
DEPARTURE_SAMPLES = 2048
DRAWN_SEQUENCES = 512

Floats = NDArray[np.float64]
# What is usual at positions (n,): fields (n, C, H, W), after the functions.
Usual = Callable[[NDArray[np.int64]], NDArray[np.float32]]


class FrameSource(Protocol):
    """Whatever reads frames: a tensor store, or its copy in memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(time, channel, y, x)."""

    def read(self, start: int, stop: int, sequence: int = 0) -> NDArray[np.float32]:
        """Frames ``start`` to ``stop`` (n, C, H, W), NaN where missing."""


class SampleStore(FrameSource, SteppedStore, Protocol):
    """What of a tensor store is asked here."""

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""

    @property
    def generator(self) -> SequenceGenerator | None:
        """What draws the training sequences, where they are not stored."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per channel, over the training period's cells that hold a value; float64 arrays (C,).

    Attributes
    ----------
    mean, std, minimum, maximum, count:
        In the units of the channel; std with denominator n.
    missing:
        Whether a present time of the training period lacks cells of this channel.
    function_mean, function_std:
        Mean and std of what ``windows.function`` makes of the values; None without functions.
    departure_scale:
        Root mean square of the departures ``target - reference`` over the training windows, None
        without departures. About zero and not about their mean, so that a steady trend has a scale.
        After the functions, and 1 for a channel that is learned as it is.
    """

    mean: Floats
    std: Floats
    minimum: Floats
    maximum: Floats
    count: NDArray[np.int64]
    missing: NDArray[np.bool_]
    departure_scale: Floats | None = None
    function_mean: Floats | None = None
    function_std: Floats | None = None

    def after(self, functions: Sequence[Function]) -> "Statistics":
        """The statistics of what functions, one for each channel, make of the values.

        RunError where they were not taken of it.
        """
        if all(function == "none" for function in functions):
            return self
        if self.function_mean is None or self.function_std is None:
            raise RunError("the run has no statistics after windows.function; train it again")
        ends = [
            np.array([of_values(value, one) for value, one in zip(end, functions, strict=True)])
            for end in (self.minimum, self.maximum)
        ]
        return replace(
            self,
            mean=self.function_mean,
            std=self.function_std,
            minimum=ends[0],
            maximum=ends[1],
            function_mean=None,
            function_std=None,
        )

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(C,): the channel has one value, up to float32; it is then shifted and not scaled."""
        largest = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return np.asarray(self.std <= np.finfo(np.float32).eps * largest)

    @property
    def scale(self) -> Floats:
        """(C,): what the channels are divided by, the std or 1 where a channel is constant."""
        return np.where(self.constant, 1.0, self.std)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the card of a run."""
        optional = {"departure_scale": self.departure_scale}
        if self.function_mean is not None:
            optional |= {"function_mean": self.function_mean, "function_std": self.function_std}
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "minimum": self.minimum.tolist(),
            "maximum": self.maximum.tolist(),
            "count": self.count.tolist(),
            "missing": self.missing.tolist(),
            **{
                name: None if values is None else values.tolist()
                for name, values in optional.items()
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Statistics":
        """Inverse of :meth:`to_json`; RunError when a value is missing or wrong."""
        try:
            departure = values["departure_scale"]
            learned = [values.get("function_mean"), values.get("function_std")]
            mean, std = (None if one is None else np.asarray(one, np.float64) for one in learned)
            found = cls(
                mean=np.asarray(values["mean"], np.float64),
                std=np.asarray(values["std"], np.float64),
                minimum=np.asarray(values["minimum"], np.float64),
                maximum=np.asarray(values["maximum"], np.float64),
                count=np.asarray(values["count"], np.int64),
                missing=np.asarray(values["missing"], np.bool_),
                departure_scale=None if departure is None else np.asarray(departure, np.float64),
                function_mean=mean,
                function_std=std,
            )
            arrays = [array for array in vars(found).values() if array is not None]
            if {array.shape for array in arrays} != {(arrays[0].size,)}:
                raise ValueError("its channels do not have one value each")
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"the card of the run is damaged in its statistics ({error}); train the run again"
            ) from error
        return found


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
    for name, count, total in zip(store.channels, moments.count, moments.m2, strict=True):
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


def block_length(shape: tuple[int, int, int, int]) -> int:
    """Frames that are read at once."""
    _, channels, height, width = shape
    return max(1, BLOCK_BYTES // (4 * channels * height * width))


def blocks(start: int, stop: int, length: int) -> Iterator[tuple[int, int]]:
    """Half-open ranges of a length that follow each other, the last one perhaps shorter."""
    for first in range(start, stop, length):
        yield first, min(first + length, stop)
