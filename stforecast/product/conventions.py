"""Attributes as the CF conventions allow them in a file.

Sources carry what their makers liked: standard names that no table knows (``unknown``, as GRIB
readers write), units that UDUNITS cannot read (``~``, ``(0 - 1)``, ``vehicles``), references to
variables that are not there, and leftovers of their packing. A product keeps what conforms, mends
what has one right spelling, and tells in ``comment`` what had to go.
"""

import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import cf_units
import numpy as np

# CF Appendix C: what may follow a standard name, and its units (None: those of the name).
_MODIFIERS: dict[str, str | None] = {
    "detection_minimum": None,
    "number_of_observations": "1",
    "standard_error": None,
    "status_flag": "1",
}
# Attributes that describe how the source was packed or what range its values had.
_OF_THE_PACKING = {
    *("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "dtype", "source"),
    *("valid_min", "valid_max", "valid_range", "actual_range", "coordinates"),
}
# Attributes that name other variables, and how names are found in them.
_REFERENCES = {
    "ancillary_variables": re.compile(r"\S+"),
    "bounds": re.compile(r"\S+"),
    "climatology": re.compile(r"\S+"),
    "grid_mapping": re.compile(r"[^\s:]+"),
    "cell_measures": re.compile(r"(?<=:)\s*\S+"),
    "formula_terms": re.compile(r"(?<=:)\s*\S+"),
}
_SPELLINGS = {
    **dict.fromkeys(("~", "-", "(0 - 1)", "(0-1)", "0-1", "[0-1]", "fraction", "none"), "1"),
    **dict.fromkeys(("unitless", "dimensionless", "no unit", "no units", "no_unit"), "1"),
    "m of water equivalent": "m",
    "gpm": "m",
    "degree true": "degree",
    "degrees true": "degree",
    "deg": "degree",
    "psu": "1e-3",
}


@lru_cache(maxsize=1)
def _standard_names() -> dict[str, str]:
    text = (
        resources.files("stforecast.product").joinpath("cf_standard_names.txt").read_text("utf-8")
    )
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return dict(line.split("\t") for line in lines)


@lru_cache(maxsize=256)
def _unit(text: str) -> cf_units.Unit | None:
    with cf_units.suppress_errors():
        try:
            unit = cf_units.Unit(text)
        except ValueError:
            return None
    return None if unit.is_unknown() or unit.is_no_unit() else unit


def canonical_units(standard_name: str) -> str | None:
    """Units in the table of a standard name (a modifier may follow); None for a name not in it."""
    name, _, modifier = standard_name.strip().partition(" ")
    modifier = modifier.strip()
    if name not in _standard_names() or (modifier and modifier not in _MODIFIERS):
        return None
    return (_MODIFIERS[modifier] if modifier else None) or _standard_names()[name]


def conforming_units(text: str) -> str | None:
    """The units as UDUNITS reads them; None where it cannot and no other spelling is known."""
    if _unit(text) is not None:
        return text
    return _SPELLINGS.get(text.strip().lower())


def conforming_attrs(attrs: Mapping[str, Any], present: Collection[str]) -> dict[str, Any]:
    """Attributes of a variable of the source as they may stand in a CF file.

    Args:
        attrs: the source's attributes of one variable.
        present: names of all variables of the file they go to.

    Returns:
        A new mapping. A standard name outside the table, or one whose units are of another kind, is
        left out, as are units that UDUNITS cannot read; ``comment`` then says so.
    """
    kept = {
        name: storable(value)
        for name, value in attrs.items()
        if name not in _OF_THE_PACKING and value is not None and "/" not in name
    }
    for name, pattern in _REFERENCES.items():
        if name in kept:
            named = {word.strip() for word in pattern.findall(str(kept[name]))}
            if not named or not named <= set(present):
                del kept[name]
    notes = []
    units = kept.pop("units", None)
    if units is not None and str(units).strip():
        conforming = conforming_units(str(units))
        if conforming != units:
            notes.append(f"units of the source: {units}")
        if conforming is not None:
            kept["units"] = conforming
    name = kept.pop("standard_name", None)
    if name is not None:
        problem = _misuse(str(name), kept.get("units"))
        if problem is None:
            kept["standard_name"] = str(name).strip()
        elif str(name).strip():
            notes.append(f"standard_name of the source left out, {problem}: {name}")
    if notes:
        before = [str(kept["comment"])] if kept.get("comment") else []
        kept["comment"] = "; ".join(before + notes)
    return kept


def _misuse(standard_name: str, units: Any) -> str | None:
    canonical = canonical_units(standard_name)
    if canonical is None:
        return "as it is not in the CF table"
    if standard_name in ("time", "forecast_reference_time"):
        return None
    unit, expected = _unit(units) if units is not None else None, _unit(canonical)
    if unit is None and (expected is None or expected.is_dimensionless()):
        return None
    if unit is None or expected is None or not unit.is_convertible(expected):
        return f"as its units are of the kind {canonical}"
    return None


def storable(value: Any) -> Any:
    """An attribute value as NetCDF and Zarr can both hold it."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (str, int, float, np.integer, np.floating)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim <= 1:
        return value if value.ndim else value.item()
    if isinstance(value, (list, tuple)) and value:
        if all(isinstance(item, str) for item in value):
            return ", ".join(value)
        if all(isinstance(item, (int, float, np.number)) for item in value):
            return np.asarray(value)
    return json.dumps(value, default=str)
