"""Longer time steps: of the values of each a mean, a sum, an extreme, or the one at its stamp."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.ingest.record import Record
from stforecast.ingest.transform.fold import reduce_periods
from stforecast.ingest.transform.methods import described, extended, methods_text, stated
from stforecast.ingest.transform.periods import Members, Periods, check_step
from stforecast.ingest.words import listed
from stforecast.options import VariableOptions
from stforecast.options.transform import ResampleOptions
from stforecast.store import ChannelMeta
from stforecast.timeaxis import TimeAxis, TimeStep, stamp_text
from stforecast.timeaxis.stamps import Clock

_METHODS = ("mean", "sum", "max", "min")
_AT_STAMPS = "instantaneous"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Plan:
    """How one variable gets its longer steps, which begin with the number ``first``.

    ``whole`` tells of each step whether enough of its times are there. For values at stamps
    ``rows`` holds the position of each, -1 where the record has none.
    """

    method: str
    first: int
    whole: NDArray[np.bool_]
    members: Members | None = None
    rows: NDArray[np.int64] | None = None

    def on(self, values: NDArray[Any], numbers: NDArray[np.int64], otherwise: Any) -> NDArray[Any]:
        """What was told of each of this plan's steps for the steps of those numbers."""
        at = numbers - self.first
        own = (at >= 0) & (at < values.size)
        return np.where(own, values[np.where(own, at, 0)], otherwise)


def resample(
    record: Record, options: ResampleOptions, variables: Mapping[str, VariableOptions]
) -> Record:
    """The record on longer steps, lazily and in memory that does not grow with them.

    A step of which more than ``options.missing`` is absent is absent, or left out at either end.
    Values that stand for what lies before their stamp (accumulations, rates, what time bounds say)
    belong to the step before a stamp on its edge. ConfigError for a step that is not made of whole
    steps of the record; DataError where no step is whole.
    """
    try:
        step = TimeStep.parse(options.step)
    except ConfigError as error:
        raise ConfigError(f"data.resample: {error}") from None
    source = record.timeline.axis
    if (step.seconds, step.months) == (source.step.seconds, source.step.months):
        return record
    check_step(step, source.step)
    record = record.settled()
    clock = Clock.of(source.times(0, 1))
    periods = Periods(step, clock)
    plans = {
        channel.name: _plan(channel, record, options, periods, variables.get(channel.name))
        for channel in record.layout.channels
    }
    _check_daylight(record.layout.channels, plans, options)
    first = min(plan.first for plan in plans.values())
    last = max(plan.first + plan.whole.size for plan in plans.values())
    spanned = np.arange(first, last)
    some = np.any([plan.on(plan.whole, spanned, False) for plan in plans.values()], axis=0)
    kept = np.flatnonzero(some)
    if not kept.size:
        raise DataError(
            f"the record has no whole step of {_one(step)}; give files that hold one, choose a "
            "shorter data.resample, or raise its missing"
        )
    numbers = spanned[kept[0] : kept[-1] + 1]
    begins, ends = periods.starts(numbers), periods.starts(numbers + 1)
    stamps = clock.from_micros(begins if options.label == "start" else ends)
    axis = TimeAxis.from_times(stamps, step)
    arrays = {
        name: _resampled(record.layout.dataset[name].variable, plan, numbers, options)
        for name, plan in plans.items()
    }
    late = 1 if options.label == "end" else 0

    def text(chosen: Any) -> list[str]:
        instants = periods.starts(np.asarray(chosen, np.int64) + late)
        return [stamp_text(stamp) for stamp in clock.from_micros(instants)]

    held = {name: plan.on(plan.whole, numbers, False) for name, plan in plans.items()}
    begun = {
        int(number)
        for plan in plans.values()
        if plan.members is not None
        for number in plan.first + np.arange(plan.whole.size)
    }
    outside = sorted(begun - set(numbers.tolist()))
    notes = [*_incomplete(held, numbers, outside, text), *_left_out(record)]
    coords = _coordinates(record, clock, begins, ends, stamps)
    methods = {name: plan.method for name, plan in plans.items()}
    layout = replace(
        record.layout,
        channels=[
            _described(channel, methods[channel.name], source.step)
            for channel in record.layout.channels
        ],
        references=None,
    )
    words = {_AT_STAMPS: "the value at the stamp"}
    done = (
        f"{_one(source.step)} became {_one(step)} ({methods_text(methods, words)}), stamped at its "
        f"{options.label}"
    )
    record = replace(
        record,
        layout=layout,
        notes=(*record.notes, *notes),
        done={**record.done, "longer steps": done},
    )
    return record.on_axis(xr.Dataset(arrays, coords), axis, some[kept[0] : kept[-1] + 1])


def _one(step: TimeStep) -> str:
    return step.label if step.label[0].isdigit() else f"1 {step.label}"


def _plan(
    channel: ChannelMeta,
    record: Record,
    options: ResampleOptions,
    periods: Periods,
    chosen: VariableOptions | None,
) -> _Plan:
    axis, present = record.timeline.axis, record.timeline.present
    method = _method(channel, record, chosen)
    if method == _AT_STAMPS:
        micros = periods.clock.to_micros(axis.times())
        numbers = periods.numbers(micros)
        late = 1 if options.label == "end" else 0
        first, size = int(numbers[0]) - late, int(numbers[-1] - numbers[0]) + 1
        wanted = periods.starts(np.arange(first + late, first + late + size))
        at = np.searchsorted(micros, wanted)
        there = (at < micros.size) & (micros[np.minimum(at, micros.size - 1)] == wanted)
        there[there] = present[at[there]]
        rows = np.where(there, at, -1)
        return _Plan(method, first, there, rows=rows)
    members = Members.of(axis, periods, _stand_for_before(channel, record, chosen))
    lacking = members.expected - members.counts(present)
    whole = lacking <= (options.missing + _ROUNDING) * members.expected
    return _Plan(method, members.first, whole, members=members)


def _method(channel: ChannelMeta, record: Record, chosen: VariableOptions | None) -> str:
    if chosen is not None and chosen.resample is not None:
        return chosen.resample
    along = ("time", record.layout.time_name)
    grib = record.layout.dataset[channel.name].attrs.get("GRIB_stepType")
    found = stated(channel.cell_methods or (f"time: {grib}" if grib else None), along)
    return found if found in _METHODS else "mean"


def _stand_for_before(channel: ChannelMeta, record: Record, chosen: VariableOptions | None) -> bool:
    """Whether a value stands for the time before its stamp, rather than at or after it."""
    if chosen is not None and chosen.stamp is not None:
        return chosen.stamp == "end"
    if chosen is not None and (chosen.rate or chosen.accumulated or chosen.daylight):
        return True
    if stated(channel.cell_methods, ("time", record.layout.time_name)) == "point":
        return False
    bounds = _bounds(record)
    if bounds is None:
        return False
    axis, present = record.timeline.axis, record.timeline.present
    clock = Clock.of(axis.times(0, 1))
    upper = clock.to_micros(bounds.values).max(axis=1)
    return bool((clock.to_micros(axis.times()) >= upper)[present].all())


def _bounds(record: Record) -> xr.Variable | None:
    time = record.layout.dataset[names.TIME]
    name = time.attrs.get("bounds") or time.encoding.get("bounds")
    return record.layout.dataset[name].variable if name in record.layout.dataset.coords else None


def _check_daylight(
    channels: list[ChannelMeta], plans: Mapping[str, _Plan], options: ResampleOptions
) -> None:
    for channel in channels:
        at_stamps = plans[channel.name].method == _AT_STAMPS
        if channel.daylight and options.label == "start" and not at_stamps:
            raise ConfigError(
                f"data.variables.{channel.name}.daylight needs time stamps at the end of their "
                f"step; write data.resample: {{step: {options.step}, label: end}}"
            )


def _resampled(
    variable: xr.Variable, plan: _Plan, numbers: NDArray[np.int64], options: ResampleOptions
) -> xr.Variable:
    """A variable on ``([sequence,] time, y, x)`` in the steps of those numbers, float32."""
    lead = variable.dims[:-3]
    variable = variable.transpose(*lead, names.TIME, names.Y, names.X)
    values = variable.data
    if not isinstance(values, da.Array):
        values = da.from_array(values, chunks="auto")
    if plan.members is None:
        assert plan.rows is not None
        rows = plan.on(plan.rows, numbers, -1)
        taken = da.take(values, np.maximum(rows, 0), axis=values.ndim - 3).astype(np.float32)
        there = (rows >= 0)[:, np.newaxis, np.newaxis]
        return xr.Variable(variable.dims, da.where(there, taken, np.float32(np.nan)))
    members = np.clip(plan.members.numbers - numbers[0], -1, numbers.size)
    expected = plan.on(plan.members.expected, numbers, 1)
    reduced = reduce_periods(values, members, expected, method=plan.method, missing=options.missing)
    return xr.Variable(variable.dims, reduced, dict(variable.attrs))


def _coordinates(
    record: Record,
    clock: Clock,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    stamps: NDArray[Any],
) -> dict[Any, Any]:
    """The coordinates that stay, and the times with their bounds."""
    dataset = record.layout.dataset
    time = dataset[names.TIME]
    bounds = str(time.attrs.get("bounds") or time.encoding.get("bounds") or "time_bnds")
    coords: dict[Any, Any] = {
        name: coord.variable
        for name, coord in dataset.coords.items()
        if names.TIME not in coord.dims
    }
    between = names.BOUNDS
    if bounds in dataset.coords:
        between = str(dataset[bounds].dims[1])
    spans = clock.from_micros(np.stack([begins, ends], axis=1))
    coords[bounds] = xr.Variable((names.TIME, between), spans)
    coords[names.TIME] = xr.Variable(names.TIME, stamps, {**time.attrs, "bounds": bounds})
    return coords


def _described(channel: ChannelMeta, method: str, step: TimeStep) -> ChannelMeta:
    if method == _AT_STAMPS:
        return channel
    interval = f" (interval: {_one(step)})"
    methods = extended(channel.cell_methods, "time", method, interval)
    return described(channel, cell_methods=methods)


def _left_out(record: Record) -> list[str]:
    dataset = record.layout.dataset
    time = dataset[names.TIME]
    known = {names.TIME, time.attrs.get("bounds"), time.encoding.get("bounds")}
    return [
        f"left out: {name}, which goes along the times of the files"
        for name, coord in dataset.coords.items()
        if names.TIME in coord.dims and name not in known
    ]


def _incomplete(
    whole: Mapping[str, NDArray[np.bool_]],
    numbers: NDArray[np.int64],
    outside: Sequence[int],
    text: Callable[[Any], list[str]],
) -> list[str]:
    """Sentences on steps that are left out at the ends, and on those that lack single variables.

    `whole` tells for each variable which of the record's steps, of those numbers, it has; what none
    has is absent.
    """
    notes = []
    if outside:
        verb = "is" if len(outside) == 1 else "are"
        notes.append(f"{listed(text(outside))} {verb} incomplete and left out")
    some = np.any(list(whole.values()), axis=0)
    for name, own in whole.items():
        lacking = numbers[some & ~own]
        if lacking.size:
            verb = "is" if lacking.size == 1 else "are"
            notes.append(f"{name}: {listed(text(lacking))} {verb} incomplete; kept as missing")
    return notes
