"""Shapes of samples: of the published data sets, and of a record that is there."""

import numpy as np

from stforecast.models import SampleShape
from stforecast.options import SplitOptions, WindowOptions
from stforecast.store import TensorStore
from stforecast.training.plan import settle_windows
from stforecast.windows import sample_shape
from stforecast.windows.covariates.learning import learn_covariates
from stforecast.windows.days import usable_times

# What the presets of models are made for; "small" is a city on a laptop.
PRESET_SHAPES = {
    "taxibj": SampleShape(4, 4, 2, 32, 32),
    "moving_mnist": SampleShape(10, 10, 1, 64, 64),
    "weather": SampleShape(12, 12, 1, 32, 64, periodic_x=True),
    "small": SampleShape(4, 4, 2, 16, 8),
}


def shape_of_record(store: TensorStore, windows: WindowOptions, split: SplitOptions) -> SampleShape:
    """Sizes of what a model would be trained on, from the description of a record alone.

    Raises ConfigError or DataError where the windows or the split do not suit the record.
    """
    spec, splits = settle_windows(store, windows, split)
    spec = learn_covariates(spec, store, splits)
    times = np.arange(*splits.train)[usable_times(store, spec)[slice(*splits.train)]]
    sequences, channels = list(splits.sequences_of("train")), store.shape[1]
    valid = store.valid_cells.reshape(store.n_sequences, -1, channels)[sequences][:, times]
    lacking = valid < store.grid.height * store.grid.width
    return sample_shape(store, spec, np.any(lacking, axis=(0, 1)))
