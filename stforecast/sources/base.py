"""What a source is."""

from collections.abc import Sequence
from typing import Protocol

import xarray as xr

from stforecast.options import DataOptions
from stforecast.remote import Location

__all__ = ["Location", "Part", "Source"]

# A dataset and what to call it in a message.
Part = tuple[str, xr.Dataset]


class Source(Protocol):
    """A format that files come in.

    A new one is a file with a class like this, and a line in ``SOURCES``.
    """

    @property
    def name(self) -> str:
        """What ``data.reader`` calls it."""

    def recognises(self, location: Location) -> bool:
        """Whether a file is of this format, from its content and not from its name.

        Must not raise for a file that exists, whatever is in it.
        """

    def open(self, locations: Sequence[Location], options: DataOptions) -> xr.Dataset:
        """All the files as one dataset that follows CF and reads its values when asked for them.

        One variable per quantity with its attributes, dimensions and coordinates under the names
        that the files use; time as ``datetime64`` or cftime objects wherever CF's units say what it
        is. Nothing is mended: rows out of order, duplicated and absent times are handed on. The
        names of bounds and of the grid mapping variable are in the encoding of the variables that
        refer to them. Raises DataError, one sentence that names the file, for what cannot be read.
        """
