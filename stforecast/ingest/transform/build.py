"""From a dataset and its options to a record, with all that is asked for done to its values."""

import numpy as np
import xarray as xr

from stforecast.errors import DataError
from stforecast.ingest.layout import lay_out
from stforecast.ingest.record import Record
from stforecast.ingest.timeline import find_timeline, nothing_in
from stforecast.ingest.transform.rates import needs_neighbours, rates
from stforecast.ingest.transform.recipe import recipe_of
from stforecast.ingest.transform.space import coarsen
from stforecast.ingest.transform.time import resample
from stforecast.options import DataOptions


def build_record(ds: xr.Dataset, options: DataOptions) -> Record:
    """Lay a dataset out, put its times on an axis, and transform its values, lazily.

    In this order: sums become rates, cells larger, steps longer. DataError and ConfigError say what
    does not fit.
    """
    layout = lay_out(ds, options)
    variables = options.variables or {}
    # a value may need times before the period, or beyond it
    late = options.resample is not None or any(map(needs_neighbours, variables.values()))
    period = None if late else options.period
    record = Record.of(layout, find_timeline(layout.dataset, options.time_step, period))
    record = rates(record, variables)
    if options.coarsen is not None:
        record = coarsen(record, options.coarsen, variables)
    if options.resample is not None:
        record = resample(record, options.resample, variables)
    if late and options.period is not None:
        record = _in_period(record.settled(), options.period)
    return record.with_recipe(recipe_of(options))


def _in_period(record: Record, period: tuple[str, str]) -> Record:
    """The times of a record within a period, from the first that is there to the last."""
    axis = record.timeline.axis
    first, stop = axis.slice_of(*period)
    there = first + np.flatnonzero(record.timeline.present[first:stop])
    if not there.size:
        raise nothing_in(axis, period)
    if there.size < 2:
        raise DataError(
            f"the period {period[0]} to {period[1]} holds a single time step; a forecast needs at "
            "least two"
        )
    return record.part(int(there[0]), int(there[-1]) + 1)
