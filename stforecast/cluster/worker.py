"""What runs on a worker around a block of work."""

import contextlib
import signal
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

import dask

from stforecast.errors import StForecastWarning

Made = TypeVar("Made")

# Things that are kept at the same time: those of one piece of work, and of one that begins.
_KEPT = 4


def dask_setup(worker: Any) -> None:
    """Called by dask as a worker of our own starts: Ctrl-C is for the process that asked for it.

    The terminal sends it to all of its processes at once, and workers that died of it would each
    show where.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def do(work: Callable[..., Any], arguments: tuple[Any, ...], *common: Any) -> Any:
    """Do a block of work in this thread alone; what is common to all blocks goes first."""
    with _alone():
        return work(*common, *arguments)


class _Guard:
    """Settings of the whole process, for as long as any of its threads is at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._stack = contextlib.ExitStack()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                # dask would else hand what a block computes back to the cluster, whose threads wait
                self._stack.enter_context(dask.config.set(scheduler="synchronous"))
                # the process that spreads the work tells the user, once
                self._stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore", StForecastWarning)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._stack.close()


_guard = _Guard()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    _guard.enter()
    try:
        yield
    finally:
        _guard.leave()


_kept: "OrderedDict[Hashable, Any]" = OrderedDict()
_making: dict[Hashable, threading.Lock] = {}
_lock = threading.Lock()


def once(key: Hashable, make: Callable[[], Made]) -> Made:
    """What ``make`` gives, made once in this process for a key and kept for the blocks to come.

    For what is slow to open, such as a model or a store. The last few are kept.
    """
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            found: Made = _kept[key]
            return found
        making = _making.setdefault(key, threading.Lock())
    with making:
        with _lock:
            if key in _kept:
                there: Made = _kept[key]
                return there
        made = make()
        with _lock:
            _kept[key] = made
            _making.pop(key, None)
            while len(_kept) > _KEPT:
                _kept.popitem(last=False)
    return made


def forget(keys: list[Hashable]) -> None:
    """Let go of what is kept under some keys."""
    with _lock:
        for key in keys:
            _kept.pop(key, None)
