"""Which copy of PROJ is loaded first.

The wheels of pyproj and of ecCodes each bring their own. ecCodes' makes its symbols global, so that
a pyproj that is loaded after it calls functions of the other copy, and crashes or knows no CRS; the
other way round both work.
"""

import sys
import warnings
from importlib.util import find_spec

from stforecast.errors import StForecastWarning


def load_proj_before_eccodes() -> None:
    """Load pyproj where ecCodes is installed as a wheel and might be loaded later."""
    if "pyproj" in sys.modules or find_spec("eckitlib") is None:
        return
    if "gribapi" in sys.modules:
        warnings.warn(
            "cfgrib or ecCodes was imported before stforecast: their copies of PROJ clash, and "
            "coordinate systems may not work; import stforecast or pyproj first",
            StForecastWarning,
            stacklevel=3,
        )
    import pyproj  # noqa: F401
