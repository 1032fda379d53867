"""A process that measures, and what is told of its death."""

import os
import signal
from collections.abc import Iterator

import pytest

from stforecast.errors import RunError
from stforecast.models import SampleShape
from stforecast.profiling import Job, MeasuringProcess
from stforecast.training.hardware import Hardware

JOB = Job(
    "simvp",
    SampleShape(2, 2, 1, 8, 8),
    {"hid_S": 4, "hid_T": 8, "N_T": 2},
    Hardware("cpu", "float32"),
    repeats=2,
)


@pytest.fixture(scope="module")
def process() -> Iterator[MeasuringProcess]:
    with MeasuringProcess() as process:
        yield process
        last = pid_of(process)
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


def pid_of(process: MeasuringProcess) -> int:
    return int(process._process.pid)


def test_measures_elsewhere(process: MeasuringProcess) -> None:
    told: list[str] = []
    profile = process.measure(JOB, told.append)
    assert len(profile.inference.seconds) == 2
    assert told
    assert pid_of(process) != os.getpid()


def test_a_model_too_large_is_told_and_the_next_is_measured(process: MeasuringProcess) -> None:
    huge = Job("convlstm", JOB.shape, {"filter_size": 10_000_001}, JOB.hardware)
    with pytest.raises(RunError, match=r"^there is not enough memory$"):
        process.measure(huge)
    before = pid_of(process)
    assert process.measure(JOB).inference.median > 0
    assert pid_of(process) == before


def test_other_errors_are_told_too(process: MeasuringProcess) -> None:
    with pytest.raises(RunError, match="no setting colour"):
        process.measure(Job("simvp", JOB.shape, {"colour": 1}, JOB.hardware))
    with pytest.raises(RunError, match=r"Error: .* line"):
        process.measure(Job("simvp", JOB.shape, JOB.settings, Hardware("cuda", "float32")))


def test_a_process_that_is_killed_is_told_and_followed_by_another(
    process: MeasuringProcess,
) -> None:
    killed: list[int] = []

    def kill(words: str) -> None:
        if not killed:
            killed.append(pid_of(process))
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(RunError, match="the system killed it, as it does when there is not"):
        process.measure(JOB, kill)
    assert process.measure(JOB, kill).inference.median > 0
    assert pid_of(process) != killed[0]
