"""Records that a command is given as files, in place of a tensor store."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stforecast.options import DataOptions, VariableOptions
from stforecast.remote import location

if TYPE_CHECKING:
    from stforecast.card import RunCard
    from stforecast.store import TensorStore


def record_of(files: Sequence[str], options: DataOptions) -> "TensorStore":
    """Files, or one tensor store, as a record; checked and made regular, and nothing written."""
    from stforecast.store import TensorStore, is_store

    if len(files) == 1 and is_store(location(files[0])):
        return TensorStore.open(files[0])
    from stforecast.ingest import prepare
    from stforecast.sources import open_source

    dataset = open_source(list(files), options, Path())
    return prepare(dataset, options).store()


def options_of_history(card: "RunCard", options: DataOptions) -> DataOptions:
    """How to read a history for a run: as its record was read, and just what it needs of it."""
    from stforecast.options.covariates import StaticCovariate
    from stforecast.windows.spec import WindowSpec

    given = options.variables or {}
    # the step of the run is that of longer steps, not of the files
    step = card.time_step if options.resample is None else None
    taken = {name: given.get(name, VariableOptions()) for name in card.channel_names}
    for item in WindowSpec.from_json(card.windows).covariates:
        if isinstance(item, StaticCovariate):
            taken |= {name: given.get(name, VariableOptions()) for name in item.static}
    return options.model_copy(
        update={
            "variables": taken,
            "time_step": options.time_step or step,
            "period": None,
        }
    )
