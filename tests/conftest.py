"""Fixtures that all tests share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import stforecast  # noqa: F401  before a test imports ecCodes, see stforecast/_proj.py

# The same examples in every run, however slow the machine.
settings.register_profile("stforecast", derandomize=True, deadline=None)
settings.load_profile("stforecast")

# A shell that starts the tests in the background has Ctrl-C ignored, in all that they start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]
# Few tests that take long: they begin, so that none is left over when the others are through.
LONG = ("pipelines", "notebooks", "faults", "comparison", "cluster", "training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        part = item.path.relative_to(REPOSITORY / "tests").parts[0]
        return LONG.index(part) if part in LONG else len(LONG)

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and reference outputs beside the checkout; tests that need them skip without."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an empty S3 bucket on this machine."""
    from tests.remote.servers import bucket

    with bucket() as address:
        yield address
