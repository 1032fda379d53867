"""From which times of a record a forecast can start."""

from dataclasses import replace
from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray

from stforecast.card import RunCard
from stforecast.errors import ConfigError, DataError
from stforecast.store import TensorStore
from stforecast.windows.parts import PARTS, WORDS, period
from stforecast.windows.samples import init_positions
from stforecast.windows.spec import WindowSpec

# A channel counts as steady when this share of its steps has the same number of valid cells.
_STEADY = 0.9


def last_init_position(store: TensorStore, spec: WindowSpec) -> tuple[int, str | None]:
    """The last initial time that has its whole history, and a warning if the record goes on.

    A last step that lacks cells, where nearly all others have the same number, is not yet whole:
    it is still being filled.

    Raises:
        DataError: nowhere is there enough history; says how much it takes.
    """
    possible = _possible(store, spec)
    whole = possible[_whole(store)[possible]]
    if whole.size == 0:
        raise _too_little(store, spec)
    last = int(whole[-1])
    left = store.axis.size - 1 - last
    if left == 0:
        return last, None
    first, end = (store.axis.text_at(position) for position in (last + 1, store.axis.size - 1))
    steps = (
        f"the last time step ({end}) is"
        if left == 1
        else (f"the last {left} time steps ({first} to {end}) are")
    )
    return last, (
        f"{steps} absent or incomplete, or lack their history; "
        f"the forecast starts from {store.axis.text_at(last)}"
    )


def init_position(store: TensorStore, spec: WindowSpec, time: Any) -> int:
    """The position of an initial time, as text, datetime64, datetime or cftime.

    Raises:
        DataError: it is not on the time axis, not in the record, or has not its whole history; says
            which initial time is nearest.
        ConfigError: text that is no date.
    """
    possible = _possible(store, spec)
    if possible.size == 0:
        raise _too_little(store, spec)
    stamp = _stamp(store, time)
    text = store.axis.text(stamp)
    try:
        position = int(store.axis.positions(np.asarray(stamp)))
    except DataError as error:
        raise DataError(f"there is no initial time {text}: {error}") from error
    if position in possible:
        return position
    nearest = int(possible[np.abs(possible - position).argmin()])
    size = store.axis.size
    if not 0 <= position < size:
        reason = f"the data runs from {store.axis.text_at(0)} to {store.axis.text_at(size - 1)}"
    elif position < spec.history_needed - 1:
        reason = f"the run needs {_steps(store, spec.history_needed)} of history up to it"
        if not store.axis.step.frames:
            reason += f", from {store.axis.text_at(position - spec.history_needed + 1)} on"
    else:
        reason = "its history has absent times, or no values"
    raise DataError(
        f"no forecast can start from {text}: {reason}; the nearest initial time is "
        f"{store.axis.text_at(nearest)}"
    )


def period_samples(
    store: TensorStore,
    spec: WindowSpec,
    card: RunCard,
    what: str | tuple[str, str],
    *,
    horizon: int,
    every: int = 1,
) -> tuple[NDArray[np.int64], list[int] | None]:
    """Initial times (I,) of a period whose histories and valid times all lie in it.

    Args:
        what: a part of the run's split (train, validation, test), or the first and last date.
        horizon: steps to forecast.
        every: steps from one initial time to the next.

    Returns:
        Positions, and which sequences the part is made of (None without sequences).

    Raises:
        ConfigError: no such part. DataError: the period has no room, or lies outside the record.
    """
    if isinstance(what, str):
        if what not in PARTS:
            raise ConfigError(f"there is no period {what!r}; name {', '.join(PARTS)}, or two dates")
        if what not in card.splits:
            raise ConfigError(f"the run {card.name!r} has no {WORDS[what]} period")
        (first, last), words = card.splits[what], f"{WORDS[what]} period"
    else:
        (first, last), words = what, "period"
    part = period(store.axis, first, last, words)
    found = init_positions(store, spec, part, every, horizon)
    if found.size == 0:
        lagged = max(spec.lags, default=0)
        after = f" later than {_steps(store, lagged)} after the record begins" if lagged else ""
        raise DataError(
            f"the {words} ({first} to {last}) has no {_steps(store, spec.history + horizon)} "
            f"without a gap{after}, which a history of {spec.history} and a horizon of {horizon} "
            "steps take"
        )
    if store.meta.sequence_name is None:
        return found, None
    chosen = range(store.n_sequences)
    if card.sequences is not None and isinstance(what, str):
        if what not in card.sequences:
            raise ConfigError(
                f"the {WORDS[what]} sequences of the run {card.name!r} were drawn as they were "
                "needed and are not kept; name another period"
            )
        chosen = range(*card.sequences[what])
    return found, [number for number in chosen if number < store.n_sequences]


def check_init_positions(
    store: TensorStore, spec: WindowSpec, positions: NDArray[np.int64]
) -> None:
    """DataError where a forecast cannot start, naming the first such time."""
    outside = (positions < 0) | (positions >= store.axis.size)
    bad = outside | ~np.isin(positions, _possible(store, spec))
    if bad.any():
        init_position(store, spec, store.axis.times_at(positions[bad][0])[()])


def _possible(store: TensorStore, spec: WindowSpec) -> NDArray[np.int64]:
    # a forecast may start on a day that training would leave out: today is never whole
    return init_positions(store, replace(spec, complete_days=False), None, horizon=0)


def _whole(store: TensorStore) -> NDArray[np.bool_]:
    """(time,): False where a step has fewer valid cells than nearly all others."""
    counts = store.valid_cells.reshape(-1, *store.valid_cells.shape[-2:])
    counts = counts[:, store.present]
    usual = np.median(counts, axis=1, keepdims=True)
    steady = (counts == usual).mean(axis=1, keepdims=True) > _STEADY
    whole = np.array(store.complete())
    whole[store.present] &= ~(steady & (counts < usual)).any(axis=(0, 2))
    return whole


def _too_little(store: TensorStore, spec: WindowSpec) -> DataError:
    runs = np.diff(np.flatnonzero(np.concatenate([[True], ~store.present, [True]]))) - 1
    longest = int(runs.max(initial=0))
    needed = spec.history_needed
    if longest >= spec.history and store.axis.size < needed:
        begin = store.axis.text_at(store.axis.size - needed)
        return DataError(
            f"the run needs a record of {_steps(store, needed)} to forecast from, its longest lag "
            f"and its history; this data has {store.axis.size}, and would have to begin at {begin}"
        )
    needed = spec.history
    found = f"there are {longest}"
    if longest >= needed:
        found = "all of it missing" + (" or before the longest lag" if spec.lags else "")
    return DataError(
        f"the run needs a history of {_steps(store, needed)} without a gap to forecast from; "
        f"in this data {found}"
    )


def _steps(store: TensorStore, count: int) -> str:
    return store.axis.step.counted(count, "time step")


def _stamp(store: TensorStore, time: Any) -> Any:
    if isinstance(time, str):
        return store.axis.parse_time(time)
    if np.size(time) > 1:
        raise ConfigError(
            f"a forecast starts from one initial time, and {np.size(time)} were given; "
            "Run.hindcast makes those of a whole period"
        )
    if isinstance(time, cftime.datetime):
        return time
    try:
        value: Any = np.asarray(time)[()]  # a scalar DataArray too
        stamp = value if isinstance(value, cftime.datetime) else np.datetime64(value, "us")
    except (TypeError, ValueError):
        stamp = np.datetime64("NaT")
    if isinstance(stamp, np.datetime64) and np.isnat(stamp):
        raise ConfigError(f"the initial time {time!r} is no date")
    return stamp
