import resource
from pathlib import Path

import pytest

from stforecast.errors import StForecastError
from stforecast.files import require_folder


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_folder(tmp_path / "a" / "b", "maps")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("under", ["file", "file/maps"])
def test_a_file_is_no_folder(tmp_path: Path, under: str) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StForecastError, match=r"^maps cannot be written to .*: a file is there"):
        require_folder(tmp_path / under, "maps")
    assert (tmp_path / "file").read_text() == "kept"


def test_where_no_file_can_be_opened_the_reason_is_told(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(StForecastError, match="Too many open files; choose another place"):
            require_folder(tmp_path, "maps")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
