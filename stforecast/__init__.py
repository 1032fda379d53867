"""Forecasts of gridded flows, traffic and weather, from raw files to georeferenced maps."""

from stforecast._version import __version__

__all__ = ["__version__"]
