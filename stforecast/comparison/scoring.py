"""One run scored on its test period: what ``stforecast verify`` and a comparison both report."""

from collections.abc import Callable

import xarray as xr

from stforecast.forecast import TrainedModel, period_samples, predict
from stforecast.options import VerificationOptions
from stforecast.store import TensorStore
from stforecast.verification import references_for, verify_as_asked
from stforecast.windows.splits import period


def hindcast(
    model: TrainedModel,
    record: TensorStore,
    options: VerificationOptions,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Forecasts of a run from all initial times of its test period, ``options.every`` apart.

    Raises:
        RunError: the run does not fit the record. ConfigError, DataError: there is no test period,
        or it has no room.
    """
    model.card.check_fits(record)
    every = record.axis.step.steps(options.every, "verification.every")
    inits, sequences = period_samples(
        record, model.spec, model.card, "test", horizon=model.spec.horizon, every=every
    )
    return predict(model, record, inits, sequences=sequences, progress=progress)


def score(
    forecasts: xr.Dataset,
    model: TrainedModel,
    record: TensorStore,
    options: VerificationOptions,
    protocol: str | None = None,
) -> xr.Dataset:
    """The scores of a run's hindcast, as :func:`stforecast.verification.verify` gives them.

    References learn from the training period of the run. ``protocol`` is that of ``options``.
    """
    references = references_for(
        forecasts,
        record,
        options.references,
        history=model.spec.history,
        train=period(record.axis, *model.card.splits["train"], "training period"),
    )
    return verify_as_asked(options, forecasts, record.observations(), references, protocol=protocol)
