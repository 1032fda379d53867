"""Ctrl-C while a cluster starts and ends.

A terminal sends it to all processes at once. A cluster that is half there cannot be closed, and
workers that are just starting would each show where they were.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Made = TypeVar("Made")

_POLL = 0.05


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C is left out of these few seconds, and of the lives of processes that begin in them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def made_whole(make: Callable[[], Made], processes: int) -> Made:
    """What ``make`` gives, a cluster that begins so many processes, which Ctrl-C does not reach.

    This process heeds it once the cluster is there, and closes it.
    """
    if threading.current_thread() is not threading.main_thread():
        return make()
    found: list[Made] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(make())
        except BaseException as error:
            failed.append(error)

    asked: list[int] = []
    thread = threading.Thread(target=work, name="cluster", daemon=True)
    with undisturbed():
        before = _begun()
        thread.start()
        # what a process ignores as it begins it ignores for good
        while thread.is_alive() and _begun() - before < processes:
            time.sleep(_POLL)
        signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
        while thread.is_alive():
            thread.join(_POLL)
    if failed:
        raise failed[0]
    if asked:
        cluster: Any = found[0]
        with undisturbed(), contextlib.suppress(Exception):
            cluster.close()
        raise KeyboardInterrupt
    return found[0]


def _begun() -> int:
    """Processes that this one has begun as others of its kind."""
    import psutil

    number = 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            number += "--multiprocessing-fork" in child.cmdline()
    return number
