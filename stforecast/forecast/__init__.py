"""From a trained run to forecasts: load, choose initial times, predict, roll out."""

from stforecast.forecast.calibration import (
    Calibration,
    calibrate,
    calibrate_trained,
    has_calibration,
    read_calibration,
    write_calibration,
)
from stforecast.forecast.ensemble import Ensemble, load_ensemble
from stforecast.forecast.initial import (
    init_position,
    last_init_position,
    period_samples,
)
from stforecast.forecast.options import ForecastOptions
from stforecast.forecast.predict import MOST_HELD, predict
from stforecast.forecast.rollout import rollout
from stforecast.forecast.trained import TrainedModel, load_trained

__all__ = [
    "MOST_HELD",
    "Calibration",
    "Ensemble",
    "ForecastOptions",
    "TrainedModel",
    "calibrate",
    "calibrate_trained",
    "has_calibration",
    "init_position",
    "last_init_position",
    "load_ensemble",
    "load_trained",
    "period_samples",
    "predict",
    "read_calibration",
    "rollout",
    "write_calibration",
]
