"""What a model is told besides its history: one module for each source, and the door for all.

A further source is a class like :class:`base.Covariate`, its options, and a line in ``SOURCES``.
"""

from stforecast.windows.covariates.base import Covariate, Floats, Given, Kind
from stforecast.windows.covariates.calendar import CalendarCovariates, calendar_covariates
from stforecast.windows.covariates.together import SOURCES, CovariateSet

__all__ = [
    "SOURCES",
    "CalendarCovariates",
    "Covariate",
    "CovariateSet",
    "Floats",
    "Given",
    "Kind",
    "calendar_covariates",
]
