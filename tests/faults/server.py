"""A process that has imported everything, and forks a child for each try.

Run as a program; :class:`tests.faults.forks.Forks` talks to it, a line of JSON each way. A child
does a function of :mod:`tests.faults.work`, and something happens to it on the way.
"""

import errno
import importlib
import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.served import requests

# What a program does to files, as far as Python hears of it.
EVENTS = {
    "open",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.remove",
    "os.link",
    "os.scandir",
    "os.listdir",
    "os.truncate",
    "shutil.rmtree",
    "ctypes.dlsym",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Watch:
    """Counts what happens to files below a folder; at the number `at` something goes wrong.

    A disk that is `full` stays full, and only what takes room of it counts.
    """

    def __init__(self, folder: str, at: int | None, act: Callable[[], None], full: bool) -> None:
        self.seen = 0
        self._folder = folder
        self._at = at
        self._act = act
        self._full = full
        self._busy = False

    def stop(self) -> None:
        """Nothing goes wrong from now on."""
        self._busy = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or self._busy:
            return
        name = arguments[1] if event == "ctypes.dlsym" else arguments[0] if arguments else ""
        if event == "ctypes.dlsym":
            if name != "renameat2":
                return
        elif not (isinstance(name, (str, bytes)) and os.fsdecode(name).startswith(self._folder)):
            return
        if self._full and not _takes_room(event, arguments):
            return
        self.seen += 1
        if self._at is not None and (
            self.seen == self._at or (self._full and self.seen > self._at)
        ):
            self._busy = True
            try:
                self._act()
            finally:
                self._busy = False


def _takes_room(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        return bool(flags & _WRITES) or (isinstance(mode, str) and not mode.startswith("r"))
    # a folder that is already there takes none: whoever makes sure of it goes on
    return event == "os.link" or (event == "os.mkdir" and not os.path.isdir(arguments[0]))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _spoil(victim: str, how: str) -> Callable[[], None]:
    """A source that is cut, taken away, or written again while it is read."""

    def act() -> None:
        match how:
            case "cut":
                os.truncate(victim, os.path.getsize(victim) // 2)
            case "gone":
                os.rename(victim, victim + ".gone")
            case "replaced":
                os.replace(victim + ".other", victim)

    return act


def child(request: dict[str, Any]) -> None:
    """Do what is asked for and write the answer; whatever happens on the way is part of it."""
    answer: dict[str, Any] = {}
    fault = request["fault"]
    act = {"kill": _die, "full": _full}.get(fault.get("kind")) or _spoil(
        fault.get("victim", ""), fault.get("how", "")
    )
    folders: Any = importlib.import_module("stforecast.folders")
    watch = Watch(request["folder"], fault.get("at"), act, fault.get("kind") == "full")
    sys.addaudithook(watch)
    if (limit := fault.get("largest_file")) is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    if (after := fault.get("cpu")) is not None:
        # nothing handles SIGPROF: the process is gone as by kill -9, in the middle of what it does,
        # at a moment that does not depend on what else the machine is busy with
        signal.setitimer(signal.ITIMER_PROF, after)
    if fault.get("renames"):  # as on a system that cannot exchange two directories in one step
        folders._exchange = lambda one, other: False
    try:
        work = importlib.import_module("tests.faults.work")
        answer["result"] = getattr(work, request["work"])(**request["arguments"])
    except BaseException as error:
        answer["error"] = [type(error).__name__, str(error)]
    watch.stop()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer |= {"events": watch.seen, "cpu": usage.ru_utime + usage.ru_stime}
    if request["modules"]:
        answer["modules"] = sorted(sys.modules)
    signal.setitimer(signal.ITIMER_PROF, 0)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    Path(request["answer"]).write_text(json.dumps(answer))


def main() -> None:
    """Fork a child for each line, and tell how it ended."""
    warnings.simplefilter("error")
    importlib.import_module("tests.faults.work")
    for request in requests():
        for name in request.get("imports", ()):
            try:
                importlib.import_module(name)
            except Exception:  # some modules are not to be imported by name
                continue
        if "work" not in request:
            print(json.dumps({}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            try:
                child(request)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
