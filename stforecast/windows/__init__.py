"""Samples: which times make one, how they are split, normalised, batched and ordered.

:mod:`spec`, :mod:`splits`, :mod:`samples`, :mod:`statistics` and :mod:`covariates` are plain numpy;
the names of the other modules load torch when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stforecast.windows.covariates import CovariateSet, calendar_covariates
    from stforecast.windows.dataset import Batch, WindowDataset, covariates_at, sample_shape
    from stforecast.windows.frames import Frames
    from stforecast.windows.generated import GeneratedDataset
    from stforecast.windows.loader import ResumableLoader
    from stforecast.windows.parts import Splits
    from stforecast.windows.samples import init_positions, list_samples
    from stforecast.windows.spec import WindowSpec, resolve_windows
    from stforecast.windows.splits import resolve_splits
    from stforecast.windows.statistics import Statistics
    from stforecast.windows.training_statistics import compute_statistics
    from stforecast.windows.transform import Transform

_HOME = {
    "Batch": "dataset",
    "CovariateSet": "covariates",
    "Frames": "frames",
    "GeneratedDataset": "generated",
    "ResumableLoader": "loader",
    "Splits": "splits",
    "Statistics": "statistics",
    "Transform": "transform",
    "WindowDataset": "dataset",
    "WindowSpec": "spec",
    "calendar_covariates": "covariates",
    "compute_statistics": "training_statistics",
    "covariates_at": "dataset",
    "init_positions": "samples",
    "resolve_splits": "splits",
    "resolve_windows": "spec",
    "sample_shape": "dataset",
    "list_samples": "samples",
}

__all__ = [
    "Batch",
    "CovariateSet",
    "Frames",
    "GeneratedDataset",
    "ResumableLoader",
    "Splits",
    "Statistics",
    "Transform",
    "WindowDataset",
    "WindowSpec",
    "calendar_covariates",
    "compute_statistics",
    "covariates_at",
    "init_positions",
    "list_samples",
    "resolve_splits",
    "resolve_windows",
    "sample_shape",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
