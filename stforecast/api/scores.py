"""Forecasts held against observations, and drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from stforecast import cluster, names
from stforecast.api.data import Record, open_store, sources_of, to_store
from stforecast.api.options import score_details
from stforecast.errors import ConfigError, DataError
from stforecast.product import conform, open_product
from stforecast.product.conform import forecast_variables
from stforecast.store import TensorStore
from stforecast.verification import FrameScaling, references_for
from stforecast.verification import verify as _verify
from stforecast.verification.framewise import Window
from stforecast.verification.metrics import DEFAULT
from stforecast.windows.parts import period

Forecast = xr.Dataset | str | Path

# What these know comes from the initial time alone, the others need more.
_OF_HISTORY = ("history_mean", "linear")
_OF_TRAINING = ("climatology", "hour_of_week", "anomaly_persistence", "linear")


def verify(
    forecast: Forecast | Mapping[str, Forecast],
    observations: Record,
    references: Sequence[str] | Mapping[str, Forecast] = ("persistence",),
    by: Sequence[str] = (names.LEAD_TIME,),
    *,
    train: tuple[str, str] | None = None,
    history: int | str | None = None,
    metrics: Sequence[str] = DEFAULT,
    area_weighted: bool = True,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    ssim_window: Window = "uniform",
    ssim_range: float = 1.0,
    scheduler: str | None = None,
    **details: Any,
) -> xr.Dataset:
    """Scores of forecasts beside references, on the same cells and windows.

    Args:
        forecast: a forecast of any model, or several by name; datasets or files.
        observations: fields along time on the same grid, or a tensor store.
        references: names (see :func:`references`), or further forecasts by name.
        by: which of lead_time, hour, weekday, month and season (of the valid time) to score apart.
        train, history: training period and length of the history, for references that need them;
            by default those of the run that made the forecast.
        metrics: names of :data:`stforecast.verification.METRICS`, such as rmse, crps, acc and fss.
        area_weighted: weight cells by their area, where the grid is on the sphere.
        ranges: lowest and highest value of each variable, which scale frames to [0, 1] for the last
            four metrics; by default what the run that made the forecast tells.
        ssim_window, ssim_range: of the structural similarity, as in the experiment's options.
        scheduler: address of a dask cluster whose workers compare what lies in files; by default
            those of the dask client that is there, if one is.
        details: further options of ``verification`` in an experiment file: ``interval,
            mape_threshold, thresholds, fss_scales, regions, bootstrap, diagnostics``.

    Returns:
        ``rmse, mae, bias (forecast, variable, lead_time…)``, ``skill`` and further metrics, with
        definitions, units and averaging in the attributes, and limits of their intervals,
        ``rmse_lower`` and the like (see :mod:`stforecast.verification.dataset`).

    Raises:
        DataError: forecast and observations do not go together. ConfigError: an unknown reference,
        metric or group, or a reference that lacks the training period.
    """
    forecasts: xr.Dataset | dict[str, xr.Dataset]
    if isinstance(forecast, (xr.Dataset, str, Path)):
        forecasts = main = _opened(forecast)
    else:
        forecasts = {name: _opened(item) for name, item in forecast.items()}
        if not forecasts:
            raise ConfigError("there is no forecast to verify")
        main = next(iter(forecasts.values()))
    if isinstance(references, Mapping):
        found = {name: _opened(item) for name, item in references.items()}
    else:
        found = _references(observations, main, references, train, history)
    with cluster.running(scheduler):
        return _verify(
            forecasts,
            _observed(observations),
            references=found,
            by=by,
            area_weighted=area_weighted,
            metrics=metrics,
            frames=FrameScaling(ranges or {}, ssim_window, ssim_range),
            details=score_details("verify", details),
        )


def references(
    obs: Record,
    like: Forecast,
    names: Sequence[str] = ("persistence",),
    *,
    train: tuple[str, str] | None = None,
    history: int | str | None = None,
) -> dict[str, xr.Dataset]:
    """Reference forecasts with the initial and lead times of another forecast.

    Args:
        obs: the record to forecast from.
        like: a forecast whose times and variables they get.
        names: any of persistence, history_mean, day_before, week_before, climatology,
            hour_of_week, anomaly_persistence, linear.
        train, history: as for :func:`verify`.
    """
    return _references(obs, _opened(like), names, train, history)


def plot(
    forecast: Forecast,
    *,
    observed: Record | None = None,
    folder: str | Path = "maps",
    **options: Any,
) -> list[Path]:
    """Draw maps of a forecast, with observation and error where they are known.

    Args:
        forecast: a forecast of any model, dataset or file.
        observed: fields along time on the same grid, or a tensor store.
        folder: where the pictures go.
        options: any of ``variables, lead_time, init_time, overlay, projection, cmap``.

    Returns:
        The pictures.
    """
    from stforecast.maps import plot as draw

    fields = None if observed is None else _observed(observed)
    pictures: list[Path] = draw(_opened(forecast), observed=fields, folder=Path(folder), **options)
    return pictures


def report(
    scores: xr.Dataset,
    forecasts: Forecast | Mapping[str, Forecast] | None = None,
    observations: Record | None = None,
    file: str | Path = "report.html",
    *,
    run: str | Path | None = None,
    overlay: str | Path | None = None,
) -> Path:
    """Write scores as one HTML page that a person who was not there can judge a forecast from.

    Args:
        scores: what :func:`verify` gave.
        forecasts: the forecast that was scored, or several by the names that the scores have.
        observations: what they were held against; without these two there are no maps of cases.
        file: where the page goes. It needs no network and no other file.
        run: folder of the run that made the first forecast, whose card tells how it was trained.
        overlay: GeoJSON file or shapefile to draw over maps.

    Returns:
        The file.

    Raises:
        ConfigError: a forecast that the scores do not have. DataError: these are no scores.
    """
    from stforecast.card import RunCard
    from stforecast.report.page import write_report

    scored = [str(name) for name in scores[names.SYSTEM].values] if names.SYSTEM in scores else []
    if forecasts is None:
        forecasts = {}
    elif isinstance(forecasts, (xr.Dataset, str, Path)):
        forecasts = dict.fromkeys(scored[:1], forecasts)
    for name in forecasts:
        if name not in scored:
            raise ConfigError(f"the scores have no {name!r}; they have {', '.join(scored)}")
    return write_report(
        scores,
        file,
        forecasts={name: _opened(item) for name, item in forecasts.items()},
        observations=None if observations is None else _observed(observations),
        cards={} if run is None else dict.fromkeys(scored[:1], RunCard.read(run)),
        sources=() if observations is None else sources_of(observations),
        overlay=None if overlay is None else str(overlay),
    )


def _references(
    obs: Record,
    like: xr.Dataset,
    wanted: Sequence[str],
    train: tuple[str, str] | None,
    history: int | str | None,
) -> dict[str, xr.Dataset]:
    if isinstance(wanted, str):
        wanted = [wanted]
    if not wanted:
        return {}
    like = conform(like)
    store = to_store(obs, variables=forecast_variables(like))
    return references_for(
        like,
        store,
        wanted,
        history=_history(like, store, wanted, history),
        train=_training(like, store, wanted, train),
    )


def _history(
    like: xr.Dataset, store: TensorStore, wanted: Sequence[str], given: int | str | None
) -> int:
    given = like.attrs.get("stforecast_history") if given is None else given
    if given is None:
        needing = [name for name in wanted if name in _OF_HISTORY]
        if needing:
            raise ConfigError(
                f"{needing[0]} needs the length of a history, which the forecast does not tell; "
                "give history="
            )
        return 1
    return store.axis.step.steps(int(given) if isinstance(given, np.integer) else given, "history")


def _training(
    like: xr.Dataset, store: TensorStore, wanted: Sequence[str], given: tuple[str, str] | None
) -> tuple[int, int]:
    told = like.attrs.get("stforecast_training_period")
    if given is None and isinstance(told, str) and "/" in told:
        first, _, last = told.partition("/")
        given = (first, last)
    needing = [name for name in wanted if name in _OF_TRAINING]
    if given is None:
        if needing:
            raise ConfigError(
                f"{needing[0]} needs a training period, which the forecast does not tell; "
                "give train=(first, last)"
            )
        return 0, store.shape[0]
    try:
        return period(store.axis, *given, "training period")
    except DataError as error:
        if not needing:
            return 0, store.shape[0]
        raise DataError(f"{needing[0]} needs its training period: {error}") from error


def _opened(forecast: Forecast) -> xr.Dataset:
    return forecast if isinstance(forecast, xr.Dataset) else open_product(forecast)


def _observed(observations: Record) -> xr.Dataset:
    if isinstance(observations, TensorStore):
        return observations.observations()
    if isinstance(observations, xr.Dataset):
        return observations
    return open_store(observations)
