"""Units and standard names of rates."""

import re

import cf_units

from stforecast.errors import ConfigError
from stforecast.product.conventions import canonical_units

_INTEGRAL = re.compile(r"integral_wrt_time_of_(\w+)|integral_of_(\w+)_wrt_time")
# Standard names of amounts, and of what they amount to in a time.
_OF_AMOUNTS = {
    "precipitation_amount": "precipitation_flux",
    "rainfall_amount": "rainfall_flux",
    "snowfall_amount": "snowfall_flux",
    "runoff_amount": "runoff_flux",
    "surface_runoff_amount": "surface_runoff_flux",
    "subsurface_runoff_amount": "subsurface_runoff_flux",
    "water_evaporation_amount": "water_evapotranspiration_flux",
    "lwe_thickness_of_precipitation_amount": "lwe_precipitation_rate",
    "thickness_of_rainfall_amount": "rainfall_rate",
    "lwe_thickness_of_snowfall_amount": "lwe_snowfall_rate",
}
# How rates of well-known units are written.
_WRITTEN = ("W m-2", "kg m-2 s-1", "m s-1", "mm s-1", "s-1", "K s-1")


def _unit(text: str) -> cf_units.Unit | None:
    with cf_units.suppress_errors():
        try:
            return cf_units.Unit(text)
        except ValueError:  # such as vehicles, which UDUNITS does not know
            return None


def per_second(units: str) -> str:
    """The units of a rate: those of ``J m**-2`` are ``W m-2``, those of ``mm`` are ``mm s-1``."""
    amount = _unit(units)
    for written in _WRITTEN if amount is not None else ():
        if amount / cf_units.Unit("s") == cf_units.Unit(written):
            return written
    return f"{units.replace('**', '')} s-1"


def converted(units: str, wanted: str, name: str) -> float:
    """The factor that turns units into others; ConfigError where there is none."""
    if units.split() == wanted.split():
        return 1.0
    one, other = _unit(units), _unit(wanted)
    if one is not None and other is not None and one.is_convertible(other):
        return float(one.convert(1.0, other))
    raise ConfigError(
        f"data.variables.{name}: its rate is in {units}, which cannot be turned into {wanted!r}; "
        "leave units out, or write others of the same kind"
    )


def rate_name(standard_name: str | None, units: str | None) -> str | None:
    """The standard name of a rate: that of its amount made one, or none that would be wrong."""
    if standard_name is None:
        return None
    if match := _INTEGRAL.fullmatch(standard_name):
        return match[1] or match[2]
    found = _OF_AMOUNTS.get(standard_name, standard_name)
    canonical = canonical_units(found)
    if canonical is None or units is None:
        return None
    one, other = _unit(canonical), _unit(units)
    fits = one is not None and other is not None and one.is_convertible(other)
    return found if fits else None
