"""What `info` says."""

from pathlib import Path

import numpy as np
from rich.console import Console

from stforecast import names
from stforecast.cli import describe
from stforecast.store import ChannelMeta, StoreMeta, write_store
from tests.helpers import make_store


def _words(path: Path) -> dict[str, str]:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(describe.store(path))
    lines = [line.split("  ", 1) for line in capture.get().splitlines()]
    return {line[0].strip(): line[-1].strip() for line in lines}


def test_cells_of_absent_times_are_not_missing_besides(tmp_path: Path) -> None:
    write_store(make_store(40, absent=[3, 4]).dataset, tmp_path / "whole.zarr")
    words = _words(tmp_path / "whole.zarr")
    assert words["absent times"] == "2 of 40 (5.0%)"
    assert words["missing values"] == "none"


def test_missing_values_are_counted_among_the_times_there_are(tmp_path: Path) -> None:
    cells = np.zeros((6, 8), dtype=bool)
    cells[0, :6] = True
    write_store(make_store(40, absent=[3, 4], missing=cells).dataset, tmp_path / "holes.zarr")
    assert _words(tmp_path / "holes.zarr")["missing values"] == "228 of 1824 (12.5%)"


def test_when_it_was_made_is_told_to_the_second(tmp_path: Path) -> None:
    """Times put in before the first mark a store with fractions, which tell readers apart."""
    record = make_store(40)
    described = StoreMeta.from_json(record.dataset.attrs[names.META_ATTRIBUTE])
    described.created = "2026-01-02T03:04:05.678901+00:00"
    dataset = record.dataset.assign_attrs({names.META_ATTRIBUTE: described.to_json()})
    write_store(dataset, tmp_path / "a.zarr")
    assert _words(tmp_path / "a.zarr")["made"].startswith("2026-01-02T03:04:05+00:00 by")


def test_variables_without_units_and_pure_numbers_have_none() -> None:
    for units in (None, "", "1"):
        assert "without units" in describe.channel_text(ChannelMeta(name="a", units=units))
    assert "in K" in describe.channel_text(ChannelMeta(name="a", units="K"))
