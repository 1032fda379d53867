"""Errors that a user can mend.

Every one of them carries a single sentence that names the thing and the remedy. The command line
prints that sentence on stderr and exits with a non-zero status, without a traceback.
"""


class StForecastError(Exception):
    """Base of every error whose message is meant for the user."""


class ConfigError(StForecastError):
    """The experiment file or an option is wrong."""


class DataError(StForecastError):
    """The data given cannot be read, or is not what a forecast needs."""


class MapError(DataError):
    """A map cannot be drawn of what is given, or as it is asked for."""


class StoreError(StForecastError):
    """A tensor store is missing, broken, or in the way."""


class RunError(StForecastError):
    """A trained run is missing, broken, in the way, or does not fit the data."""


class ClusterError(StForecastError):
    """A dask cluster does not answer, does not start, or fails."""


class Interrupted(StForecastError):  # noqa: N818 - the user's wish, as KeyboardInterrupt is
    """The user stopped the work; what was done is saved, and the sentence says how to go on."""


def first_line(error: BaseException) -> str:
    """What an error of a library says first, as part of a sentence; else of which class it is."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class StForecastWarning(UserWarning):
    """Something the user should know that does not stop the work."""
