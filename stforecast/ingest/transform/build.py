"""From a dataset and its options to a record, with all that is asked for done to its values."""

import xarray as xr

from stforecast.ingest.layout import lay_out
from stforecast.ingest.record import Record
from stforecast.ingest.timeline import find_timeline
from stforecast.ingest.transform.recipe import recipe_of
from stforecast.ingest.transform.space import coarsen
from stforecast.options import DataOptions


def build_record(ds: xr.Dataset, options: DataOptions) -> Record:
    """Lay a dataset out, put its times on an axis, and transform its values, lazily.

    In this order: cells become larger. DataError and ConfigError say what does not fit.
    """
    layout = lay_out(ds, options)
    timeline = find_timeline(layout.dataset, options.time_step, options.period)
    record = Record.of(layout, timeline)
    if options.coarsen is not None:
        record = coarsen(record, options.coarsen, options.variables or {})
    return record.with_recipe(recipe_of(options))
