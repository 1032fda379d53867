"""Sums made into sums over each step, or into means per second."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.ingest.record import Record
from stforecast.ingest.transform.methods import described, extended
from stforecast.ingest.transform.units import converted, per_second, rate_name
from stforecast.options import VariableOptions
from stforecast.store import ChannelMeta
from stforecast.timeaxis import TimeStep
from stforecast.timeaxis.stamps import DAY, SECOND, Clock, Integers

_STEP, _FORECAST = "step", "forecast"


def needs_neighbours(options: VariableOptions) -> bool:
    """Whether a value is made of its own and of that of the time before."""
    return options.accumulated not in (None, _STEP)


def rates(record: Record, variables: Mapping[str, VariableOptions]) -> Record:
    """The record with sums made into sums over each step, and rates of them, lazily.

    What was summed since some time before is the difference from the value before it; where that
    is absent, and the sum did not begin with this step, the value is missing, and the time absent
    if that holds for all variables. ConfigError and
    DataError for sums that cannot be told apart, and for units that are not those of a rate.
    """
    chosen = {
        channel.name: options
        for channel in record.layout.channels
        if (options := variables.get(channel.name)) is not None
        and (options.rate or needs_neighbours(options))
    }
    if not chosen:
        return record
    record = record.settled()
    dataset = record.layout.dataset
    arrays: dict[Any, xr.Variable] = dict(dataset.data_vars.variables)
    channels, done, notes = [], [], []
    present = record.timeline.present
    kept = np.zeros_like(present)
    for channel in record.layout.channels:
        options = chosen.get(channel.name)
        there = present.copy()
        if options is None:
            channels.append(channel)
            kept |= there
            continue
        variable = arrays[channel.name]
        words = channel.name
        if needs_neighbours(options):
            variable, known = _differences(variable, record, channel.name, options)
            there &= known
            channel = described(
                channel, cell_methods=extended(channel.cell_methods, "time", "sum", alone=True)
            )
            words += f" is the sum over each step of what was summed {_since(options)}"
            lost = int((present & ~known).sum())
            if lost:
                noun = (
                    "time has no value, as the one"
                    if lost == 1
                    else "times have no value, as those"
                )
                notes.append(
                    f"{channel.name}: {lost} {noun} before, from which it is to be told, is absent"
                )
        if options.rate:
            variable, channel, units = _per_second(variable, channel, record, options)
            words += " and" if needs_neighbours(options) else " is"
            words += f" the mean rate over each step{units}"
        arrays[channel.name] = variable
        channels.append(channel)
        done.append(words)
        kept |= there
    timeline = record.timeline
    changed = replace(
        record,
        layout=replace(record.layout, channels=channels),
        notes=(*record.notes, *notes),
        done={**record.done, "rates": "; ".join(done)},
    )
    made = xr.Dataset(arrays, {name: coord.variable for name, coord in dataset.coords.items()})
    changed = changed.on_axis(made, timeline.axis, kept)
    # a time of which no variable has a value is absent, and a record begins and ends with others
    first, last = np.flatnonzero(kept)[[0, -1]]
    return changed.part(int(first), int(last) + 1)


def _since(options: VariableOptions) -> str:
    if options.accumulated == _FORECAST:
        return "since the start of each forecast"
    return f"anew every {options.accumulated} from midnight"


def _differences(
    variable: xr.Variable, record: Record, name: str, options: VariableOptions
) -> tuple[xr.Variable, NDArray[np.bool_]]:
    """What each step adds, and at which times that can be told."""
    axis, present = record.timeline.axis, record.timeline.present
    if not axis.step.is_fixed:
        raise ConfigError(
            f"data.variables.{name}.accumulated needs a step of fixed length, and the record has "
            f"one of 1 {axis.step.label}; leave it out"
        )
    clock = Clock.of(axis.times(0, 1))
    micros = clock.to_micros(axis.times())
    begins = _begins(micros, clock, record, name, options)
    step = axis.step.seconds * SECOND
    alone = present & (micros - begins == step)
    goes_on = np.zeros_like(present)
    goes_on[1:] = present[1:] & present[:-1] & (begins[1:] == begins[:-1])
    goes_on &= ~alone
    if not (alone | goes_on).any():
        raise DataError(
            f"{name}: no value can be told from what was summed {_since(options)}, since no two "
            "times follow each other; check data.variables"
        )
    dims = variable.dims
    values = variable.transpose(
        *(d for d in dims if d not in (names.TIME, names.Y, names.X)), names.TIME, names.Y, names.X
    )
    data = values.data
    if not isinstance(data, da.Array):
        data = da.from_array(data, chunks="auto")
    data = data.astype(np.float64)
    time = data.ndim - 3
    before = [slice(None)] * data.ndim
    before[time] = slice(None, -1)
    first = [slice(None)] * data.ndim
    first[time] = slice(0, 1)
    # the value before each, whose first is its own and not used
    shifted = da.concatenate([data[tuple(first)], data[tuple(before)]], axis=time)
    shifted = shifted.rechunk(data.chunks)

    def along(mask: NDArray[np.bool_]) -> da.Array:
        shaped = mask.reshape(-1, 1, 1)
        made: da.Array = da.from_array(shaped, chunks=(data.chunks[time], 1, 1))
        return made

    added = data - da.where(along(goes_on), shifted, 0.0)
    added = da.where(along(alone | goes_on), added, np.nan)
    return xr.Variable(values.dims, added, dict(variable.attrs)), alone | goes_on


def _begins(
    micros: Integers, clock: Clock, record: Record, name: str, options: VariableOptions
) -> Integers:
    """When the sum began that each time has."""
    if options.accumulated == _FORECAST:
        references = record.layout.references
        if references is None:
            raise DataError(
                f"{name}: the data do not say when the forecasts of their times began; say how "
                f"often sums begin anew, such as data.variables.{name}.accumulated: 24h"
            )
        return clock.to_micros(references)
    step = record.timeline.axis.step
    every = TimeStep.parse(str(options.accumulated)).seconds
    if every % step.seconds or (DAY % (every * SECOND) and every * SECOND % DAY):
        raise ConfigError(
            f"data.variables.{name}.accumulated: {options.accumulated} is not a whole number of "
            f"steps of {_one(step)} that fits into days; write such as 12h or 24h"
        )
    length = every * SECOND
    return np.asarray((micros - 1) // length * length, np.int64)


def _per_second(
    variable: xr.Variable, channel: ChannelMeta, record: Record, options: VariableOptions
) -> tuple[xr.Variable, ChannelMeta, str]:
    """Means per second, or in the units asked for, and words for what became of the units."""
    stated = variable.attrs.get("units")
    source = None if stated is None else str(stated)
    units = None if source is None else per_second(source)
    factor = 1.0
    if options.units is not None and units is not None:
        factor = converted(units, options.units, channel.name)
        units = options.units
    elif units is None:
        units = options.units
    seconds = _seconds(record, channel.name, options)
    factors = factor / seconds
    if isinstance(factors, np.ndarray):
        by = xr.Variable(names.TIME, factors)
        made = (variable.astype(np.float64) * by).transpose(*variable.dims)
    else:
        made = variable.astype(np.float64) * factors
    made.attrs = {**variable.attrs, **({} if units is None else {"units": units})}
    methods = extended(channel.cell_methods, "time", "mean", alone=True)
    channel = described(
        channel,
        units=units,
        standard_name=rate_name(channel.standard_name, units),
        cell_methods=methods,
    )
    return made, channel, "" if source is None else f" ({source} became {units})"


def _seconds(record: Record, name: str, options: VariableOptions) -> float | NDArray[np.float64]:
    """How long the step of each time is."""
    axis = record.timeline.axis
    if axis.step.is_fixed:
        return float(axis.step.seconds)
    clock = Clock.of(axis.times(0, 1))
    time = record.layout.dataset[names.TIME]
    bounds = time.attrs.get("bounds") or time.encoding.get("bounds")
    if bounds in record.layout.dataset.coords:
        spans = np.diff(clock.to_micros(record.layout.dataset[bounds].values), axis=1)[:, 0]
        return np.where(spans > 0, np.abs(spans), SECOND) / SECOND
    if axis.step.months > 1 and axis.step.anchor in ("mid", "mid-day"):
        raise DataError(
            f"{name}: the files do not say from when to when their steps of {_one(axis.step)} go; "
            "give them time bounds"
        )
    micros = clock.to_micros(axis.times())
    months = axis.step.months
    first = (
        clock.months(micros - 1) + 1 - months if options.stamp == "end" else clock.months(micros)
    )
    return (clock.month_starts(first + months) - clock.month_starts(first)) / SECOND


def _one(step: TimeStep) -> str:
    return step.label if step.label[0].isdigit() else f"1 {step.label}"
