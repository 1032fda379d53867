"""Memory is counted to the byte, and the same every time."""

import pytest
import torch

from stforecast.profiling.memory import bytes_held, peak_bytes

CPU = torch.device("cpu")
MB = 250_000  # float32 values


def test_what_lies_there_at_once_counts() -> None:
    def call() -> None:
        first = torch.empty(MB)
        second = torch.empty(2 * MB)
        del first, second
        torch.empty(MB // 2)

    assert peak_bytes(call, CPU) == 3_000_000


def test_what_is_freed_makes_room() -> None:
    def call() -> None:
        for _ in range(5):
            torch.empty(MB)

    assert peak_bytes(call, CPU) == 1_000_000


def test_what_was_there_before_does_not_count() -> None:
    before = torch.ones(MB)
    assert peak_bytes(lambda: before.add_(before), CPU) == 0
    assert peak_bytes(lambda: before + before, CPU) == 1_000_000


def test_what_the_backward_pass_needs_counts() -> None:
    weight = torch.ones(MB, requires_grad=True)

    def call() -> None:
        loss = weight.exp().exp().sum()  # keeps two results, and makes one gradient at a time
        loss.backward()
        weight.grad = None

    peak = peak_bytes(call, CPU)
    assert peak is not None
    assert 3_000_000 <= peak < 4_100_000
    assert peak_bytes(call, CPU) == peak


def test_peaks_are_measured_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    peak_bytes(lambda: torch.ones(3), CPU)
    assert capfd.readouterr() == ("", "")


def test_a_device_that_does_not_count_is_asked_nothing() -> None:
    called = []
    assert peak_bytes(lambda: called.append(1), torch.device("meta")) is None
    assert called == [1]


def test_shared_memory_is_held_once() -> None:
    one = torch.empty(MB)
    assert bytes_held([one, one[:10], one.view(2, -1), torch.empty(10)]) == 1_000_040
