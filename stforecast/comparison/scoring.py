"""One run scored on its test period: what ``stforecast verify`` and a comparison both report."""

from collections.abc import Callable

import xarray as xr

from stforecast.forecast import (
    MOST_HELD,
    Ensemble,
    ForecastOptions,
    TrainedModel,
    has_calibration,
    period_samples,
    predict,
)
from stforecast.options import VerificationOptions
from stforecast.store import TensorStore
from stforecast.verification import references_for, verify_as_asked
from stforecast.windows.parts import period


def hindcast(
    model: TrainedModel | Ensemble,
    record: TensorStore,
    options: VerificationOptions,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Forecasts of a run from all initial times of its test period, ``options.every`` apart.

    Several runs, or one that gives members, make an ensemble of ``options.members``. Where past
    errors are known beside the runs, there are intervals of the coverage ``options.interval``.

    Where they are many they are made when they are read, so that memory stays flat: write them or
    score them, but do not do both from what is returned.

    Raises:
        RunError: the run does not fit the record. ConfigError, DataError: there is no test period,
        or it has no room.
    """
    runs = Ensemble.of(model)
    runs.check_part("test")
    runs.card.check_fits(record)
    every = record.axis.step.steps(options.every, "verification.every")
    inits, sequences = period_samples(
        record, runs.spec, runs.card, "test", horizon=runs.spec.horizon, every=every
    )
    return predict(
        runs,
        record,
        inits,
        options=ForecastOptions(
            members=options.members,
            interval=options.interval if has_calibration(runs) else None,
            spread=options.spread,
        ),
        sequences=sequences,
        progress=progress,
        lazy_above=MOST_HELD,
    )


def score(
    forecasts: xr.Dataset,
    model: TrainedModel | Ensemble,
    record: TensorStore,
    options: VerificationOptions,
    protocol: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """The scores of a run's hindcast, as :func:`stforecast.verification.verify` gives them.

    References learn from the training period of the run. ``protocol`` is that of ``options``;
    ``progress`` is told how many initial times of how many are scored.
    """
    references = references_for(
        forecasts,
        record,
        options.references,
        history=model.spec.history,
        train=period(record.axis, *model.card.splits["train"], "training period"),
    )
    return verify_as_asked(
        options,
        forecasts,
        record.observations(),
        references,
        protocol=protocol,
        progress=progress,
    )
