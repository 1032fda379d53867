"""A process that measures models one after another, and may die of one of them."""

import multiprocessing
import signal
import traceback
import warnings
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from stforecast.errors import RunError, StForecastError
from stforecast.profiling.measure import Job, Profile, Tell, profile_model

OUT_OF_MEMORY = "there is not enough memory"

# What the process says: a word on how it goes, or how a job has ended.
Message = tuple[str, Any]


class MeasuringProcess:
    """Measures in a process of its own: what the system kills for memory is that process alone.

    Used as a context manager. After a death the next job gets a new process.
    """

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None

    def measure(self, job: Job, tell: Tell | None = None) -> Profile:
        """Measure a model as :func:`~stforecast.profiling.profile_model` does.

        Raises RunError, with the reason, when it cannot be run.
        """
        pipe = self._pipe or self._start()
        try:
            pipe.send(job)
            while True:
                kind, content = pipe.recv()
                if kind == "news" and tell is not None:
                    tell(content)
                elif kind == "profile":
                    profile: Profile = content
                    return profile
                elif kind == "failure":
                    raise RunError(content)
        except (EOFError, ConnectionError):
            raise RunError(self._cause_of_death()) from None

    def __enter__(self) -> "MeasuringProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> Connection:
        # A fresh interpreter, since a copy of this one could not use CUDA.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        return self._pipe

    def _stop(self) -> None:
        """End the process, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _cause_of_death(self) -> str:
        self._process.join()
        status = self._process.exitcode
        self._stop()
        if status == -signal.SIGKILL:
            return f"the system killed it, as it does when {OUT_OF_MEMORY}"
        return f"the process that measured it died with status {status}"


def _serve(pipe: Connection) -> None:
    """Measure what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    warnings.simplefilter("ignore")
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(job, pipe))


def _answer(job: Job, pipe: Connection) -> Message:
    try:
        return "profile", profile_model(job, tell=lambda words: pipe.send(("news", words)))
    except Exception as error:
        return "failure", _reason(error)


def _reason(error: Exception) -> str:
    """Why a model cannot be run, in words."""
    if isinstance(error, StForecastError):
        return str(error)
    text = str(error)
    # The allocator of the CPU has no error of its own.
    if isinstance(error, MemoryError) or ("memory" in text and "alloc" in text):
        return OUT_OF_MEMORY
    place = traceback.extract_tb(error.__traceback__)[-1]
    first = (text.strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first} ({place.name}, line {place.lineno})"
