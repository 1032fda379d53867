"""What may stand in a CF file, and what becomes of the rest."""

from pathlib import Path

import compliance_checker
import numpy as np
import pytest

from stforecast.product.conventions import canonical_units, conforming_attrs, conforming_units
from tests.product.make_standard_names import LIST, standard_names


def test_the_list_of_standard_names_is_the_published_table() -> None:
    data = compliance_checker.__path__[0]
    made = standard_names(Path(data, "data", "cf-standard-name-table.xml"))
    shipped = LIST.read_text(encoding="utf-8")
    if made.splitlines()[0] != shipped.splitlines()[0]:
        pytest.skip("the checker carries another version of the table")
    assert shipped == made


def test_units_of_standard_names() -> None:
    assert canonical_units("air_temperature") == "K"
    assert canonical_units("air_temperature standard_error") == "K"
    assert canonical_units("air_temperature number_of_observations") == "1"
    assert canonical_units("surface_carbon_dioxide_mole_flux") == "mol m-2 s-1"  # an alias
    assert canonical_units("air_temperature of_the_day") is None
    assert canonical_units("unknown") is None


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ("K", "K"),
        ("W m**-2", "W m**-2"),
        ("count h-1", "count h-1"),
        ("(0 - 1)", "1"),
        ("~", "1"),
        ("Dimensionless", "1"),
        ("m of water equivalent", "m"),
        ("vehicles", None),
        ("", None),
    ],
)
def test_units_are_what_udunits_reads(units: str, expected: str | None) -> None:
    assert conforming_units(units) == expected


def test_a_standard_name_outside_the_table_leaves_a_note() -> None:
    attrs = conforming_attrs({"units": "K", "standard_name": "unknown", "long_name": "t"}, ())
    assert attrs["units"] == "K"
    assert "standard_name" not in attrs
    assert "not in the CF table: unknown" in attrs["comment"]


def test_a_standard_name_with_units_of_another_kind_leaves_a_note() -> None:
    attrs = conforming_attrs({"units": "C", "standard_name": "air_temperature"}, ())
    assert attrs == {
        "units": "C",
        "comment": "standard_name of the source left out, as its units are of the kind K: "
        "air_temperature",
    }


def test_units_that_cannot_be_read_leave_a_note() -> None:
    attrs = conforming_attrs({"units": "vehicles", "comment": "counted"}, ())
    assert attrs == {"comment": "counted; units of the source: vehicles"}


def test_a_dimensionless_name_needs_no_units() -> None:
    assert conforming_attrs({"standard_name": "land_area_fraction"}, ()) == {
        "standard_name": "land_area_fraction"
    }


def test_references_to_what_is_not_there_are_dropped() -> None:
    attrs = {
        "ancillary_variables": "quality",
        "cell_measures": "area: areacella",
        "grid_mapping": "crs: x y",
        "bounds": "lat_bnds",
    }
    assert conforming_attrs(attrs, {"crs", "lat_bnds"}) == {"bounds": "lat_bnds"}
    assert conforming_attrs(attrs, {"crs", "x", "y"}) == {"grid_mapping": "crs: x y"}


def test_leftovers_of_the_packing_are_dropped() -> None:
    attrs = {"scale_factor": 0.1, "missing_value": -99, "valid_range": [0, 9], "keep": 1}
    assert conforming_attrs(attrs, ()) == {"keep": 1}


def test_values_are_what_files_can_hold() -> None:
    attrs = conforming_attrs(
        {
            "flag": True,
            "words": ["a", "b"],
            "numbers": [1, 2.5],
            "nested": {"a": 1},
            "none": None,
            "array": np.arange(3),
        },
        (),
    )
    assert attrs["flag"] == 1
    assert attrs["words"] == "a, b"
    np.testing.assert_array_equal(attrs["numbers"], [1, 2.5])
    assert attrs["nested"] == '{"a": 1}'
    assert "none" not in attrs
    np.testing.assert_array_equal(attrs["array"], [0, 1, 2])
