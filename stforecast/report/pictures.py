"""Maps on the page: the best and the worst case, and the errors of each cell."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stforecast import names
from stforecast.errors import StForecastError, StForecastWarning
from stforecast.maps import map_figure, score_figure, sequence_figure
from stforecast.maps.labels import Times
from stforecast.maps.sequences import sequence_dimension
from stforecast.product.uncertainty import ensemble_mean
from stforecast.report.subject import Subject
from stforecast.report.svg import png_uri
from stforecast.timeaxis import counts_frames, normalise_stamps, time_text

_LEADS = 3  # lead times of a case, beside the last field known


@dataclass(frozen=True)
class CaseError:
    """The forecasts from one initial time: where it stands, when it is, and their RMSE."""

    position: int
    time: str
    rmse: float


@dataclass(frozen=True)
class Cases:
    """The initial times of the smallest, the middle and the largest RMSE over all lead times."""

    best: CaseError
    middle: float
    worst: CaseError
    count: int


def cases_of(subject: Subject, variable: str) -> Cases | None:
    """Best and worst case of the forecast that is judged; None where the scores do not tell."""
    scores = subject.results.whole
    if "case_rmse" not in scores:
        return None
    at = {names.SYSTEM: subject.results.main, names.VARIABLE: variable}
    values = np.asarray(scores["case_rmse"].sel(at).values, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if known.size < 2:
        return None
    inits = scores[names.INIT_TIME]
    times, frames = normalise_stamps(inits.values), counts_frames(inits.attrs)

    def case(position: Any) -> CaseError:
        text = time_text(times[position], frames=frames)
        return CaseError(int(position), text, float(values[position]))

    return Cases(
        case(known[np.argmin(values[known])]),
        float(np.median(values[known])),
        case(known[np.argmax(values[known])]),
        int(known.size),
    )


def case_picture(subject: Subject, variable: str, case: CaseError) -> str | None:
    """Maps of a case: last field known, forecast, observation, error; None where none can be."""
    product = subject.product
    if product is None or subject.observations is None or variable not in product:
        return None
    product = ensemble_mean(product)
    with _quiet():
        try:
            at = _position(product, subject.results.whole[names.INIT_TIME].values[case.position])
            if sequence_dimension(product) is not None:
                figure = sequence_figure(
                    product, variable, observed=subject.observations, init_time=at
                )
            else:
                figure = map_figure(
                    product,
                    variable,
                    _few_leads(product),
                    observed=subject.observations,
                    init_time=at,
                    overlay=subject.overlay,
                    initial=True,
                )
        except StForecastError:  # a grid that cannot be drawn is no reason to have no report
            return None
    return png_uri(figure)


def example_picture(subject: Subject, variable: str) -> str | None:
    """The first sequences, of forecasts of independent sequences such as videos; else None."""
    product = subject.product
    if product is None or subject.observations is None or variable not in product:
        return None
    product = ensemble_mean(product)
    with _quiet():
        try:
            if sequence_dimension(product) is None:
                return None
            return png_uri(sequence_figure(product, variable, observed=subject.observations))
        except StForecastError:
            return None


def error_picture(subject: Subject, variable: str) -> str | None:
    """Maps of RMSE and bias; None where the scores have none."""
    scores, product = subject.results.whole, subject.product
    if product is None or "rmse_map" not in scores or "bias_map" not in scores:
        return None
    with _quiet():
        try:
            figure = score_figure(
                scores, product, subject.results.main, variable, overlay=subject.overlay
            )
        except StForecastError:
            return None
    return png_uri(figure)


def leads_drawn(product: xr.Dataset) -> list[str]:
    """The lead times of the maps of a case, as they have them."""
    times = Times(product)
    return [times.lead(product[names.LEAD_TIME].values[at]) for at in _few(product)]


def _few(product: xr.Dataset) -> NDArray[np.int64]:
    size = product.sizes[names.LEAD_TIME]
    return np.unique(np.rint(np.linspace(0, size - 1, min(_LEADS, size))).astype(np.int64))


def _few_leads(product: xr.Dataset) -> list[Any]:
    return list(product[names.LEAD_TIME].values[_few(product)])


def _position(product: xr.Dataset, init_time: Any) -> int:
    stamps = normalise_stamps(product[names.INIT_TIME].values)
    wanted = normalise_stamps(np.asarray(init_time))[()]
    return int(np.flatnonzero(stamps == wanted)[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing said of fields that no one observed: the map shows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StForecastWarning)
        yield
