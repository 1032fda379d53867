"""One small cluster for all tests: two processes of one thread."""

from collections.abc import Iterator

import pytest
from distributed import LocalCluster

from stforecast.cluster.start import _started
from stforecast.options import ClusterOptions


@pytest.fixture(scope="session")
def started() -> Iterator[LocalCluster]:
    """A cluster with two workers."""
    with _started(ClusterOptions(workers=2)) as cluster:
        yield cluster


@pytest.fixture
def scheduler(started: LocalCluster) -> str:
    """The address of its scheduler."""
    return str(started.scheduler_address)
