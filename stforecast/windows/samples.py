"""Which times make a sample: pure arithmetic on the steps that are there.

A sample is named by its sequence and by the position of its initial time, which is that of its last
history frame.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stforecast.errors import DataError
from stforecast.windows.days import DatedStore, usable_times
from stforecast.windows.parts import WORDS, PartName, Splits
from stforecast.windows.spec import WindowSpec

Positions = NDArray[np.int64]


class SteppedStore(DatedStore, Protocol):
    """What of a tensor store is asked here."""

    @property
    def valid_cells(self) -> NDArray[np.int32]:
        """([sequence,] time, channel): how many cells hold a value."""


def init_positions(
    store: SteppedStore,
    spec: WindowSpec,
    part: tuple[int, int] | None,
    every: int = 1,
    horizon: int | None = None,
) -> Positions:
    """Positions of the initial times whose whole window lies inside ``part``, ascending.

    No frame of the window is absent from the source, or on a day that is left out, and neither the
    history nor the target is wholly missing (in any sequence, if there are several). Single frames
    that are there but hold no value are allowed: masks tell of them. Lagged frames, which are known
    at the initial time, may lie before ``part``, but not before the record, and be absent.

    Parameters
    ----------
    part:
        Half-open range of positions; None for the whole record.
    every:
        Steps from one initial time to the next, counted from the first that ``part`` has room for,
        so that a gap does not shift the hours at which forecasts start.
    horizon:
        Steps after the initial time that must be there, if other than ``spec.horizon``; 0 asks for
        the history alone.
    """
    held = np.asarray(_holds_values(store).all(axis=0))
    return _inits(usable_times(store, spec), held, spec, part, every, horizon)


def list_samples(
    store: SteppedStore, spec: WindowSpec, splits: Splits, name: PartName, every: int = 1
) -> Positions:
    """All samples (n, 2) of one part as (sequence, position of the initial time), in order.

    Empty when the part does not exist.

    Raises
    ------
    DataError
        Absent and missing times leave the part no window.
    """
    part = splits.part(name)
    if part is None:
        return np.zeros((0, 2), np.int64)
    held, usable = _holds_values(store), usable_times(store, spec)
    found = [np.zeros((0, 2), np.int64)]
    for sequence in splits.sequences_of(name):
        inits = _inits(usable, held[sequence], spec, part, every)
        found.append(np.stack([np.full_like(inits, sequence), inits], axis=1))
    samples = np.concatenate(found)
    if len(samples) == 0:
        raise DataError(
            f"the {WORDS[name]} period has no {spec.span} steps in a row without an absent time"
            f"{' or a day that is left out' if spec.complete_days else ''}"
            f"{_after_lags(spec)}; move it in data.split, or shorten windows.history or "
            "windows.horizon"
        )
    return samples


def _inits(
    usable: NDArray[np.bool_],
    holds_values: NDArray[np.bool_],
    spec: WindowSpec,
    part: tuple[int, int] | None,
    every: int,
    horizon: int | None = None,
) -> Positions:
    ahead = spec.horizon if horizon is None else horizon
    start, stop = part if part is not None else (0, len(usable))
    first = max(start + spec.history, spec.history_needed) - 1
    inits = np.arange(first, stop - ahead, every, dtype=np.int64)
    if inits.size == 0:
        return inits
    absent = _running_count(~usable)
    held = _running_count(holds_values)
    whole = absent[inits + 1 + ahead] == absent[inits + 1 - spec.history]
    known = held[inits + 1] > held[inits + 1 - spec.history]
    if ahead:
        known &= held[inits + 1 + ahead] > held[inits + 1]
    return np.asarray(inits[whole & known])


def _after_lags(spec: WindowSpec) -> str:
    longest = max(spec.lags, default=0)
    return f" later than the {longest} steps of the longest lag" if longest else ""


def _holds_values(store: SteppedStore) -> NDArray[np.bool_]:
    """(sequence, time): whether any channel of a step has a value."""
    held = store.valid_cells.any(axis=-1)
    return np.atleast_2d(held)


def _running_count(flags: NDArray[np.bool_]) -> Positions:
    """(n + 1,): how many of the first k flags are set."""
    return np.concatenate([[0], np.cumsum(flags, dtype=np.int64)])
