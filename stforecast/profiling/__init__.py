"""What a model costs when it is run: time and memory, measured on this machine."""

from stforecast.profiling.measure import Job, Measured, Profile, forecast_seconds, profile_model
from stforecast.profiling.process import MeasuringProcess

__all__ = ["Job", "Measured", "MeasuringProcess", "Profile", "forecast_seconds", "profile_model"]
