"""Measuring: the time of a call, and memory in a process of its own."""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the fastest of several, which the rest of the machine slowed the least,
    and the median."""

    seconds: float
    median: float

    def __str__(self) -> str:
        return f"{1e3 * self.seconds:.1f} ({1e3 * self.median:.1f}) ms"


def timed(
    call: Callable[[], Any],
    *,
    repeats: int = 9,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time a call, after some that do not count.

    By ``time.process_time``, on one thread, what else the machine does counts little.
    """
    for _ in range(warm_up):
        call()
    seconds = []
    for _ in range(repeats):
        begin = clock()
        call()
        seconds.append(clock() - begin)
    return Timing(min(seconds), statistics.median(seconds))


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a module returns when a fresh process calls it."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> int:
    """Most bytes that this process ever held in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
