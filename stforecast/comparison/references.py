"""What every run of a comparison is held against."""

import warnings

import numpy as np

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.options import VerificationOptions
from stforecast.options.evaluation import ReferenceName
from stforecast.store import TensorStore
from stforecast.training.plan import Plan
from stforecast.verification import reference
from stforecast.windows import init_positions

# Always told, where the record has them.
ALWAYS: tuple[ReferenceName, ...] = ("persistence", "climatology")


def scored_beside(
    record: TensorStore, plan: Plan, options: VerificationOptions
) -> tuple[VerificationOptions, list[str], int]:
    """The verification of every run: per lead time, beside persistence and climatology too.

    Returns the options, sentences about references that the record does not suit, and how many
    forecasts of a run are scored.

    Raises:
        ConfigError: the experiment has no test period. DataError: it has no room for a forecast.
    """
    part = plan.splits.test
    if part is None:
        raise ConfigError("a comparison needs a test period to score; give data.split.test")
    spec = plan.spec
    every = record.axis.step.steps(options.every, "verification.every")
    inits = init_positions(record, spec, part, every, spec.horizon)
    if inits.size == 0:
        raise DataError(
            f"the test period has no {spec.history_needed + spec.horizon} steps without a gap, "
            "which a history and a horizon take"
        )
    wanted, notes = [*options.references], []
    for name in ALWAYS:
        if name in wanted:
            continue
        try:
            _try(name, record, plan, int(inits[0]))
        except DataError as error:
            notes.append(f"{name} is left out: {error}")
        else:
            wanted.append(name)
    by = [names.LEAD_TIME, *(group for group in options.by if group != names.LEAD_TIME)]
    forecasts = inits.size * len(plan.splits.sequences_of("test"))
    return options.model_copy(update={"references": wanted, "by": by}), notes, forecasts


def _try(name: str, record: TensorStore, plan: Plan, init: int) -> None:
    """DataError where the record does not suit a reference."""
    sequences = plan.splits.sequences
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told when it is used
        reference(
            name,
            record,
            np.array([init]),
            plan.spec.horizon,
            history=plan.spec.history,
            train=plan.splits.train,
            train_sequences=None if sequences is None else sequences["train"],
        )
