"""The experiment file: YAML 1.2, typed, with presets and dotted overrides."""

from stforecast.config.experiment import Experiment
from stforecast.config.load import (
    DEFAULT_FILE,
    Change,
    experiment_of,
    load_experiment,
    safe_name,
)
from stforecast.config.loaded import LoadedExperiment
from stforecast.config.other_model import carried_section
from stforecast.config.presets import experiment_preset, experiment_presets, model_presets

__all__ = [
    "DEFAULT_FILE",
    "Change",
    "Experiment",
    "LoadedExperiment",
    "carried_section",
    "experiment_of",
    "experiment_preset",
    "experiment_presets",
    "load_experiment",
    "model_presets",
    "safe_name",
]
