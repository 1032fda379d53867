"""Makes the list of CF standard names that the package ships.

    python tests/product/make_standard_names.py cf-standard-name-table.xml

The table is published at https://cfconventions.org/standard-names.html (public domain, CC0 1.0).
Only names (aliases too) and canonical units are kept, a hundredth of what the descriptions take.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

LIST = Path(__file__).resolve().parents[2] / "stforecast/product/cf_standard_names.txt"


def standard_names(table: Path) -> str:
    """The text of the list for a table in its published XML."""
    root = ElementTree.parse(table).getroot()
    units = {
        entry.attrib["id"]: (entry.findtext("canonical_units") or "").strip()
        for entry in root.iter("entry")
    }
    for alias in root.iter("alias"):
        units[alias.attrib["id"]] = units[(alias.findtext("entry_id") or "").strip()]
    version, modified = root.findtext("version_number"), root.findtext("last_modified")
    head = [
        f"# CF standard names and their canonical units, from version {version} of the table",
        f"# published by the CF community at https://cfconventions.org ({modified}), CC0 1.0.",
        "# Made by tests/product/make_standard_names.py; do not edit.",
    ]
    return "\n".join([*head, *(f"{name}\t{units[name]}" for name in sorted(units))]) + "\n"


if __name__ == "__main__":
    LIST.write_text(standard_names(Path(sys.argv[1])), encoding="utf-8")
