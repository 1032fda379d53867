"""The options of every step, typed and described once.

Plain values: no files, no YAML, no torch. The experiment file (:mod:`stforecast.config`) is made of
these sections, and the libraries take the sections they need.
"""

from stforecast.options.cluster import ClusterOptions
from stforecast.options.covariates import CalendarCovariate, CovariateOptions, StaticCovariate
from stforecast.options.data import (
    DataOptions,
    GridOptions,
    RegionOptions,
    SourceOptions,
    SplitOptions,
    VariableOptions,
)
from stforecast.options.evaluation import MapOptions, MemberSpread, VerificationOptions
from stforecast.options.learning import (
    BUDGETS,
    ComparedOptions,
    Device,
    ModelOptions,
    Precision,
    TrainingOptions,
)
from stforecast.options.storage import StorageOptions
from stforecast.options.transform import CoarsenOptions, ResampleOptions
from stforecast.options.videos import FrameOptions, ImageSize, MovingMNISTOptions
from stforecast.options.windows import WindowOptions

__all__ = [
    "BUDGETS",
    "CalendarCovariate",
    "ClusterOptions",
    "CoarsenOptions",
    "ComparedOptions",
    "CovariateOptions",
    "DataOptions",
    "Device",
    "FrameOptions",
    "GridOptions",
    "ImageSize",
    "MapOptions",
    "MemberSpread",
    "ModelOptions",
    "MovingMNISTOptions",
    "Precision",
    "RegionOptions",
    "ResampleOptions",
    "SourceOptions",
    "SplitOptions",
    "StaticCovariate",
    "StorageOptions",
    "TrainingOptions",
    "VariableOptions",
    "VerificationOptions",
    "WindowOptions",
]
