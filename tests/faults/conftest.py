"""One server of children for all fault tests, and sources to ingest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forks import Forks
from tests.faults.material import Material


@pytest.fixture(scope="package")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    """Two sets of sources, what a store of each must be, and a server that has done it once."""
    folder: Path = tmp_path_factory.mktemp("faults")
    with Forks(folder) as forks:
        yield Material(forks)
